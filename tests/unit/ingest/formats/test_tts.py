"""The Things Stack: its wrappings, and uplinks that come again."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ingest.store.records import Reading
from tests.support.decoding import decoded, device, values

EUI = "24e124aabbccdd01"

EM310 = device("tts", EUI, "milesight-em310-udl")

FRAME = base64.b64encode(bytes.fromhex("01755C0382E803040000")).decode()

READ = {"battery_pct": 92.0, "lid_open": False, "distance_mm": 1000.0}


def tts(**uplink: Any) -> dict[str, Any]:
    return {
        "end_device_ids": {"dev_eui": EUI.upper()},
        "received_at": "2026-03-01T12:00:00.123456789Z",
        "uplink_message": {"frm_payload": FRAME, "f_port": 85, **uplink},
    }


@pytest.mark.parametrize(
    "body",
    [
        tts(),
        tts(decoded_payload={"distance": 5, "battery": 1}),
        {"name": "as.up.data.forward", "data": tts()},
        {"result": tts()},
    ],
    ids=["plain", "own bytes win", "live data", "storage"],
)
def test_things_stack_in_its_wrappings(body: dict[str, Any]) -> None:
    found = values(decoded(EM310, "v3/a@t/devices/x/up", body))
    assert {name: found[name] for name in READ} == READ


def test_things_stack_a_location_moves_a_tracker() -> None:
    body = {**tts(), "location_solved": {"location": {"latitude": -10.1, "longitude": 123.5}}}
    found = decoded(device("tts", EUI, "lorawan-tracker"), "v3/a/devices/x/location/solved", body)
    assert values(found) == {"lat_deg": -10.1, "lon_deg": 123.5}


def test_an_uplink_sent_again_in_another_envelope_is_the_same_reading() -> None:
    def seq(body: dict[str, Any]) -> int:
        record = decoded(EM310, "v3/a@t/devices/x/up", body).records[0]
        assert isinstance(record, Reading)
        return record.origin.seq

    again = {**tts(f_cnt=3), "correlation_ids": ["other"]}
    assert seq(tts(f_cnt=3)) == seq(again)
    assert seq(tts(f_cnt=3)) != seq(tts(f_cnt=4))


def test_a_stored_measurement_that_is_asked_for_twice_is_one_reading() -> None:
    sensor = device("tts", EUI, "dragino-ldds75")
    stored = [bytes.fromhex("0D3B0AEF010540" + at) for at in ("69A41F30", "69A41F6C", "69A41FA8")]
    seen = set()
    for count, records in ((7, stored[:2]), (8, stored)):
        frame = base64.b64encode(b"".join(records)).decode()
        found = decoded(sensor, f"v3/a@t/devices/{EUI}/up", tts(f_port=3, f_cnt=count, frm_payload=frame))
        seen |= {
            (record.origin.measured_at, record.origin.seq) for record in found.records if isinstance(record, Reading)
        }
    assert len(seen) == 3
