"""Reads the roads that trucks may drive from an OpenStreetMap extract; loads osmium.

Tags and their meaning: https://wiki.openstreetmap.org/wiki/Key:highway, Key:oneway, Key:access, Key:hgv, Key:maxweight,
Key:maxheight, Key:width.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from city.errors import ConfigError
from dispatch.planning.roads import RoadGraph, road_length_m

SPEED_KMH: Final[Mapping[str, float]] = {
    "motorway": 70,
    "motorway_link": 40,
    "trunk": 50,
    "trunk_link": 35,
    "primary": 40,
    "primary_link": 30,
    "secondary": 35,
    "secondary_link": 28,
    "tertiary": 30,
    "tertiary_link": 25,
    "unclassified": 25,
    "residential": 20,
    "living_street": 10,
    "service": 12,
    "track": 10,
    "road": 20,
}
"""Speed of a loaded truck where a road has no limit; other kinds of highway, such as footways, are no roads."""
LARGE_WEIGHT_T: Final = 8.0
LARGE_HEIGHT_M: Final = 3.2
LARGE_WIDTH_M: Final = 2.6
"""What a large truck needs: a road with a lower limit is closed to it."""
PIECE_M: Final = 150.0
"""Nodes that only bend a road are left out of pieces shorter than this."""
_NO: Final = frozenset({"no", "private", "agricultural", "forestry"})
_NUMBER: Final = re.compile(r"\s*(\d+(?:\.\d+)?)")
_MPH: Final = 1.609344


class _Way(NamedTuple):
    """Junction ids of a way in the order in which it may be driven, and whether it may be driven back."""

    nodes: list[int]
    both_ways: bool
    kmh: float
    is_open_to_large: bool


def import_roads(path: Path) -> RoadGraph:
    """The roads of an extract (`.osm.pbf`, `.osm`, `.osm.bz2`).

    Raises:
        ConfigError: The file cannot be read, osmium is missing, or there is no road in it.
    """
    try:
        import osmium  # noqa: PLC0415 - an extra of its own
    except ImportError:
        raise ConfigError("osmium is not installed; install the extra `planning`") from None
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    positions: dict[int, tuple[float, float]] = {}
    ways = []
    try:
        for way in osmium.FileProcessor(str(path), osmium.osm.WAY | osmium.osm.NODE).with_locations():
            if not isinstance(way, osmium.osm.Way):
                continue
            road = _read_way(dict(way.tags), [(node.ref, node) for node in way.nodes], positions)
            if road:
                ways.append(road)
    except (RuntimeError, osmium.InvalidLocationError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    if not ways:
        raise ConfigError(f"{path}: there is no road in it")
    return _graph(ways, positions)


def _read_way(
    tags: Mapping[str, str], nodes: list[tuple[int, Any]], positions: dict[int, tuple[float, float]]
) -> _Way | None:
    """The way as a road; None if no truck may drive it. Notes the positions of its nodes."""
    kmh = SPEED_KMH.get(tags.get("highway", ""))
    if kmh is None or _is_closed(tags):
        return None
    inside = [(ref, node) for ref, node in nodes if node.location.valid()]
    positions.update({ref: (node.lat, node.lon) for ref, node in inside})
    order = [ref for ref, _ in inside]
    direction = _direction(tags)
    limit = _limit_kmh(tags.get("maxspeed", ""))
    return _Way(order[:: direction or 1], direction == 0, min(kmh, limit or kmh), _is_open_to_large(tags))


def _is_closed(tags: Mapping[str, str]) -> bool:
    """The most specific tag of access counts."""
    for key in ("motor_vehicle", "vehicle", "access"):
        if key in tags:
            return tags[key] in _NO
    return False


def _direction(tags: Mapping[str, str]) -> int:
    """1 along the way only, -1 against it only, 0 both ways."""
    oneway = tags.get("oneway", "")
    if oneway in ("yes", "true", "1"):
        return 1
    if oneway in ("-1", "reverse"):
        return -1
    implied = tags.get("junction") in ("roundabout", "circular") or tags.get("highway") in ("motorway", "motorway_link")
    return 1 if implied and oneway != "no" else 0


def _is_open_to_large(tags: Mapping[str, str]) -> bool:
    if tags.get("hgv", "") in _NO or tags.get("goods", "") in _NO:
        return False
    needs = (("maxweight", LARGE_WEIGHT_T), ("maxheight", LARGE_HEIGHT_M), ("maxwidth", LARGE_WIDTH_M))
    limits = ((_number(tags.get(key, "")), need) for key, need in (*needs, ("width", LARGE_WIDTH_M)))
    return all(limit is None or limit >= need for limit, need in limits)


def _limit_kmh(text: str) -> float | None:
    limit = _number(text)
    return limit * _MPH if limit and "mph" in text else limit or None


def _number(text: str) -> float | None:
    match = _NUMBER.match(text)
    return float(match[1]) if match else None


def _graph(ways: list[_Way], positions: Mapping[int, tuple[float, float]]) -> RoadGraph:
    roads = list(_roads(ways, positions))
    numbers: dict[int, int] = {}
    for start, end, *_ in roads:
        numbers.setdefault(start, len(numbers))
        numbers.setdefault(end, len(numbers))
    return RoadGraph(
        np.array([positions[node][0] for node in numbers]),
        np.array([positions[node][1] for node in numbers]),
        np.array([numbers[road[0]] for road in roads], dtype=np.int64),
        np.array([numbers[road[1]] for road in roads], dtype=np.int64),
        np.array([road[2] for road in roads]),
        np.array([road[3] for road in roads]),
        np.array([road[4] for road in roads], dtype=np.bool_),
    )


def _roads(
    ways: list[_Way], positions: Mapping[int, tuple[float, float]]
) -> Iterator[tuple[int, int, float, float, bool]]:
    """Pieces of road: start, end, metres, km/h, whether large trucks may drive it."""
    uses = Counter(node for way in ways for node in way.nodes)
    for way in ways:
        for start, end, metres in _pieces(way, positions, uses):
            yield start, end, metres, way.kmh, way.is_open_to_large
            if way.both_ways:
                yield end, start, metres, way.kmh, way.is_open_to_large


def _pieces(
    way: _Way, positions: Mapping[int, tuple[float, float]], uses: Mapping[int, int]
) -> Iterator[tuple[int, int, float]]:
    """A way between its ends, its crossings, and nodes so far apart that places find a near one."""
    start, metres = way.nodes[0] if way.nodes else 0, 0.0
    for number, (before, node) in enumerate(pairwise(way.nodes), 2):
        metres += road_length_m(positions[before], positions[node])
        if number == len(way.nodes) or uses[node] > 1 or metres >= PIECE_M:
            yield start, node, metres
            start, metres = node, 0.0
