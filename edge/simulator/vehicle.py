"""The state of a simulated truck: odometer, fuel, load and engine temperature."""

from __future__ import annotations

import math
from random import Random
from typing import Final, Literal

import msgspec

from edge.simulator.roads import Path

ActivityKind = Literal["parked", "driving", "collecting", "unloading", "broken"]

FUEL_PCT_A_KM: Final = 0.24
FUEL_PCT_AN_HOUR: Final = 1.6
FUEL_LEAST_PCT: Final = 3.0
REFUEL_PCT: Final = 45.0
WARM_C: Final = 89.0
BROKEN_C: Final = 112.0
WARMS_IN_S: Final = 240.0
COOLS_IN_S: Final = 4_500.0


class Activity(msgspec.Struct, frozen=True):
    """A truck's activity between two times; a standing truck's path is a single point."""

    kind: ActivityKind
    starts_s: float
    ends_s: float
    path: Path
    unloads_kg: float = 0.0

    @property
    def running(self) -> bool:
        """Whether the ignition is on."""
        return self.kind != "parked"

    @property
    def speed_kmh(self) -> float:
        """The constant speed along the path."""
        span_s = self.ends_s - self.starts_s
        return self.path.length_m / span_s * 3.6 if span_s > 0 else 0.0

    def share(self, at_s: float) -> float:
        """Completed share, 0 to 1."""
        span_s = self.ends_s - self.starts_s
        return min(max((at_s - self.starts_s) / span_s, 0.0), 1.0) if span_s > 0 else 1.0


class Vehicle:
    """A truck's odometer, fuel, load and engine temperature, updated by `run`."""

    def __init__(self, at_s: float, air_c: float, random: Random) -> None:
        self.odometer_km = random.uniform(18_000.0, 190_000.0)
        self.fuel_pct = random.uniform(50.0, 98.0)
        self.load_kg = 0.0
        self.engine_c = air_c
        self.faults: list[str] = []
        self._at_s = at_s

    def run(self, activity: Activity, to_s: float, air_c: float) -> None:
        """Advance to `to_s`, which is not before the last call's and within the activity."""
        share = activity.share(to_s) - activity.share(self._at_s)
        passed_s = to_s - self._at_s
        driven_km = share * activity.path.length_m / 1_000
        self.odometer_km += driven_km
        self.load_kg = max(self.load_kg - share * activity.unloads_kg, 0.0)
        if activity.running:
            used_pct = driven_km * FUEL_PCT_A_KM + passed_s / 3_600 * FUEL_PCT_AN_HOUR
            self.fuel_pct = max(self.fuel_pct - used_pct, FUEL_LEAST_PCT)
        goal_c = BROKEN_C if activity.kind == "broken" else WARM_C if activity.running else air_c
        lag_s = WARMS_IN_S if activity.running else COOLS_IN_S
        self.engine_c = goal_c + (self.engine_c - goal_c) * math.exp(-passed_s / lag_s)
        self._at_s = to_s

    def refuel(self, random: Random) -> None:
        """Fill the tank if it is low."""
        if self.fuel_pct < REFUEL_PCT:
            self.fuel_pct = random.uniform(93.0, 100.0)
