"""What simulated devices say: readings, events and states, each at its virtual time; the way out of the simulator."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

Value = float | int | bool | str | list[str] | dict[str, int]
Values = dict[str, Value]


class Telemetered(msgspec.Struct, frozen=True, tag_field="emission", tag="telemetered"):
    """A device measured; `values` holds telemetry fields of its kind, absent where nothing could be measured."""

    device: str
    at: datetime
    values: Values


class Happened(msgspec.Struct, frozen=True, tag_field="emission", tag="happened"):
    """Something happened at a device; `type` is on the closed list of its kind."""

    device: str
    at: datetime
    type: str
    state: Literal["raised", "cleared", "noted"]
    detail: dict[str, Any] = {}


class Stated(msgspec.Struct, frozen=True, tag_field="emission", tag="stated"):
    """A device came, went or fell silent; `lost` is what the broker would say for it."""

    device: str
    at: datetime
    state: Literal["online", "offline", "sleeping"]
    reason: Literal["", "stop", "lost"] = ""


Emission = Telemetered | Happened | Stated


def instant(at_s: float) -> datetime:
    """Seconds since 1970 as an aware UTC time, on whole milliseconds as the wire keeps it."""
    return datetime.fromtimestamp(round(at_s, 3), UTC)
