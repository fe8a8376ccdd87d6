"""Each state of a stop with its evidence, and how late signals change it."""

from datetime import datetime

import pytest

from dispatch.verification.judge import judge_stop
from dispatch.verification.signals import CountedLift, StopFacts, StopSignals, SupervisorVerdict
from dispatch.verification.states import StopVerdict
from tests.support.stops import CLOSES, at, emptying, levels, signals, stand, steady, stop, tap

LATER = at(300)
"""Some hours after the collections of these tests, within the window."""


def kinds(verdict: StopVerdict) -> list[str]:
    """State and kinds of evidence."""
    return [verdict.state, *(fact.kind for fact in verdict.evidence)]


def judge(facts: StopFacts, known: StopSignals, now: datetime = LATER) -> list[str]:
    """State and kinds of evidence of a verdict."""
    return kinds(judge_stop(facts, known, now))


def test_stop_is_planned_until_it_is_next_or_a_truck_is_there() -> None:
    """Nothing has happened: planned, or under way if the truck heads for it or has arrived."""
    assert judge(stop(), signals()) == ["planned"]
    assert judge(stop(is_next=True), signals()) == ["under_way"]
    assert judge(stop(), signals(fixes=stand(60, 60.5)), at(61)) == ["under_way"]
    assert judge(stop(), signals(fixes=stand(60, 60.5)), at(70)) == ["planned"]


def test_tap_claims() -> None:
    """A tap of the crew claims; nothing proves it yet."""
    assert judge(stop(has_sensor=False), signals(taps=(tap(60),))) == ["claimed", "tap"]


def test_truck_that_stands_and_works_claims_without_a_tap() -> None:
    """A crew that forgets to tap has collected: the truck stood there for the service time with its PTO running."""
    verdict = judge_stop(stop(has_sensor=False), signals(fixes=stand(60, 63)), LATER)
    assert kinds(verdict) == ["claimed", "standing", "working"]
    assert verdict.evidence[0].detail == {"truck": "truck-07", "stood_s": 180, "away_m": 0}


def test_truck_that_stands_too_short_or_does_not_work_claims_nothing() -> None:
    """Less than the service time is no collection, and neither is a stop without PTO, such as a break."""
    assert judge(stop(), signals(fixes=stand(60, 61.5)), at(80)) == ["planned"]
    assert judge(stop(), signals(fixes=stand(60, 90, working=False)), at(100)) == ["planned"]


def test_truck_without_pto_signal_must_stand_longer() -> None:
    """Twice the service time counts, and the evidence says that nobody knows whether the truck worked."""
    facts = stop(has_sensor=False)
    assert judge(facts, signals(fixes=stand(60, 63, working=None)), at(80)) == ["planned"]
    verdict = judge_stop(facts, signals(fixes=stand(60, 64.5, working=None)), at(80))
    assert kinds(verdict) == ["claimed", "standing"]
    assert verdict.evidence[0].detail["has_pto_signal"] is False


@pytest.mark.parametrize("known", [{"taps": (tap(62),)}, {"fixes": stand(60, 63)}, {}], ids=["tap", "stay", "nobody"])
def test_fallen_level_verifies(known: dict[str, tuple[object, ...]]) -> None:
    """A level that fell proves the collection, whether the crew tapped, the truck reported, or neither."""
    verdict = judge_stop(stop(), signals(levels=emptying(62), **known), LATER)
    assert verdict.state == "verified"
    fell = next(fact for fact in verdict.evidence if fact.kind == "level_fell")
    assert fell.detail == {"before_pct": 80.0, "after_pct": 3.0}


def test_level_that_stayed_contradicts_a_claim() -> None:
    """The crew says collected, and the container is as full as before."""
    assert judge(stop(), signals(levels=steady(-60, 120, 80), taps=(tap(62),))) == [
        "contradicted",
        "tap",
        "level_stayed",
    ]


def test_contradiction_waits_for_readings() -> None:
    """Without a reading after the claim nothing contradicts it; two readings do, or one and two hours."""
    known = {"taps": (tap(62),), "fixes": stand(60, 63)}
    hourly = levels((-60, 80), (0, 80), (60, 80), (120, 80), (180, 80))
    assert judge_stop(stop(), signals(levels=hourly[:3], **known), at(100)).state == "claimed"
    assert judge_stop(stop(), signals(levels=hourly[:4], **known), at(130)).state == "claimed"
    assert judge_stop(stop(), signals(levels=hourly[:4], **known), at(190)).state == "contradicted"
    assert judge_stop(stop(), signals(levels=hourly, **known), at(182)).state == "contradicted"


