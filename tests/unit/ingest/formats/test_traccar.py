"""Traccar: units, positions that are none, alarms as positions and as events."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.store.records import EventRecord, StatusRecord
from tests.support.decoding import NOW, decoded, device, events, quality, values

TRUCK = device("traccar", "860", "traccar-truck")


def traccar(attributes: dict[str, Any] | None = None, **position: Any) -> dict[str, Any]:
    place = {
        "deviceTime": "2026-03-01T11:59:30.000+0000",
        "fixTime": "2026-03-01T11:59:29.000+0000",
        "valid": True,
        "latitude": -10.17,
        "longitude": 123.6,
        "speed": 20.0,
        "course": 90.0,
        "outdated": False,
    }
    return {
        "position": {**place, **position, "attributes": attributes or {}},
        "device": {"uniqueId": "860", "name": "DH 8014 A"},
    }


def test_traccar_units() -> None:
    attributes = {
        "ignition": True,
        "odometer": 1234567.0,
        "hours": 7_200_000,
        "power": 12.6,
        "batteryLevel": 80,
        "in1": False,
        "in2": True,
        "sat": 9,
        "dtcs": "P0217 P0300",
        "fuelLevel": 55,
        "rpm": 900,
        "coolantTemp": 88,
    }
    assert values(decoded(TRUCK, "positions", traccar(attributes))) == {
        "lat_deg": -10.17,
        "lon_deg": 123.6,
        "speed_kmh": 37.04,
        "heading_deg": 90.0,
        "ignition": True,
        "odometer_km": 1234.567,
        "engine_h": 2.0,
        "power_v": 12.6,
        "battery_pct": 80.0,
        "satellites": 9,
        "engine_rpm": 900.0,
        "engine_temp_c": 88.0,
        "fault_codes": '["P0217","P0300"]',
        "pto": True,
        "fuel_pct": 55.0,
    }


def test_the_distance_of_a_truck_is_one_count_and_not_two_in_turn() -> None:
    plain, own = TRUCK, device("traccar", "860", "traccar-truck-odometer")
    messages = [{"totalDistance": 812_400.5}, {"totalDistance": 812_900.5, "odometer": 90_512_000}]
    trucks = (plain, own)
    readings = [[values(decoded(truck, "positions", traccar(message))) for message in messages] for truck in trucks]
    assert [reading.get("odometer_km") for reading in readings[0]] == [812.4005, 812.9005]
    assert [reading.get("odometer_km") for reading in readings[1]] == [None, 90512.0]


@pytest.mark.parametrize("litres", [42.5, 310, "61 l"])
def test_litres_of_fuel_are_no_percentage_and_no_fault(litres: object) -> None:
    result = decoded(TRUCK, "positions", traccar({"fuel": litres, "axleWeight": 5200}))
    assert not {"fuel_pct", "load_kg"} & values(result).keys()
    assert quality(result) == ()


@pytest.mark.parametrize("attributes", [{"in1": True}, {"in1": True, "in2": False}, {"io1": 1}])
def test_input_1_is_the_ignition_and_no_compactor(attributes: dict[str, Any]) -> None:
    assert not values(decoded(TRUCK, "positions", traccar(attributes))).get("pto")


@pytest.mark.parametrize(
    ("position", "word"),
    [
        ({"valid": False}, "no_fix"),
        ({"latitude": 0, "longitude": 0}, "no_fix"),
        ({"outdated": True}, "outdated"),
        ({"fixTime": "2026-02-28T11:59:29.000+0000"}, "outdated"),
    ],
)
def test_traccar_positions_that_are_none_are_left_out_with_their_reason(position: dict[str, Any], word: str) -> None:
    found = decoded(TRUCK, "positions", traccar({"ignition": True}, **position))
    assert "lat_deg" not in values(found)
    assert values(found)["ignition"] is True
    assert quality(found) == (word,)


def test_traccar_an_alarm_is_one_event_as_position_and_as_event() -> None:
    position = traccar({"alarm": "powerCut,sos"})
    event = {
        "event": {"type": "alarm", "eventTime": "2026-03-01T11:59:31.000+0000", "attributes": {"alarm": "powerCut"}},
        **position,
    }
    first, second = decoded(TRUCK, "positions", position), decoded(TRUCK, "events", event)
    assert events(first) == [("power_cut", "raised"), ("panic", "noted")]
    assert events(second) == [("power_cut", "raised")]
    pair = [record.origin for result in (first, second) for record in result.records if isinstance(record, EventRecord)]
    assert (pair[0].epoch, pair[0].seq) == (pair[2].epoch, pair[2].seq)


def test_traccar_says_who_is_there() -> None:
    event = {"event": {"type": "deviceOffline", "eventTime": NOW.isoformat()}, "device": {"uniqueId": "860"}}
    (record,) = decoded(TRUCK, "events", event).records
    assert isinstance(record, StatusRecord)
    assert (record.state, record.reason) == ("offline", "deviceOffline")
