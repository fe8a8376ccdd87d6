"""Simulated garbage trucks: shifts, routes, stops and breakdowns, and the tracker's reports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from city.inventory.model import Truck
from edge.simulator.emission import Emission, EventEmission, StatusEmission, TelemetryEmission, Values, instant
from edge.simulator.habits import ReportSchedule
from edge.simulator.roads import GeoPoint, Path, nearby, shift, street_path
from edge.simulator.scene import Scene
from edge.simulator.tours import STREET_KG, District, PlannedTours, Roster, TourStop, full_from, hours_of
from edge.simulator.vehicle import WARM_C, Activity, ActivityKind, Vehicle

REPORT_MOST_S: Final = 60.0
"""An inventory interval above this is the default of all devices, not a tracker's own."""
REPORT_RUNNING_S: Final = 10.0
REPORT_PARKED_S: Final = 300.0
SPEED_KMH: Final = (22.0, 40.0)
COLLECT_S: Final = (60.0, 170.0)
UNLOAD_S: Final = (420.0, 840.0)
CREW_CHANGE_S: Final = (300.0, 720.0)
BROKEN_S: Final = (3_600.0, 10_800.0)
KM_A_BREAKDOWN: Final = 1_300.0
KM_A_HARSH_BRAKING: Final = 90.0
FULL_LOAD: Final = 0.9
WORTH_UNLOADING: Final = 0.25
PARKING_M: Final = 30.0
LOOK_S: Final = 300.0
"""A parked truck looks so often whether somebody has planned a tour for it."""
POOR_FIX_SHARE: Final = 0.03
FAULTS: Final = ("P0217", "P0087", "P0562", "P0700", "C0035", "P2463", "P0234")
"""OBD-II: overheated, low fuel pressure, low voltage, gearbox, wheel sensor, soot filter, overboost."""


