"""How a device stands: every word, from what is known of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from city.inventory.loader import builtin_city, load_city
from ingest.store.port import FieldValue, Latest
from ingest.store.records import Connectivity, EventRecord, RecordOrigin
from ingest.store.views.device_condition import DeviceCondition, condition_of, label_of, urgency_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CITY = load_city(builtin_city("kupang"))
DEVICES = {"bin": "bin-0001", "truck": "truck-01", "ap": next(iter(CITY.access_points)), "camera": "cam-01"}


def stands(
    kind: str, connected: Connectivity = "online", raised: tuple[str, ...] = (), quality: str = "", **values: Any
) -> DeviceCondition:
    device = CITY.devices[DEVICES[kind]]
    fields = {name: FieldValue(value, NOW) for name, value in values.items()}
    latest = Latest(device.KIND, device.id, fields, NOW, NOW, tuple(quality.split()))
    origin = RecordOrigin(device.KIND, device.id, "b", 1, NOW, NOW)
    events = {type_: EventRecord(origin, type_, "raised", {}) for type_ in raised}
    return condition_of(device, None if connected == "unknown" else latest, connected, events)


@pytest.mark.parametrize(
    ("found", "state", "severity", "reason"),
    [
        (stands("bin", fill_pct=10.0), "ok", 0, ""),
        (stands("bin", fill_pct=60.0), "filling", 0, "fill_rising"),
        (stands("bin", fill_pct=85.0), "filling", 0, "fill_rising"),
        (stands("bin", fill_pct=85.1), "full", 2, "fill_over_limit"),
        (stands("bin", temperature_c=25.0), "unmeasured", 1, "no_fill"),
        (stands("bin", quality="geometry", distance_mm=2900.0), "unmeasured", 1, "geometry"),
        (stands("bin", fill_pct=10.0, temperature_c=70.0), "fire", 2, "hot"),
        (stands("bin", raised=("fire",), fill_pct=10.0), "fire", 2, "fire_event"),
        (stands("bin", "offline", raised=("fire",)), "fire", 2, "fire_event"),
        (stands("bin", "offline", fill_pct=99.0, temperature_c=90.0), "silent", 1, "silent"),
        (stands("bin", fill_pct=10.0, tilt_deg=60.0), "tilted", 1, "tilt"),
        (stands("bin", raised=("tilt",), fill_pct=10.0), "tilted", 1, "tilt"),
        (stands("bin", fill_pct=10.0, battery_pct=9.0), "ok", 1, "low_battery"),
        (stands("bin", quality="clock", fill_pct=10.0), "ok", 1, "clock"),
        (stands("bin", "sleeping", fill_pct=10.0), "ok", 0, ""),
        (stands("bin", "unknown"), "unknown", -1, "never_heard"),
        (stands("truck", ignition=True), "on_route", 0, ""),
        (stands("truck", ignition=True, pto=True), "working", 0, ""),
        (stands("truck", ignition=False), "parked", 0, ""),
        (stands("truck", fault_codes="[]", ignition=True), "on_route", 0, ""),
        (stands("truck", fault_codes='["P0217"]', ignition=True), "broken", 2, "fault_codes"),
        (stands("truck", "offline", raised=("breakdown",)), "broken", 2, "breakdown_event"),
        (stands("truck", raised=("panic",), ignition=True), "on_route", 2, "panic"),
        (stands("truck", "offline"), "silent", 1, "silent"),
        (stands("ap", clients=3), "up", 0, ""),
        (stands("ap", clients=45), "crowded", 1, "crowded"),
        (stands("ap", clients=3, channel_busy_pct=80.0), "crowded", 1, "channel_busy"),
        (stands("ap", latency_ms=151.0), "slow", 1, "high_latency"),
        (stands("ap", loss_pct=5.0, clients=60), "slow", 1, "high_loss"),
        (stands("ap", "offline", clients=60), "down", 2, "link_lost"),
        (stands("ap", "unknown"), "unknown", -1, "never_heard"),
        (stands("camera", scene_ok=True), "watching", 0, ""),
        (stands("camera", scene_ok=False), "blind", 1, "scene_not_ok"),
        (stands("camera", scene_ok=False, scene="no_stream"), "blind", 1, "no_stream"),
        (stands("camera", scene_ok=False, scene="armed"), "blind", 1, "scene_not_ok"),
        (stands("camera", scene_ok=False, scene="asleep"), "blind", 1, "scene_not_ok"),
        (stands("camera", scene_ok=True, scene="armed"), "watching", 0, ""),
        (stands("camera", "offline", scene_ok=True), "silent", 1, "silent"),
    ],
)
def test_what_is_known_decides(found: DeviceCondition, state: str, severity: int, reason: str) -> None:
    assert (found.state, found.severity, found.reason) == (state, severity, reason)


def test_faults_are_told_in_words_and_not_as_json() -> None:
    assert stands("truck", fault_codes='["P0217"]').detail == "P0217"
    assert stands("truck", fault_codes='["P0217","P0562"]').detail == "P0217, P0562"


@pytest.mark.parametrize(
    "worst_first",
    [
        [
            stands("bin", raised=("fire",)),
            stands("truck", raised=("panic",), ignition=True),
            stands("truck", fault_codes='["P0217"]'),
            stands("ap", "offline"),
            stands("camera", scene_ok=False),
            stands("bin", fill_pct=99.0),
            stands("bin", "offline"),
            stands("bin", fill_pct=61.0),
            stands("bin", fill_pct=10.0),
        ]
    ],
)
def test_alarms_have_an_order_also_within_a_severity(worst_first: list[DeviceCondition]) -> None:
    urgencies = [urgency_of(condition) for condition in worst_first]
    assert urgencies == sorted(urgencies, reverse=True)
    assert len(set(urgencies)) == len(urgencies)
    assert urgency_of(stands("bin", "unknown")) == 0


def test_a_label_is_the_name_and_the_place_that_people_know() -> None:
    assert label_of(CITY, CITY.devices["truck-01"]) == CITY.trucks["truck-01"].plate
    assert label_of(CITY, CITY.devices["bin-0001"]) == "bin-0001, Alak"
    assert label_of(CITY, CITY.devices["cam-01"]) == "cam-01, TPS Oebobo"


def broken_down(*codes: str, later: bool, **values: Any) -> DeviceCondition:
    """The truck's condition with a breakdown that nobody has cleared; `values` were measured before it or later."""
    at = NOW + timedelta(minutes=10 if later else -10)
    latest = Latest("truck", "truck-01", {name: FieldValue(value, at) for name, value in values.items()}, at, at)
    origin = RecordOrigin("truck", "truck-01", "b", 1, NOW, NOW)
    event = EventRecord(origin, "breakdown", "raised", {"fault_codes": list(codes)} if codes else {})
    return condition_of(CITY.devices["truck-01"], latest, "online", {"breakdown": event})


def test_a_breakdown_ends_when_later_readings_report_none_of_its_codes() -> None:
    """A tracker that has restarted does not clear what it had raised."""
    assert broken_down("P0217", later=True, fault_codes="[]", ignition=True).state == "on_route"
    assert broken_down("P0217", later=True, fault_codes='["P0217"]').state == "broken"
    assert broken_down("P0217", later=False, fault_codes="[]", ignition=True).state == "broken"


def test_a_breakdown_without_codes_stays_until_it_is_cleared() -> None:
    condition = broken_down(later=True, fault_codes="[]", ignition=True)
    assert (condition.state, condition.reason, condition.detail) == ("broken", "breakdown_event", "")
