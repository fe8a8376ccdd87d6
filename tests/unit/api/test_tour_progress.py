"""How a tour goes: served times, lateness and expected times, from stops and a clock alone."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from api.queries.plan_totals import totals_by_truck, totals_of
from api.queries.tour_progress import progress_of, served_at
from dispatch.shifts.records import CrewShift, Stop
from dispatch.verification.states import StopEvidence, StopState
from tests.support.dispatch_pages import BINS, accept_day, evidence_of, stops_of
from tests.support.dispatching import plan_by_hand
from tests.unit.api.conftest import CITY, NOW, Stage


def tour(stage: Stage) -> tuple[CrewShift, list[Stop]]:
    shift = accept_day(stage, judged=False)[0]
    return shift, stage.dispatch.shifts.stops(shift.id)


def served(stop: Stop, late: timedelta, state: StopState = "verified") -> Stop:
    """The stop as served so much later than it was planned."""
    at = stop.starts_at + late
    return msgspec.structs.replace(stop, state=state, evidence=evidence_of("verified", at))


def test_before_anything_is_due_nothing_is_known(stage: Stage) -> None:
    shift, stops = tour(stage)
    progress = progress_of(shift, stops, shift.departs_at - timedelta(hours=1))
    assert progress.late is None
    assert progress.next_stop == stops[0]
    assert progress.expected_at == {}


def test_a_truck_is_as_late_as_at_its_last_stop_and_the_others_are_expected_so(stage: Stage) -> None:
    shift, stops = tour(stage)
    first = served(stops[0], timedelta(minutes=25))
    now = first.starts_at + timedelta(minutes=28)
    progress = progress_of(shift, [first, *stops[1:]], now)
    assert progress.late == timedelta(minutes=25)
    assert progress.next_stop == stops[1]
    assert progress.expected_at[stops[2].id] == stops[2].starts_at + timedelta(minutes=25)
    assert stops[-1].kind == "landfill"
    assert stops[-1].id not in progress.expected_at


def test_a_stop_that_is_overdue_makes_the_truck_later_than_the_last_one_says(stage: Stage) -> None:
    shift, stops = tour(stage)
    first = served(stops[0], timedelta(0))
    now = stops[1].starts_at + timedelta(minutes=40)
    progress = progress_of(shift, [first, *stops[1:]], now)
    assert progress.late == timedelta(minutes=40)
    assert progress.expected_at[stops[1].id] == now, "nobody comes in the past"


def test_an_early_truck_is_expected_no_earlier_than_planned(stage: Stage) -> None:
    shift, stops = tour(stage)
    first = served(stops[0], -timedelta(minutes=4))
    progress = progress_of(shift, [first, *stops[1:]], first.starts_at)
    assert progress.late == -timedelta(minutes=4)
    assert progress.expected_at[stops[1].id] == stops[1].starts_at


def test_a_tour_that_is_over_expects_nobody(stage: Stage) -> None:
    shift, stops = tour(stage)
    closed = msgspec.structs.replace(shift, state="closed", closed_at=NOW)
    progress = progress_of(closed, stops, NOW)
    assert (progress.late, progress.expected_at) == (None, {})


def test_a_stop_that_nobody_served_has_no_time(stage: Stage) -> None:
    _, stops = tour(stage)
    missed = msgspec.structs.replace(stops[0], state="missed", evidence=(StopEvidence("window_over", NOW),))
    assert served_at(missed) is None
    tapped = msgspec.structs.replace(stops[0], state="claimed", evidence=(StopEvidence("tap", NOW),))
    assert served_at(tapped) == NOW


def test_the_standing_truck_says_when_before_a_tap_does(stage: Stage) -> None:
    _, stops = tour(stage)
    stood, tapped = StopEvidence("standing", NOW), StopEvidence("tap", NOW + timedelta(minutes=9))
    assert served_at(msgspec.structs.replace(stops[0], state="verified", evidence=(tapped, stood))) == NOW


def test_what_was_taken_off_a_tour_does_not_make_it_late(stage: Stage) -> None:
    shift, stops = tour(stage)
    gone = msgspec.structs.replace(stops[0], removed_at=NOW, removed_reason="undone")
    progress = progress_of(shift, [gone, *stops[1:]], stops[1].starts_at)
    assert (progress.next_stop, progress.late) == (stops[1], None)


def test_the_totals_of_a_plan_are_those_of_its_tours(stage: Stage) -> None:
    del stage
    plan = plan_by_hand(CITY, {"truck-01": BINS[:3], "truck-02": BINS[3:5]})
    whole, tours = totals_of(plan), totals_by_truck(plan)
    assert (whole.trucks, whole.stops, whole.load_kg) == (2, 5, 200.0)
    assert whole.metres == sum(totals.metres for totals in tours.values())
    assert tours["truck-01"].stops == 3
    assert whole.seconds == sum(totals.seconds for totals in tours.values())
    first = whole.starts_at(CITY.time_zone)
    assert first is not None
    assert f"{first.astimezone(CITY.time_zone):%H:%M}" == "06:00"
    assert totals_by_truck(None) == {}


def test_a_plan_without_tours_has_no_times() -> None:
    empty = plan_by_hand(CITY, {}, dropped=BINS[:1])
    assert totals_of(empty).starts_at(CITY.time_zone) is None


def test_stops_of_a_tour_are_counted_without_the_landfill(stage: Stage) -> None:
    shift, stops = tour(stage)
    assert len(stops_of(stage, shift)) == len(stops) - 1 == shift.counts.total
