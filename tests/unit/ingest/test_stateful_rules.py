"""What is judged by what came before: jumps, rates, and conditions that devices repeat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from city.counters import WRAP
from ingest.pipeline.stateful_rules import StatefulRules
from ingest.store.memory import MemoryStore
from ingest.store.records import ClientList, EventRecord, Reading, Record, RecordOrigin

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def origin(at_s: float, device: str = "truck-1") -> RecordOrigin:
    at = NOW + timedelta(seconds=at_s)
    return RecordOrigin("truck", device, "b", round(at_s * 1000), at, at)


def at_place(at_s: float, lat: float, lon: float = 123.6, device: str = "truck-1") -> Reading:
    return Reading(origin(at_s, device), {"lat_deg": lat, "lon_deg": lon, "speed_kmh": 30.0})


def said(at_s: float, state: Literal["raised", "cleared"], type_: str = "fire") -> EventRecord:
    return EventRecord(origin(at_s, "bin-1"), type_, state, {}, is_level=True)


def counted(at_s: float, **values: float) -> Reading:
    return Reading(origin(at_s, "ap-1"), dict(values))


def settled(history: StatefulRules, *records: Record) -> list[Record | None]:
    found = history.apply(records)
    history.commit()
    return found


def test_a_condition_that_is_reported_daily_is_stored_again_before_it_would_count_as_ended() -> None:
    history, day = StatefulRules(), 86_400.0
    raised = [settled(history, said(n * day, "raised", "tilt"))[0] for n in range(9)]
    assert [event is not None for event in raised] == [True, False, False] * 3
    assert settled(history, said(9 * day, "cleared", "tilt"))[0] is not None
    cleared = [settled(history, said(n * day, "cleared", "tilt"))[0] for n in range(10, 15)]
    assert cleared == [None] * 5


def at_heat(at_s: float, celsius: float, **values: float) -> Reading:
    return Reading(origin(at_s, "bin-1"), {"temperature_c": celsius, **values})


def heats(found: list[Record | None]) -> list[float | None]:
    return [record.values.get("temperature_c") for record in found if isinstance(record, Reading)]  # type: ignore[misc]


def test_a_lone_jump_into_heat_is_left_out_and_the_rest_is_kept() -> None:
    found = settled(StatefulRules(), at_heat(0, 30.0), at_heat(600, 92.5, distance_mm=700.0), at_heat(1200, 30.5))
    assert heats(found) == [30.0, None, 30.5]
    assert isinstance(found[1], Reading)
    assert (found[1].values, found[1].origin.quality) == ({"distance_mm": 700.0}, ("unconfirmed",))


def test_a_second_hot_reading_is_believed_also_after_a_retry_of_its_batch() -> None:
    history = StatefulRules()
    settled(history, at_heat(0, 30.0))
    history.apply([at_heat(600, 92.5)])
    assert heats(settled(history, at_heat(600, 92.5))) == [None], "a batch that was not stored confirms nothing"
    assert heats(settled(history, at_heat(1200, 94.0), at_heat(1800, 140.0))) == [94.0, 140.0]


def test_heat_that_rises_step_by_step_is_believed_at_once() -> None:
    assert heats(settled(StatefulRules(), *(at_heat(60 * n, 31.0 + 20 * n) for n in range(5)))) == [31, 51, 71, 91, 111]


def test_a_first_reading_that_is_hot_needs_a_second() -> None:
    assert heats(settled(StatefulRules(), at_heat(0, 85.0), at_heat(60, 86.0))) == [None, 86.0]


def test_a_fire_that_the_device_reports_is_a_second_source() -> None:
    found = settled(StatefulRules(), at_heat(0, 30.0), said(30, "raised", "fire"), at_heat(60, 120.0))
    assert heats(found) == [30.0, 120.0]


def test_a_restart_forgets_no_temperature() -> None:
    store = MemoryStore()
    store.write([at_heat(0, 66.0)], ())
    assert heats(settled(StatefulRules(store), at_heat(60, 80.0))) == [80.0]


def positions(found: list[Record | None]) -> list[bool]:
    return ["lat_deg" in record.values for record in found if isinstance(record, Reading)]


def test_a_jump_is_left_out_with_its_reason_and_the_rest_is_kept() -> None:
    found = settled(StatefulRules(), at_place(0, -10.17), at_place(10, -10.50), at_place(20, -10.1705))
    assert positions(found) == [True, False, True]
    assert isinstance(found[1], Reading)
    assert found[1].origin.quality == ("jump",)
    assert found[1].values == {"speed_kmh": 30.0}


def test_a_first_position_that_lied_is_given_up_when_three_agree_against_it() -> None:
    found = settled(StatefulRules(), at_place(0, 1.30, 103.8), *(at_place(10 * n, -10.17) for n in range(1, 5)))
    assert positions(found) == [True, False, False, True, True]


def test_jumps_that_do_not_agree_are_never_believed() -> None:
    history = StatefulRules()
    settled(history, at_place(0, -10.17))
    scattered = [at_place(10 * n, -10.17 + 0.5 * n) for n in range(1, 9)]
    assert not any(positions(settled(history, *scattered)))
    assert positions(settled(history, at_place(100, -10.171))) == [True]


def test_after_a_long_silence_a_truck_may_be_far_away() -> None:
    assert positions(settled(StatefulRules(), at_place(0, -10.17), at_place(3600, -10.9))) == [True, True]


def test_late_positions_are_judged_too_and_move_nothing() -> None:
    history = StatefulRules()
    settled(history, at_place(1000, -10.17))
    assert positions(settled(history, at_place(0, -10.20), at_place(990, -10.9))) == [True, False]
    assert positions(settled(history, at_place(1010, -10.1705))) == [True]


def test_each_device_has_its_own_track() -> None:
    assert positions(settled(StatefulRules(), at_place(0, -10.17), at_place(1, -8.0, device="truck-2"))) == [True, True]


def test_a_condition_becomes_an_event_only_when_it_changes() -> None:
    history = StatefulRules()
    states = ["cleared", "raised", "raised", "cleared", "cleared", "raised"]
    found = settled(history, *(said(n, state) for n, state in enumerate(states)))  # type: ignore[arg-type]
    assert [record.state for record in found if isinstance(record, EventRecord)] == ["raised", "cleared", "raised"]


def test_a_late_word_of_a_condition_changes_nothing() -> None:
    history = StatefulRules()
    settled(history, said(100, "raised"))
    assert settled(history, said(50, "cleared")) == [None]
    assert settled(history, said(101, "cleared")) != [None]


def test_noted_events_always_pass() -> None:
    event = EventRecord(origin(0), "harsh_braking", "noted", {})
    assert settled(StatefulRules(), event, event) == [event, event]


def test_a_batch_that_is_tried_again_is_settled_from_where_it_was() -> None:
    history = StatefulRules()
    batch = [at_place(0, -10.17), said(0, "raised"), counted(0, rx_bytes=0.0), counted(10, rx_bytes=1250.0)]
    first = history.apply(batch)
    assert history.apply(batch) == first, "nothing was committed in between"
    history.commit()
    assert history.apply([said(0, "raised")]) == [None]


def test_the_past_is_read_from_the_store_once() -> None:
    store = MemoryStore()
    store.write([at_place(0, -10.17), said(0, "raised"), counted(0, rx_bytes=1000.0, uptime_s=50)], ())
    history = StatefulRules(store, lambda: NOW, {"fire"})
    found = settled(history, at_place(5, -9.0), said(1, "raised"), said(2, "cleared"), counted(8, rx_bytes=2000.0))
    assert positions(found[:1]) == [False]
    assert found[1] is None
    assert isinstance(found[2], EventRecord)
    assert isinstance(found[3], Reading)
    assert found[3].values["rx_kbps"] == 1.0


def rates(*steps: Any) -> list[object]:
    history = StatefulRules()
    found = settled(history, *(counted(at_s, **values) for at_s, values in steps))
    return [record.values.get("rx_kbps") for record in found if isinstance(record, Reading)]


def test_a_rate_is_what_a_counter_grew_by() -> None:
    assert rates((0, {"rx_bytes": 1000}), (10, {"rx_bytes": 13500})) == [None, 10.0]


def test_a_counter_that_was_started_again_gives_no_rate() -> None:
    assert rates((0, {"rx_bytes": 2_000_000_000}), (60, {"rx_bytes": 0}), (120, {"rx_bytes": 7500})) == [
        None,
        None,
        1.0,
    ]


def test_a_restart_told_by_the_uptime_gives_no_rate_even_when_the_counter_is_higher() -> None:
    steps = ((0, {"rx_bytes": 10, "uptime_s": 9000}), (60, {"rx_bytes": 9999, "uptime_s": 30}))
    assert rates(*steps) == [None, None]


def test_a_32_bit_counter_wraps() -> None:
    assert rates((0, {"rx_bytes": WRAP - 500}), (10, {"rx_bytes": 750})) == [None, 1.0]


def test_no_rate_over_a_long_gap_nor_backwards_nor_over_what_the_device_says() -> None:
    assert rates((0, {"rx_bytes": 0}), (7200, {"rx_bytes": 10**9})) == [None, None]
    assert rates((100, {"rx_bytes": 50}), (0, {"rx_bytes": 0})) == [None, None]
    assert rates((0, {"rx_bytes": 0}), (10, {"rx_bytes": 10**6, "rx_kbps": 3.0})) == [None, 3.0]


def by_interface(at_s: float, **octets: float) -> Reading:
    counters = {name: {"rx_bytes": count} for name, count in octets.items()}
    return Reading(origin(at_s, "ap-1"), {"rx_bytes": sum(octets.values())}, counters)


def test_an_interface_that_joins_or_leaves_is_no_traffic() -> None:
    steps = (
        by_interface(0, wlan0=4000, wlan1=9_000_000),
        by_interface(10, wlan0=5250),
        by_interface(20, wlan0=6500, wlan1=9_000_000),
        by_interface(30, wlan0=7750, wlan1=9_001_250),
    )
    readings = [record for record in settled(StatefulRules(), *steps) if isinstance(record, Reading)]
    assert [reading.values.get("rx_kbps") for reading in readings] == [None, 1.0, None, 2.0]
    assert [reading.values["rx_bytes"] for reading in readings] == [9_004_000, 5250, 9_006_500, 9_009_000]


def test_one_interface_that_began_again_leaves_no_rate_of_the_others() -> None:
    steps = (by_interface(0, wlan0=4000, wlan1=9000), by_interface(10, wlan0=5250, wlan1=10))
    readings = [record for record in settled(StatefulRules(), *steps) if isinstance(record, Reading)]
    assert "rx_kbps" not in readings[1].values


def test_one_wrong_answer_of_zero_is_passed_over() -> None:
    steps = ((0, {"rx_bytes": 7 * 10**9}), (60, {"rx_bytes": 0}), (120, {"rx_bytes": 7 * 10**9 + 150_000}))
    assert rates(*steps) == [None, None, 10.0]


def listed(at_s: float, scope: str, clients: int, *, is_absent: bool = False) -> Reading:
    return Reading(origin(at_s, "ap-1"), {"clients": clients}, client_list=ClientList(scope, is_absent))


def counts(rules: StatefulRules, *readings: Reading) -> list[object]:
    return [record.values["clients"] if isinstance(record, Reading) else None for record in settled(rules, *readings)]


def test_an_access_point_that_its_list_no_longer_names_has_no_clients_said_once() -> None:
    steps = (listed(0, "site", 3), listed(60, "site", 0, is_absent=True), listed(120, "site", 0, is_absent=True))
    assert counts(StatefulRules(), *steps) == [3, 0, None]


def test_only_a_later_edition_of_the_same_list_takes_clients_away() -> None:
    rules = StatefulRules()
    assert counts(rules, listed(0, "other", 0, is_absent=True)) == [None], "it was never named"
    assert counts(rules, listed(10, "site", 3), listed(20, "other", 0, is_absent=True)) == [3, None]
    assert counts(rules, listed(5, "site", 0, is_absent=True)) == [None], "the list is older"
    assert counts(rules, listed(30, "other", 2), listed(40, "site", 0, is_absent=True)) == [2, None], "it has moved"
    assert counts(rules, listed(50, "other", 0, is_absent=True)) == [0]


def test_a_list_is_judged_again_from_what_was_stored() -> None:
    rules = StatefulRules()
    settled(rules, listed(0, "site", 3))
    gone = listed(60, "site", 0, is_absent=True)
    assert rules.apply([gone]) == [gone]
    assert rules.apply([gone]) == [gone], "the batch before was not stored"
    rules.commit()
    assert rules.apply([gone]) == [None]
