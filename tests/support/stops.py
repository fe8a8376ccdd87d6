"""Made-up signals of a stop in Kupang: levels, positions of a truck, taps; for tests of verification."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dispatch.verification.signals import CrewTap, LevelReading, StopFacts, StopSignals, TapKind, TruckFix

OPENS: Final = datetime(2026, 12, 1, 22, 0, tzinfo=UTC)
"""Six in the morning in Kupang."""
CLOSES: Final = OPENS + timedelta(hours=8)
LAT_DEG: Final = -10.1583
LON_DEG: Final = 123.5871
M_PER_DEG: Final = 111_195.0


def at(minutes: float) -> datetime:
    """So many minutes after the window opened."""
    return OPENS + timedelta(minutes=minutes)


def stop(**changes: Any) -> StopFacts:
    """A container with a sensor, two minutes of service."""
    facts: dict[str, Any] = {
        "id": "con-021",
        "container": "con-021",
        "has_sensor": True,
        "lat_deg": LAT_DEG,
        "lon_deg": LON_DEG,
        "opens_at": OPENS,
        "closes_at": CLOSES,
        "service_s": 120.0,
    }
    return StopFacts(**{**facts, **changes})


def levels(*known: tuple[float, float]) -> tuple[LevelReading, ...]:
    """Readings of minutes and percent."""
    return tuple(LevelReading(at(minutes), fill_pct) for minutes, fill_pct in known)


def steady(first: float, last: float, fill_pct: float, every: float = 10) -> tuple[LevelReading, ...]:
    """The same level from minute to minute."""
    count = int((last - first) / every) + 1
    return levels(*((first + number * every, fill_pct) for number in range(count)))


def emptying(
    minute: float, before_pct: float = 80, after_pct: float = 3, every: float = 10
) -> tuple[LevelReading, ...]:
    """Readings of some hours around an emptying."""
    return steady(minute - 125, minute - 5, before_pct, every) + steady(minute + 5, minute + 125, after_pct, every)


def stand(
    first: float,
    last: float,
    *,
    east_m: float = 0.0,
    working: bool | None = True,
    speed_kmh: float | None = 0.0,
    truck: str = "truck-07",
    every_s: float = 15.0,
) -> tuple[TruckFix, ...]:
    """A truck that stands some metres east of the stop."""
    count = int((last - first) * 60 / every_s) + 1
    moments = [at(first) + timedelta(seconds=number * every_s) for number in range(count)]
    return tuple(fix(moment, east_m=east_m, working=working, speed_kmh=speed_kmh, truck=truck) for moment in moments)


def fix(moment: datetime, *, east_m: float, north_m: float = 0.0, **known: Any) -> TruckFix:
    """A position some metres from the stop."""
    lon_deg = LON_DEG + east_m / (M_PER_DEG * 0.9842)
    return TruckFix(moment, LAT_DEG + north_m / M_PER_DEG, lon_deg, **{"truck": "truck-07", **known})


def tap(minute: float, kind: TapKind = "collected", reason: str = "") -> CrewTap:
    """A tap of the crew."""
    return CrewTap(at(minute), kind, reason)


def signals(**known: Any) -> StopSignals:
    """All that is known."""
    return StopSignals(**known)
