"""RADIUS accounting: sessions, and nobody's name."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from ingest.store.records import EventRecord
from tests.support.decoding import NOW, decoded_ap

CLIENT = "40:D3:AE:04:32:0C"


def test_a_users_name_stays_the_same_hash_through_quarantine() -> None:
    body = {**RADIUS, "Calling-Station-Id": "", "User-Name": "john"}
    (unknown,) = decoded_ap("radius", "", "radius/gw1/accounting", body).unknown_devices
    assert session(json.loads(unknown.raw)).detail["client"] == session(body).detail["client"]


@pytest.mark.parametrize(
    "called", ["50C7BF000001:City", "50c7.bf00.0001:City", "50-C7-BF-00-00-01:City", "50:c7:bf:00:00:01:City"]
)
def test_a_called_station_in_any_spelling(called: str) -> None:
    body = {**RADIUS, "Called-Station-Id": called, "NAS-Identifier": ""}
    found = decoded_ap("radius", "50:c7:bf:00:00:01", "radius/x/accounting", body)
    (event,) = [record for record in found.records if isinstance(record, EventRecord)]
    assert event.detail["ssid"] == "City"


RADIUS = {
    "Acct-Status-Type": "Stop",
    "Calling-Station-Id": CLIENT,
    "User-Name": CLIENT,
    "Acct-Session-Id": "80300083",
    "Called-Station-Id": "AA-BB-CC-00-11-22:Kupang-WiFi-Gratis",
    "NAS-Identifier": "gw1",
    "Acct-Session-Time": 900,
    "Acct-Input-Octets": 5,
    "Acct-Input-Gigawords": 1,
    "Acct-Output-Octets": 7,
    "Acct-Terminate-Cause": "Idle-Timeout",
    "Event-Timestamp": "Mar  1 2026 11:58:00 GMT",
    "Acct-Unique-Session-Id": "ce4df8c7d20d469b",
}


def session(body: dict[str, Any], **more: Any) -> EventRecord:
    found = decoded_ap("radius", "gw1", "radius/gw1/accounting", body, **more)
    (event,) = [record for record in found.records if isinstance(record, EventRecord)]
    return event


def test_radius_gigawords_time_and_network() -> None:
    event = session(RADIUS)
    assert (event.type, event.state) == ("session", "cleared")
    assert event.origin.measured_at == NOW - timedelta(minutes=2)
    assert {name: value for name, value in event.detail.items() if name not in ("client", "session")} == {
        "ssid": "Kupang-WiFi-Gratis",
        "duration_s": 900,
        "upload_bytes": 2**32 + 5,
        "download_bytes": 7,
        "cause": "Idle-Timeout",
    }


def test_radius_in_the_form_of_rlm_rest_is_the_same_event() -> None:
    wrapped = {name: {"type": "string", "value": [value]} for name, value in RADIUS.items()}
    assert session(wrapped).detail == session(RADIUS).detail
    assert session(wrapped).origin.seq == session(RADIUS).origin.seq


def test_radius_start_and_stop_belong_together_and_days_do_not() -> None:
    start = session({**RADIUS, "Acct-Status-Type": "Start"})
    assert (start.state, start.detail["session"]) == ("raised", session(RADIUS).detail["session"])
    assert start.detail["client"] == session(RADIUS).detail["client"]
    day_before = session({**RADIUS, "Event-Timestamp": "Feb 28 2026 11:58:00 GMT"})
    assert day_before.detail["client"] != session(RADIUS).detail["client"]
    assert session(RADIUS, key=b"j" * 32).detail["client"] != session(RADIUS).detail["client"]


def test_without_a_key_nothing_of_a_client_is_kept() -> None:
    event = session(RADIUS, key=None)
    assert "client" not in event.detail
    assert "session" not in event.detail


def test_radius_that_is_no_accounting_says_so_and_keeps_no_client() -> None:
    found = decoded_ap("radius", "gw1", "radius/gw1/accounting", {**RADIUS, "Acct-Status-Type": "Failed"})
    (dead,) = found.rejected
    assert "not one of Start, Interim-Update, Stop" in dead.reason
    assert CLIENT.encode() not in dead.raw
    assert b"gw1" in dead.raw
    assert json.loads(dead.raw)["Calling-Station-Id"] == session(RADIUS).detail["client"]


def test_a_stranger_keeps_its_own_address_and_nobody_elses() -> None:
    body = {**RADIUS, "NAS-Identifier": "AA-BB-CC-00-11-22"}
    (unknown,) = decoded_ap("radius", "", "radius/gw1/accounting", body).unknown_devices
    assert b"AA-BB-CC-00-11-22" in unknown.raw
    assert CLIENT.encode() not in unknown.raw
    later = decoded_ap("radius", "AA-BB-CC-00-11-22", "radius/gw1/accounting", unknown.raw)
    (event,) = [record for record in later.records if isinstance(record, EventRecord)]
    assert event.detail["client"] == session(RADIUS).detail["client"], "known later, it is the same client"
