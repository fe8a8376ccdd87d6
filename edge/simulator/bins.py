"""Simulated waste containers: they fill by kelurahan, stream and hour, and at times fall over or burn."""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

from city.inventory.model import Bin, WasteKind
from edge.simulator.emission import Emission, EventEmission, TelemetryEmission, Values, instant
from edge.simulator.habits import ReportSchedule
from edge.simulator.scene import Scene

FULL_SHARE_A_DAY: Final[dict[tuple[str, WasteKind], float]] = {
    ("plastic", "organic"): 0.62,
    ("plastic", "non_organic"): 0.40,
    ("steel", "organic"): 0.50,
    ("steel", "non_organic"): 0.34,
}
"""Share of a container of this material that a day's waste of this stream fills, on average."""
KG_A_LITRE: Final[dict[WasteKind, float]] = {"organic": 0.30, "non_organic": 0.11}
MISSING_SHARE: Final = 0.004
"""Share of lost echoes: no distance, or the sensor's sentinel where its model has one."""
NOISE_MM: Final = 3.0
OVERLOOKED_SHARE: Final = 0.2
"""Share of bins that crews pass by until they overflow."""
EMPTY_SHARE: Final = (0.01, 0.05)
BATTERY_PCT_A_DAY: Final = 0.15
BATTERY_LOW_PCT: Final = 15.0
BATTERY_CHANGED_PCT: Final = 8.0
FIRE_C: Final = 190.0
DAY_S: Final = 86_400.0

IncidentType = Literal["tilt", "lid_open", "fire"]


class _Incident(msgspec.Struct, frozen=True):
    """How often an incident befalls a bin, and for how long."""

    type: IncidentType
    every_days: float
    lasts_s: tuple[float, float]


_INCIDENTS: Final = (
    _Incident("lid_open", 25.0, (600.0, 7_200.0)),
    _Incident("tilt", 45.0, (900.0, 5_400.0)),
    _Incident("fire", 4_000.0, (1_200.0, 3_600.0)),
)


