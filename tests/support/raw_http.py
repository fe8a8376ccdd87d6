"""HTTP by raw socket, for what no decent client sends, and the API on a port of its own."""

from __future__ import annotations

import json
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

from api.http.connections import Limits
from api.http.server import http_server
from tests.support.waiting import wait_for

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Answer:
    """Status (0: none came), headers by lower-case name, and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def detail(self) -> str:
        """Of a problem document."""
        assert self.headers.get("content-type") == "application/problem+json", (self.status, self.headers, self.body)
        found: dict[str, Any] = json.loads(self.body)
        assert found["status"] == self.status
        return str(found["detail"])


class Line:
    """One connection."""

    def __init__(self, port: int) -> None:
        """Connect."""
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)

    def send(self, data: bytes) -> bool:
        """Send all of it; False when nobody takes it any more."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def read_all(self) -> bytes:
        """Whatever comes until the other side closes, also by a reset."""
        found = b""
        try:
            while part := self.socket.recv(65_536):
                found += part
        except ConnectionError:
            pass
        return found

    def answer(self) -> Answer:
        """What comes until the other side closes, as one answer."""
        return parsed(self.read_all())

    def closed(self) -> bool:
        """Whether the other side has closed, without waiting."""
        self.socket.setblocking(False)
        try:
            while True:
                if not self.socket.recv(65_536):
                    return True
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def parsed(data: bytes) -> Answer:
    """One answer with a body of a known length or until the end."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return Answer(int(lines[0].split()[1]) if data else 0, headers, body)


def ask_raw(port: int, request: bytes) -> Answer:
    """Send a whole request that asks to be closed, and read the answer."""
    line = Line(port)
    try:
        line.send(request)
        return line.answer()
    finally:
        line.close()


@contextmanager
def served(app: ASGIApp, limits: Limits | None = None, trusted_proxies: str = "") -> Iterator[int]:
    """The app behind the server of the API's own service; gives its port."""
    server = http_server(app, "127.0.0.1", 0, limits, trusted_proxies=trusted_proxies)
    thread = threading.Thread(target=server.run, name="api-http")
    thread.start()
    try:
        wait_for(lambda: server.started, "the server")
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)


def peak_mb() -> float:
    """Memory that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
