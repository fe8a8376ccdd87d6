"""A city's day: what becomes a stop and at which worth, what trucks may do, and what is left of a day."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from city.cli.main import main
from city.errors import ConfigError
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import Bin, City, Truck
from city.inventory.windows import parse_window
from dispatch.planning.day import CollectionDay, DayBuilder, DayState, TruckState, WasteCase
from dispatch.planning.outlook import ContainerOutlook
from dispatch.planning.policy import DUE_PRIZE_M, FILE_NAME, PlanningPolicy, load_policy
from dispatch.planning.problem import CollectionStop, FleetTruck, check_problem
from dispatch.planning.travel import BlockedArea, StraightLineTravel

TODAY = date(2026, 12, 1)
HALF = ContainerOutlook(50.0, 0.5)


@pytest.fixture(scope="module")
def kupang() -> City:
    return load_city(builtin_city("kupang"))


@pytest.fixture
def small(kupang: City) -> City:
    """Two containers and two trucks of the city."""
    names = ("bin-0001", "bin-0002", "truck-01", "truck-03")
    return kupang.with_devices({name: kupang.devices[name] for name in names})


def build(city: City, outlooks: Mapping[str, ContainerOutlook] | None = None, **given: Any) -> CollectionDay:
    policy: PlanningPolicy = given.pop("policy", load_policy())
    builder = DayBuilder(city, policy, StraightLineTravel(city, policy.speed_kmh))
    return builder.build(TODAY, outlooks or {}, given.pop("last_collected", {}), **given)


def stop_of(day: CollectionDay, id_: str) -> CollectionStop:
    return next(stop for stop in day.problem.stops if stop.id == id_)


def truck_of(day: CollectionDay, id_: str) -> FleetTruck:
    return next(truck for truck in day.problem.trucks if truck.id == id_)


def change_bin(city: City, id_: str, **changes: Any) -> City:
    bin_ = city.devices[id_]
    assert isinstance(bin_, Bin)
    return city.with_devices({**city.devices, id_: replace(bin_, **changes)})


def change_truck(city: City, id_: str, **changes: Any) -> City:
    truck = city.devices[id_]
    assert isinstance(truck, Truck)
    return city.with_devices({**city.devices, id_: replace(truck, **changes)})


def test_the_whole_city_is_a_problem_without_contradictions(kupang: City) -> None:
    day = build(kupang, dict.fromkeys(kupang.bins, HALF))
    check_problem(day.problem)
    assert len(day.problem.stops) == len(kupang.bins)
    assert len(day.problem.trucks) == 34
    assert [landfill.id for landfill in day.problem.landfills] == ["tpa-alak"]


def test_a_container_weighs_what_its_level_its_volume_and_its_stream_make(small: City) -> None:
    day = build(small, {"bin-0001": HALF, "bin-0002": HALF})
    assert stop_of(day, "bin-0001").load == pytest.approx(0.5 * 660 * 0.30)
    assert stop_of(day, "bin-0002").load == pytest.approx(0.5 * 660 * 0.12)


def test_the_prize_grows_with_the_probability_and_with_the_knob(small: City) -> None:
    def prize(probability: float, care: float) -> float:
        policy = msgspec.structs.replace(load_policy(), overflow_care=care)
        day = build(small, {"bin-0001": ContainerOutlook(50.0, probability)}, policy=policy)
        return stop_of(day, "bin-0001").prize or 0.0

    assert prize(0.5, 0.5) == pytest.approx(5 * prize(0.1, 0.5))
    assert prize(1.0, 0.0) == pytest.approx(2_000)
    assert prize(1.0, 0.5) == pytest.approx(20_000)
    assert prize(1.0, 1.0) == pytest.approx(200_000)


def test_a_container_that_hardly_overflows_is_left_out(small: City) -> None:
    day = build(small, {"bin-0001": ContainerOutlook(5.0, 0.0001), "bin-0002": HALF})
    assert [stop.id for stop in day.problem.stops] == ["bin-0002"]


def test_an_unknown_level_is_not_zero(small: City) -> None:
    day = build(small)
    assert stop_of(day, "bin-0001").prize == pytest.approx(0.3 * 20_000)
    assert stop_of(day, "bin-0001").load == pytest.approx(660 * 0.30)
    assert day.candidates["bin-0001"].cause == "unknown"


@pytest.mark.parametrize(
    ("last", "cause"),
    [(None, "due"), (date(2026, 11, 28), "due"), (date(2026, 11, 29), "overflow")],
)
def test_a_container_with_a_rhythm_is_due_by_it(small: City, last: date | None, cause: str) -> None:
    city = change_bin(small, "bin-0001", every_days=3)
    last_collected = {} if last is None else {"bin-0001": last}
    day = build(city, {"bin-0001": HALF}, last_collected=last_collected)
    assert day.candidates["bin-0001"].cause == cause
    assert (stop_of(day, "bin-0001").prize == DUE_PRIZE_M) == (cause == "due")


def test_the_inventory_says_what_a_truck_may_do(small: City) -> None:
    city = change_truck(
        small,
        "truck-01",
        vehicle_class="small",
        split_kg=(("organic", 3000.0), ("non_organic", 2000.0)),
        day_kg=9000.0,
        shift=parse_window("04:00-10:30"),
        end_depot="depot-alak",
    )
    truck, other = truck_of(build(city), "truck-01"), truck_of(build(city), "truck-03")
    assert truck.vehicle_class == "small"
    assert [(part.capacity, part.streams) for part in truck.compartments] == [
        (3000.0, ("organic",)),
        (2000.0, ("non_organic",)),
    ]
    assert (truck.starts_s, truck.ends_s) == (4 * 3600, 10.5 * 3600)
    assert truck.end_place != truck.start_place
    assert truck.day_load == 9000.0
    assert not other.is_split
    assert (other.starts_s, other.ends_s) == (6 * 3600, 14 * 3600)
    assert other.start_place == other.end_place


def test_service_hours_bind_stops_and_landfills(kupang: City, small: City) -> None:
    site = next(site.id for site in kupang.sites.values() if site.kind == "tps")
    hours = parse_window("07:00-16:00")
    sites = {
        **small.sites,
        site: replace(small.sites[site], service_hours=parse_window("05:00-09:00")),
        "tpa-alak": replace(small.sites["tpa-alak"], service_hours=hours),
    }
    day = build(replace(change_bin(small, "bin-0001", site=site), sites=sites))
    stop, landfill = stop_of(day, "bin-0001"), day.problem.landfills[0]
    assert (stop.opens_s, stop.closes_s) == (5 * 3600, 9 * 3600)
    assert (landfill.opens_s, landfill.closes_s) == (7 * 3600, 16 * 3600)


def test_service_hours_of_a_night_are_those_before_the_shift(small: City) -> None:
    site = next(iter(small.sites))
    sites = {**small.sites, site: replace(small.sites[site], service_hours=parse_window("20:00-07:00"))}
    stop = stop_of(build(replace(change_bin(small, "bin-0001", site=site), sites=sites)), "bin-0001")
    assert (stop.opens_s, stop.closes_s) == (-4 * 3600, 7 * 3600)


NOW_S = 10 * 3600.0


def test_what_is_left_of_a_day_starts_where_trucks_are_with_what_they_carry(small: City) -> None:
    state = DayState(
        now_s=NOW_S,
        trucks={"truck-01": TruckState(-10.18, 123.6, {"organic": 900.0}, 2900.0, 12, had_break=True)},
        done=frozenset({"bin-0001"}),
    )
    day = build(small, state=state)
    truck, other = truck_of(day, "truck-01"), truck_of(day, "truck-03")
    assert truck.starts_s == NOW_S
    assert truck.start_place != truck.end_place
    assert (truck.on_board, truck.collected, truck.collected_stops) == ({"organic": 900.0}, 2900.0, 12)
    assert truck.pause is None
    assert truck.fixed_cost == 0
    assert other.pause is not None
    assert other.fixed_cost > 0
    assert [stop.id for stop in day.problem.stops] == ["bin-0002"]
    check_problem(day.problem)


def test_a_break_is_no_longer_due_after_its_window(small: City) -> None:
    day = build(small, state=DayState(now_s=12.5 * 3600))
    assert all(truck.pause is None for truck in day.problem.trucks)


def test_a_truck_out_of_service_or_beyond_its_shift_is_left_out(small: City) -> None:
    day = build(small, state=DayState(now_s=NOW_S, trucks_out=frozenset({"truck-01"})))
    assert [truck.id for truck in day.problem.trucks] == ["truck-03"]
    with pytest.raises(ConfigError, match="no truck is in service"):
        build(small, state=DayState(now_s=14 * 3600))


def test_a_city_without_a_landfill_has_no_plan(small: City) -> None:
    sites = {id_: site for id_, site in small.sites.items() if site.kind != "landfill"}
    with pytest.raises(ConfigError, match="no landfill"):
        build(replace(small, sites=sites))


def test_a_new_case_is_a_stop_and_a_blocked_street_takes_its_stops_out(small: City) -> None:
    case = WasteCase("case-1", -10.16, 123.6, "oebobo", 200.0)
    bin_ = small.bins["bin-0001"]
    assert bin_.lat_deg is not None
    assert bin_.lon_deg is not None
    state = DayState(now_s=NOW_S, cases=(case,), blocked=(BlockedArea(bin_.lat_deg, bin_.lon_deg, 100.0),))
    day = build(small, state=state)
    assert [stop.id for stop in day.problem.stops] == ["case-1"]
    assert day.blocked_stops == {"bin-0001", "bin-0002"}
    assert stop_of(day, "case-1").prize == DUE_PRIZE_M


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("overflow_care = 2", "overflow_care"),
        ("shift = 'early'", "is not a window"),
        ("break_min = -5", "break_min"),
        ("speed = 3", "speed"),
        ("[density_kg_per_l]\norganic = 0", "density_kg_per_l"),
        ("[density_kg_per_l]\nglass = 1", "glass"),
        ("density_kg_per_l = 1", "density_kg_per_l"),
        ("[speed_kmh]\nlarge = 'fast'", "speed_kmh"),
        ("overflow_care =", "planning.toml"),
        ("\x00", "planning.toml"),
    ],
)
def test_a_policy_that_is_wrong_is_refused_with_its_file(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(ConfigError, match=reason):
        load_policy(tmp_path)


def test_a_city_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("overflow_care = 1\nbreak_min = 0\n[speed_kmh]\nsmall = 30\n")
    policy = load_policy(tmp_path)
    assert policy.pause is None
    assert policy.overflow_prize_m == pytest.approx(200_000)
    assert policy.speed_kmh == {"large": 22, "small": 30}


def test_check_reads_the_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(builtin_city("kupang"), tmp_path / "city")
    (tmp_path / "city" / FILE_NAME).write_text("overflow_care = 7")
    assert main(["check", "--city", str(tmp_path / "city"), "--data", str(tmp_path / "data")]) == 2
    assert "FAIL planning" in capsys.readouterr().out
