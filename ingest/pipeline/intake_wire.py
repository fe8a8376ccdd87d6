"""Between intake's own process and its owner: the order at its start, then a report several times a second.

Each is one JSON message of a sequenced-packet socket. The end of the link is the order to stop.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from city.storage.sqlite import SetAside
from ingest.pipeline.bus import BusParams
from ingest.pipeline.intake import IntakeState
from ingest.pipeline.journal import JournalParams

MESSAGE_MAX_BYTES: Final = 128 << 10


class IntakeOrder(msgspec.Struct, frozen=True):
    """What intake needs in a process that has neither settings nor inventory.

    Attributes:
        city: The city's id.
        filters: Topic filters of third-party formats.
        bus: The connection to the broker.
        journal: The journal.
    """

    city: str
    filters: tuple[str, ...]
    bus: BusParams
    journal: JournalParams


class IntakeReport(msgspec.Struct, frozen=True):
    """What intake's process says: its state, and the damaged journal that it has replaced."""

    state: IntakeState
    set_aside: SetAside | None = None


MessageT = TypeVar("MessageT", IntakeOrder, IntakeReport)


def make_link() -> tuple[socket.socket, socket.socket]:
    """Both ends of a link."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(link: socket.socket, message: IntakeOrder | IntakeReport) -> None:
    """Send a message without waiting.

    Raises:
        OSError: The other side is gone, or the link is full.
    """
    link.send(msgspec.json.encode(message, enc_hook=_from_path), socket.MSG_DONTWAIT)


def receive(link: socket.socket, type_: type[MessageT]) -> MessageT:
    """Receive a message.

    Raises:
        EOFError: The other side is gone.
        OSError: It sends nothing within the socket's timeout.
        msgspec.MsgspecError: It sends something else.
    """
    message = link.recv(MESSAGE_MAX_BYTES)
    if not message:
        raise EOFError("the other side is gone")
    return msgspec.json.decode(message, type=type_, dec_hook=_to_path)


def _from_path(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError


def _to_path(type_: type, value: object) -> object:
    if issubclass(type_, Path):
        return Path(str(value))
    raise NotImplementedError
