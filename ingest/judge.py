"""Truth about readings, as pure functions: whose clock to believe, and how full a container is by its geometry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from city.model import BinModel, SensorGeometry
from ingest.store.records import (
    QUALITY_CLOCK,
    QUALITY_INVALID,
    QUALITY_LATE,
    QUALITY_NO_FIX,
    QUALITY_OUTDATED,
)

EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""No device of this city measured before; older times are clocks that were never set."""
AHEAD_MAX: Final = timedelta(minutes=5)
FIX_AGE_MAX: Final = timedelta(minutes=1)
"""A position found so long before its message is an earlier one, sent again for want of a new one.

In a minute a truck is a kilometre farther."""
NO_FIX: Final = ((0.0, 0.0), (1.0, 1.0), (-1.0, -1.0))
"""Positions that mean none; the first is the commonest lie of the field."""
_FIX_FIELDS: Final = ("lat_deg", "lon_deg", "hdop")
_MADE_UP_FIELDS: Final = ("speed_kmh", "heading_deg")
"""What receivers give as 0 when they have no position; another number came from elsewhere."""
_ANYWHERE: Final = SensorGeometry()
RATE_MAX_KBPS: Final = 10_000_000.0
"""No access point moves more."""
OVERSHOOT: Final = 1.25
"""A distance this many times the depth of the container is no reading of its inside."""


class Timing(msgspec.Struct, frozen=True, gc=False):
    """When something counts as measured; `device_at` only when the device's clock was not believed."""

    measured_at: datetime
    device_at: datetime | None
    quality: tuple[str, ...]


def judge_time(device_at: datetime | None, received_at: datetime, *, late_after: timedelta) -> Timing:
    """Believe the device's clock unless it is impossible; both times are kept when it is.

    Source: blueprint, promises 5 and 6.
    """
    if device_at is None:
        return Timing(received_at, None, ())
    if device_at < EARLIEST or device_at > received_at + AHEAD_MAX:
        return Timing(received_at, _storable(device_at), (QUALITY_CLOCK,))
    late = received_at - device_at > late_after
    return Timing(device_at, None, (QUALITY_LATE,) if late else ())


def _storable(at: datetime) -> datetime:
    # Stores count microseconds from 1970 in 64 bits; the first and last years of datetime do not survive a time zone.
    return min(max(at, datetime(1, 1, 2, tzinfo=UTC)), datetime(9999, 12, 30, tzinfo=UTC))


def fill_pct(model: BinModel, distance_mm: float, sensor: SensorGeometry = _ANYWHERE) -> float | None:
    """How full a container is, None when the distance is a sentinel, in a dead zone, out of range or beyond the floor.

    Source: blueprint section 4: (height - offset - distance) / (height - offset - dead_zone), clamped.
    """
    depth_mm = model.height_mm - model.offset_mm
    dead_zone_mm = max(model.dead_zone_mm, sensor.dead_zone_mm)
    if distance_mm in model.invalid_mm or not dead_zone_mm <= distance_mm <= min(sensor.range_mm, depth_mm * OVERSHOOT):
        return None
    # A container no deeper than its sensor is blind: full as soon as anything is seen.
    share = (depth_mm - distance_mm) / (depth_mm - dead_zone_mm) if depth_mm > dead_zone_mm else 0.0
    return round(100 * min(max(share, 0.0), 1.0), 2)


def judge_bin(
    values: dict[str, Any], model: BinModel, sensor: SensorGeometry = _ANYWHERE
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Add the fill level a distance stands for; geometry wins over what the device says itself.

    A distance that cannot be is removed, so that unknown is never drawn as empty.
    """
    distance_mm = values.get("distance_mm")
    if distance_mm is None:
        return values, ()
    fill = fill_pct(model, distance_mm, sensor)
    kept = {name: value for name, value in values.items() if name not in ("distance_mm", "fill_pct")}
    if fill is None:
        return kept, (QUALITY_INVALID,)
    return {**kept, "distance_mm": distance_mm, "fill_pct": fill}, ()


def judge_position(values: dict[str, Any], fix_age: timedelta | None = None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Remove a position that is none (half of one, 0,0 before the first fix) or an earlier one, with its speed.

    Args:
        values: Of one reading.
        fix_age: How long before its message the position was found, where that is known.
    """
    lat, lon = values.get("lat_deg"), values.get("lon_deg")
    if lat is None and lon is None:
        return values, ()
    if lat is None or lon is None or (round(lat, 4), round(lon, 4)) in NO_FIX:
        return without_fix(values), (QUALITY_NO_FIX,)
    if fix_age is not None and fix_age > FIX_AGE_MAX:
        return without_fix(values), (QUALITY_OUTDATED,)
    return values, ()


def without_fix(values: dict[str, Any]) -> dict[str, Any]:
    """Values without those that come from a position."""
    return {
        name: value
        for name, value in values.items()
        if name not in _FIX_FIELDS and not (name in _MADE_UP_FIELDS and value == 0)
    }


def sorted_quality(*words: tuple[str, ...]) -> tuple[str, ...]:
    """Quality words of several judgements as one set in a fixed order."""
    if not any(words):
        return ()
    return tuple(sorted({word for group in words for word in group}))
