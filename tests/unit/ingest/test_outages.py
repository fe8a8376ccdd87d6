"""Outages and availability, on histories made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from city.inventory.loader import builtin_city, load_city
from city.inventory.model import Device
from ingest.store.port import MeasuredRun
from ingest.store.records import EventRecord, RecordOrigin, StatusRecord
from ingest.store.views.outages import (
    DeviceHistory,
    Outage,
    Period,
    availability,
    outages_of,
    unanswered_reports,
    unheard_periods,
)

T0 = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
CITY = load_city(builtin_city("kupang"))
AP = next(device for device in CITY.devices.values() if device.KIND == "ap")
TRUCK, CAMERA = CITY.devices["truck-01"], CITY.devices["cam-01"]
NOW = 600.0
"""Minutes after `T0`."""


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def run(first: float, last: float, device: str = "x") -> MeasuredRun:
    return MeasuredRun(device, at(first), at(last))


def of_city(*runs: MeasuredRun) -> list[MeasuredRun]:
    """The runs as those of devices of a city, which has some more."""
    return [*runs, *(run(0, 1, f"device-{number}") for number in range(5))]


def status(
    state: str, minutes: float, *, reason: str = "", next_s: float | None = None, said: float | None = None
) -> StatusRecord:
    said_at = None if said is None else at(said)
    return StatusRecord("ap", "x", state, said_at, at(minutes), reason, next_s)  # type: ignore[arg-type]


def event(type_: str, state: str, minutes: float, **detail: Any) -> EventRecord:
    origin = RecordOrigin("truck", "x", "b", int(minutes), at(minutes), at(minutes))
    return EventRecord(origin, type_, state, detail)  # type: ignore[arg-type]


def fold(device: Device = AP, *, now: float = NOW, unheard: Sequence[Period] = (), **history: Any) -> list[Outage]:
    return outages_of(DeviceHistory(device, **history), at(now), unheard)


def told(outages: Sequence[Outage]) -> list[tuple[str, float, float | None, str]]:
    """Kind, minutes of start and end, and cause of each outage."""
    minute = timedelta(minutes=1)
    return [(o.outage, (o.start - T0) / minute, o.end and (o.end - T0) / minute, o.cause) for o in outages]


def test_a_device_without_history_has_no_outage() -> None:
    """Nothing known is not an outage, and no availability either."""
    assert fold() == []
    known = availability([], None, (at(0), at(60)), at(60), [])
    assert (known.share, known.known_s, known.times) == (None, 0.0, 0)


def test_time_before_the_first_message_is_unknown() -> None:
    assert fold(runs=[run(300, NOW)]) == []
    known = availability([], at(300), (at(0), at(NOW)), at(NOW), [])
    assert (known.share, known.known_s) == (1.0, 300 * 60.0)


def test_silence_is_an_outage_from_the_last_message_on() -> None:
    assert told(fold(runs=[run(0, 100), run(160, NOW)])) == [("offline", 100, 160, "silent")]


def test_a_pause_of_three_intervals_is_none() -> None:
    """The console calls a device silent after three missed intervals, and so do outages."""
    pause = AP.interval_s * 3 / 60
    assert fold(runs=[run(0, 100), run(100 + pause, NOW)]) == []
    assert len(fold(runs=[run(0, 100), run(100.1 + pause, NOW)])) == 1


def test_silence_until_now_has_no_end() -> None:
    assert told(fold(runs=[run(0, 100)])) == [("offline", 100, None, "silent")]
    assert fold(runs=[run(0, NOW)]) == []


def test_silence_that_began_before_the_range_keeps_its_start() -> None:
    """What was measured before the range counts as one run: pauses in it are others' to tell."""
    assert told(fold(before=run(-9_000, -50), runs=[run(30, NOW)])) == [("offline", -50, 30, "silent")]