def test_contradicted_stop_is_verified_when_the_level_falls_later() -> None:
    """The truck comes back two hours later."""
    late = steady(-60, 180, 80) + steady(190, 290, 4)
    assert judge_stop(stop(), signals(levels=late[:20], taps=(tap(62),)), at(135)).state == "contradicted"
    assert judge_stop(stop(), signals(levels=late, taps=(tap(62), tap(185))), LATER).state == "verified"
    assert judge_stop(stop(), signals(levels=late, taps=(tap(62),)), LATER).state == "verified"


def test_late_readings_do_not_contradict() -> None:
    """A sensor that is silent for six hours finds the container half full again: that proves nothing."""
    readings = steady(-60, 60, 55) + levels((480, 50), (490, 51))
    assert judge_stop(stop(), signals(levels=readings, fixes=stand(60, 63)), at(500)).state == "claimed"


def test_sensor_that_reports_twice_a_day_verifies_late() -> None:
    """Nothing is measured within four hours; a level that has fallen by the evening proves the collection."""
    rare = levels((-300, 82), (420, 9))
    assert judge_stop(stop(), signals(levels=rare, fixes=stand(60, 63)), at(430)).state == "verified"
    assert judge_stop(stop(), signals(levels=rare[:1], fixes=stand(60, 63)), at(400)).state == "claimed"


def test_nearly_empty_container_is_not_contradicted() -> None:
    """What was nearly empty before cannot fall."""
    assert judge_stop(stop(), signals(levels=steady(-60, 200, 6), taps=(tap(62),)), LATER).state == "claimed"


def test_full_container_after_a_claim_contradicts_without_a_level_before() -> None:
    """A container that is 70 % full a quarter of an hour after its collection was not emptied."""
    assert judge_stop(stop(), signals(levels=steady(75, 120, 70), taps=(tap(62),)), LATER).state == "contradicted"


def test_counted_lift_verifies_its_container_alone() -> None:
    """A lift that the truck identified is proof for that container, and none for the one beside it."""
    lift = CountedLift(at(61), "con-021", "truck-07")
    assert judge(stop(has_sensor=False), signals(lifts=(lift,))) == ["verified", "lift"]
    assert judge(stop(has_sensor=False, id="con-022", container="con-022"), signals(lifts=(lift,))) == ["planned"]


def test_level_that_stayed_refutes_a_lift() -> None:
    """A lift with waste that stuck leaves the container full: somebody has to look."""
    known = signals(lifts=(CountedLift(at(61), "con-021"),), levels=steady(-60, 200, 80))
    assert judge(stop(), known) == ["contradicted", "lift", "level_stayed"]


def test_photo_verifies_a_container_without_sensor() -> None:
    """There is no better proof."""
    known = signals(taps=(tap(62), tap(63, "photo")))
    assert judge(stop(has_sensor=False), known) == ["verified", "tap", "photo"]


def test_photo_does_not_replace_a_sensor_that_reports() -> None:
    """The sensor judges; it is silent for four hours before the photo counts."""
    known = {"taps": (tap(62, "photo"),), "fixes": stand(60, 63)}
    assert judge_stop(stop(), signals(levels=steady(-60, 200, 80), **known), LATER).state == "contradicted"
    assert judge_stop(stop(), signals(levels=steady(-60, 50, 80), **known), at(120)).state == "claimed"
    assert (
        judge_stop(stop(), signals(levels=steady(-60, 50, 80), **known), LATER + (at(10) - at(0))).state == "verified"
    )


def test_photo_from_elsewhere_is_no_proof() -> None:
    """The truck was two kilometres away all the time."""
    known = signals(taps=(tap(62, "photo"),), fixes=stand(30, 90, east_m=2_000))
    verdict = judge_stop(stop(has_sensor=False), known, LATER)
    assert kinds(verdict) == ["claimed", "photo"]
    assert verdict.evidence[0].detail["truck_m"] == pytest.approx(2_000, rel=0.01)


def test_stop_is_missed_within_fifteen_minutes_of_its_window() -> None:
    """Nobody came: missed, not a moment before the window ends, and soon afterwards."""
    assert judge(stop(), signals(levels=steady(-60, 480, 80)), at(485)) == ["planned"]
    assert judge(stop(), signals(levels=steady(-60, 480, 80)), at(494)) == ["missed", "window_over"]


