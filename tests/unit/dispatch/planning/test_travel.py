"""Travel by straight lines, around blocked areas, and learned from the fleet's GPS."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from city.inventory.loader import builtin_city, load_city
from city.inventory.model import City
from dispatch.planning.gps_travel import Fix, GpsLearner, GpsTravel
from dispatch.planning.policy import load_policy
from dispatch.planning.problem import TravelTimes
from dispatch.planning.road_process import ROADS_FILE, RoadProcessTravel
from dispatch.planning.sources import best_travel, learn_from_gps
from dispatch.planning.travel import BlockedArea, Position, StraightLineTravel, metres_between
from ingest.store.memory import MemoryStore
from ingest.store.records import Reading, RecordOrigin

ZONE = ZoneInfo("Asia/Makassar")
DEG_M = 111_195.0
NIGHT = datetime(2026, 12, 1, 16, 0, tzinfo=UTC)
"""Midnight in Kupang."""


@pytest.fixture(scope="module")
def kupang() -> City:
    return load_city(builtin_city("kupang"))


def at(north_m: float, east_m: float, kelurahan: str = "alak") -> Position:
    return Position(north_m / DEG_M, east_m / DEG_M, kelurahan)


def test_a_straight_line_is_lengthened_by_the_factors_of_both_kelurahan(kupang: City) -> None:
    factors = {"alak": 2.0, "oesapa": 1.0}
    changed = {id_: replace(k, detour_factor=factors.get(id_, 1.4)) for id_, k in kupang.kelurahan.items()}
    line = StraightLineTravel(replace(kupang, kelurahan=changed), {"large": 36.0, "small": 72.0})
    start, end = at(0, 0, "alak"), at(0, 1000, "oesapa")
    table = line.table([start, end], "large")
    assert table.source == "straight_line"
    assert TravelTimes(table).metres(0, 1) == pytest.approx(1500, rel=0.001)
    assert TravelTimes(table).seconds(0, 1, 0) == pytest.approx(150, rel=0.001)
    assert TravelTimes(line.table([start, end], "small")).seconds(0, 1, 0) == pytest.approx(75, rel=0.001)


def test_a_blocked_area_lengthens_ways_through_it_only(kupang: City) -> None:
    line = StraightLineTravel(kupang, {"large": 36.0, "small": 36.0})
    blocked = BlockedArea(0.0, 500 / DEG_M, 200.0)
    through, beside = (at(0, 0), at(0, 1000)), (at(300, 0), at(300, 1000))
    assert line.metres(*through, [blocked]) - line.metres(*through) == pytest.approx(200 * 1.1416, rel=0.01)
    assert line.metres(*beside, [blocked]) == line.metres(*beside)
    assert line.metres(at(0, 0), at(0, 100), [blocked]) == line.metres(at(0, 0), at(0, 100))
    assert blocked.contains(at(0, 400))
    assert not blocked.contains(at(0, 1000))


def drive(start: datetime, m_per_s: float, seconds: int, *, zigzag: bool = False) -> list[Fix]:
    """A truck to the east with a fix every 10 s; zigzag: every second step goes north or south."""
    fixes, north, east = [], 0.0, 0.0
    for number in range(seconds // 10):
        fixes.append(Fix(start + timedelta(seconds=10 * number), at(north, east)))
        step_m = m_per_s * 10
        if zigzag and number % 2:
            north += step_m if number % 4 == 1 else -step_m
        else:
            east += step_m
    return fixes


def learned(learner: GpsLearner, city: City) -> GpsTravel:
    model = learner.model(StraightLineTravel(city, {"large": 20.0, "small": 20.0}))
    assert model is not None
    return model


def test_speeds_are_learned_by_hour(kupang: City) -> None:
    learner = GpsLearner(ZONE)
    learner.add(drive(NIGHT + timedelta(hours=6), 5.0, 3610))
    learner.add(drive(NIGHT + timedelta(hours=9), 10.0, 3 * 3600 + 10))
    model = learned(learner, kupang)
    assert model.speed_m_per_s == pytest.approx(8.75, rel=0.01)
    assert model.hour_factors[6] == pytest.approx(8.75 / 5, rel=0.01)
    assert model.hour_factors[10] == pytest.approx(8.75 / 10, rel=0.01)
    assert model.hour_factors[3] == 1.0
    table = model.table([at(0, 0), at(0, 1000)], "large")
    assert table.source == "gps"
    times = TravelTimes(table)
    assert times.seconds(0, 1, 6.5 * 3600) == pytest.approx(2 * times.seconds(0, 1, 9.5 * 3600), rel=0.01)


def test_the_detour_of_a_kelurahan_is_learned(kupang: City) -> None:
    learner = GpsLearner(ZONE)
    learner.add(drive(NIGHT + timedelta(hours=6), 8.0, 5 * 3600, zigzag=True))
    table = learned(learner, kupang).table([at(0, 0), at(0, 1000), at(0, 0, "oesapa"), at(0, 1000, "oesapa")], "large")
    assert TravelTimes(table).metres(0, 1) == pytest.approx(2000, rel=0.1)
    assert TravelTimes(table).metres(2, 3) == pytest.approx(1400, rel=0.01)


def test_stops_gaps_and_wrong_fixes_teach_nothing(kupang: City) -> None:
    learner = GpsLearner(ZONE)
    learner.add(drive(NIGHT + timedelta(hours=6), 0.2, 6 * 3600))
    learner.add([Fix(NIGHT, at(0, 0)), Fix(NIGHT + timedelta(seconds=10), at(0, 9_000))])
    learner.add([Fix(NIGHT, at(0, 0)), Fix(NIGHT + timedelta(hours=1), at(0, 30_000))])
    learner.add([Fix(NIGHT, at(0, 0)), Fix(NIGHT, at(0, 50))])
    learner.add([])
    assert learner.model(StraightLineTravel(kupang, {"large": 20.0, "small": 20.0})) is None


def test_too_little_driving_teaches_nothing(kupang: City) -> None:
    learner = GpsLearner(ZONE)
    learner.add(drive(NIGHT, 8.0, 3600))
    assert learner.model(StraightLineTravel(kupang, {"large": 20.0, "small": 20.0})) is None


def test_distances_are_those_of_the_globe() -> None:
    assert metres_between(at(0, 0), at(1000, 0)) == pytest.approx(1000, rel=0.001)


def stored(fixes: list[Fix], truck: str, **values: Any) -> list[Reading]:
    quality = values.pop("quality", ())
    return [
        Reading(
            RecordOrigin("truck", truck, "b", number, fix.at, fix.at, quality=quality),
            {"lat_deg": -10.2 + fix.position.lat_deg, "lon_deg": 123.53 + fix.position.lon_deg, **values},
        )
        for number, fix in enumerate(fixes, 1)
    ]


def test_travel_is_learned_from_stored_readings_of_all_trucks(kupang: City) -> None:
    store = MemoryStore()
    for truck in ("truck-01", "truck-02"):
        store.write(stored(drive(NIGHT + timedelta(hours=6), 8.0, 2 * 3600 + 300), truck), ())
    wrong = drive(NIGHT + timedelta(hours=12), 20.0, 5 * 3600)
    store.write(stored(wrong, "truck-03", quality=("clock",)), ())
    policy = load_policy()
    gps = learn_from_gps(kupang, policy, store, NIGHT, NIGHT + timedelta(days=1))
    assert gps is not None
    assert gps.speed_m_per_s == pytest.approx(8.0, rel=0.03)
    assert learn_from_gps(kupang, policy, store, NIGHT - timedelta(days=1), NIGHT) is None


def test_the_best_source_that_there_is_is_taken(kupang: City, tmp_path: Path) -> None:
    policy = load_policy()
    gps, places = GpsTravel(StraightLineTravel(kupang, policy.speed_kmh), {}, 8.0, ()), [at(0, 0), at(0, 1000)]
    assert best_travel(kupang, policy, tmp_path, None).table(places, "large").source == "straight_line"
    (tmp_path / "planning").mkdir()
    (tmp_path / "planning" / ROADS_FILE).write_bytes(b"damaged")
    assert isinstance(best_travel(kupang, policy, tmp_path, None), RoadProcessTravel)
    assert best_travel(kupang, policy, tmp_path, gps) is gps


def test_roads_that_cannot_be_read_give_straight_lines_which_are_named(kupang: City, tmp_path: Path) -> None:
    (tmp_path / "planning").mkdir()
    (tmp_path / "planning" / ROADS_FILE).write_bytes(b"damaged")
    policy, places = load_policy(), [at(0, 0), at(0, 1000)]
    travel = best_travel(kupang, policy, tmp_path, None)
    assert travel.table(places, "large") == StraightLineTravel(kupang, policy.speed_kmh).table(places, "large")
