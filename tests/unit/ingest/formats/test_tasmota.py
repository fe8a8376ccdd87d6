"""Tasmota: local time, units, the last will."""

from __future__ import annotations

from datetime import timedelta

from ingest.store.records import Reading, StatusRecord
from tests.support.decoding import NOW, decoded, device, quality, values


def test_tasmota_local_time_units_and_last_will() -> None:
    sensor = device("tasmota", "bak", "tasmota-sr04")
    body = {"Time": "2026-03-01T19:59:00", "SR04": {"Distance": 45.2}, "DS18B20": {"Temperature": 86}, "TempUnit": "F"}
    found = decoded(sensor, "tele/bak/SENSOR", body)
    assert values(found) == {"distance_mm": 452.0, "fill_pct": 82.0, "temperature_c": 30.0}
    record = found.records[0]
    assert isinstance(record, Reading)
    assert record.origin.measured_at == NOW - timedelta(minutes=1), "19:59 in Kupang"
    unset = decoded(sensor, "tele/bak/SENSOR", {"Time": "1970-01-01T08:00:10", "SR04": {"Distance": 45.2}})
    assert quality(unset) == ("clock",)
    (will,) = decoded(sensor, "tele/bak/LWT", b"Offline", retained=True).records
    assert isinstance(will, StatusRecord)
    assert (will.state, will.reason) == ("offline", "lost")
    assert decoded(sensor, "tele/bak/LWT", b"maybe").rejected[0].reason.startswith("LWT says")
    assert decoded(sensor, "stat/bak/RESULT", {"POWER": "ON"}).ignored


def test_tasmota_says_nothing_of_itself_that_would_be_dead() -> None:
    sensor = device("tasmota", "t", "tasmota-sr04")
    assert decoded(sensor, "tele/t/STATE", {"Time": "2026-03-01T19:59:00", "Uptime": "1T02", "Heap": 20}).ignored
    body = {"VL53L1X": {"Distance": 345}, "DS18B20-1": {"Temperature": 31.5}, "DS18B20-2": {"Temperature": 40.0}}
    (reading,) = decoded(sensor, "tele/t/SENSOR", body).records
    assert isinstance(reading, Reading)
    assert (reading.values["distance_mm"], reading.values["temperature_c"]) == (345.0, 31.5)
