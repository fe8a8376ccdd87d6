"""Trucks at a stop: passing by, drift, gaps, neighbours, and sites with several containers."""

import random
from datetime import timedelta

import pytest

from dispatch.verification.judge import judge_stop
from dispatch.verification.signals import StopFacts, TruckFix
from dispatch.verification.stays import Stay, stays_at
from tests.support.stops import (
    LAT_DEG,
    LON_DEG,
    M_PER_DEG,
    at,
    emptying,
    fix,
    signals,
    stand,
    steady,
    stop,
    tap,
)

NOW = at(400)


def stays(*fixes: TruckFix, facts: StopFacts | None = None) -> list[Stay]:
    """Stays at a stop."""
    return stays_at(facts or stop(), fixes, NOW)


def test_passing_by_is_no_stay() -> None:
    """A truck that drives through the circle with its PTO on has collected nothing."""
    passing = [
        fix(at(60) + timedelta(seconds=15 * number), east_m=-300 + 100 * number, speed_kmh=24.0, working=True)
        for number in range(7)
    ]
    assert stays(*passing) == []
    assert judge_stop(stop(), signals(fixes=tuple(passing)), at(80)).state == "planned"


def test_passing_by_without_known_speed_is_no_stay() -> None:
    """Positions alone show that it moved: it stood for no second."""
    passing = [
        fix(at(60) + timedelta(seconds=5 * number), east_m=-60 + 30 * number, working=True) for number in range(5)
    ]
    assert [stay.stood_s for stay in stays(*passing)] == [0.0]
    assert judge_stop(stop(), signals(fixes=tuple(passing)), at(80)).state == "planned"


def test_wait_at_traffic_light_without_pto_signal_is_no_claim() -> None:
    """Ninety seconds are no collection if nobody knows whether the truck worked."""
    assert judge_stop(stop(), signals(fixes=stand(60, 61.5, working=None)), at(80)).state == "planned"


def test_drift_leaves_one_stay() -> None:
    """Positions that jump out of the circle for a minute and back do not divide a stay."""
    fixes = list(stand(60, 66))
    for number in (6, 7, 8, 15):
        fixes[number] = fix(fixes[number].at, east_m=95.0, working=True, speed_kmh=2.0)
    found = stays(*fixes)
    assert [(stay.start, stay.end, stay.stood_s) for stay in found] == [(at(60), at(66), 360.0)]


def test_noisy_positions_count_by_their_middle() -> None:
    """Errors of thirty metres do not move a truck away."""
    chance = random.Random(1)
    fixes = [
        fix(standing.at, east_m=chance.gauss(15, 20), north_m=chance.gauss(0, 20), working=True, speed_kmh=1.0)
        for standing in stand(60, 66)
    ]
    (stay,) = stays(*fixes)
    assert stay.away_m < 30
    assert stay.stood_s >= 240


def test_gap_within_a_stay_counts() -> None:
    """Ten minutes without coverage between two positions at the container: the truck stood there."""
    fixes = (*stand(60, 60.5), *stand(70, 70.5))
    (stay,) = stays(*fixes)
    assert (stay.stood_s, stay.silent_s) == (630.0, 570.0)


def test_longer_gap_divides_stays() -> None:
    """In twenty minutes it may have been elsewhere."""
    assert len(stays(*stand(60, 61), *stand(81, 82))) == 2


def test_one_position_is_no_stay() -> None:
    """It says nothing of how long the truck stood."""
    assert stays(fix(at(60), east_m=0, speed_kmh=0.0, working=True)) == []


def test_trucks_do_not_add_up() -> None:
    """Two trucks that each stood a minute are no collection."""
    fixes = (*stand(60, 61), *stand(61.5, 62.5, truck="truck-09"))
    assert len(stays(*fixes)) == 2
    assert judge_stop(stop(), signals(fixes=fixes), at(80)).state == "planned"


def test_stay_at_a_neighbouring_stop_is_not_ours() -> None:
    """The truck worked 50 m away, at another stop; its positions drift into our circle."""
    facts = stop(other_places=((LAT_DEG, LON_DEG + 60 / (M_PER_DEG * 0.9842)),))
    assert stays(*stand(60, 66, east_m=50), facts=facts) == []
    assert len(stays(*stand(60, 66, east_m=25), facts=facts)) == 1


def test_stay_for_the_other_stream_is_not_ours() -> None:
    """The plan has the truck here at seven for organic waste and at eleven for the rest: each stay is one of them."""
    organic = stop(planned_at=at(60), other_times=(at(300),), has_sensor=False)
    rest = stop(planned_at=at(300), other_times=(at(60),), has_sensor=False)
    known = signals(fixes=stand(62, 66))
    assert judge_stop(organic, known, at(100)).state == "claimed"
    assert judge_stop(rest, known, at(100)).state == "planned"


def test_site_with_four_containers_of_which_three_are_emptied() -> None:
    """The truck stood there for all four; each container's own sensor says what became of it."""
    stay = stand(60, 72)
    verdicts = [
        judge_stop(stop(id=f"con-{number}", beside=3), signals(fixes=stay, levels=levels), NOW).state
        for number, levels in enumerate([emptying(63), emptying(66), emptying(70), steady(-60, 300, 75)])
    ]
    assert verdicts == ["verified", "verified", "verified", "contradicted"]


@pytest.mark.parametrize(("lifts", "state"), [(4, "verified"), (3, "claimed"), (0, "claimed")])
def test_lifts_verify_a_site_when_there_are_enough_for_all(lifts: int, state: str) -> None:
    """Three lifts at four containers without sensors: nobody knows which one was left."""
    fixes = []
    for number in range(5 * 2):
        raised = number % 2 == 1 and number // 2 < lifts
        moment = at(60) + timedelta(seconds=60 * number)
        fixes.append(fix(moment, east_m=0, speed_kmh=0.0, working=True, lifting=raised))
    verdict = judge_stop(stop(has_sensor=False, beside=3), signals(fixes=tuple(fixes)), NOW)
    assert verdict.state == state
    counted = [fact.detail for fact in verdict.evidence if fact.kind == "lift"]
    assert counted == ([{"truck": "truck-07", "counted": lifts, "needed": 4}] if lifts else [])


def test_shaking_is_one_lift() -> None:
    """A lift that goes up again after ten seconds empties the same container."""
    raised = [False, True, False, True, False, False, False, True, False]
    fixes = [
        fix(at(60) + timedelta(seconds=10 * number), east_m=0, speed_kmh=0.0, working=True, lifting=lifting)
        for number, lifting in enumerate(raised)
    ]
    assert [stay.lifts for stay in stays(*fixes)] == [2]


def test_wrong_container_is_no_proof() -> None:
    """The crew emptied the container beside: ours is claimed by the stay and contradicted by its level."""
    verdict = judge_stop(stop(), signals(fixes=stand(60, 63), levels=steady(-60, 300, 90), taps=(tap(62),)), NOW)
    assert verdict.state == "contradicted"
    assert {fact.kind for fact in verdict.evidence} == {"tap", "standing", "working", "level_stayed"}
