"""Small routing problems for tests of planning."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dispatch.planning.problem import (
    CollectionStop,
    Compartment,
    FleetTruck,
    Landfill,
    Pause,
    RouteProblem,
    TravelTable,
)

HOUR_S: Final = 3600.0
PAUSE: Final = Pause(11 * HOUR_S, 12 * HOUR_S, HOUR_S)
BODY: Final = (Compartment(100.0, ("organic", "non_organic")),)
SPLIT: Final = (Compartment(60.0, ("organic",)), Compartment(40.0, ("non_organic",)))
M_PER_S: Final = 10.0


def line_table(positions_m: Sequence[float], **changes: Any) -> TravelTable:
    """Places on a road, given by their distance from its beginning."""
    metres = [[abs(start - end) for end in positions_m] for start in positions_m]
    table = TravelTable.from_rows(metres, [[value / M_PER_S for value in row] for row in metres], "given")
    return msgspec.structs.replace(table, **changes)


def plane_table(places: Sequence[tuple[float, float]]) -> TravelTable:
    """Places in a plane, Manhattan distances in metres."""
    metres = [[abs(a[0] - b[0]) + abs(a[1] - b[1]) for b in places] for a in places]
    return TravelTable.from_rows(metres, [[value / M_PER_S for value in row] for row in metres], "given")


def make_truck(**changes: Any) -> FleetTruck:
    """A truck at place 0 from six to two, with a break at eleven."""
    truck = FleetTruck(
        id="t1",
        start_place=0,
        end_place=0,
        starts_s=6 * HOUR_S,
        ends_s=14 * HOUR_S,
        compartments=BODY,
        pause=PAUSE,
    )
    return msgspec.structs.replace(truck, **changes)


def make_stop(number: int, **changes: Any) -> CollectionStop:
    """A stop at the place of its number, ten minutes of work, a load of 30."""
    stop = CollectionStop(id=f"s{number}", place=number, stream="organic", load=30.0, service_s=600.0)
    return msgspec.structs.replace(stop, **changes)


def make_landfill(place: int, **changes: Any) -> Landfill:
    """A landfill that is always open."""
    return msgspec.structs.replace(Landfill(id="tpa", place=place, service_s=900.0), **changes)


def random_problem(seed: int) -> RouteProblem:
    """A small city with all sorts of trucks and stops."""
    chance = random.Random(seed)
    count, trucks = chance.randint(1, 14), chance.randint(1, 4)
    places = [(chance.uniform(0, 20_000), chance.uniform(0, 20_000)) for _ in range(count + 4)]
    table = msgspec.structs.replace(
        plane_table(places), hour_factors=tuple(chance.choice((1.0, 1.0, 1.5)) for _ in range(24))
    )
    return RouteProblem(
        stops=tuple(_random_stop(chance, number) for number in range(1, count + 1)),
        landfills=tuple(
            make_landfill(
                count + number, id=f"tpa{number}", opens_s=chance.choice((0, 7)) * HOUR_S, closes_s=13 * HOUR_S
            )
            for number in range(1, chance.randint(2, 3))
        ),
        trucks=tuple(_random_truck(chance, number, count) for number in range(trucks)),
        travel={"large": table, "small": table},
    )


def _random_stop(chance: random.Random, number: int) -> CollectionStop:
    opens_s = chance.choice((0.0, 0.0, chance.uniform(6, 10) * HOUR_S))
    return make_stop(
        number,
        stream=chance.choice(("organic", "non_organic")),
        load=chance.uniform(0, 45),
        opens_s=opens_s,
        closes_s=opens_s + (chance.choice((24.0, 1.0)) if opens_s else 24.0) * HOUR_S,
        prize=chance.uniform(0, 60_000),
        access=chance.choice(("large", "large", "small")),
    )


def _random_truck(chance: random.Random, number: int, stops: int) -> FleetTruck:
    split = chance.random() < 0.4
    on_board = {chance.choice(("organic", "non_organic")): chance.uniform(1, 30)} if chance.random() < 0.4 else {}
    starts_s = chance.choice((6.0, 9.5, 11.2)) * HOUR_S
    return make_truck(
        id=f"t{number}",
        start_place=chance.choice((0, chance.randint(1, stops))),
        starts_s=starts_s,
        compartments=SPLIT if split else BODY,
        vehicle_class=chance.choice(("large", "small")),
        pause=chance.choice((PAUSE, None)),
        day_load=chance.choice((None, 90.0, 150.0)),
        day_stops=chance.choice((None, 4)),
        on_board=on_board,
        collected=sum(on_board.values()),
    )
