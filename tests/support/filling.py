"""A made-up city whose containers fill by known rates, weekdays and hours; for tests and measures of forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from dispatch.forecast.city_model import HISTORY
from dispatch.forecast.distribution import Floats
from dispatch.forecast.growth import Emptying, FillHistory
from dispatch.forecast.places import Container

ZONE: Final = ZoneInfo("Asia/Makassar")
NOW: Final = datetime(2026, 6, 1, 3, tzinfo=UTC)
EVEN_WEEK: Final = (1.0,) * 7
HOUR: Final[Floats] = np.array([0.2] * 6 + [1.0] * 12 + [2.0] * 6)


@dataclass(frozen=True)
class Filling:
    """How containers fill: points a day, and what weekdays and special days make of it.

    `emptied_from_pct`: crews come at seven in the morning to containers fuller than that. `noise_pct`: of the sensor.
    `special`: factor of each day counted from the first, for market days and rain.
    """

    rate_pct: float = 12.0
    week: Sequence[float] = EVEN_WEEK
    emptied_from_pct: float = 70.0
    noise_pct: float = 0.5
    scatter_pct: float = 1.0
    special: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """A history, what the sensor of it would have measured in each hour, and the times of these in seconds."""

    history: FillHistory
    times_s: Floats
    fill_pct: Floats


def make(
    filling: Filling, seed: int, *, has_sensor: bool = True, length: timedelta = HISTORY, end: datetime = NOW
) -> Made:
    """The history of a container that ends at `end`."""
    random = np.random.default_rng(seed)
    start = end - length
    hours = int(length.total_seconds() // 3600)
    hour = HOUR / HOUR.mean()
    fill, fills, visits = random.uniform(0, 50), [], []
    for number in range(hours):
        local = (start + timedelta(hours=number)).astimezone(ZONE)
        factor = filling.week[local.weekday()] * filling.special.get(
            (local.date() - start.astimezone(ZONE).date()).days, 1.0
        )
        expected = max(filling.rate_pct / 24 * factor * hour[local.hour], 1e-6)
        fill = min(fill + random.gamma(expected / filling.scatter_pct, filling.scatter_pct), 100.0)
        if local.hour == 7 and fill > filling.emptied_from_pct:
            visits.append(Emptying(start + timedelta(hours=number + 1), fill, 1.0))
            fill = 1.0
        fills.append(fill)
    times_s: Floats = start.timestamp() + 3600.0 * np.arange(1, hours + 1, dtype=np.float64)
    measured = np.clip(np.array(fills) + random.normal(0, filling.noise_pct, hours), 0, 100)
    kept = slice(None) if has_sensor else slice(0)
    return Made(FillHistory(times_s[kept], measured[kept], visits), times_s, measured)


def made_up_city(count: int, seed: int = 1, sensors: float = 1.0) -> tuple[list[Container], dict[str, FillHistory]]:
    """Containers of two streams at sites of 51 kelurahan, with `sensors` (0 to 1) of them measured, and histories."""
    random = np.random.default_rng(seed)
    containers, histories = [], {}
    for number in range(count):
        has_sensor = bool(random.random() < sensors)
        stream = ("organic", "non_organic")[number % 2]
        container = Container(f"bin-{number:04}", stream, f"k{number % 51}", f"s{number % 300}", has_sensor)
        filling = Filling(rate_pct=float(random.gamma(8, 2)), week=(0.6, 0.7, 0.8, 0.9, 1.0, 1.5, 1.5))
        containers.append(container)
        histories[container.id] = make(filling, number, has_sensor=has_sensor).history
    return containers, histories
