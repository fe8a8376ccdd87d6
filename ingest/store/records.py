"""The records that ingest writes to a store: validated readings, events and statuses, with both times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from broker.contract.topics import Kind

Value = float | int | bool | str
Connectivity = Literal["online", "offline", "sleeping", "unknown"]

QUALITY_CLOCK = "clock"
"""The device's clock was wrong: stored at the time of receipt, with the device's own time beside it."""
QUALITY_INVALID = "invalid"
"""A field was a sentinel, missing or impossible, and is therefore absent."""
QUALITY_GEOMETRY = "geometry"
"""Its distance is deeper than the container of the inventory: stored, but no fill level follows from it."""
QUALITY_NO_FIX = "no_fix"
"""The receiver had no position fix: invalid, half of one, 0,0, or hundreds of metres wide."""
QUALITY_OUTDATED = "outdated"
"""Its position was a repeat of an earlier fix and is left out."""
QUALITY_JUMP = "jump"
"""Its position is farther from the last one than a truck can drive and is left out."""
QUALITY_UNCONFIRMED = "unconfirmed"
"""Its temperature was a lone jump into heat and is left out; a second hot reading is believed."""
QUALITY_UNDECODED = "undecoded"
"""Some or all of its bytes could not be decoded; they are kept as a dead letter."""
QUALITY_LATE = "late"
"""It arrived long after it was measured; it is never shown as current."""


class RecordOrigin(msgspec.Struct, frozen=True, gc=False):
    """Source and times of a record; `(device, epoch, seq)` identifies it.

    `measured_at` orders it; `device_at` is the device's own clock where that was rejected.
    """

    kind: Kind
    device: str
    epoch: str
    seq: int
    measured_at: datetime
    received_at: datetime
    device_at: datetime | None = None
    quality: tuple[str, ...] = ()


class ClientList(msgspec.Struct, frozen=True):
    """A complete list of the clients of one site. `scope` names the list; its next edition has the same one.

    `is_absent`: the list does not name the device. The reading counts only if an earlier edition has named it.
    """

    scope: str
    is_absent: bool = False


class Reading(msgspec.Struct, frozen=True, gc=False):
    """Measured values of one device at one moment; absent fields are absent, never zero.

    What follows `values` is for the stateful rules and is not stored. `counters`: interface to counter to octets, where
    `rx_bytes` and `tx_bytes` are sums over interfaces. `client_list`: the complete list that it was counted from.
    """

    origin: RecordOrigin
    values: dict[str, Value]
    counters: Mapping[str, Mapping[str, float]] = {}
    client_list: ClientList | None = None


class EventRecord(msgspec.Struct, frozen=True):
    """An event at a device.

    `is_level`: a repeated level report; only changes are stored.
    """

    origin: RecordOrigin
    type: str
    state: Literal["raised", "cleared", "noted"]
    detail: dict[str, Any]
    is_level: bool = False


class StatusRecord(msgspec.Struct, frozen=True):
    """A device came online, went offline or sleeps. `at` is its own clock, None for a last will of the broker.

    `outbox_waiting` and `outbox_dropped`: readings pending in its outbox, and dropped there at its bound.
    """

    kind: Kind
    device: str
    state: Connectivity
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
    """The device of a record."""
    return record.device if isinstance(record, StatusRecord) else record.origin.device


def time_of(record: Record) -> datetime:
    """Time of measurement; for a status, of arrival."""
    return record.received_at if isinstance(record, StatusRecord) else record.origin.measured_at
