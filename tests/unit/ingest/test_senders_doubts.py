"""What a sender says of the quality of its own message is heard: width and validity of positions, simulation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.decoding import NOW, decoded, device, quality, values

AT = NOW.isoformat()
PLACE = {"latitude": -10.16, "longitude": 123.61}
ENDPOINT = {"device_id": "t"}


def solved(accuracy: object) -> tuple[Any, str, dict[str, Any]]:
    location = {**PLACE, "accuracy": accuracy}
    body = {"received_at": AT, "end_device_ids": ENDPOINT, "location_solved": {"location": location}}
    return device("tts", "a/t", "lorawan-tracker", "truck-9"), "v3/a@x/devices/t/location/solved", body


def chirpstack(accuracy: object) -> tuple[Any, str, dict[str, Any]]:
    body = {"time": AT, "deviceInfo": {"devEui": "0011223344556677"}, "location": {**PLACE, "accuracy": accuracy}}
    truck = device("chirpstack", "0011223344556677", "lorawan-tracker", "truck-9")
    return truck, "application/a/device/0011223344556677/event/location", body


def by_codec(accuracy: object) -> tuple[Any, str, dict[str, Any]]:
    uplink = {"f_cnt": 1, "f_port": 2, "decoded_payload": {**PLACE, "accuracy": accuracy}}
    body = {"received_at": AT, "end_device_ids": ENDPOINT, "uplink_message": uplink}
    return device("tts", "a/t", "lorawan-tracker", "truck-9"), "v3/a@x/devices/t/up", body


def phone(accuracy: object) -> tuple[Any, str, dict[str, Any]]:
    body = {"location": {"timestamp": AT, "coords": {**PLACE, "accuracy": accuracy}}}
    return device("json", "p", "traccar-client-truck", "truck-9"), "json/p", body


def through_traccar(accuracy: object) -> tuple[Any, str, dict[str, Any]]:
    position = {"deviceTime": AT, **PLACE, "accuracy": accuracy}
    body = {"device": {"uniqueId": "7"}, "position": position}
    return device("traccar", "7", "traccar-truck", "truck-9"), "positions", body


@pytest.mark.parametrize("message", [solved, chirpstack, by_codec, phone, through_traccar])
@pytest.mark.parametrize(("accuracy", "has_place"), [(1800, False), (200.5, False), (200, True), (12, True), (0, True)])
def test_a_position_wider_than_200_m_is_none(message: Any, accuracy: float, *, has_place: bool) -> None:
    result = decoded(*message(accuracy))
    assert ("lat_deg" in values(result)) is has_place
    assert ("lon_deg" in values(result)) is has_place
    assert quality(result) == (() if has_place else ("no_fix",))


@pytest.mark.parametrize(
    ("profile", "topic", "body"),
    [
        ("flespi-truck", "json/p", {"position.latitude": -10.1, "position.longitude": 123.6, "position.valid": False}),
        ("traccar-client-truck", "json/p", {"location": {"coords": PLACE, "mock": True}}),
        ("lorawan-tracker", "json/p", {**PLACE, "fixFailed": True}),
    ],
)
def test_a_position_that_is_said_to_be_none_is_none(profile: str, topic: str, body: dict[str, Any]) -> None:
    result = decoded(device("json", "p", profile, "truck-9"), topic, {**body, "time": AT})
    assert "lat_deg" not in values(result)
    assert quality(result) == ("no_fix",)


@pytest.mark.parametrize("word", ["approximate", "mock"])
def test_a_position_that_traccar_guessed_is_none_and_the_vehicles_values_stay(word: str) -> None:
    position = {"deviceTime": AT, **PLACE, "attributes": {word: True, "ignition": True}}
    truck = device("traccar", "7", "traccar-truck", "truck-9")
    result = decoded(truck, "positions", {"device": {"uniqueId": "7"}, "position": position})
    assert values(result) == {"ignition": True}
    assert quality(result) == ("no_fix",)


@pytest.mark.parametrize("sort", ["up", "location/solved", "join"])
def test_what_somebody_simulates_in_the_console_is_not_stored(sort: str) -> None:
    uplink = {"f_port": 2, "frm_payload": "DTsDhAAAAAE="}
    body = {
        "simulated": True,
        "received_at": AT,
        "end_device_ids": ENDPOINT,
        "uplink_message": uplink,
        "location_solved": {"location": PLACE},
    }
    result = decoded(device("tts", "a/t", "dragino-ldds75"), f"v3/a@x/devices/t/{sort}", body)
    assert (list(result.records), list(result.rejected), list(result.unknown_devices)) == ([], [], [])


def test_a_record_that_is_simulated_costs_its_neighbour_nothing() -> None:
    readings = [{"raw_distance_m": 0.5, "simulated": True}, {"raw_distance_m": 0.6, "simulated": False}]
    result = decoded(device("json", "tank", "esp32-fill-hcsr04"), "json/tank", readings)
    assert [record.values["distance_mm"] for record in result.records] == [600.0]  # type: ignore[union-attr]
