"""Emissions of simulated devices: readings, events and statuses, each at its virtual time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

Value = float | int | bool | str | list[str] | dict[str, int]
Values = dict[str, Value]


class TelemetryEmission(msgspec.Struct, frozen=True, tag_field="emission", tag="telemetered"):
    """A reading; `values` has telemetry fields of the device's kind, without those that could not be measured."""

    device: str
    at: datetime
    values: Values


class EventEmission(msgspec.Struct, frozen=True, tag_field="emission", tag="happened"):
    """An event; `type` is on the closed list of the device's kind."""

    device: str
    at: datetime
    type: str
    state: Literal["raised", "cleared", "noted"]
    detail: dict[str, Any] = {}


class StatusEmission(msgspec.Struct, frozen=True, tag_field="emission", tag="stated"):
    """A device came online, went offline or sleeps; `lost` is its last will."""

    device: str
    at: datetime
    state: Literal["online", "offline", "sleeping"]
    reason: Literal["", "stop", "lost"] = ""


Emission = TelemetryEmission | EventEmission | StatusEmission


def instant(at_s: float) -> datetime:
    """Seconds since 1970 as an aware UTC time, in whole milliseconds like the wire."""
    return datetime.fromtimestamp(round(at_s, 3), UTC)
