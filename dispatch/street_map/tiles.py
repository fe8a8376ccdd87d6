"""Tiles of streets: where a street lies in the tiles of a zoom, and what of it is drawn there. Pure.

Tiles are those of web maps: https://wiki.openstreetmap.org/wiki/Slippy_map_tilenames. A position in a tile is a pair of
integers, `EXTENT` from side to side, from its upper left corner; a street may go beyond the sides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

ZOOMS: Final = range(11, 17)
"""Zooms of which there are tiles; closer ones are the last of them, enlarged."""
EXTENT: Final = 1_024
MARGIN: Final = 96
"""A tile has what is so near its sides, for the width of lines."""
LABEL_MARGIN: Final = EXTENT // 2
"""A name may begin in the next tile."""
STEP_MIN: Final = 6
"""Corners nearer than this to the one before are left out."""
CLASSES: Final[Mapping[str, int]] = {
    **dict.fromkeys(("motorway", "trunk", "primary", "motorway_link", "trunk_link", "primary_link"), 0),
    **dict.fromkeys(("secondary", "secondary_link"), 1),
    **dict.fromkeys(("tertiary", "tertiary_link"), 2),
    **dict.fromkeys(("residential", "unclassified", "living_street", "road"), 3),
    **dict.fromkeys(("service", "track"), 4),
    **dict.fromkeys(("pedestrian", "footway", "path", "steps", "cycleway"), 5),
}
"""Kind of highway to its class, 0 for main roads to 5 for foot paths; other kinds are no streets of the map."""
_FIRST_ZOOM: Final = (11, 11, 12, 14, 15, 16)
"""The first zoom at which a class is drawn."""
_FIRST_LABEL_ZOOM: Final = (15, 15, 15, 16, 16, 16)
"""The first zoom at which streets of a class have their names."""

Position = tuple[float, float]
"""Latitude and longitude in degrees."""
TileKey = tuple[int, int, int]
"""Zoom, column and row."""


class Street(NamedTuple):
    """A street: its class, its name or nothing, and its corners."""

    class_: int
    name: str
    corners: Sequence[Position]


class StreetLine(msgspec.Struct, frozen=True):
    """A piece of street in a tile."""

    class_: Annotated[int, Meta(description="0 for main roads to 5 for foot paths. Unit: 1.")] = msgspec.field(
        name="class"
    )
    steps: Annotated[
        list[int], Meta(description="x and y of its corners, each less those before. Unit: 1/1024 of a tile.")
    ]


class StreetLabel(msgspec.Struct, frozen=True):
    """A name in a tile, where its middle is, and how steep its street is, clockwise."""

    name: str
    x: Annotated[int, Meta(description="To the right. Unit: 1/1024 of a tile.")]
    y: Annotated[int, Meta(description="Downwards. Unit: 1/1024 of a tile.")]
    angle_deg: int


class StreetTile(msgspec.Struct, frozen=True):
    """What is drawn of a tile, the least important streets first."""

    streets: list[StreetLine]
    labels: list[StreetLabel]


def to_world(position: Position, zoom: int) -> tuple[float, float]:
    """A position in units of the whole map at a zoom, `EXTENT` a tile, from the upper left corner."""
    lat, size = math.radians(position[0]), EXTENT * 2**zoom
    y = (1 - math.asinh(math.tan(lat)) / math.pi) / 2
    return (position[1] + 180) / 360 * size, y * size


def lines_of(street: Street, zoom: int) -> Iterator[tuple[TileKey, StreetLine]]:
    """The pieces of a street in each tile of a zoom; none where its class is not drawn."""
    if zoom < _FIRST_ZOOM[street.class_]:
        return
    corners = _simplify([to_world(corner, zoom) for corner in street.corners])
    pieces: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for start, end in pairwise(corners):
        touched = set(_tiles_of(start, end))
        for tile in [tile for tile in pieces if tile not in touched]:
            yield _line(street.class_, zoom, tile, pieces.pop(tile))
        for tile in touched:
            pieces.setdefault(tile, [start]).append(end)
    for tile, piece in pieces.items():
        yield _line(street.class_, zoom, tile, piece)


def _simplify(corners: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The corners without those that nobody would see; the last one stays."""
    kept = list(corners[:1])
    for corner in corners[1:-1]:
        if math.dist(kept[-1], corner) >= STEP_MIN:
            kept.append(corner)
    return [*kept, *corners[1:][-1:]]


def _tiles_of(start: tuple[float, float], end: tuple[float, float]) -> Iterator[tuple[int, int]]:
    """The tiles that a straight piece lies in, or near."""
    (x0, x1), (y0, y1) = sorted((start[0], end[0])), sorted((start[1], end[1]))
    for x in range(math.floor((x0 - MARGIN) / EXTENT), math.floor((x1 + MARGIN) / EXTENT) + 1):
        for y in range(math.floor((y0 - MARGIN) / EXTENT), math.floor((y1 + MARGIN) / EXTENT) + 1):
            yield x, y


def _line(
    class_: int, zoom: int, tile: tuple[int, int], piece: Sequence[tuple[float, float]]
) -> tuple[TileKey, StreetLine]:
    points = [(round(x - tile[0] * EXTENT), round(y - tile[1] * EXTENT)) for x, y in piece]
    steps = [*points[0]]
    for (x0, y0), (x1, y1) in pairwise(points):
        steps += (x1 - x0, y1 - y0)
    return (zoom, *tile), StreetLine(class_, steps)


def label_of(street: Street, zoom: int) -> tuple[tuple[float, float], int] | None:
    """Where the name of a street stands on the whole map, and its angle; None where it has none or no room."""
    if zoom < _FIRST_LABEL_ZOOM[street.class_] or not street.name:
        return None
    corners = [to_world(corner, zoom) for corner in street.corners]
    start, end = max(pairwise(corners), key=lambda piece: math.dist(*piece), default=((0.0, 0.0), (0.0, 0.0)))
    length = sum(math.dist(*piece) for piece in pairwise(corners))
    if length < len(street.name) * EXTENT / 64:
        return None
    angle = math.degrees(math.atan2(end[1] - start[1], end[0] - start[0]))
    upright = angle - 180 if angle > 90 else angle + 180 if angle < -90 else angle  # noqa: PLR2004 - degrees
    return ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2), round(upright)


def label_tiles(
    zoom: int, place: tuple[float, float], name: str, angle_deg: int
) -> Iterator[tuple[TileKey, StreetLabel]]:
    """A name in its tile and in those next to it, into which it may reach."""
    x, y = place
    for column in range(math.floor((x - LABEL_MARGIN) / EXTENT), math.floor((x + LABEL_MARGIN) / EXTENT) + 1):
        for row in range(math.floor((y - LABEL_MARGIN) / EXTENT), math.floor((y + LABEL_MARGIN) / EXTENT) + 1):
            label = StreetLabel(name, round(x - column * EXTENT), round(y - row * EXTENT), angle_deg)
            yield (zoom, column, row), label
