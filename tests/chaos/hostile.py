"""Another device's account that tries to be a publisher or ingest, or to speak in their names, for a while."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from city.runtime.secrets import Secrets
from tests.attacks.packets import connect, publish

THIEF: Final = "con-068"
OPEN_AT_ONCE: Final = 40
PAUSE_S: Final = 0.02
ANSWER_WITHIN_S: Final = 5.0
WORDS_A_SIGN_IN: Final = 20


def take_over(port: int, secrets: Secrets, client_ids: Sequence[str], lasts_s: float) -> int:
    """Connect again and again with the client ids of others; how often."""
    password = secrets.password(THIEF).encode()
    opened: deque[socket.socket] = deque()
    until_s, count = time.monotonic() + lasts_s, 0
    for client_id in itertools.cycle(client_ids):
        if time.monotonic() > until_s:
            break
        with contextlib.suppress(OSError):
            connection = socket.create_connection(("127.0.0.1", port), 5)
            connection.sendall(connect(client_id.encode(), THIEF.encode(), password))
            opened.append(connection)
            count += 1
        if len(opened) > OPEN_AT_ONCE:
            opened.popleft().close()
        time.sleep(PAUSE_S)
    for connection in opened:
        connection.close()
    return count


def forge(port: int, secrets: Secrets, lives: Iterable[tuple[str, str]], lasts_s: float) -> int:
    """Say receipts of everything for other devices, given with their epochs, as messages and as wills; how many."""
    name, password = THIEF.encode(), secrets.password(THIEF).encode()
    forged = [
        (f"kota/v1/kupang/bin/{device}/receipt".encode(), json.dumps({"boot": epoch, "seqs": [[0, 2**53]]}).encode())
        for device, epoch in lives
    ]
    until_s, count = time.monotonic() + lasts_s, 0
    for will in itertools.cycle(forged):
        if time.monotonic() > until_s:
            break
        with contextlib.suppress(OSError), _signed_in(port, connect(name, name, password, will=will)):
            count += 1
        with contextlib.suppress(OSError), _signed_in(port, connect(name, name, password)) as connection:
            for _ in range(WORDS_A_SIGN_IN):
                connection.sendall(b"".join(publish(topic, payload, qos=0) for topic, payload in forged))
                count += len(forged)
                time.sleep(PAUSE_S / 2)
    return count


@contextlib.contextmanager
def _signed_in(port: int, sign_in: bytes) -> Iterator[socket.socket]:
    """A connection that is let in, and breaks off without a goodbye.

    Raises:
        OSError: It is not let in.
    """
    with socket.create_connection(("127.0.0.1", port), ANSWER_WITHIN_S) as connection:
        connection.settimeout(ANSWER_WITHIN_S)
        connection.sendall(sign_in)
        if connection.recv(4)[-1:] != b"\0":
            raise ConnectionRefusedError
        yield connection