class SimulatedTruck:
    """One truck. A generator yields its activities; `wake` follows it and reports on the way.

    It starts in the depot, or on a tour when a shift is on; `broken` then starts with a breakdown.
    """

    def __init__(
        self,
        device: Truck,
        index: int,
        district: District,
        scene: Scene,
        *,
        tours: PlannedTours | None = None,
        broken: bool = False,
    ) -> None:
        self.device = device
        self._tours = tours or PlannedTours(())
        self._scene = scene
        self._district = district
        self._random = random = scene.random_of(device.id)
        self._roster = Roster(hours_of(index, random), scene)
        self._depot = self._parking()
        self._landfill = scene.nearest_site("landfill", self._depot)
        self._vehicle = Vehicle(scene.start_s, scene.air_c(scene.start_s), random)
        self._heading_deg = random.uniform(0.0, 359.0)
        self._schedules = self._make_schedules()
        self._report_s = scene.start_s
        self._pending: list[Emission] = []
        self._now_s = scene.start_s
        on_tour = self._roster.shift(scene.start_s)[0] <= scene.start_s
        self._activity = self._begin_on_tour() if on_tour else self._stand_at("parked", self._depot, 0.0)
        self._life = self._live(broken=broken and on_tour)

    @property
    def due_s(self) -> float:
        """When the next report or activity is due, seconds since 1970."""
        return min(self._report_s, self._activity.ends_s)

    def wake(self) -> list[Emission]:
        """The emissions due at `due_s`; schedules the next ones."""
        at_s = self.due_s
        ran = self._activity.running
        while self._activity.ends_s <= at_s:
            self._finish()
        running = self._activity.running
        if running != ran or (at_s <= self._scene.start_s and not running):
            state: Literal["online", "sleeping"] = "online" if running else "sleeping"
            self._pending.append(StatusEmission(self.device.id, instant(at_s), state))
        if self._report_s <= at_s or running != ran:
            self._pending.append(TelemetryEmission(self.device.id, instant(at_s), self._values(at_s)))
            self._schedules[running].after(at_s)
            self._report_s = self._schedules[running].next_s
        emissions, self._pending = self._pending, []
        return emissions

    def _finish(self) -> None:
        """Finish the present activity and start the next."""
        self._now_s = self._activity.ends_s
        self._vehicle.run(self._activity, self._now_s, self._scene.air_c(self._now_s))
        self._activity = next(self._life)

    def _live(self, *, broken: bool) -> Iterator[Activity]:
        """Activities of shift after shift, without end."""
        if broken:
            yield from self._break_down()
        while True:
            starts_s, ends_s = self._roster.shift(self._now_s)
            while starts_s > self._now_s and not self._planned_stop():
                yield self._stand("parked", min(starts_s - self._now_s, LOOK_S))
            while self._now_s < ends_s or self._planned_stop():
                yield from self._tour_stop()
            if self._vehicle.load_kg > WORTH_UNLOADING * self.device.capacity_kg:
                yield from self._unload()
            yield from self._drive(self._depot)
            self._vehicle.refuel(self._random)
            yield self._stand("parked", self._random.uniform(*CREW_CHANGE_S))

    def _tour_stop(self) -> Iterator[Activity]:
        """One stop: drive there, collect, and unload at the landfill when full."""
        stop = self._planned_stop() or self._own_stop()
        yield from self._drive(stop.place)
        yield self._stand("collecting", self._random.uniform(*COLLECT_S))
        self._take(stop)
        if self._vehicle.load_kg >= FULL_LOAD * self.device.capacity_kg:
            yield from self._unload()

    def _planned_stop(self) -> TourStop | None:
        return self._tours.next_stop(self.device.id)

    def _own_stop(self) -> TourStop:
        if self._tours.is_planned:
            return TourStop(self._district.street(self._random))
        full = full_from(self._scene.hour(self._now_s))
        return self._district.next_stop(self._here, self._now_s, full, self._random)

    def _take(self, stop: TourStop) -> None:
        room_kg = self.device.capacity_kg - self._vehicle.load_kg
        planned = self._planned_stop()
        if stop.bin is not None and planned is not None and planned.bin is stop.bin:
            bins = self._tours.collect(stop.bin, self._now_s)
        else:
            bins = self._district.collect(stop, self._now_s, room_kg)
        for collected in bins:
            self._say(
                "collected", "noted", {"bin": collected.bin, "from_pct": collected.from_pct, "to_pct": collected.to_pct}
            )
        weight_kg = sum(collected.weight_kg for collected in bins) if bins else self._random.uniform(*STREET_KG)
        self._vehicle.load_kg += min(weight_kg, room_kg)

    def _unload(self) -> Iterator[Activity]:
        yield from self._drive(self._landfill)
        lasts_s = self._random.uniform(*UNLOAD_S)
        yield Activity("unloading", self._now_s, self._now_s + lasts_s, Path([self._here]), self._vehicle.load_kg)

    def _drive(self, to: GeoPoint) -> Iterator[Activity]:
        """Drive by streets; rarely brake hard, more rarely break down on the way."""
        path = street_path(self._here, to, self._scene.inland, self._random)
        speed_kmh = self._random.uniform(*SPEED_KMH)
        if self._random.random() < path.length_m / 1_000 / KM_A_BREAKDOWN:
            before, path = path.split(path.length_m * self._random.uniform(0.2, 0.8))
            yield self._drive_along(before, speed_kmh)
            yield from self._break_down()
        yield self._drive_along(path, speed_kmh)
        if self._random.random() < path.length_m / 1_000 / KM_A_HARSH_BRAKING:
            self._say("harsh_braking", "noted", {"speed_kmh": round(speed_kmh, 1)})

    def _break_down(self) -> Iterator[Activity]:
        fault = self._random.choice(FAULTS)
        self._vehicle.faults = [fault]
        self._say("breakdown", "raised", {"fault_codes": [fault]})
        yield self._stand("broken", self._random.uniform(*BROKEN_S))
        self._vehicle.faults = []
        self._say("breakdown", "cleared", {"fault_codes": [fault]})

    def _drive_along(self, path: Path, speed_kmh: float) -> Activity:
        lasts_s = max(path.length_m / (speed_kmh / 3.6), 1.0)
        return Activity("driving", self._now_s, self._now_s + lasts_s, path)

    def _stand(self, kind: ActivityKind, lasts_s: float) -> Activity:
        return self._stand_at(kind, self._here, lasts_s)

    def _stand_at(self, kind: ActivityKind, place: GeoPoint, lasts_s: float) -> Activity:
        return Activity(kind, self._now_s, self._now_s + lasts_s, Path([place]))

    def _begin_on_tour(self) -> Activity:
        """An activity in the middle of a shift."""
        self._vehicle.engine_c = WARM_C
        self._vehicle.load_kg = self._random.uniform(0.0, 0.6) * self.device.capacity_kg
        return self._stand_at("collecting", self._district.street(self._random), 0.0)

    def _make_schedules(self) -> dict[bool, ReportSchedule]:
        """Report schedules with the ignition on, and off."""
        listed_s, start_s = self.device.interval_s, self._scene.start_s
        running_s = listed_s if listed_s <= REPORT_MOST_S else REPORT_RUNNING_S
        return {
            True: ReportSchedule(start_s, running_s, self._random),
            False: ReportSchedule(start_s, REPORT_PARKED_S, self._random),
        }

    @property
    def _here(self) -> GeoPoint:
        """End of the last activity's path."""
        return self._activity.path.end

    def _parking(self) -> GeoPoint:
        site = self._scene.city.sites.get(self.device.depot)
        depot = GeoPoint(site.lat_deg, site.lon_deg) if site else self._scene.place_of(self.device)
        return nearby(depot, self._random, 0.0, PARKING_M)

    def _say(self, type_: str, state: Literal["raised", "cleared", "noted"], detail: dict[str, Any]) -> None:
        self._pending.append(EventEmission(self.device.id, instant(self._now_s), type_, state, detail))

    def _values(self, at_s: float) -> Values:
        activity, random, vehicle = self._activity, self._random, self._vehicle
        vehicle.run(activity, at_s, self._scene.air_c(at_s))
        place, heading_deg = activity.path.at(activity.share(at_s) * activity.path.length_m)
        driving = activity.kind == "driving"
        if driving:
            self._heading_deg = heading_deg
        noise_m = 1.5 if driving else 0.6
        fix = shift(place, random.gauss(0, noise_m), random.gauss(0, noise_m))
        poor = random.expovariate(0.6) if random.random() < POOR_FIX_SHARE else 0.0
        return {
            "lat_deg": round(fix.lat_deg, 6),
            "lon_deg": round(fix.lon_deg, 6),
            "speed_kmh": round(activity.speed_kmh * random.uniform(0.92, 1.05), 1),
            "heading_deg": round(self._heading_deg, 1),
            "hdop": round(min(random.uniform(0.7, 1.6) + poor, 20.0), 1),
            "ignition": activity.running,
            "odometer_km": round(vehicle.odometer_km, 3),
            "fuel_pct": round(vehicle.fuel_pct, 1),
            "load_kg": round(vehicle.load_kg),
            "pto": activity.kind in {"collecting", "unloading"},
            "engine_temp_c": round(vehicle.engine_c + random.gauss(0, 0.3), 1),
            "fault_codes": list(vehicle.faults),
        }
