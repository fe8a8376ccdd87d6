"""What simulated trucks do: leave their depot, collect, unload, break down, and never jump."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from city.inventory.model import City
from edge.simulator.emission import Emission, EventEmission, StatusEmission, TelemetryEmission
from edge.simulator.roads import GeoPoint, metres
from edge.simulator.world import World

GPS_M = 8.0
TOP_SPEED_KMH = 45.0


@pytest.mark.parametrize("hour", [0, 4, 8, 12, 16, 20])
def test_enough_trucks_are_moving_at_any_hour(kupang: City, hour: int) -> None:
    """Whenever the city is started, at least 8 of its 34 trucks drive, at once and a while later."""
    start = datetime(2026, 3, 2, hour, tzinfo=kupang.time_zone)
    world = World(kupang, 1, start, frozenset(kupang.devices.keys() - kupang.trucks.keys() - kupang.bins.keys()))
    speeds: dict[str, object] = {}
    for minutes in (0, 30):
        for emission in world.advance(start + timedelta(minutes=minutes)):
            if isinstance(emission, TelemetryEmission) and emission.device in kupang.trucks:
                speeds[emission.device] = emission.values["speed_kmh"]
        assert sum(speed != 0.0 for speed in speeds.values()) >= 8


def test_trucks_never_jump(small_city: City, two_days: list[Emission]) -> None:
    """Between two fixes lies no more than a truck can drive, on the map as on the odometer."""
    for fixes in _fixes(small_city, two_days).values():
        assert len(fixes) > 2_000
        for earlier, later in pairwise(fixes):
            passed_s = (later.at - earlier.at).total_seconds()
            allowed_m = TOP_SPEED_KMH / 3.6 * passed_s
            assert metres(_place(earlier), _place(later)) <= allowed_m + GPS_M
            assert (_number(later, "odometer_km") - _number(earlier, "odometer_km")) * 1_000 <= allowed_m + GPS_M


def test_trucks_park_at_their_depot_and_nowhere_else(small_city: City, two_days: list[Emission]) -> None:
    """Whenever the ignition is off the truck stands at its depot."""
    depot = small_city.sites["depot"]
    parked = [fix for fix in _all_fixes(small_city, two_days) if not fix.values["ignition"]]
    assert {fix.device for fix in parked} == small_city.trucks.keys()
    for fix in parked:
        assert metres(_place(fix), GeoPoint(depot.lat_deg, depot.lon_deg)) < 50
        assert fix.values["speed_kmh"] == 0.0


def test_loads_are_dropped_at_the_landfill_only(small_city: City, two_days: list[Emission]) -> None:
    """A load grows until the landfill, and stays within what the truck can carry."""
    site = small_city.sites["landfill"]
    drops = 0
    for fixes in _fixes(small_city, two_days).values():
        for earlier, later in pairwise(fixes):
            assert _number(later, "load_kg") <= small_city.trucks[later.device].capacity_kg
            if _number(later, "load_kg") < _number(earlier, "load_kg"):
                drops += 1
                assert metres(_place(earlier), GeoPoint(site.lat_deg, site.lon_deg)) < 300
    assert drops > 100


def test_collected_bins_drop(small_city: City, two_days: list[Emission]) -> None:
    """After a truck's `collected` the bin's own next reading shows it empty, and its truck stood beside it."""
    collections = [
        emission for emission in two_days if isinstance(emission, EventEmission) and emission.type == "collected"
    ]
    assert len(collections) > 20
    for collection in collections:
        assert 0 <= collection.detail["to_pct"] <= 5
        assert 30 <= collection.detail["from_pct"] <= 100
    seen = 0
    for collection in collections:
        model = small_city.models[small_city.bins[collection.detail["bin"]].model]
        reading = next(_readings_after(two_days, collection.detail["bin"], collection.at), None)
        if reading and reading.values.get("distance_mm"):
            seen += 1
            assert _number(reading, "distance_mm") > 0.8 * (model.height_mm - model.offset_mm)
    assert seen > 20


def test_trucks_press_only_while_standing(small_city: City, two_days: list[Emission]) -> None:
    """The power take-off never runs at speed."""
    pressing = [fix for fix in _all_fixes(small_city, two_days) if fix.values["pto"]]
    assert pressing
    assert all(fix.values["speed_kmh"] == 0.0 for fix in pressing)


def test_parked_trucks_say_that_they_sleep(small_city: City, two_days: list[Emission]) -> None:
    """Every change of the ignition is told as a state, so that a long silence is no alarm."""
    ignition: dict[str, bool] = {}
    for emission in two_days:
        if emission.device not in small_city.trucks:
            continue
        if isinstance(emission, StatusEmission):
            ignition[emission.device] = emission.state == "online"
        elif isinstance(emission, TelemetryEmission):
            assert emission.values["ignition"] is ignition.setdefault(emission.device, True)


def test_breakdowns_show_their_fault_and_end(kupang: City) -> None:
    """From `raised` to `cleared` the truck stands for 1 to 3 hours and names its fault code."""
    start = datetime(2026, 3, 2, 6, tzinfo=kupang.time_zone)
    world = World(kupang, 2, start, frozenset(kupang.devices.keys() - kupang.trucks.keys()))
    emissions = [emission for hours in range(5) for emission in world.advance(start + timedelta(hours=hours))]
    raised = {
        emission.device: emission
        for emission in emissions
        if isinstance(emission, EventEmission) and emission.state == "raised"
    }
    ended = [
        emission
        for emission in emissions
        if isinstance(emission, EventEmission) and emission.state == "cleared" and emission.device in raised
    ]
    assert ended
    for end in ended[:1]:
        begun = raised[end.device]
        assert timedelta(hours=1) <= end.at - begun.at <= timedelta(hours=3)
        standing = [fix for fix in emissions if isinstance(fix, TelemetryEmission) and begun.at < fix.at < end.at]
        standing = [fix for fix in standing if fix.device == end.device]
        assert all(fix.values["fault_codes"] == begun.detail["fault_codes"] for fix in standing)
        assert all(fix.values["speed_kmh"] == 0.0 for fix in standing)


def _all_fixes(city: City, said: list[Emission]) -> list[TelemetryEmission]:
    return [emission for emission in said if isinstance(emission, TelemetryEmission) and emission.device in city.trucks]


def _fixes(city: City, said: list[Emission]) -> dict[str, list[TelemetryEmission]]:
    fixes: defaultdict[str, list[TelemetryEmission]] = defaultdict(list)
    for fix in _all_fixes(city, said):
        fixes[fix.device].append(fix)
    return fixes


def _readings_after(said: list[Emission], device: str, at: datetime) -> Iterator[TelemetryEmission]:
    return (
        emission
        for emission in said
        if isinstance(emission, TelemetryEmission) and emission.device == device and emission.at > at
    )


def _place(fix: TelemetryEmission) -> GeoPoint:
    return GeoPoint(_number(fix, "lat_deg"), _number(fix, "lon_deg"))


def _number(reading: TelemetryEmission, field: str) -> float:
    value = reading.values[field]
    assert isinstance(value, int | float)
    return value


def test_a_truck_with_a_planned_tour_serves_it_in_order_and_others_leave_containers_alone(kupang: City) -> None:
    city, start = kupang, datetime(2026, 3, 2, 4, tzinfo=kupang.time_zone)
    world = World(city, 1, start)
    tour = list(city.bins)[10:13]
    world.tours.follow({"truck-01": tour})
    emissions = world.advance(start + timedelta(hours=6))
    collected = [
        (emission.device, emission.detail["bin"])
        for emission in emissions
        if isinstance(emission, EventEmission) and emission.type == "collected" and emission.device in city.trucks
    ]
    late = [who_what for who_what in collected if who_what[0] == "truck-01" and who_what[1] in tour]
    assert [bin_ for _, bin_ in late] == tour
    others = {device for device, _ in collected} - {"truck-01"}
    assert len(collected) - len(late) <= len(city.trucks), "at most what each was on the way to"
    world.tours.follow({})
    again = world.advance(start + timedelta(hours=12))
    assert any(isinstance(emission, EventEmission) and emission.type == "collected" for emission in again), others
