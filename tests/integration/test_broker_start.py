"""The start of the embedded broker: a client that connects before sign-in is answered is not left waiting."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.access import Rights
from broker.embedded import AuthSource, EmbeddedBroker
from broker.nats.config import SIGN_IN_WITHIN_S, WATCHER, NatsLayout
from broker.nats.connection import open_connection
from broker.nats.library import Client
from broker.nats.server import find_program
from broker.nats.sign_ins import SignIns
from broker.nats.system import SystemAccount
from city.runtime import ports
from tests.attacks import packets
from tests.support.waiting import wait_for

DEVICE = "bin-0001"
PASSWORD = "correct"  # noqa: S105 - of this test alone
RIGHTS = {DEVICE: Rights(writes=("kota/v1/kupang/bin/bin-0001/telemetry",), reads=())}


CONNECT = packets.connect(DEVICE.encode(), user=DEVICE.encode(), password=PASSWORD.encode())
CLOSED, ACCEPTED = b"", b"\x20\x02\x00\x00"


def service_password(user: str) -> str:
    return f"of-{user}"


def read_answer(link: socket.socket) -> bytes:
    try:
        return link.recv(16)
    except ConnectionResetError:
        return CLOSED


def is_password(user: str, password: str) -> bool:
    return user == DEVICE and password == PASSWORD


@pytest.fixture
def port() -> int:
    return ports.free_port("127.0.0.1")


@pytest.fixture
def broker(tmp_path: Path, port: int) -> EmbeddedBroker:
    layout = NatsLayout(tmp_path / "broker", "127.0.0.1", port, 64 << 20)
    auth = AuthSource(
        "kupang", lambda: RIGHTS, is_password, lambda _: frozenset({"derived"}), service_password, bytes(32)
    )
    return EmbeddedBroker(find_program(""), layout, auth)


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch, port: int) -> list[socket.socket]:
    """A connection that the server has before our process listens for sign-ins; filled while the broker starts."""
    sockets: list[socket.socket] = []
    listen = SignIns.listen

    async def listen_late(sign_ins: SignIns, keeper: Client) -> None:
        link = socket.create_connection(("127.0.0.1", port), 2 * SIGN_IN_WITHIN_S)
        link.sendall(CONNECT)
        sockets.append(link)
        assert keeper.connected_url is not None
        url = keeper.connected_url.geturl()
        async with open_connection(url, WATCHER, service_password(WATCHER), inbox=f"_INBOX_{WATCHER}") as client:
            while not await SystemAccount(client).list_unauthenticated():  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0)
        await listen(sign_ins, keeper)

    monkeypatch.setattr(SignIns, "listen", listen_late)
    return sockets


@pytest.fixture
def running(broker: EmbeddedBroker, early: list[socket.socket]) -> Iterator[list[socket.socket]]:
    stop = threading.Event()
    thread = threading.Thread(target=broker.run, args=(stop,))
    thread.start()
    try:
        wait_for(lambda: early, "a connection before sign-in is answered")
        yield early
    finally:
        stop.set()
        thread.join()
        for link in early:
            link.close()


def test_who_connects_before_sign_in_is_answered_is_not_refused(running: list[socket.socket], port: int) -> None:
    assert read_answer(running[0]) in (CLOSED, ACCEPTED)
    with socket.create_connection(("127.0.0.1", port), 2 * SIGN_IN_WITHIN_S) as again:
        again.sendall(CONNECT)
        assert read_answer(again) == ACCEPTED
