"""Plain JSON: by the profile alone."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.store.records import Reading
from tests.support.decoding import decoded, device, quality, values


def test_a_retained_reading_without_a_time_is_not_taken_for_now() -> None:
    tank = device("json", "tank", "esp32-fill-hcsr04")
    body = {"fill_level": 73.5, "distance_cm": 69.8, "raw_distance_m": 0.252}
    assert decoded(tank, "json/tank", body, retained=True).ignored
    assert values(decoded(tank, "json/tank", body))["distance_mm"] == 252.0


def test_plain_json_time_and_values_by_the_profile() -> None:
    phone = device("json", "phone", "traccar-client-truck")
    body = {
        "location": {
            "timestamp": "2026-03-01T11:59:00.862Z",
            "coords": {"latitude": -10.1, "longitude": 123.6, "speed": 10, "heading": -1},
            "battery": {"level": 0.79},
        }
    }
    found = decoded(phone, "json/phone", body)
    assert values(found) == {"lat_deg": -10.1, "lon_deg": 123.6, "speed_kmh": 36.0, "battery_pct": 79.0}
    assert quality(found) == ()


def test_flat_dotted_keys() -> None:
    tracker = device("json", "flespi", "flespi-truck")
    body = {
        "position.latitude": -10.1,
        "position.longitude": 123.6,
        "engine.ignition.status": True,
        "timestamp": 946684840,
    }
    found = decoded(tracker, "json/flespi", body)
    assert values(found)["lat_deg"] == -10.1
    assert quality(found) == ("clock",)


@pytest.mark.parametrize(
    "body",
    [
        {"fill_level": 0, "raw_distance_m": None, "valid": False, "status": "timeout"},
        {"fill_level": 40, "raw_distance_m": 0.6, "valid": False, "status": "out_of_range"},
        {"fill_level": 0, "raw_distance_m": -1, "valid": True},
    ],
)
def test_what_a_sensor_calls_invalid_is_no_empty_bin(body: dict[str, Any]) -> None:
    (reading,) = decoded(device("json", "b", "esp32-fill-hcsr04"), "json/b", body).records
    assert isinstance(reading, Reading)
    assert not reading.values
    assert "invalid" in reading.origin.quality