def test_a_report_that_it_is_gone_and_the_silence_are_one_outage() -> None:
    outages = fold(
        runs=[run(0, 100), run(131, NOW)],
        statuses=[status("online", 0), status("offline", 103, reason="lost"), status("online", 130)],
    )
    assert told(outages) == [("offline", 100, 130, "lost")]


def test_a_device_that_measured_meanwhile_was_without_connection() -> None:
    """Its readings arrive later; it ends when the device is back, not when it measured again."""
    statuses = [status("online", 0), status("offline", 100, reason="lost"), status("online", 160)]
    assert told(fold(runs=[run(0, NOW)], statuses=statuses)) == [("offline", 100, 160, "connection")]


def test_of_a_short_outage_nobody_knows_what_was_measured_in_it() -> None:
    """The pause of two minutes is within what the hotspot may be silent."""
    statuses = [status("online", 0), status("offline", 100, reason="lost"), status("online", 102)]
    assert told(fold(runs=[run(0, NOW)], statuses=statuses)) == [("offline", 100, 102, "lost")]


def test_a_report_without_an_answer_lasts() -> None:
    statuses = [status("online", 0), status("offline", 100, reason="lost")]
    assert told(fold(runs=[run(0, 100)], statuses=statuses)) == [("offline", 100, None, "lost")]


def test_a_reading_that_arrives_ends_it_where_no_status_follows() -> None:
    """Servers of third parties may report that a device is gone, and never that it is back."""
    statuses = [status("offline", 100, reason="lost"), status("offline", 300, reason="lost")]
    runs = [run(0, 100), run(120, 300), run(330, NOW)]
    assert unanswered_reports(statuses) == statuses
    answers = {at(100): at(120), at(300): at(330)}
    assert told(fold(runs=runs, statuses=statuses, answers=answers)) == [
        ("offline", 100, 120, "lost"),
        ("offline", 300, 330, "lost"),
    ]


def test_a_report_that_a_status_follows_has_an_answer() -> None:
    statuses = [status("offline", 1), status("online", 2), status("offline", 3), status("sleeping", 4)]
    assert unanswered_reports(statuses) == []


def test_a_device_that_signs_off_is_stopped() -> None:
    statuses = [status("online", 0), status("offline", 100, reason="stop", said=99), status("online", 200)]
    assert told(fold(runs=[run(0, 98), run(200, NOW)], statuses=statuses)) == [("offline", 98, 200, "stopped")]


def test_a_restart_that_is_reported_afterwards_is_the_cause() -> None:
    reboot = event("reboot", "noted", 131)
    outages = fold(runs=[run(0, 100), run(130, NOW)], events=[reboot])
    assert told(outages) == [("offline", 100, 130, "restarted")]
    late = event("reboot", "noted", 200)
    assert told(fold(runs=[run(0, 100), run(130, NOW)], events=[late])) == [("offline", 100, 130, "silent")]


def test_a_reconnect_within_a_minute_is_no_outage() -> None:
    statuses = [status("online", 0), status("offline", 100, reason="lost"), status("online", 100.9)]
    assert fold(runs=[run(0, NOW)], statuses=statuses) == []


def test_a_sleep_that_was_announced_is_no_outage() -> None:
    """The truck sleeps for an hour at a time; three of these hours may pass."""
    sleeping = [status("online", 0), status("sleeping", 100.2, next_s=3_600)]
    assert fold(TRUCK, runs=[run(0, 100), run(220, NOW)], statuses=[*sleeping, status("online", 220)]) == []
    outages = fold(TRUCK, runs=[run(0, 100), run(300, NOW)], statuses=[*sleeping, status("online", 300)])
    assert told(outages) == [("offline", 100.2, 300, "silent")]
    # It reports in its sleep: from each report on it may be silent as long.
    runs = [run(0, 100), run(160, 160), run(320, 320), run(590, NOW)]
    assert told(fold(TRUCK, runs=runs, statuses=sleeping)) == [("offline", 320, 590, "silent")]