def test_missed_stop_is_recovered_when_it_is_emptied_later() -> None:
    """By a tap with a fall, by a fall alone, by a photo."""
    for known in (
        signals(levels=emptying(700), taps=(tap(702),)),
        signals(levels=emptying(700)),
        signals(taps=(tap(702, "photo"),)),
    ):
        verdict = judge_stop(stop(has_sensor=bool(known.levels)), known, at(900))
        assert verdict.state == "recovered"
        assert verdict.evidence[0].kind == "window_over"


def test_late_claim_without_proof_is_claimed() -> None:
    """A tap after the window is no emptying; the evidence says that the window was over."""
    assert judge(stop(has_sensor=False), signals(taps=(tap(702),)), at(900)) == ["claimed", "window_over", "tap"]


def test_missed_stop_becomes_verified_when_signals_of_its_window_arrive_late() -> None:
    """The phone was offline: its tap of ten in the morning arrives in the afternoon."""
    known = signals(levels=emptying(240), taps=(tap(241),))
    assert judge_stop(stop(), signals(), at(500)).state == "missed"
    assert judge_stop(stop(), known, at(600)).state == "verified"


def test_not_possible_has_its_reason() -> None:
    """The crew could not, and says why; a photo of the obstacle is no proof of a collection."""
    known = signals(taps=(tap(60, "not_possible", "blocked"), tap(61, "photo")), fixes=stand(58, 62))
    verdict = judge_stop(stop(has_sensor=False), known, LATER)
    assert kinds(verdict) == ["not_possible", "reason"]
    assert verdict.evidence[0].detail == {"reason": "blocked"}
    assert judge_stop(stop(), known, at(900)).state == "not_possible"


def test_later_tap_or_emptying_takes_not_possible_back() -> None:
    """The crew came again, or somebody else emptied it."""
    refused = tap(60, "not_possible", "blocked")
    assert judge_stop(stop(has_sensor=False), signals(taps=(refused, tap(200))), LATER).state == "claimed"
    assert judge_stop(stop(), signals(taps=(refused,), levels=emptying(200)), at(400)).state == "verified"
    assert judge_stop(stop(has_sensor=False), signals(taps=(tap(59), refused)), LATER).state == "not_possible"


def test_camera_that_saw_the_waste_go_verifies() -> None:
    """Dumped waste has no sensor; its watcher reports that it was removed."""
    facts = stop(container="", has_sensor=False)
    assert judge(facts, signals(removed_at=at(70), taps=(tap(60),))) == ["verified", "removed"]
    assert judge(facts, signals(removed_at=at(700)), at(900)) == ["recovered", "window_over", "removed"]
    assert judge(facts, signals(removed_at=at(700)), at(600)) == ["missed", "window_over"]


def test_supervisor_decides_until_there_is_proof() -> None:
    """A decision stands with its reason; a missed stop that is emptied afterwards is recovered."""
    missed = SupervisorVerdict(at(550), "missed", "nobody came")
    closed = SupervisorVerdict(at(550), "verified", "seen by myself")
    verdict = judge_stop(stop(), signals(supervisor=closed, levels=steady(-60, 600, 80), taps=(tap(62),)), at(600))
    assert kinds(verdict) == ["verified", "supervisor"]
    assert verdict.evidence[0].detail == {"state": "verified", "reason": "seen by myself"}
    assert judge_stop(stop(), signals(supervisor=missed, levels=emptying(700)), at(900)).state == "recovered"
    assert judge_stop(stop(), signals(supervisor=missed, levels=emptying(240)), at(900)).state == "missed"
    blocked = SupervisorVerdict(at(100), "not_possible", "street blocked")
    assert judge_stop(stop(), signals(supervisor=blocked), at(600)).state == "not_possible"
    assert judge_stop(stop(), signals(supervisor=blocked, levels=emptying(200)), at(600)).state == "verified"


def test_future_and_order_and_repetition_do_not_matter() -> None:
    """The same signals give the same verdict in any order, and what is yet to happen is unknown."""
    known = signals(levels=emptying(62), taps=(tap(62), tap(62)), fixes=stand(60, 63))
    turned = signals(levels=known.levels[::-1] * 2, taps=known.taps, fixes=known.fixes[::-1] * 2)
    assert judge_stop(stop(), known, LATER) == judge_stop(stop(), turned, LATER)
    assert judge_stop(stop(), known, at(59)).state == "planned"


def test_signals_of_the_day_before_do_not_count() -> None:
    """A collection before the window belongs to another shift."""
    known = signals(levels=emptying(-300), taps=(tap(-300),), fixes=stand(-302, -298))
    assert judge_stop(stop(), known, CLOSES).state == "planned"
