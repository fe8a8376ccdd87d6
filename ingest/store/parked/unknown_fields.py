"""Fields that devices send and the contract does not know, with their counts: most are misspelt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from broker.contract.topics import Kind
from city.storage.sqlite import DurableConnection

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS unknown_fields (
    device TEXT NOT NULL,
    kind TEXT NOT NULL,
    field TEXT NOT NULL,
    times INTEGER NOT NULL,
    position INTEGER NOT NULL,
    last_at REAL NOT NULL,
    PRIMARY KEY (device, field)
) WITHOUT ROWID;
"""
NAME_MAX: Final = 64
"""Characters of a field's name that are kept."""
OF_DEVICE_MAX: Final = 20
"""Fields of one device that are kept, the last received first: a device that makes up names hides no other."""
_ADD: Final = """
INSERT INTO unknown_fields (device, kind, field, times, position, last_at) VALUES (?1, ?2, ?3, 1, ?4, ?5)
ON CONFLICT (device, field) DO UPDATE SET
    times = times + 1, position = excluded.position, last_at = max(last_at, excluded.last_at)
WHERE excluded.position > unknown_fields.position
"""
_TRIM: Final = """
DELETE FROM unknown_fields WHERE device = ?1 AND field NOT IN (
    SELECT field FROM unknown_fields WHERE device = ?1 ORDER BY last_at DESC, field LIMIT ?2
)
"""


class UnknownField(msgspec.Struct, frozen=True):
    """A field that a device sends and the contract does not know.

    Attributes:
        offset: Journal offset of the last message with it.
        device: The sender.
        kind: Its kind, by the topic.
        field: Its name, at most `NAME_MAX` characters.
        received_at: Time of receipt of the last message with it.
        times: Messages with it.
    """

    offset: int
    device: str
    kind: Kind
    field: str
    received_at: datetime
    times: int = 1


def add_unknown_fields(db: DurableConnection, fields: Sequence[UnknownField]) -> None:
    """Count messages; those that were counted before, by their offsets, change nothing."""
    rows = [(row.device, row.kind, row.field[:NAME_MAX], row.offset, row.received_at.timestamp()) for row in fields]
    db.executemany(_ADD, rows)
    db.executemany(_TRIM, [(device, OF_DEVICE_MAX) for device in {row.device for row in fields}])


def read_unknown_fields(db: DurableConnection, limit: int) -> list[UnknownField]:
    """The fields that were received last."""
    statement = "SELECT position, device, kind, field, last_at, times FROM unknown_fields ORDER BY last_at DESC LIMIT ?"
    return [
        UnknownField(position, device, kind, field, datetime.fromtimestamp(last_at, UTC), times)
        for position, device, kind, field, last_at, times in db.execute(statement, (limit,))
    ]


def forget_unknown_fields(db: DurableConnection, before: datetime) -> None:
    """Delete those last received before a time."""
    db.execute("DELETE FROM unknown_fields WHERE last_at < ?", (before.timestamp(),))
