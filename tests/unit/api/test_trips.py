"""What a truck did: way, stops and PTO from its readings."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from api.console.page_context import PageContext
from api.console.parts.trip_panel import trip_panel
from api.queries.trips import STOP_RADIUS_KM, Interval, TripStop, pto_runs, trip_of
from city.inventory.model import Truck
from ingest.store.records import Reading, RecordOrigin, Value
from tests.support.access import identity_with
from tests.unit.api.conftest import CITY, NOW, Stage

KM_NORTH = 1 / 111.195


def at(minute: float) -> datetime:
    return NOW + timedelta(minutes=minute)


def reading(minute: float, km: float | None = None, quality: tuple[str, ...] = (), **values: Value) -> Reading:
    place = {} if km is None else {"lat_deg": -10.17 + km * KM_NORTH, "lon_deg": 123.6}
    origin = RecordOrigin("truck", "truck-01", "b", int(minute * 60) + 9, at(minute), at(minute), quality=quality)
    return Reading(origin, {**place, **values})


def test_way_stops_and_pto() -> None:
    way = [reading(minute, float(minute), pto=False, odometer_km=500.0 + minute) for minute in range(5)]
    stand = [reading(5 + n / 2, 5 + 0.01 * (n % 2), pto=2 <= n <= 6, odometer_km=505.0) for n in range(11)]
    back = [reading(11 + n, 5.0 - n, pto=False, odometer_km=505.0 + n) for n in range(1, 4)]
    trip = trip_of([*way, *stand, *back])
    assert trip.distance_km == pytest.approx(8.0, abs=0.05)
    assert trip.odometer_km == 8.0
    (stop,) = trip.stops
    assert (stop.start, stop.end, stop.pto_s) == (at(5), at(10), 150.0)
    assert (trip.pto_s, trip.pto_times, trip.positions) == (150.0, 1, 19)


def test_a_receiver_that_wanders_where_it_stands_drives_nothing() -> None:
    wandering = [reading(n / 4, 0.02 * (n % 2)) for n in range(400)]
    trip = trip_of(wandering)
    assert trip.distance_km == 0
    assert [(stop.start, stop.end) for stop in trip.stops] == [(at(0), at(99.75))]
    assert trip.pto_s is None
    assert trip.pto_times is None
    assert trip.stops[0].pto_s is None


def test_a_red_light_and_a_hole_are_no_stops() -> None:
    assert trip_of([reading(0, 0), reading(1, 0), reading(2, 1), reading(30, 9), reading(31, 10)]).stops == []


def test_what_was_left_out_is_counted_and_why() -> None:
    trip = trip_of([reading(0, 0), reading(1, quality=("jump", "late")), reading(2, quality=("no_fix",), pto=True)])
    assert trip.left_out == {"jump": 1, "no_fix": 1}
    assert trip.positions == 1


def test_nothing_measured_is_no_trip() -> None:
    trip = trip_of([])
    assert (trip.distance_km, trip.stops, trip.odometer_km, trip.pto_s) == (0, [], None, None)


def test_a_pto_that_was_last_heard_running_does_not_run_for_ever() -> None:
    assert pto_runs([(at(0), True), (at(2), True), (at(60), False)]) == [Interval(at(0), at(12))]
    assert pto_runs([(at(0), True), (at(60), True), (at(61), False)]) == [
        Interval(at(0), at(10)),
        Interval(at(60), at(61)),
    ]
    assert pto_runs([(at(0), False)]) == []


def test_the_route_answers_for_trucks_alone(stage: Stage) -> None:
    for minute in range(10):
        stage.measure("truck-01", NOW - timedelta(minutes=minute), lat_deg=-10.17, lon_deg=123.6, pto=minute < 4)
    found = stage.client().get("/api/v1/trucks/truck-01/trip").json()
    assert (found["distance_km"], found["positions"], len(found["stops"])) == (0.0, 10, 1)
    assert (found["pto_s"], found["pto_times"], found["simulated"]) == (180.0, 1, True)
    assert stage.client().get("/api/v1/trucks/bin-0451/trip").status_code == 404
    assert stage.client().get("/api/v1/trucks/truck-01/trip?from=2026-01-01T00:00:00Z").status_code == 422


def test_the_panel_names_the_place_where_it_stood(stage: Stage) -> None:
    truck = CITY.trucks["truck-01"]
    assert isinstance(truck, Truck)
    page = PageContext(stage.context(), "id", identity_with("viewer"))
    assert "Belum ada posisi" in str(trip_panel(page, truck))
    depot = CITY.sites[truck.depot]
    for minute in range(10):
        at_depot = {"lat_deg": depot.lat_deg, "lon_deg": depot.lon_deg}
        stage.measure("truck-01", NOW - timedelta(minutes=minute + 5), **at_depot)
    said = str(trip_panel(page, truck))
    assert depot.name in said
    assert "Perjalanan" in said


def test_a_stop_is_as_wide_as_a_collection_point() -> None:
    inside = trip_of([reading(0, 0), reading(3, STOP_RADIUS_KM - 0.001)])
    outside = trip_of([reading(0, 0), reading(3, STOP_RADIUS_KM + 0.001)])
    assert len(inside.stops) == 1
    assert outside.stops == []
    assert isinstance(inside.stops[0], TripStop)