def test_a_device_that_woke_up_does_not_sleep_on() -> None:
    statuses = [status("sleeping", 10, next_s=3_600), status("online", 60)]
    assert told(fold(TRUCK, runs=[run(0, 10), run(60, 100), run(150, NOW)], statuses=statuses)) == [
        ("offline", 100, 150, "silent")
    ]


def test_a_blind_camera_and_a_broken_truck_are_out() -> None:
    blind = [event("blind", "raised", 10, reason="covered"), event("blind", "cleared", 40)]
    (outage,) = fold(CAMERA, runs=[run(0, NOW)], events=blind)
    assert (told([outage]), outage.detail) == ([("blind", 10, 40, "scene")], "covered")
    broken = [event("breakdown", "raised", 10, fault_codes=["P0217"]), event("breakdown", "raised", 20)]
    (outage,) = fold(TRUCK, runs=[run(0, NOW)], events=broken)
    assert (told([outage]), outage.detail) == ([("breakdown", 10, None, "fault")], "P0217")
    assert fold(AP, runs=[run(0, NOW)], events=[event("blind", "raised", 10)]) == []


def test_a_condition_without_an_end_that_does_not_hold_ends_when_it_was_last_told() -> None:
    """A tracker that restarts never says that its breakdown is over."""
    broken = [event("breakdown", "raised", 10), event("breakdown", "raised", 70)]
    outages = fold(TRUCK, runs=[run(0, NOW)], events=broken, has_ended=frozenset({"breakdown"}))
    assert told(outages) == [("breakdown", 10, 70, "fault")]


def test_time_in_which_nothing_was_heard_of_anybody_is_no_outage_of_a_device() -> None:
    """The platform was away from 100 to 200; the second device was gone longer than that."""
    one, other = [run(0, 100), run(201, NOW)], [run(0, 60), run(200, NOW)]
    unheard = unheard_periods(of_city(*one, *other), at(NOW))
    assert unheard == [(at(100), at(200))]
    assert fold(runs=one, unheard=unheard) == []
    outages = fold(runs=other, unheard=unheard)
    assert told(outages) == [("offline", 60, 200, "silent")]
    known = availability(outages, at(0), (at(0), at(NOW)), at(NOW), unheard)
    assert (known.known_s, known.out_s) == (500 * 60.0, 40 * 60.0)


def test_a_city_that_stays_silent_is_unheard_until_now() -> None:
    assert unheard_periods(of_city(run(0, 100)), at(NOW)) == [(at(100), at(NOW))]
    assert unheard_periods([], at(NOW)) == []


def test_the_silence_of_a_few_devices_is_theirs() -> None:
    """A city that has begun with one hotspot still hears of its outage."""
    runs = [run(0, 100), run(200, NOW)]
    assert unheard_periods(runs, at(NOW)) == []


def test_overlapping_outages_count_once() -> None:
    broken = [event("breakdown", "raised", 60), event("breakdown", "cleared", 180)]
    outages = fold(TRUCK, runs=[run(0, 120), run(240, NOW)], events=broken)
    assert told(outages) == [("breakdown", 60, 180, "fault"), ("offline", 120, 240, "silent")]
    known = availability(outages, at(0), (at(0), at(NOW)), at(NOW), [])
    assert (known.out_s, known.times, known.longest_s) == (180 * 60.0, 2, 120 * 60.0)
    assert known.share == pytest.approx(0.7)


def test_an_outage_counts_in_each_period_with_its_part() -> None:
    (outage,) = fold(runs=[run(0, 50), run(80, NOW)])
    first, second = (
        availability([outage], at(0), period, at(NOW), []) for period in ((at(0), at(60)), (at(60), at(120)))
    )
    assert [(part.out_s, part.times) for part in (first, second)] == [(600.0, 1), (1_200.0, 1)]


def test_time_to_come_is_not_known() -> None:
    known = availability([], at(0), (at(0), at(1_440)), at(NOW), [])
    assert known.known_s == NOW * 60
    assert availability([], at(0), (at(700), at(800)), at(NOW), []).share is None
