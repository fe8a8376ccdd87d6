"""Ways to decide what a day collects: from visits alone, with sensors, and with perfect knowledge."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Final, Protocol

import numpy as np

from city.inventory.model import City
from dispatch.forecast.city_model import fit
from dispatch.forecast.distribution import Floats
from dispatch.forecast.growth import Emptying, FillHistory
from dispatch.forecast.outlook import forecast
from dispatch.forecast.places import Container
from dispatch.planning.from_forecast import outlooks_of, service_times
from dispatch.planning.outlook import ContainerOutlook
from dispatch.planning.policy import PlanningPolicy
from tests.bench.dispatch_city import FIRST_DAY, CityFilling, at_hour
from tests.bench.dispatch_days import HOURS, LEFT_PCT, CollectedCity

PLANNED_HOUR: Final = 5
"""When the day is planned, an hour before the shift."""
AHEAD_H: Final = 34
QUARTER_PCT: Final = 25.0
GUESS_PCT: Final = 8.0
"""Error of a crew's eye, before it says a quarter."""
MOST_PCT: Final = 125.0
SENSOR_NOISE_PCT: Final = 1.5
MISSING_SHARE: Final = 0.03


class Way(Protocol):
    """How what a day collects is decided."""

    def outlooks(self, day: int, state: CollectedCity) -> dict[str, ContainerOutlook]:
        """What planning is told at the morning of a day."""

    def learn(self, day: int, visited: dict[str, float], found: Floats) -> None:
        """Take note of the collections of a day; `found`: levels at the end of each hour without them."""


class Forecasts:
    """What forecasts say, from what crews find and, with `sensors`, from hourly readings.

    Crews say how full a container was in quarters, as they see it.
    """

    def __init__(self, city: City, policy: PlanningPolicy, seed: int, *, sensors: bool) -> None:
        self._city, self._policy, self._sensors = city, policy, sensors
        self._chance = np.random.default_rng(seed + 1)
        self._containers = [
            Container(
                bin_.id,
                bin_.waste_kind,
                bin_.kelurahan,
                bin_.site,
                sensors,
                city.models[bin_.model].capacity_l,
            )
            for bin_ in city.bins.values()
        ]
        self._numbers = {container.id: number for number, container in enumerate(self._containers)}
        self._visits: defaultdict[str, list[Emptying]] = defaultdict(list)
        self._readings: list[Floats] = []

    def outlooks(self, day: int, state: CollectedCity) -> dict[str, ContainerOutlook]:
        """See `Way`."""
        now = at_hour(self._city, day * HOURS + PLANNED_HOUR)
        histories = self._histories(day, state)
        model = fit(self._containers, histories, self._city.time_zone, now)
        told = (forecast(model, container.id, now, hours=AHEAD_H) for container in self._containers)
        times = service_times(FIRST_DAY + timedelta(days=day), self._policy, self._city.time_zone)
        return outlooks_of(told, times)

    def learn(self, day: int, visited: dict[str, float], found: Floats) -> None:
        """See `Way`."""
        measured = found.copy()
        for id_, hour in visited.items():
            number = self._numbers[id_]
            seen = found[number, min(int(hour), HOURS - 1)] + self._chance.normal(0, GUESS_PCT)
            quarter = float(np.clip(round(seen / QUARTER_PCT) * QUARTER_PCT, 0, MOST_PCT))
            self._visits[id_].append(Emptying(at_hour(self._city, day * HOURS + hour), quarter))
            measured[number, int(hour) :] -= measured[number, int(hour)] - LEFT_PCT
        if self._sensors:
            self._readings.append(self._readings_of(measured))

    def _readings_of(self, levels: Floats) -> Floats:
        """What sensors report of levels; NaN where nothing arrives."""
        noisy = np.clip(levels, 0, 100) + self._chance.normal(0, SENSOR_NOISE_PCT, levels.shape)
        return np.where(self._chance.random(levels.shape) < MISSING_SHARE, np.nan, np.clip(noisy, 0, 100))

    def _histories(self, day: int, state: CollectedCity) -> dict[str, FillHistory]:
        if not self._sensors:
            empty = np.empty(0)
            return {
                container.id: FillHistory(empty, empty, self._visits[container.id]) for container in self._containers
            }
        today = self._readings_of(state.levels_by_hour(day)[:, :PLANNED_HOUR])
        levels = np.concatenate((*self._readings, today), axis=1)
        first = day - len(self._readings)
        times_s = at_hour(self._city, first * HOURS).timestamp() + 3600.0 * np.arange(1, levels.shape[1] + 1)
        return {
            container.id: FillHistory(times_s[known], row[known], self._visits[container.id])
            for container, row in zip(self._containers, levels, strict=True)
            for known in (~np.isnan(row),)
        }


class PerfectKnowledge:
    """Who knows how full each container will be tomorrow."""

    def __init__(self, filling: CityFilling) -> None:
        self._filling = filling

    def outlooks(self, day: int, state: CollectedCity) -> dict[str, ContainerOutlook]:
        """See `Way`."""
        later = state.levels((day + 1) * HOURS + 14)
        at_ten = state.levels(day * HOURS + 10)
        return {
            id_: ContainerOutlook(float(level), float(next_level >= 100))
            for id_, level, next_level in zip(self._filling.ids, at_ten, later, strict=True)
        }

    def learn(self, day: int, visited: dict[str, float], found: Floats) -> None:
        """There is nothing to learn."""
