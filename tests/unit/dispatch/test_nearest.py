"""Which trucks could fetch a pile: the nearest that fit, or a tour that passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from city.inventory.loader import builtin_city, load_city
from dispatch.orders.nearest import PROPOSED_MAX, OpenTourStop, TruckOnTour, nearest_trucks

AT = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)
TRUCK = load_city(builtin_city("kupang")).trucks["truck-01"]
PLACE = (-10.15, 123.60)


def truck(name: str, lat_deg: float | None, *left: float, **fields: Any) -> TruckOnTour:
    known = replace(TRUCK, **{"id": name, "split_kg": (), "streams": (), "capacity_kg": 3000.0, **fields})
    position = None if lat_deg is None else (lat_deg, PLACE[1])
    return TruckOnTour(known, 1, position, tuple(OpenTourStop(lat, PLACE[1], AT) for lat in left))


def names(*trucks: TruckOnTour, size_kg: float = 100.0) -> list[str]:
    return [proposal.truck for proposal in nearest_trucks(*PLACE, "non_organic", size_kg, trucks)]


def test_the_nearest_comes_first_and_only_some_are_named() -> None:
    trucks = [truck(f"t{number}", -10.15 - number / 100) for number in (4, 1, 3, 2)]
    assert names(*trucks) == ["t1", "t2", "t3"]
    assert len(names(*trucks)) == PROPOSED_MAX


def test_a_tour_that_passes_is_nearer_than_a_truck_that_would_have_to_turn() -> None:
    (first, second) = nearest_trucks(
        *PLACE, "non_organic", 100.0, [truck("near", -10.17), truck("passes", -10.30, -10.152, -10.4)]
    )
    assert (first.truck, first.passes_at, first.km) == ("passes", AT, pytest.approx(0.22, abs=0.01))
    assert (second.truck, second.passes_at) == ("near", None)


def test_a_tour_that_is_far_does_not_pass() -> None:
    (proposal,) = nearest_trucks(*PLACE, "non_organic", 100.0, [truck("far", -10.30, -10.20)])
    assert proposal.passes_at is None


@pytest.mark.parametrize(
    "fields",
    [
        {"streams": ("organic",)},
        {"capacity_kg": 99.0},
        {"split_kg": (("organic", 3000.0), ("non_organic", 50.0))},
    ],
)
def test_a_truck_that_cannot_carry_it_is_not_named(fields: dict[str, Any]) -> None:
    assert names(truck("t1", -10.15, **fields)) == []


def test_a_truck_of_which_nothing_is_known_is_not_named() -> None:
    assert names(truck("t1", None)) == []
    assert names(truck("t1", None, -10.151)) == ["t1"]