class SimulatedBin:
    """One container with its sensor; call `wake` at `due_s` or later, `empty` when a truck collects it."""

    def __init__(self, device: Bin, scene: Scene) -> None:
        self.device = device
        self.place = scene.place_of(device)
        self.model = scene.city.models[device.model]
        self._scene = scene
        self._random = random = scene.random_of(device.id)
        self._curve = scene.curve_of(device)
        pace = FULL_SHARE_A_DAY[self.model.material, device.waste_kind]
        self._share_a_day = pace * scene.waste_pace(device.kelurahan) * random.uniform(0.7, 1.3)
        self.overlooked = random.random() < OVERLOOKED_SHARE
        self._fill = _first_fill(random.random(), random.random())
        self._filled_at_s = scene.start_s
        self._battery_pct = random.uniform(22.0, 100.0)
        self._battery_at_s = scene.start_s
        self._rssi_dbm = random.uniform(-116.0, -88.0)
        self._schedule = ReportSchedule(scene.start_s, device.interval_s, random)
        self._incident: _Incident | None = None
        self._incident_since_s = 0.0
        self._incident_ends_s = scene.start_s + self._until_incident_s()

    def take_over(self, before: SimulatedBin, at_s: float) -> None:
        """Begin with the waste and the battery of a container that this one replaces."""
        self._fill, self._filled_at_s = before.fill_at(at_s), at_s
        self._battery_pct, self._battery_at_s = before._battery_pct, before._battery_at_s

    @property
    def due_s(self) -> float:
        """When the next report is due, seconds since 1970."""
        return min(self._schedule.next_s, self._incident_ends_s)

    def fill_at(self, at_s: float) -> float:
        """The expected fill, 0 to 1, at a time not before the last change."""
        brought = self._curve.progress(at_s) - self._curve.progress(self._filled_at_s)
        return min(self._fill + max(brought, 0.0) * self._share_a_day, 1.0)

    def empty(self, at_s: float) -> tuple[float, float]:
        """Collect the waste; the fill before and after, 0 to 1."""
        before = self.fill_at(at_s)
        self._fill, self._filled_at_s = min(self._random.uniform(*EMPTY_SHARE), before), at_s
        return before, self._fill

    def weight_kg(self, fill: float) -> float:
        """Weight of the waste at a fill."""
        return self.model.capacity_l * fill * KG_A_LITRE[self.device.waste_kind]

    def wake(self) -> list[Emission]:
        """The emissions due at `due_s`; schedules the next ones."""
        at_s = self.due_s
        emissions: list[Emission] = []
        if self._incident_ends_s <= at_s:
            emissions.append(self._change_incident(at_s))
        self._settle(at_s)
        emissions += self._age_battery(at_s)
        emissions.append(TelemetryEmission(self.device.id, instant(at_s), self._values(at_s)))
        self._schedule.after(at_s)
        return emissions

    def _settle(self, at_s: float) -> None:
        """Add the growth since the last report, with random variation."""
        grown = self.fill_at(at_s) - self._fill
        self._fill = min(self._fill + grown * self._random.uniform(0.4, 1.6), 1.0)
        self._filled_at_s = at_s

    def _values(self, at_s: float) -> Values:
        burning = self._in("fire")
        values: Values = {
            "temperature_c": round(self._temperature_c(at_s), 1),
            "tilt_deg": round(self._random.uniform(62.0, 93.0) if self._in("tilt") else self._random.uniform(0, 4), 1),
            "lid_open": self._in("lid_open"),
            "battery_pct": round(self._battery_pct, 1),
            "battery_v": round(3.0 + 0.65 * self._battery_pct / 100, 3),
            "rssi_dbm": round(self._rssi_dbm + self._random.gauss(0, 2.5), 1),
        }
        distance_mm = None if burning or self._in("tilt") else self._distance_mm()
        if distance_mm is not None:
            values["distance_mm"] = distance_mm
        return values

    def _distance_mm(self) -> float | None:
        """The sensor's distance: the inverse of the model's fill formula, never within the dead zone."""
        model = self.model
        if self._random.random() < MISSING_SHARE:
            return next((value for value in model.invalid_mm if value >= 0), None)
        bottom_mm = model.height_mm - model.offset_mm
        exact_mm = bottom_mm - self._fill * (bottom_mm - model.dead_zone_mm) + self._random.gauss(0, NOISE_MM)
        distance_mm = min(max(round(exact_mm), math.floor(model.dead_zone_mm) + 1), math.floor(bottom_mm))
        return None if distance_mm in model.invalid_mm else float(distance_mm)

    def _temperature_c(self, at_s: float) -> float:
        temperature_c = self._scene.air_c(at_s) + self._random.gauss(0.8, 0.5)
        if self._in("fire"):
            share = (at_s - self._incident_since_s) / max(self._incident_ends_s - self._incident_since_s, 1.0)
            temperature_c += FIRE_C * (0.45 + 0.55 * math.sin(math.pi * min(share, 1.0)))
        return temperature_c

    def _age_battery(self, at_s: float) -> list[Emission]:
        before_pct = self._battery_pct
        days = (at_s - self._battery_at_s) / DAY_S
        self._battery_pct = max(before_pct - days * BATTERY_PCT_A_DAY, 0.0)
        self._battery_at_s = at_s
        if self._battery_pct < BATTERY_CHANGED_PCT:
            self._battery_pct = 100.0
            return [EventEmission(self.device.id, instant(at_s), "low_battery", "cleared", {"battery_pct": 100.0})]
        if self._battery_pct < BATTERY_LOW_PCT <= before_pct:
            detail = {"battery_pct": round(self._battery_pct, 1)}
            return [EventEmission(self.device.id, instant(at_s), "low_battery", "raised", detail)]
        return []

    def _change_incident(self, at_s: float) -> EventEmission:
        """Start the next incident, or end the present one."""
        if self._incident is not None:
            ended, self._incident = self._incident, None
            self._incident_ends_s = at_s + self._until_incident_s()
            return EventEmission(self.device.id, instant(at_s), ended.type, "cleared")
        weights = [1 / incident.every_days for incident in _INCIDENTS]
        begun = self._random.choices(_INCIDENTS, weights)[0]
        self._incident, self._incident_since_s = begun, at_s
        self._incident_ends_s = at_s + self._random.uniform(*begun.lasts_s)
        return EventEmission(self.device.id, instant(at_s), begun.type, "raised")

    def _until_incident_s(self) -> float:
        return self._random.expovariate(sum(1 / incident.every_days for incident in _INCIDENTS) / DAY_S)

    def _in(self, type_: IncidentType) -> bool:
        return self._incident is not None and self._incident.type == type_


def _first_fill(spread: float, lot: float) -> float:
    """A plausible initial fill, 0 to 1: mostly low to middling, some nearly full, one in twenty over 85 %."""
    if lot < 0.05:  # noqa: PLR2004 - one in twenty
        return 0.86 + 0.09 * spread
    return 0.05 + 0.78 * math.pow(spread, 1.25)
