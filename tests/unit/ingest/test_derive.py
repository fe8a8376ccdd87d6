"""What boards read: written when it is news, with the time since when, and with zeros that are known."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from city.inventory.loader import builtin_city, load_city
from city.inventory.provider import LiveInventory
from ingest.derive.areas import area_points, client_points, collected_by_area
from ingest.derive.dumping import DumpingCases
from ingest.derive.states import States
from ingest.store.port import FieldValue, Latest
from ingest.store.records import EventRecord, RecordOrigin
from ingest.store.schema import DERIVED
from ingest.store.views.cases import fold
from ingest.store.views.device_state import evaluate, raised_by_device

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CITY = load_city(builtin_city("kupang"))
NOT_BEHIND = timedelta(0)
BIN, TRUCK = "bin-0001", "truck-01"


def known(device: str, at: datetime, **values: Any) -> dict[str, Latest]:
    fields = {name: FieldValue(value, at) for name, value in values.items()}
    return {device: Latest(CITY.devices[device].KIND, device, fields, at, at)}


def lines_of(states: States, latest: dict[str, Latest], now: datetime, device: str) -> list[str]:
    found = states.points(evaluate(CITY.devices.values(), latest, {}, now, NOT_BEHIND), now)
    return [line.decode() for line in found if f"device={device}," in line.decode()]


def field(line: str, name: str) -> str | None:
    found = re.search(rf'[ ,]{name}=("[^"]*"|[^, ]+)', line)
    return found.group(1) if found else None


def event(device: str, type_: str, state: str, at: datetime, seq: int = 1, **detail: Any) -> EventRecord:
    return EventRecord(RecordOrigin(CITY.devices[device].KIND, device, "b", seq, at, at), type_, state, detail)  # type: ignore[arg-type]


def test_a_state_is_written_when_it_changes_and_again_after_five_minutes() -> None:
    states, latest = States(CITY), known(BIN, NOW, fill_pct=50.0)
    assert len(lines_of(states, latest, NOW, BIN)) == 1
    assert lines_of(states, latest, NOW + timedelta(seconds=5), BIN) == []
    changed = known(BIN, NOW + timedelta(seconds=7), fill_pct=51.0)
    assert len(lines_of(states, changed, NOW + timedelta(seconds=10), BIN)) == 1
    assert lines_of(states, changed, NOW + timedelta(seconds=200), BIN) == []
    assert len(lines_of(states, changed, NOW + timedelta(seconds=310), BIN)) == 1


def test_the_state_of_a_device_that_moves_has_its_new_place_as_its_readings_have() -> None:
    inventory = LiveInventory(CITY)
    states, latest = States(inventory), known(BIN, NOW, fill_pct=50.0)
    moved = replace(CITY.bins[BIN], site="tps-liliba", kelurahan=CITY.sites["tps-liliba"].kelurahan)
    lines_of(states, latest, NOW, BIN)
    inventory.publish({**CITY.devices, BIN: moved})
    (line,) = lines_of(states, latest, NOW + timedelta(seconds=310), BIN)
    assert (field(line, "site"), field(line, "kelurahan")) == ("tps-liliba", moved.kelurahan)


def test_since_is_when_the_state_began_and_survives_a_restart() -> None:
    states = States(CITY)
    (full,) = lines_of(states, known(BIN, NOW, fill_pct=90.0), NOW + timedelta(seconds=3), BIN)
    later = known(BIN, NOW + timedelta(minutes=8), fill_pct=95.0)
    (still,) = lines_of(states, later, NOW + timedelta(minutes=9), BIN)
    assert field(full, "since") == field(still, "since") == f"{int(NOW.timestamp() * 1000)}i"
    again = States(CITY)
    again.restore([{"device": BIN, "state": "full", "since": int(NOW.timestamp() * 1000)}])
    (restored,) = lines_of(again, later, NOW + timedelta(minutes=9), BIN)
    assert field(restored, "since") == field(full, "since")


def test_a_silent_device_is_silent_since_it_was_last_heard() -> None:
    (line,) = lines_of(States(CITY), known(BIN, NOW - timedelta(hours=9), fill_pct=20.0), NOW, BIN)
    assert (field(line, "state"), field(line, "silent")) == ('"silent"', "1i")
    assert field(line, "since") == f"{int((NOW - timedelta(hours=9)).timestamp() * 1000)}i"


def test_a_silent_hotspot_has_no_users_and_a_silent_bin_keeps_its_fill() -> None:
    ap, long_ago = next(iter(CITY.access_points)), NOW - timedelta(hours=9)
    (silent,) = lines_of(States(CITY), known(ap, long_ago, clients=62, latency_ms=98.0), NOW, ap)
    assert (field(silent, "state"), field(silent, "clients"), field(silent, "latency_ms")) == ('"down"', None, None)
    (up,) = lines_of(States(CITY), known(ap, NOW, clients=62), NOW, ap)
    assert field(up, "clients") == "62i"
    (full,) = lines_of(States(CITY), known(BIN, NOW - timedelta(hours=4), fill_pct=90.0), NOW, BIN)
    assert (field(full, "state"), field(full, "fill_pct")) == ('"silent"', "90.0")


def test_when_a_bin_is_full_follows_from_how_it_fills_since_it_was_emptied() -> None:
    """Half way from 5 to 85 % after ten hours: full after another ten, which a restart does not forget."""
    states, emptied_at = States(CITY), NOW - timedelta(hours=10)
    states.note_collections([event(TRUCK, "collected", "noted", emptied_at, bin=BIN)])
    (line,) = lines_of(states, known(BIN, NOW, fill_pct=45.0), NOW, BIN)
    full_at = f"{int((NOW + timedelta(hours=10)).timestamp() * 1000)}i"
    assert (field(line, "emptied_at"), field(line, "full_at")) == (f"{int(emptied_at.timestamp() * 1000)}i", full_at)
    again = States(CITY)
    again.restore([{"device": BIN, "state": "ok", "since": 1, "emptied_at": int(emptied_at.timestamp() * 1000)}])
    (restored,) = lines_of(again, known(BIN, NOW, fill_pct=45.0), NOW, BIN)
    assert field(restored, "full_at") == full_at


def test_a_bin_that_hardly_fills_has_no_time_at_which_it_is_full() -> None:
    states = States(CITY)
    states.note_collections([event(BIN, "collected", "noted", NOW - timedelta(hours=10))])
    (line,) = lines_of(states, known(BIN, NOW, fill_pct=7.0), NOW, BIN)
    assert field(line, "full_at") is None


def test_users_are_counted_by_network_name_and_radio_without_silent_hotspots() -> None:
    """A network name that is not in the inventory makes no series of its own."""
    first, second = list(CITY.access_points)[:2]
    split = {"clients_by_ssid": '{"Kupang-WiFi-Gratis":3,"free text":1}', "clients_by_radio": '{"5g":4}'}
    latest = known(first, NOW, **split) | known(second, NOW - timedelta(hours=9), **split)
    states = evaluate(CITY.devices.values(), latest, {}, NOW, NOT_BEHIND)
    lines = [line.decode() for line in client_points(CITY, states, NOW)]
    area = CITY.access_points[first].kelurahan
    head = f"client_state,city=kupang,kelurahan={area},grouping="
    assert {line.rsplit(" ", 1)[0] for line in lines} == {
        f"{head}ssid,name=Kupang-WiFi-Gratis clients=3i",
        f"{head}ssid,name=other clients=1i",
        f"{head}radio,name=5g clients=4i",
    }


def test_our_own_delay_is_no_silence() -> None:
    latest = known(BIN, NOW - timedelta(hours=9), fill_pct=20.0)
    (device_state,) = (
        state
        for state in evaluate(CITY.devices.values(), latest, {}, NOW, timedelta(hours=9))
        if state.device.id == BIN
    )
    assert device_state.condition.state == "ok"


def test_a_trip_counts_from_where_the_odometer_stood_also_after_a_restart() -> None:
    states = States(CITY)
    lines_of(states, known(TRUCK, NOW, ignition=True, odometer_km=1000.0), NOW, TRUCK)
    at = NOW + timedelta(minutes=10)
    (line,) = lines_of(states, known(TRUCK, at, ignition=True, odometer_km=1004.5), at, TRUCK)
    assert (field(line, "trip_km"), field(line, "trip_since")) == ("4.5", f"{int(NOW.timestamp() * 1000)}i")
    again = States(CITY)
    again.restore([{"device": TRUCK, "state": "on_route", "since": 1, "trip_since": 2, "trip_km": 4.5}])
    at += timedelta(minutes=1)
    (on,) = lines_of(again, known(TRUCK, at, ignition=True, odometer_km=1005.0), at, TRUCK)
    assert field(on, "trip_km") == "4.5"
    at += timedelta(minutes=1)
    (more,) = lines_of(again, known(TRUCK, at, ignition=True, odometer_km=1006.0), at, TRUCK)
    assert field(more, "trip_km") == "5.5"
    (ended,) = lines_of(again, known(TRUCK, at, ignition=False, odometer_km=1006.0), at, TRUCK)
    assert (field(ended, "trip_km"), field(ended, "trip_since")) == (None, None)


def test_unknown_is_absent_and_never_zero() -> None:
    (line,) = lines_of(States(CITY), known(BIN, NOW, battery_pct=50.0), NOW, BIN)
    assert (field(line, "state"), field(line, "fill_pct"), field(line, "overflow")) == ('"unmeasured"', None, "0i")
    (never,) = lines_of(States(CITY), {}, NOW, BIN)
    assert (field(never, "severity"), field(never, "heard_at")) == ("-1i", None)


def test_only_what_the_schema_describes_is_written() -> None:
    latest = known(BIN, NOW, fill_pct=50.0) | known(TRUCK, NOW, ignition=True, lat_deg=-10.1, lon_deg=123.6)
    device_states = evaluate(CITY.devices.values(), latest, {}, NOW, NOT_BEHIND)
    for measurement, lines in {
        "device_state": States(CITY).points(device_states, NOW),
        "area_state": area_points(CITY, device_states, [], {}, NOW),
    }.items():
        _, tags, fields = DERIVED[measurement]
        for line in lines:
            head, body, _ = re.split(r"(?<!\\) (?=[^\"]*(?:\"[^\"]*\"[^\"]*)*$)", line.decode(), maxsplit=2)
            assert {part.split("=")[0] for part in re.split(r"(?<!\\),", head)[1:]} <= set(tags)
            assert set(re.findall(r"(?:^|,)([a-z_]+)=", re.sub(r'"[^"]*"', "", body))) <= set(fields)


def test_an_area_says_its_zeros_and_counts_once() -> None:
    kelurahan = CITY.devices[BIN].kelurahan
    latest = known(BIN, NOW, fill_pct=90.0)
    cases = fold([event("cam-01", "dumping", "raised", NOW, case="c-1", site="tps-oebobo")], CITY, simulated=False)
    device_states = evaluate(CITY.devices.values(), latest, {}, NOW, NOT_BEHIND)
    lines = [line.decode() for line in area_points(CITY, device_states, cases, {kelurahan: 4}, NOW)]
    (ours,) = (line for line in lines if f"kelurahan={kelurahan} " in line)
    assert (field(ours, "bins_full"), field(ours, "fires"), field(ours, "collected_today")) == ("1i", "0i", "4i")
    assert (field(ours, "fill_mean_pct"), len(lines)) == ("90.0", len({d.kelurahan for d in CITY.devices.values()}))
    assert sum(int((field(line, "open_cases") or "0i")[:-1]) for line in lines) == 1
    assert sum(int((field(line, "bins") or "0i")[:-1]) for line in lines) == len(CITY.bins)


def test_only_the_newest_event_says_whether_it_is_still_raised() -> None:
    oldest_first = [
        event(BIN, "fire", "raised", NOW - timedelta(hours=2)),
        event(TRUCK, "breakdown", "raised", NOW - timedelta(hours=1)),
        event(TRUCK, "breakdown", "cleared", NOW),
    ]
    assert {device: set(types) for device, types in raised_by_device(oldest_first).items()} == {BIN: {"fire"}}


def test_a_case_is_one_point_that_changes_and_waste_in_time_is_counted_beside_it() -> None:
    dumping = DumpingCases(CITY, "http://kota.example/")
    raised = event(
        "cam-01", "dumping", "raised", NOW, case="c-1", evidence={"after": "after.jpg"}, since=NOW.isoformat()
    )
    in_time = event("cam-02", "deposit", "noted", NOW, seq=2, within_hours="17:00-05:00")
    first = [line.decode() for line in dumping.points(fold([raised], CITY, simulated=False), [in_time])]
    assert [field(line, "state") for line in first] == ['"open"', '"within_hours"']
    assert [(field(line, "outside"), field(line, "inside")) for line in first] == [("1i", "0i"), ("0i", "1i")]
    assert "hour=20" in first[0], "the hour is the city's"
    assert field(first[0], "picture") == '"http://kota.example/api/v1/dumping/cases/c-1/evidence/after.jpg"'
    assert dumping.points(fold([raised], CITY, simulated=False), [in_time]) == []
    gone = event("cam-01", "dumping", "cleared", NOW + timedelta(hours=1), seq=3, case="c-1")
    (cleared,) = (line.decode() for line in dumping.points(fold([raised, gone], CITY, simulated=False), [in_time]))
    assert (field(cleared, "open"), cleared.rsplit(" ", 1)[1]) == ("0i", first[0].rsplit(" ", 1)[1])


def test_a_verdict_changes_the_point_of_its_case_and_the_figures_of_its_area() -> None:
    dumping = DumpingCases(CITY, "http://kota.example")
    raised = event("cam-01", "dumping", "raised", NOW, case="c-1")
    (waits,) = (line.decode() for line in dumping.points(fold([raised], CITY, simulated=False), []))
    names = ("verdict", "waiting", "open", "outside", "confirmed", "rejected", "why")
    assert [field(waits, name) for name in names] == ['"none"', "1i", "1i", "1i", "0i", "0i", '""']
    word = event("cam-01", "review", "noted", NOW, seq=2, case="c-1", verdict="rejected", reason="shadow")
    cases = fold([raised, word], CITY, simulated=False)
    (judged,) = (line.decode() for line in dumping.points(cases, []))
    assert [field(judged, name) for name in names] == ['"rejected"', "0i", "0i", "0i", "0i", "1i", '"shadow"']
    assert judged.rsplit(" ", 1)[1] == waits.rsplit(" ", 1)[1], "it is the same point"
    assert field(waits, "page") == '"http://kota.example/dumping?case=c-1"'
    device_states = evaluate(CITY.devices.values(), {}, {}, NOW, NOT_BEHIND)
    for folded_cases, expected in ((fold([raised], CITY, simulated=False), (1, 1, 1)), (cases, (0, 0, 0))):
        lines = [line.decode() for line in area_points(CITY, device_states, folded_cases, {}, NOW)]
        figures = [
            sum(int((field(line, name) or "0i")[:-1]) for line in lines)
            for name in ("open_cases", "cases_waiting", "cases_today")
        ]
        assert tuple(figures) == expected


def test_a_collection_counts_once_where_the_container_stands_whoever_reports_it() -> None:
    home = CITY.devices[BIN].kelurahan
    said = [
        event(TRUCK, "collected", "noted", NOW, bin=BIN),
        event(BIN, "collected", "noted", NOW + timedelta(minutes=10)),
        event(BIN, "collected", "noted", NOW + timedelta(hours=5)),
        event(TRUCK, "collected", "noted", NOW, bin="no-such-bin"),
    ]
    assert collected_by_area(CITY, said) == {home: 2, CITY.devices[TRUCK].kelurahan: 1}
