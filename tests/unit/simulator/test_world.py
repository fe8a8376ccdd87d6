"""The simulated city as a whole: repeatable, within the contract, complete from the first moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest

from broker.contract.codec import encode, parse_events, parse_telemetry
from broker.contract.payloads import EVENT_TYPES, TELEMETRY, Event, fields_of
from city.inventory.model import City
from edge.simulator.emission import Emission, EventEmission, StatusEmission, TelemetryEmission
from edge.simulator.world import World


def test_the_same_seed_draws_the_same_city(small_city: City) -> None:
    """Two worlds of one seed say the same, one of another seed does not."""
    start = _at(small_city, 3, 50)
    first, second, other = (_run(small_city, start, hours=3, step_minutes=30, seed=seed) for seed in (5, 5, 6))
    assert first == second
    assert first != other


def test_one_big_step_says_what_many_small_ones_say(small_city: City) -> None:
    """Nothing depends on how often the virtual clock is moved."""
    start = _at(small_city, 16, 30)
    assert _run(small_city, start, hours=6, step_minutes=360) == _run(small_city, start, hours=6, step_minutes=1)


def test_emissions_come_in_order_and_within_the_step(small_city: City) -> None:
    """Every step tells its own stretch of time, oldest first."""
    start = _at(small_city, 9, 0)
    world = World(small_city, 1, start)
    world.advance(start)
    times = [emission.at for emission in world.advance(start + timedelta(hours=1))]
    assert times == sorted(times)
    assert start < times[0] <= times[-1] <= start + timedelta(hours=1)


@pytest.mark.parametrize("hour", [2, 8, 13, 22])
def test_the_first_advance_reports_every_device(kupang: City, hour: int) -> None:
    """The map is full at once: all devices measure, but for the access points that are known to be down."""
    start = _at(kupang, hour, 0)
    first = World(kupang, 1, start).advance(start)
    measured = [emission.device for emission in first if isinstance(emission, TelemetryEmission)]
    down = {
        emission.device for emission in first if isinstance(emission, StatusEmission) and emission.state == "offline"
    }
    assert len(measured) == len(set(measured))
    assert {*measured} | down == kupang.devices.keys()
    assert not down & {*measured}
    assert 2 <= len(down & kupang.access_points.keys()) == len(down) <= 4


def test_another_inventory_is_followed_and_what_has_not_changed_goes_on(small_city: City) -> None:
    """A retired device is silent, a new one reports at once, and a bin that is moved keeps its waste."""
    start = _at(small_city, 12, 0)
    later = start + timedelta(hours=2)
    still, world = World(small_city, 1, start), World(small_city, 1, start)
    still.advance(later)
    world.advance(later)
    first, second, *_ = sorted(small_city.bins)
    moved = replace(small_city.bins[second], lat_deg=-10.3, lon_deg=123.7)
    new = replace(small_city.bins[first], id="bin-new")
    devices = {**small_city.devices, second: moved, "bin-new": new}
    del devices[first]
    world.follow(small_city.with_devices(devices))
    until = later + timedelta(hours=6)
    expected, emissions = still.advance(until), world.advance(until)
    ids = {emission.device for emission in emissions}
    assert first not in ids
    assert {second, "bin-new"} <= ids
    unmoved = {*small_city.access_points, *small_city.cameras}
    assert _emissions_of(emissions, unmoved) == _emissions_of(expected, unmoved) != []
    assert _first_distance(emissions, second) == pytest.approx(_first_distance(expected, second), abs=150)


def _emissions_of(emissions: list[Emission], devices: set[str]) -> list[Emission]:
    return [emission for emission in emissions if emission.device in devices]


def _first_distance(emissions: list[Emission], device: str) -> float:
    reports = (emission for emission in _emissions_of(emissions, {device}) if isinstance(emission, TelemetryEmission))
    return next(float(report.values["distance_mm"]) for report in reports if "distance_mm" in report.values)


def test_devices_report_at_their_interval_with_a_phase_of_their_own(small_city: City) -> None:
    """After the first report an interval passes between any two, and not all bins speak at once."""
    start = _at(small_city, 12, 0)
    said = _run(small_city, start, hours=3, step_minutes=60)
    phases = set()
    for id_ in small_city.bins:
        times = [
            emission.at for emission in said if isinstance(emission, TelemetryEmission) and emission.device == id_
        ][1:]
        regular = [later for earlier, later in pairwise(times) if _s(earlier, later) == 600.0]
        assert len(regular) >= 15
        phases.add(times[0])
    assert len(phases) == len(small_city.bins)


def test_everything_said_in_two_days_is_within_the_contract(small_city: City, two_days: list[Emission]) -> None:
    """Each reading and event survives the way over the wire; no field is unknown."""
    _assert_contract(small_city, two_days)
    assert {type(emission) for emission in two_days} == {TelemetryEmission, EventEmission, StatusEmission}


def test_everything_said_by_kupang_is_within_the_contract(kupang: City) -> None:
    """A twelfth of the reference city over 48 hours: all models of containers, all kinds of sites."""
    start = _at(kupang, 6, 0)
    without = frozenset(id_ for number, id_ in enumerate(sorted(kupang.devices)) if number % 12)
    world = World(kupang, 3, start, without)
    emissions = [emission for hours in range(49) for emission in world.advance(start + timedelta(hours=hours))]
    assert {emission.device for emission in emissions} == kupang.devices.keys() - without
    _assert_contract(kupang, emissions)


def test_devices_left_out_are_silent(small_city: City) -> None:
    """Who speaks for himself is not simulated, be it a camera or a truck."""
    without = frozenset({"cam-01", "truck-02"})
    start = _at(small_city, 12, 0)
    said = World(small_city, 1, start, without=without).advance(start + timedelta(hours=1))
    assert {emission.device for emission in said} == small_city.devices.keys() - without


def test_virtual_time_cannot_go_back_and_needs_a_zone(small_city: City) -> None:
    """The clock refuses what would break it."""
    start = _at(small_city, 12, 0)
    world = World(small_city, 1, start)
    with pytest.raises(ValueError, match="go back"):
        world.advance(start - timedelta(seconds=1))
    with pytest.raises(ValueError, match="no time zone"):
        world.advance(start.replace(tzinfo=None))


def test_a_city_without_any_device_is_silent(small_city: City) -> None:
    """Nothing is taken for granted, not even a bin to drive to."""
    start = _at(small_city, 12, 0)
    assert World(small_city, 1, start, frozenset(small_city.devices)).advance(start + timedelta(days=1)) == []
    only_trucks = frozenset(small_city.devices.keys() - small_city.trucks.keys())
    assert World(small_city, 1, start, only_trucks).advance(start + timedelta(days=1))


def _assert_contract(city: City, said: Iterable[Emission]) -> None:
    stamp = {"boot": "sim1", "seq": 7}
    known = {kind: set(fields_of(kind)) for kind in TELEMETRY}
    for emission in said:
        kind = city.devices[emission.device].KIND
        assert emission.at.tzinfo is UTC
        assert emission.at.microsecond % 1_000 == 0
        if isinstance(emission, TelemetryEmission):
            assert emission.values.keys() <= known[kind]
            reading = msgspec.convert({"ts": emission.at, **stamp, **emission.values}, TELEMETRY[kind], strict=True)
            parsed = parse_telemetry(kind, encode(reading))
            assert (parsed.rejected, parsed.unknown_fields) == ([], ())
            assert encode(parsed.items[0]) == encode(reading)
        elif isinstance(emission, EventEmission):
            assert emission.type in EVENT_TYPES[kind]
            event = Event(
                ts=emission.at, epoch="sim1", seq=7, type=emission.type, state=emission.state, detail=emission.detail
            )
            assert encode(parse_events(kind, encode(event)).items[0]) == encode(event)


def _run(city: City, start: datetime, *, hours: int, step_minutes: int, seed: int = 5) -> list[Emission]:
    world = World(city, seed, start)
    steps = range(0, hours * 60 + 1, step_minutes)
    return [emission for minutes in steps for emission in world.advance(start + timedelta(minutes=minutes))]


def _at(city: City, hour: int, minute: int) -> datetime:
    return datetime(2026, 3, 2, hour, minute, tzinfo=city.time_zone)


def _s(earlier: datetime, later: datetime) -> float:
    return (later - earlier).total_seconds()
