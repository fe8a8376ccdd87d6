"""The bench of a month: the same waste for every way, overflows counted by container and day, honest fixed tours."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from city.inventory.model import City
from dispatch.planning.policy import load_policy
from dispatch.planning.travel import Position, StraightLineTravel
from dispatch.verification.judge import judge_stop
from tests.bench.dispatch_city import CityFilling, fill_city, full_city
from tests.bench.dispatch_days import CollectedCity, KnownTravel
from tests.bench.dispatch_fixed import overflows, weekdays
from tests.bench.dispatch_proof import JUDGED_AT, make_cases


@pytest.fixture(scope="module")
def city() -> City:
    """The full city."""
    return full_city()


def test_city_has_its_whole_inventory(city: City) -> None:
    """1,300 plastic and 68 steel containers, 34 trucks."""
    materials = Counter(city.models[bin_.model].material for bin_ in city.bins.values())
    assert (materials, len(city.trucks)) == ({"plastic": 1300, "steel": 68}, 34)
    assert "tpa-alak" in {site.id for site in city.sites.values() if site.kind == "landfill"}


def test_waste_is_the_same_for_every_way(city: City) -> None:
    """A seed gives the same growth; containers fill by about an eighth a day and differ as measured ones do."""
    first, again = fill_city(city, 30, 3), fill_city(city, 30, 3)
    assert np.array_equal(first.grown, again.grown)
    rates = first.grown[:, -1] / 30
    assert rates.mean() == pytest.approx(12.6, rel=0.05)
    assert 0.35 < rates.std() / rates.mean() < 0.65


def test_container_is_full_on_each_day_until_it_is_emptied(city: City) -> None:
    """Overflows are container-days; a collection at ten does not undo that the container was full at nine."""
    grown = np.zeros((2, 3 * 24 + 1))
    grown[0, 30:] = 120.0
    filling = CityFilling(("a", "b"), grown)
    two = city.with_devices(dict.fromkeys(("a", "b"), city.bins["bin-0001"]))
    policy = load_policy()
    state = CollectedCity(two, filling, policy, KnownTravel(two, policy), 1.0, 0)
    assert [state.collect(day, visited) for day, visited in enumerate(({}, {"a": 10.0}, {}))] == [0, 1, 0]


def test_known_distances_are_those_of_straight_lines(city: City) -> None:
    """The bench has no distances of its own."""
    policy = load_policy()
    places = [
        Position(bin_.lat_deg or 0.0, bin_.lon_deg or 0.0, bin_.kelurahan) for bin_ in list(city.bins.values())[:400:50]
    ]
    known = KnownTravel(city, policy).table(places, "large")
    line = StraightLineTravel(city, policy.speed_kmh).table(places, "large")
    for name in ("metres", "seconds"):
        assert np.allclose(np.frombuffer(getattr(known, name)), np.frombuffer(getattr(line, name)))


@pytest.mark.parametrize("times", range(1, 8))
def test_weekdays_are_spread_evenly(times: int) -> None:
    """So many different days, with gaps that differ by a day at most."""
    for phase in range(7):
        days = sorted(weekdays(times, phase))
        gaps = [after - before for before, after in zip(days, [*days[1:], days[0] + 7], strict=True)]
        assert len(days) == times
        assert max(gaps) - min(gaps) <= 1


def test_overflows_of_fixed_weekdays() -> None:
    """A container that fills in two and a half days is never full with daily tours.

    With one on Mondays at ten it is full from Wednesday evening to Monday morning: on six days of a week.
    """
    grown = np.arange(29 * 24 + 1, dtype=np.float64)[None, :] * (100 / 60)
    served = np.array([10])
    assert overflows(grown, served, weekdays(7, 0), 7, 21) == 0
    assert overflows(grown, served, weekdays(1, 0), 7, 21) == 3 * 6


def test_proofs_are_found_and_nothing_is_proved_that_did_not_happen() -> None:
    """98 % of collections that left a proof are verified, and at most 1 % of stops that nobody served."""
    states = Counter(
        (case.truth == "collected", case.proof != "none", judge_stop(case.facts, case.signals, JUDGED_AT).state)
        for case in make_cases(5, shifts=40)
    )
    proved = sum(count for (collected, has_proof, _), count in states.items() if collected and has_proof)
    unserved = sum(count for (collected, *_), count in states.items() if not collected)
    assert states[True, True, "verified"] >= 0.98 * proved
    assert sum(states[False, proof, state] for proof in (True, False) for state in ("verified", "recovered")) <= (
        0.01 * unserved
    )
    assert min(proved, unserved) > 200
