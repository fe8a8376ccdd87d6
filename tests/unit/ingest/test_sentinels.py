"""Codes for no measurement that lie within the range of a sensor are absent, by the type of the sensor."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.decoding.field_mapping import read_fields
from tests.support.decoding import city_of


def temperature(profile: str, decoded: dict[str, Any]) -> tuple[float | None, bool]:
    values, refused = read_fields(city_of().profiles[profile], decoded)
    return values.get("temperature_c"), refused


@pytest.mark.parametrize(
    ("profile", "decoded"),
    [
        ("tasmota-sr04", {"DS18B20": {"Temperature": 85.0}}),
        ("tasmota-sr04", {"DS18B20": {"Temperature": 85}}),
        ("tasmota-sr04", {"DS18B20": {"Temperature": "185.0 °F"}}),
        ("tasmota-sr04", {"DS18B20-1": {"Temperature": -127}}),
        ("tasmota-sr04", {"DS18B20": {"Temperature": 127.94}}),
        ("dragino-ldds75", {"TempC_DS18B20": "85.00"}),
        ("dragino-ldds75", {"TempC_DS18B20": "327.67"}),
        ("dragino-ldds45", {"TempC_DS18B20": -127.0}),
        ("dragino-llds12", {"TempC_DS18B20": 85}),
        ("dragino-llds12", {"TempC_DS18B20": 3276.7}),
        ("dingtek-df702", {"temperature": "255 ℃"}),
        ("elsys-elt-ultrasonic", {"temperature": 6553.5}),
        ("elsys-elt-ultrasonic", {"temperature": 655.35}),
        ("sensoneo-short", {"t": -273.15}),
        ("milesight-em400-mud", {"temperature": 3276.7}),
    ],
)
def test_a_code_for_no_measurement_is_no_temperature(profile: str, decoded: dict[str, Any]) -> None:
    assert temperature(profile, decoded) == (None, True)


@pytest.mark.parametrize(
    ("profile", "decoded", "celsius"),
    [
        ("tasmota-sr04", {"DS18B20": {"Temperature": 84.94}}, 84.94),
        ("tasmota-sr04", {"DS18B20": {"Temperature": 85.06}}, 85.06),
        ("tasmota-sr04", {"DS18B20": {"Temperature": "86 °F"}}, 30.0),
        ("dingtek-df702", {"temperature": "85 ℃"}, 85.0),
        ("dragino-ldds75", {"TempC_DS18B20": "91.25"}, 91.25),
        ("sensoneo-short", {"t": 85}, 85.0),
    ],
)
def test_what_a_sensor_can_measure_is_a_temperature(profile: str, decoded: dict[str, Any], celsius: float) -> None:
    assert temperature(profile, decoded) == (celsius, False)
