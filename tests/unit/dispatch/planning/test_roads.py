"""Roads from an extract that the test draws: one-way streets, limits for trucks, blocked streets, broken files."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

import osmium
import pytest

from city.cli.main import main
from city.errors import ConfigError
from city.inventory.collection import VehicleClass
from city.inventory.loader import builtin_city, load_city
from dispatch.planning.osm_import import import_roads
from dispatch.planning.problem import TravelTable, TravelTimes
from dispatch.planning.road_process import RoadProcessTravel
from dispatch.planning.roads import RoadTravel, load_roads, save_roads
from dispatch.planning.travel import BlockedArea, Position, StraightLineTravel

DEG_M = 111_195.0
"""Metres of a degree of latitude."""
Way = tuple[list[int], Mapping[str, str]]


def grid_extract(path: Path, ways: list[Way]) -> Path:
    """A 3 x 3 grid of nodes 1 km apart at the equator; node 10 * row + column, rows to the north."""
    with osmium.SimpleWriter(str(path)) as writer:
        for row in range(3):
            for column in range(3):
                location = (column * 1000 / DEG_M, row * 1000 / DEG_M)
                writer.add_node(osmium.osm.mutable.Node(id=10 * row + column + 1, location=location))
        for number, (nodes, tags) in enumerate(ways, 1):
            writer.add_way(osmium.osm.mutable.Way(id=number, nodes=[node + 1 for node in nodes], tags=dict(tags)))
    return path


def place(row: int, column: int) -> Position:
    return Position(row * 1000 / DEG_M, column * 1000 / DEG_M, "k")


def line() -> StraightLineTravel:
    return StraightLineTravel(load_city(builtin_city("kupang")), {"large": 20.0, "small": 20.0})


class Roads:
    """Roads of an extract with straight lines where none leads."""

    def __init__(self, roads: RoadTravel) -> None:
        self._roads = roads

    def table(
        self, places: Sequence[Position], vehicle_class: VehicleClass, blocked: Sequence[BlockedArea] = ()
    ) -> TravelTable:
        return self._roads.table(places, vehicle_class, blocked, line().table(places, vehicle_class, blocked))


def travel(path: Path, ways: list[Way]) -> Roads:
    return Roads(RoadTravel(import_roads(grid_extract(path / "grid.osm.pbf", ways))))


def way_m(table: TravelTable, start: int, end: int) -> float:
    return TravelTimes(table).metres(start, end)


RESIDENTIAL = {"highway": "residential"}
SQUARE: list[Way] = [([0, 1, 11, 10, 0], RESIDENTIAL)]
PLACES = (place(0, 0), place(0, 1))


def test_the_way_along_roads_is_longer_than_the_straight_line(tmp_path: Path) -> None:
    table = travel(tmp_path, [([0, 10, 11], RESIDENTIAL)]).table([place(0, 0), place(1, 1)], "large")
    assert table.source == "roads"
    assert way_m(table, 0, 1) == pytest.approx(2000, rel=0.01)
    assert TravelTimes(table).seconds(0, 1, 0) == pytest.approx(2 / 20 * 3600, rel=0.01)


@pytest.mark.parametrize(
    ("tags", "there_m", "back_m"),
    [
        ({}, 1000, 1000),
        ({"oneway": "yes"}, 1000, 3000),
        ({"oneway": "-1"}, 3000, 1000),
        ({"junction": "roundabout"}, 1000, 3000),
        ({"junction": "roundabout", "oneway": "no"}, 1000, 1000),
        ({"highway": "footway"}, 3000, 3000),
        ({"access": "private"}, 3000, 3000),
        ({"access": "no", "motor_vehicle": "yes"}, 1000, 1000),
    ],
)
def test_directions_and_access_are_kept(tmp_path: Path, tags: Mapping[str, str], there_m: float, back_m: float) -> None:
    ways: list[Way] = [([0, 1], {**RESIDENTIAL, **tags}), ([0, 10, 11, 1], RESIDENTIAL)]
    table = travel(tmp_path, ways).table(PLACES, "large")
    assert way_m(table, 0, 1) == pytest.approx(there_m, rel=0.01)
    assert way_m(table, 1, 0) == pytest.approx(back_m, rel=0.01)


@pytest.mark.parametrize(
    "limit", [{"hgv": "no"}, {"maxweight": "3.5"}, {"maxweight": "3.5 t"}, {"maxheight": "2.2"}, {"width": "2"}]
)
def test_a_limit_for_trucks_closes_a_road_to_large_ones_only(tmp_path: Path, limit: Mapping[str, str]) -> None:
    roads = travel(tmp_path, [([0, 1], {**RESIDENTIAL, **limit}), ([0, 10, 11, 1], RESIDENTIAL)])
    assert way_m(roads.table(PLACES, "large"), 0, 1) == pytest.approx(3000, rel=0.01)
    assert way_m(roads.table(PLACES, "small"), 0, 1) == pytest.approx(1000, rel=0.01)


def test_a_speed_limit_slows_and_a_faster_way_wins(tmp_path: Path) -> None:
    ways: list[Way] = [([0, 1], {**RESIDENTIAL, "maxspeed": "5"}), ([0, 10, 11, 1], {"highway": "primary"})]
    assert way_m(travel(tmp_path, ways).table(PLACES, "large"), 0, 1) == pytest.approx(3000, rel=0.01)


def test_a_blocked_street_is_driven_around(tmp_path: Path) -> None:
    ways: list[Way] = [([0, 1, 2], RESIDENTIAL), ([0, 10, 11, 12, 2], RESIDENTIAL)]
    blocked = [BlockedArea(0.0, 1000 / DEG_M, 200.0)]
    table = travel(tmp_path, ways).table([place(0, 0), place(0, 2)], "large", blocked)
    assert way_m(table, 0, 1) == pytest.approx(4000, rel=0.01)


def test_a_place_that_no_road_reaches_has_straight_lines(tmp_path: Path) -> None:
    far = Position(1.0, 1.0, "k")
    table = travel(tmp_path, SQUARE).table([place(0, 0), far], "large")
    assert way_m(table, 0, 1) == pytest.approx(line().metres(place(0, 0), far), rel=0.001)
    assert way_m(table, 1, 1) == 0


def test_two_parts_of_a_network_that_do_not_meet_are_joined_by_straight_lines(tmp_path: Path) -> None:
    ways: list[Way] = [([0, 1], RESIDENTIAL), ([20, 21], RESIDENTIAL)]
    table = travel(tmp_path, ways).table([place(0, 0), place(2, 0)], "large")
    assert way_m(table, 0, 1) == pytest.approx(line().metres(place(0, 0), place(2, 0)), rel=0.001)


def test_nodes_that_only_bend_a_road_are_left_out_and_its_length_stays(tmp_path: Path) -> None:
    path, step = tmp_path / "bend.osm.pbf", 20 / DEG_M
    with osmium.SimpleWriter(str(path)) as writer:
        for number in range(51):  # 1 km in a zigzag of 20 m to the north and 20 m to the east
            location = ((number + 1) // 2 * step, number // 2 * step)
            writer.add_node(osmium.osm.mutable.Node(id=number + 1, location=location))
        writer.add_way(osmium.osm.mutable.Way(id=1, nodes=list(range(1, 52)), tags=RESIDENTIAL))
    graph = import_roads(path)
    assert 6 <= len(graph.lat_deg) <= 9
    assert graph.metres.sum() == pytest.approx(2 * 1000, rel=0.01)


def test_roads_survive_saving(tmp_path: Path) -> None:
    graph = import_roads(grid_extract(tmp_path / "grid.osm.pbf", SQUARE))
    assert load_roads(tmp_path) is None
    save_roads(tmp_path, graph)
    loaded = load_roads(tmp_path)
    assert loaded is not None
    tables = [Roads(RoadTravel(roads)).table(PLACES, "large").metres for roads in (graph, loaded)]
    assert array("d", tables[0]) == array("d", tables[1])


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "."), (b"not an extract", "."), (None, "no such file")],
    ids=["empty", "text", "absent"],
)
def test_an_extract_that_cannot_be_read_is_an_error_and_the_old_roads_stay(
    tmp_path: Path, content: bytes | None, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good = grid_extract(tmp_path / "grid.osm.pbf", SQUARE)
    assert main(["roads", "import", str(good), "--data", str(tmp_path)]) == 0
    assert "8 road pieces" in capsys.readouterr().out
    bad = tmp_path / "bad.osm.pbf"
    if content is not None:
        bad.write_bytes(content)
    assert main(["roads", "import", str(bad), "--data", str(tmp_path)]) == 2
    assert f"{bad}: " in capsys.readouterr().err
    assert load_roads(tmp_path) is not None
    with pytest.raises(ConfigError, match=reason):
        import_roads(bad)


def test_an_extract_without_roads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no road"):
        import_roads(grid_extract(tmp_path / "grid.osm.pbf", [([0, 1], {"highway": "footway"})]))


def test_damaged_roads_are_told(tmp_path: Path) -> None:
    (tmp_path / "planning").mkdir()
    (tmp_path / "planning" / "roads.npz").write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="import the roads again"):
        load_roads(tmp_path)


def test_another_process_computes_the_ways_for_those_who_load_no_scipy(tmp_path: Path) -> None:
    grid = grid_extract(tmp_path / "grid.osm.pbf", [([0, 10, 11, 1], RESIDENTIAL)])
    save_roads(tmp_path, import_roads(grid))
    table = RoadProcessTravel(tmp_path, line()).table(PLACES, "large")
    assert table.source == "roads"
    assert way_m(table, 0, 1) == pytest.approx(3000, rel=0.01)
    blocked = [BlockedArea(1000 / DEG_M, 0.0, 100.0)]
    around = RoadProcessTravel(tmp_path, line()).table(PLACES, "large", blocked)
    assert way_m(around, 0, 1) == pytest.approx(line().metres(*PLACES), rel=0.01)
