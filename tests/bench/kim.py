"""The waste collection problems of Kim, Kim and Sahoo (2006) as routing problems.

A file has the rules in its first lines, and a line for each place. Distances are Manhattan distances in feet, at one
speed; a truck leaves the depot when it opens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from city.errors import ConfigError
from dispatch.planning.problem import (
    CollectionStop,
    Compartment,
    FleetTruck,
    Landfill,
    Pause,
    RouteProblem,
    TravelTable,
)

METRES_PER_FOOT: Final = 0.3048
METRES_PER_MILE: Final = 1609.344
STREAM: Final = "waste"
LUNCH_FROM_S: Final = 11 * 3600.0
LUNCH_TO_S: Final = 12 * 3600.0


class Published(NamedTuple):
    """What Kim, Kim and Sahoo publish of their clustering."""

    vehicles: int
    miles: float


PUBLISHED: Final = {
    "kim-102": Published(3, 205.1),
    "kim-277": Published(3, 527.3),
    "kim-335": Published(6, 205.0),
    "kim-444": Published(11, 87.0),
    "kim-804": Published(5, 769.5),
    "kim-1051": Published(18, 2370.4),
    "kim-1351": Published(7, 1039.7),
    "kim-1599": Published(13, 1459.2),
    "kim-1932": Published(17, 1395.3),
    "kim-2100": Published(16, 1833.8),
}


class _Line(NamedTuple):
    id: str
    x_ft: float
    y_ft: float
    opens_s: float
    closes_s: float
    service_s: float
    load: float
    kind: int


def read_kim(path: Path, trucks: int) -> RouteProblem:
    """An instance for a number of trucks.

    Raises:
        ConfigError: The file cannot be read.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        volume, day_volume, day_stops, lunch_s, mph = (float(line.split("//")[0].split()[0]) for line in lines[:5])
        places = [_line(line.split()) for line in lines[5:] if line.split()[0].isdigit()]
    except (OSError, ValueError, IndexError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    depot = next(place for place in places if place.kind == 0)
    fleet = tuple(
        FleetTruck(
            id=f"truck-{number}",
            start_place=places.index(depot),
            end_place=places.index(depot),
            starts_s=depot.opens_s,
            ends_s=depot.closes_s,
            compartments=(Compartment(volume, (STREAM,)),),
            pause=Pause(LUNCH_FROM_S, LUNCH_TO_S, lunch_s),
            day_load=day_volume,
            day_stops=int(day_stops),
        )
        for number in range(trucks)
    )
    return RouteProblem(
        stops=tuple(_stop(number, place) for number, place in enumerate(places) if place.kind == 1),
        landfills=tuple(_landfill(number, place) for number, place in enumerate(places) if place.kind == 2),
        trucks=fleet,
        travel={"large": _travel(places, mph)},
    )


def _line(cells: list[str]) -> _Line:
    id_, x_ft, y_ft, opens, closes, service_s, load, kind = cells
    return _Line(
        id_,
        float(x_ft),
        float(y_ft),
        _seconds(opens),
        _seconds(closes),
        float(service_s),
        float(load),
        int(float(kind)),
    )


def _seconds(hhmm: str) -> float:
    """Seconds of the day from HHMM; some files have 75 minutes."""
    value = int(float(hhmm))
    return value // 100 * 3600.0 + value % 100 * 60.0


def _stop(number: int, line: _Line) -> CollectionStop:
    return CollectionStop(
        id=line.id,
        place=number,
        stream=STREAM,
        load=line.load,
        service_s=line.service_s,
        opens_s=line.opens_s,
        closes_s=line.closes_s,
    )


def _landfill(number: int, line: _Line) -> Landfill:
    return Landfill(id=line.id, place=number, service_s=line.service_s, opens_s=line.opens_s, closes_s=line.closes_s)


def _travel(places: list[_Line], mph: float) -> TravelTable:
    metres_per_s = mph * METRES_PER_MILE / 3600
    metres = [
        [(abs(start.x_ft - end.x_ft) + abs(start.y_ft - end.y_ft)) * METRES_PER_FOOT for end in places]
        for start in places
    ]
    return TravelTable.from_rows(metres, [[value / metres_per_s for value in row] for row in metres], "given")
