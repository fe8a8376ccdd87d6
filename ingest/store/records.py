"""What ingest hands to a store: readings, events and states of devices, already judged and with both times."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from broker.contract.topics import Kind

Value = float | int | bool | str
State = Literal["online", "offline", "sleeping", "unknown"]

QUALITY_CLOCK = "clock"
"""The device's clock was wrong: stored at receive time, the device's own time kept beside it."""
QUALITY_INVALID = "invalid"
"""A field was a sentinel, missing or impossible and is therefore absent."""
QUALITY_NO_FIX = "no_fix"
"""It has no position because the receiver had none: invalid, half of one, 0,0, or hundreds of metres wide."""
QUALITY_OUTDATED = "outdated"
"""Its position was an earlier one, sent again; it is left out."""
QUALITY_JUMP = "jump"
"""Its position is farther from the last one than a truck can drive; it is left out."""
QUALITY_UNDECODED = "undecoded"
"""A part of it, or all, was bytes that nobody here can decode; they are kept."""
QUALITY_LATE = "late"
"""It arrived long after it was measured; never news."""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a record comes from and when; `(device, boot, seq)` is what makes it once.

    `measured_at` orders and places it, `device_at` is the device's own clock when that was not believed.
    """

    kind: Kind
    device: str
    boot: str
    seq: int
    measured_at: datetime
    received_at: datetime
    device_at: datetime | None = None
    quality: tuple[str, ...] = ()


class Reading(msgspec.Struct, frozen=True, gc=False):
    """Measured values of one device at one moment; absent fields are absent, never zero."""

    origin: Origin
    values: dict[str, Value]


class EventRecord(msgspec.Struct, frozen=True):
    """Something that happened at a device.

    `lasting`: what a device repeats of a condition; before it is stored, whatever does not change it is taken out.
    """

    origin: Origin
    type: str
    state: Literal["raised", "cleared", "noted"]
    detail: dict[str, Any]
    is_level: bool = False


class StatusRecord(msgspec.Struct, frozen=True):
    """A device came, went or sleeps. `at` is its own clock, None for a last will, which the broker speaks.

    `outbox_waiting` and `outbox_dropped`: readings that wait in its outbox, and that gave way there at its bound.
    """

    kind: Kind
    device: str
    state: State
    at: datetime | None
    received_at: datetime
    reason: str = ""
    next_s: float | None = None
    firmware: str = ""
    model: str = ""
    outbox_waiting: int | None = None
    outbox_dropped: int | None = None


Record = Reading | EventRecord | StatusRecord


def device_of(record: Record) -> str:
    """The device that a record is of."""
    return record.device if isinstance(record, StatusRecord) else record.origin.device


def time_of(record: Record) -> datetime:
    """When a record was measured; of a state, when it arrived."""
    return record.received_at if isinstance(record, StatusRecord) else record.origin.measured_at
