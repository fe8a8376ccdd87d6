"""Refused clients of the embedded broker: counted by account and reason, and kept in a bounded file for an audit.

`DATA/broker/refused.jsonl` has one JSON object in each line; the API may read it. Passwords are never in it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from broker.health import FOLDER

REPORT_EVERY_S: Final = 60.0
SENDERS_MAX: Final = 32
"""Accounts and addresses that are counted by themselves, of one reason; the rest is counted together."""
OTHERS: Final = "(others)"
FILE_MAX_BYTES: Final = 512 << 10
"""At this size the file becomes `refused.1.jsonl`, whose earlier content is deleted: both have 1 MB at most."""
UNKNOWN_SHOWN: Final = 12
"""Characters shown of an unknown account's name: somebody may have sent a password in its place."""


class Refusal(msgspec.Struct, frozen=True):
    """Refusals of one account for one reason within a minute or more.

    `at` is the time of the report (UTC), `address` the last client's, `user` empty where no account was named.
    """

    at: datetime
    user: str
    address: str
    reason: str
    count: int


class _Count(msgspec.Struct):
    user: str
    address: str = ""
    count: int = 0
    reported_s: float = -REPORT_EVERY_S


class RefusalCounter:
    """Counts refusals by account and reason, or by address where no account was named; bounded."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], _Count] = {}

    def note(self, user: str, address: str, reason: str) -> None:
        """Count a refusal."""
        key = (user or address, reason)
        if key not in self._counts and sum(reason == known for _, known in self._counts) >= SENDERS_MAX:
            key, user = (OTHERS, reason), OTHERS
        count = self._counts.setdefault(key, _Count(user))
        count.address = address
        count.count += 1

    def due(self, now_s: float, at: datetime) -> list[Refusal]:
        """The refusals that are to be reported: of one account and reason at most once a minute."""
        refusals = []
        for (sender, reason), count in list(self._counts.items()):
            if now_s - count.reported_s < REPORT_EVERY_S:
                continue
            if not count.count:
                del self._counts[sender, reason]
                continue
            refusals.append(Refusal(at, count.user, count.address, reason, count.count))
            count.count, count.reported_s = 0, now_s
        return refusals


def shorten_unknown(user: str) -> str:
    """The beginning of an unknown account's name, without control characters."""
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in user[:UNKNOWN_SHOWN])
    return f"{text}…" if len(user) > UNKNOWN_SHOWN else text


def append_refusals(folder: Path, refusals: Iterable[Refusal]) -> None:
    """Append refusals to the file in the broker's folder.

    Raises:
        OSError: The disk refuses.
    """
    path, lines = _path(folder), b"".join(msgspec.json.encode(refusal) + b"\n" for refusal in refusals)
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size + len(lines) > FILE_MAX_BYTES:
            path.replace(_older_path(folder))
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
        file.write(lines)


def read_refusals(data: Path) -> list[Refusal]:
    """The kept refusals, oldest first; unreadable lines are left out."""
    refusals = []
    for path in (_older_path(data / FOLDER), _path(data / FOLDER)):
        with contextlib.suppress(OSError):
            for line in path.read_bytes().splitlines():
                with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
                    refusals.append(msgspec.json.decode(line, type=Refusal))
    return refusals


def _path(folder: Path) -> Path:
    return folder / "refused.jsonl"


def _older_path(folder: Path) -> Path:
    return folder / "refused.1.jsonl"
