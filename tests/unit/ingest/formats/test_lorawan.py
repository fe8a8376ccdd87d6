"""What the LoRaWAN network servers' formats have in common."""

from __future__ import annotations

from typing import Any

import pytest

from city.inventory.model import Device
from ingest.store.records import StatusRecord
from tests.support.decoding import decoded, device, values

EUI = "24e124aabbccdd01"

EM310 = device("tts", EUI, "milesight-em310-udl")

NOTHING_IN_THEM: list[tuple[Device, str, dict[str, Any]]] = [
    (
        EM310,
        f"v3/a@t/devices/{EUI}/up",
        {
            "end_device_ids": {"dev_eui": EUI},
            "received_at": "2026-03-01T12:00:00Z",
            "uplink_message": {"f_port": 1, "f_cnt": 7, "rx_metadata": [{"rssi": -81}]},
        },
    ),
    (
        device("chirpstack", EUI, "milesight-em310-udl"),
        f"application/1/device/{EUI}/event/up",
        {"time": "2026-03-01T12:00:00Z", "fCnt": 7, "data": "", "rxInfo": [{"rssi": -81}]},
    ),
    (
        device("loriot", EUI, "milesight-em310-udl"),
        "loriot/bins",
        {"cmd": "rx", "EUI": EUI, "ts": 1772366400000, "fcnt": 7, "port": 0, "data": "", "rssi": -81},
    ),
]


@pytest.mark.parametrize(("one", "topic", "body"), NOTHING_IN_THEM, ids=["tts", "chirpstack", "loriot"])
def test_an_uplink_that_carries_nothing_says_that_the_device_is_there(
    one: Device, topic: str, body: dict[str, Any]
) -> None:
    found = decoded(one, topic, body)
    assert not found.rejected
    assert values(found) == {"rssi_dbm": -81.0}
    assert [status.state for status in found.records if isinstance(status, StatusRecord)] == ["online"]
