"""Truth about readings, as pure functions: whose clock to believe, and how full a container is by its geometry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from city.model import BinModel
from ingest.store.records import QUALITY_CLOCK, QUALITY_INVALID, QUALITY_LATE

EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""No device of this city measured before; older times are clocks that were never set."""
AHEAD_MAX: Final = timedelta(minutes=5)
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


def fill_pct(model: BinModel, distance_mm: float) -> float | None:
    """How full a container is, None when the distance is a sentinel, in the dead zone or beyond the floor.

    Source: blueprint section 4: (height - offset - distance) / (height - offset - dead_zone), clamped.
    """
    depth_mm = model.height_mm - model.offset_mm
    if distance_mm in model.invalid_mm or distance_mm < model.dead_zone_mm or distance_mm > depth_mm * OVERSHOOT:
        return None
    share = (depth_mm - distance_mm) / (depth_mm - model.dead_zone_mm)
    return round(100 * min(max(share, 0.0), 1.0), 2)


def judge_bin(values: dict[str, Any], model: BinModel) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Add the fill level a distance stands for; geometry wins over what the device says itself.

    A distance that cannot be is removed, so that unknown is never drawn as empty.
    """
    distance_mm = values.get("distance_mm")
    if distance_mm is None:
        return values, ()
    fill = fill_pct(model, distance_mm)
    kept = {name: value for name, value in values.items() if name not in ("distance_mm", "fill_pct")}
    if fill is None:
        return kept, (QUALITY_INVALID,)
    return {**kept, "distance_mm": distance_mm, "fill_pct": fill}, ()


def judge_position(values: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Remove a position that is none: half of one, or 0,0, which receivers send before their first fix."""
    lat, lon = values.get("lat_deg"), values.get("lon_deg")
    if lat is None and lon is None:
        return values, ()
    if lat is None or lon is None or (lat == 0 and lon == 0):
        return {n: v for n, v in values.items() if n not in ("lat_deg", "lon_deg")}, (QUALITY_INVALID,)
    return values, ()


def sorted_quality(*words: tuple[str, ...]) -> tuple[str, ...]:
    """Quality words of several judgements as one set in a fixed order."""
    if not any(words):
        return ()
    return tuple(sorted({word for group in words for word in group}))
