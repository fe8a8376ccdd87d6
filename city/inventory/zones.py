"""Zones of a camera's picture: where waste is watched, by which rule, and what is masked; pure functions.

The zone of waste is that of the point where it touches the ground: the bottom centre of its box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from city.inventory.field_types import Points, Text
from city.inventory.polygons import Point, area, contains, crosses_itself

ZoneKind = Literal["watch", "container", "beside", "ignore", "mask"]
"""watch: judged by the site's hours. container: inside a container, judged by the hours too. beside: beside the
container, an offence at any hour. ignore: nothing is reported there. mask: the same, and black in all that is stored.
"""

FaultCode = Literal[
    "kind", "name", "twice", "points", "outside", "crossing", "area", "many", "person_rows", "person_height"
]

ZONE_KINDS: Final[tuple[ZoneKind, ...]] = get_args(ZoneKind)
WATCHED: Final[frozenset[ZoneKind]] = frozenset({"watch", "container", "beside"})
_FIRST_WINS: Final[tuple[ZoneKind, ...]] = ("mask", "ignore", "beside", "container", "watch")
"""Precedence of overlapping zones."""
ZONES_MAX: Final = 40
CORNERS: Final = (3, 60)
NAME_MAX: Final = 60
AREA_MIN: Final = 0.0001
"""Minimum share of the picture: a hundredth of its width by a hundredth of its height."""
ROWS_APART_MIN: Final = 0.05
"""Minimum distance of the two rows; persons closer together say nothing about perspective."""

PersonHeight = Points
"""Nothing, or two pairs: the row of a person's feet, and how tall the person is there, shares of the picture's height.
"""


@dataclass(frozen=True, slots=True)
class Zone:
    """A part of the picture; `polygon` in 0..1 from the top left."""

    kind: ZoneKind
    name: Text
    polygon: Points


@dataclass(frozen=True, slots=True)
class ZonePlan:
    """Zones and person heights of one camera's picture."""

    zones: tuple[Zone, ...] = ()
    person_height: PersonHeight = ()


@dataclass(frozen=True, slots=True)
class ZoneFault:
    """A fault of a plan; `zone` is the zone's index, None if the fault is not of a single zone."""

    code: FaultCode
    zone: int | None
    detail: str


def ground_point(box: Sequence[float], width_px: float, height_px: float) -> Point:
    """Normalised point where an object touches the ground: bottom centre of its box (left, top, width, height px)."""
    left, top, width, height = box
    return min(1.0, (left + width / 2) / width_px), min(1.0, (top + height) / height_px)


def kind_at(zones: Sequence[Zone], point: Point) -> ZoneKind | None:
    """Kind of the zone in force at a point; None if nothing is watched there.

    Without a watch zone everything that no other zone covers is watched.
    """
    for kind in _FIRST_WINS:
        if any(zone.kind == kind and contains(zone.polygon, point) for zone in zones):
            return kind
    return None if any(zone.kind == "watch" for zone in zones) else "watch"


def is_watched(zones: Sequence[Zone], point: Point) -> bool:
    """Whether waste at a point is reported at all."""
    return kind_at(zones, point) in WATCHED


def faults_of(plan: ZonePlan) -> list[ZoneFault]:
    """All faults of a plan, in order."""
    faults = [fault for index, zone in enumerate(plan.zones) for fault in _faults_of_zone(index, zone)]
    names = [zone.name.strip().casefold() for zone in plan.zones]
    faults += [
        ZoneFault("twice", index, f"another zone is called {plan.zones[index].name[:NAME_MAX]!r} as well")
        for index, name in enumerate(names)
        if name and name in names[:index]
    ]
    if len(plan.zones) > ZONES_MAX:
        faults.append(ZoneFault("many", None, f"{len(plan.zones)} zones are more than {ZONES_MAX}"))
    return [*faults, *_faults_of_rows(plan.person_height)]


def _faults_of_zone(index: int, zone: Zone) -> Iterator[ZoneFault]:
    if zone.kind not in ZONE_KINDS:
        yield ZoneFault("kind", index, f"{zone.kind!r} is not one of {', '.join(ZONE_KINDS)}")
    if not 0 < len(zone.name.strip()) <= NAME_MAX:
        yield ZoneFault("name", index, f"a name has 1 to {NAME_MAX} letters")
    low, high = CORNERS
    if not low <= len(zone.polygon) <= high:
        yield ZoneFault("points", index, f"has {len(zone.polygon)} points; a polygon has {low} to {high}")
    elif not all(0 <= x <= 1 and 0 <= y <= 1 for x, y in zone.polygon):
        yield ZoneFault("outside", index, "has a point outside of 0..1")
    elif crosses_itself(zone.polygon):
        yield ZoneFault("crossing", index, "its lines cross or lie on each other")
    elif area(zone.polygon) < AREA_MIN:
        yield ZoneFault("area", index, "covers next to nothing")


def _faults_of_rows(rows: PersonHeight) -> Iterator[ZoneFault]:
    if not rows:
        return
    pairs = 2
    if len(rows) != pairs or not all(0 <= y <= 1 and 0 < height <= 1 for y, height in rows):
        yield ZoneFault("person_height", None, "is two pairs [row, height] with both in 0..1")
        return
    (far, small), (near, tall) = sorted(rows)
    if near - far < ROWS_APART_MIN:
        yield ZoneFault("person_rows", None, f"the two persons stand less than {ROWS_APART_MIN} apart")
    elif tall < small:
        yield ZoneFault("person_height", None, "the person who stands lower in the picture is the smaller one")
