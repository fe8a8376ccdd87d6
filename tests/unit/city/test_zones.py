"""Zones: which one a point on the ground lies in, which wins, and everything that can be wrong with a drawing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.inventory.polygons import Polygon, area, contains, crosses_itself
from city.inventory.zones import (
    CORNERS,
    ZONES_MAX,
    FaultCode,
    PersonHeight,
    Zone,
    ZoneKind,
    ZonePlan,
    faults_of,
    ground_point,
    is_watched,
    kind_at,
)

SQUARE: Polygon = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
INNER: Polygon = ((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6))
CENTRE = (0.5, 0.5)


def zone(kind: ZoneKind, polygon: Polygon = SQUARE, name: str = "") -> Zone:
    return Zone(kind, name or kind, polygon)


def codes(*zones: Zone, person_height: PersonHeight = ()) -> list[FaultCode]:
    return [fault.code for fault in faults_of(ZonePlan(zones, person_height))]


def test_without_zones_the_whole_picture_is_watched() -> None:
    assert kind_at((), (0.0, 1.0)) == "watch"
    assert is_watched((), (0.0, 1.0))


def test_with_a_watch_zone_nothing_beside_it_is_watched() -> None:
    zones = (zone("watch"),)
    assert (kind_at(zones, CENTRE), kind_at(zones, (0.9, 0.9))) == ("watch", None)
    assert not is_watched(zones, (0.9, 0.9))


def test_without_a_watch_zone_the_rest_of_the_picture_stays_watched() -> None:
    zones = (zone("container", INNER), zone("ignore", ((0.0, 0.0), (0.1, 0.0), (0.1, 0.1))))
    assert (kind_at(zones, CENTRE), kind_at(zones, (0.9, 0.9))) == ("container", "watch")
    assert not is_watched(zones, (0.05, 0.02))


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("watch", "container"), "container"),
        (("container", "beside", "watch"), "beside"),
        (("beside", "ignore", "container"), "ignore"),
        (("watch", "mask", "ignore"), "mask"),
    ],
)
def test_where_zones_overlap_the_stricter_secrecy_wins_then_the_stricter_rule(
    kinds: tuple[ZoneKind, ...], expected: ZoneKind
) -> None:
    assert kind_at([zone(kind) for kind in kinds], CENTRE) == expected
    assert kind_at([zone(kind) for kind in reversed(kinds)], CENTRE) == expected


def test_waste_lies_where_its_box_touches_the_ground() -> None:
    assert ground_point((300, 205, 34, 30), 480, 270) == (317 / 480, 235 / 270)
    assert ground_point((0, 260, 20, 20), 480, 270) == (10 / 480, 1.0), "never below the picture"


def test_the_edge_of_the_picture_belongs_to_a_zone_that_reaches_it() -> None:
    whole = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    assert all(contains(whole, point) for point in ((0.5, 1.0), (0.0, 0.0), (1.0, 0.5), (1.0, 1.0)))


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_circle_of_many_corners_holds_what_is_near_its_centre(x: float, y: float) -> None:
    circle = tuple((0.5 + 0.3 * math.cos(n * math.pi / 30), 0.5 + 0.3 * math.sin(n * math.pi / 30)) for n in range(60))
    distance = math.hypot(x - 0.5, y - 0.5)
    if not 0.298 < distance < 0.301:
        assert contains(circle, (x, y)) == (distance < 0.3)


def test_a_hollow_of_a_polygon_is_outside_of_it() -> None:
    horseshoe = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.6, 0.9), (0.6, 0.4), (0.4, 0.4), (0.4, 0.9), (0.1, 0.9))
    assert not contains(horseshoe, (0.5, 0.7))
    assert contains(horseshoe, (0.2, 0.7))
    assert not crosses_itself(horseshoe)
    assert area(SQUARE) == pytest.approx(0.36)


@pytest.mark.parametrize(
    "polygon",
    [
        ((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)),
        ((0.1, 0.1), (0.9, 0.1), (0.1, 0.1), (0.5, 0.9)),
        ((0.1, 0.1), (0.5, 0.1), (0.3, 0.1), (0.3, 0.9)),
        ((0.1, 0.1), (0.1, 0.1), (0.9, 0.1), (0.5, 0.9)),
        ((0.1, 0.5), (0.9, 0.5), (0.9, 0.9), (0.5, 0.5), (0.1, 0.9)),
        ((0.1, 0.1), (0.5, 0.5), (0.9, 0.9)),
    ],
    ids=["hourglass", "there and back", "fold", "corner twice", "corner on a line", "a line"],
)
def test_lines_that_cross_or_lie_on_each_other_are_found(polygon: Polygon) -> None:
    assert crosses_itself(polygon)
    assert codes(zone("watch", polygon)) == ["crossing"]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (zone("watch", SQUARE[:2]), "points"),
        (zone("watch", SQUARE * 20), "points"),
        (zone("watch", ((0.0, 0.0), (1.1, 0.0), (1.0, 1.0))), "outside"),
        (zone("watch", ((0.0, 0.0), (math.nan, 0.0), (1.0, 1.0))), "outside"),
        (zone("watch", ((0.5, 0.5), (0.501, 0.5), (0.5, 0.501))), "area"),
        (Zone("watch", " ", SQUARE), "name"),
        (Zone("watch", "x" * 61, SQUARE), "name"),
        (Zone("near", "x", SQUARE), "kind"),  # type: ignore[arg-type]
    ],
)
def test_a_faulty_zone_is_named_with_its_number(bad: Zone, code: FaultCode) -> None:
    assert CORNERS == (3, 60)
    (fault,) = faults_of(ZonePlan((zone("ignore", INNER, "good"), bad)))
    assert (fault.code, fault.zone) == (code, 1)
    assert fault.detail


def test_names_are_unique_and_zones_bounded() -> None:
    assert codes(zone("watch", name="Pasar"), zone("mask", INNER, " pasar ")) == ["twice"]
    assert codes(*(zone("watch", name=f"z{n}") for n in range(ZONES_MAX + 1))) == ["many"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((), []),
        (((0.4, 0.1), (0.9, 0.3)), []),
        (((0.9, 0.3), (0.4, 0.1)), []),
        (((0.4, 0.1),), ["person_height"]),
        (((0.4, 0.1), (0.9, 0.0)), ["person_height"]),
        (((0.4, 0.3), (0.9, 0.1)), ["person_height"]),
        (((0.4, 0.1), (0.42, 0.1)), ["person_rows"]),
    ],
)
def test_two_persons_say_how_the_street_recedes(rows: PersonHeight, expected: list[FaultCode]) -> None:
    assert codes(person_height=rows) == expected
