"""Validates readings, as pure functions: device clocks, fill levels by container geometry, positions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from city.inventory.model import BinModel, SensorGeometry
from ingest.store.records import (
    QUALITY_CLOCK,
    QUALITY_GEOMETRY,
    QUALITY_INVALID,
    QUALITY_LATE,
    QUALITY_NO_FIX,
    QUALITY_OUTDATED,
)

EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""Earliest plausible time of measurement; earlier times are clocks that were never set."""
AHEAD_MAX: Final = timedelta(minutes=5)
FIX_AGE_MAX: Final = timedelta(minutes=1)
"""A GNSS fix older than this is a repeat; in a minute a truck moves a kilometre."""
NO_FIX: Final = ((0.0, 0.0), (1.0, 1.0), (-1.0, -1.0))
"""Positions that mean "no fix"; (0, 0) is the most frequent."""
_FIX_FIELDS: Final = ("lat_deg", "lon_deg", "hdop")
_MADE_UP_FIELDS: Final = ("speed_kmh", "heading_deg")
"""Fields that receivers report as 0 without a fix; any other number is from another source."""
_ANYWHERE: Final = SensorGeometry()
RATE_MAX_KBPS: Final = 10_000_000.0
"""Upper limit of an access point's rate."""
OVERSHOOT: Final = 1.25
"""Distances beyond 1.25 x depth do not fit the container."""


class ResolvedTime(msgspec.Struct, frozen=True, gc=False):
    """The time of a reading; `device_at` is set only when the device's clock was rejected."""

    measured_at: datetime
    device_at: datetime | None
    quality: tuple[str, ...]


def resolve_timestamp(device_at: datetime | None, received_at: datetime, *, late_after: timedelta) -> ResolvedTime:
    """Use the device's clock unless it is impossible; then use the time of receipt and keep both.

    Source: blueprint, promises 5 and 6.
    """
    if device_at is None:
        return ResolvedTime(received_at, None, ())
    if not is_plausible(device_at, received_at):
        return ResolvedTime(received_at, _storable(device_at), (QUALITY_CLOCK,))
    is_late = received_at - device_at > late_after
    return ResolvedTime(device_at, None, (QUALITY_LATE,) if is_late else ())


def is_plausible(device_at: datetime, received_at: datetime) -> bool:
    """Whether a device's clock can be right: it was set once, and is not ahead of ours."""
    return EARLIEST <= device_at <= received_at + AHEAD_MAX


def _storable(at: datetime) -> datetime:
    # Stores count microseconds from 1970 in 64 bits; the first and last years of datetime do not survive a time zone.
    return min(max(at, datetime(1, 1, 2, tzinfo=UTC)), datetime(9999, 12, 30, tzinfo=UTC))


class FillGauge:
    """Fill level of a container by the distance from its sensor down to the waste.

    Args:
        model: The container's geometry.
        sensor: Dead zone and range of the sensor.
    """

    def __init__(self, model: BinModel, sensor: SensorGeometry = _ANYWHERE) -> None:
        self._depth_mm = model.height_mm - model.offset_mm
        self._dead_zone_mm = max(model.dead_zone_mm, sensor.dead_zone_mm)
        self._range_mm = sensor.range_mm
        self._span_mm = self._depth_mm - self._dead_zone_mm
        self._deepest_mm = min(self._depth_mm * OVERSHOOT, self._range_mm)
        self._invalid_mm = frozenset(model.invalid_mm)

    def _is_measured(self, distance_mm: float) -> bool:
        """Whether a distance is no sentinel, and within what the sensor can see."""
        return self._dead_zone_mm <= distance_mm <= self._range_mm and distance_mm not in self._invalid_mm

    def fill_pct(self, distance_mm: float) -> float | None:
        """Fill level in percent; None when the distance is no measurement, or deeper than the container.

        Source: blueprint section 4: (height - offset - distance) / (height - offset - dead_zone), clamped.
        """
        if not self._dead_zone_mm <= distance_mm <= self._deepest_mm or distance_mm in self._invalid_mm:
            return None
        # A container no deeper than its sensor is blind: full as soon as anything is seen.
        share = (self._depth_mm - distance_mm) / self._span_mm if self._span_mm > 0 else 0.0
        return 0.0 if share <= 0 else 100.0 if share >= 1 else round(100 * share, 2)

    def apply(self, values: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Add the fill level that follows from a distance; it takes precedence over the device's own fill level.

        A distance that the sensor cannot have measured is removed, so that an unknown level is never shown as empty.
        One that it can have measured stays, also where the container of the inventory is less deep: whoever installs
        the sensor has to see it.
        """
        distance_mm = values.get("distance_mm")
        if distance_mm is None:
            return values, ()
        fill = self.fill_pct(distance_mm)
        if fill is not None:
            return {**values, "fill_pct": fill}, ()
        is_measured = self._is_measured(distance_mm)
        removed = ("fill_pct",) if is_measured else ("fill_pct", "distance_mm")
        kept = {name: value for name, value in values.items() if name not in removed}
        return kept, (QUALITY_GEOMETRY if is_measured else QUALITY_INVALID,)


def check_position(values: dict[str, Any], fix_age: timedelta | None = None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Remove a position that is no fix (half of one, 0,0 before the first fix) or a repeat, with its speed.

    Args:
        values: Fields of one reading.
        fix_age: Age of the fix when the message was sent; None when unknown.
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
    """Values without the fields that come from a position fix."""
    return {
        name: value
        for name, value in values.items()
        if name not in _FIX_FIELDS and not (name in _MADE_UP_FIELDS and value == 0)
    }


def merge_flags(*flags: tuple[str, ...]) -> tuple[str, ...]:
    """Quality flags of several checks as one sorted set."""
    if not any(flags):
        return ()
    return tuple(sorted({flag for group in flags for flag in group}))
