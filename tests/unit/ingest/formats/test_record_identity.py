"""A record is its device, its own time, and its counter or content; nothing of the message around it counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from city.inventory.model import Device
from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from ingest.store.memory import MemoryStore
from ingest.store.records import EventRecord, Reading
from tests.support.decoding import NOW, city_of, device

BIN = device("json", "tank", "esp32-fill-hcsr04", "bin-1")
TRUCK = device("json", "phone", "flespi-truck", "truck-1")
TRACKER = device("teltonika", "352094081234569", "teltonika-truck", "truck-2")
HUB = device("fiware", "key/tank", "esp32-fill-hcsr04", "bin-2")
GATE = device("frigate", "gate", "frigate-camera", "cam-1")
SONAR = device("tasmota", "sonar", "tasmota-sr04", "bin-3")


class City:
    """Messages of a few devices, through decoder and store."""

    def __init__(self, *devices: Device) -> None:
        self.decoder = Decoder(city_of(*devices), late_after=timedelta(minutes=15), pseudonym_key=b"k" * 32)
        self.store = MemoryStore()
        self.rejected: list[str] = []
        self.stored: list[Reading | EventRecord] = []

    def send(self, topic: str, body: Any, after_s: float = 0, *, retained: bool = False) -> int:
        """Send a message; the number of records that were new."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        result = self.decoder.decode(Arrival(topic, raw, NOW + timedelta(seconds=after_s), retained))
        self.rejected += [rejected.reason for rejected in result.rejected]
        fresh = 0
        for record in result.records:
            if self.store.write([record], ()).stored and isinstance(record, Reading | EventRecord):
                self.stored.append(record)
                fresh += 1
        return fresh

    def values(self, name: str) -> list[Any]:
        """A field of all stored readings."""
        return [record.values.get(name) for record in self.stored if isinstance(record, Reading)]


def fixes(*ages_s: int) -> list[dict[str, Any]]:
    at = int(NOW.timestamp())
    return [{"timestamp": at - age, "position.latitude": -10.1, "position.longitude": 123.6} for age in ages_s]


def test_a_record_is_the_same_alone_and_in_whatever_array() -> None:
    city = City(TRUCK)
    assert city.send("json/phone", fixes(60)[0]) == 1
    assert city.send("json/phone", fixes(60, 50, 40), 10) == 2
    assert city.send("json/phone", fixes(40, 60), 20) == 0
    assert city.send("json/phone/more", fixes(30, 40, 50, 60), 30) == 1


def test_records_without_a_time_are_told_apart_by_their_place_and_arrival() -> None:
    city = City(BIN)
    assert city.send("json/tank", [{"fill_level": 3}, {"fill_level": 3}]) == 2
    assert city.send("json/tank", [{"fill_level": 3}, {"fill_level": 3}], 60) == 2


def test_records_of_one_moment_follow_each_other_in_their_order() -> None:
    at = int(NOW.timestamp() * 1000) - 60_000
    records = [
        {"ts": at, "239": 1, "66": 12_000},
        {"ts": at, "239": 0, "66": 12_000},
        {"ts": at, "239": 1, "66": 11_000},
    ]
    city = City(TRACKER)
    assert city.send("352094081234569/data", {"state": {"reported": records}}) == 3
    times = [record.origin.measured_at for record in city.stored]
    assert [time - times[0] for time in times] == [timedelta(milliseconds=number) for number in range(3)]
    (latest,) = city.store.latest(device="truck-2")
    assert (latest.values["ignition"].value, latest.values["power_v"].value) == (1, 11.0)
    assert city.send("352094081234569/data", {"state": {"reported": records[1:]}}, 60) == 0


@pytest.mark.parametrize("time", ["1970-01-01T00:00:47", "2036-02-07T06:28:16", "2000-01-01T00:00:00"])
def test_a_clock_that_is_not_believed_decides_nothing(time: str) -> None:
    city = City(SONAR)
    for wake in range(3):
        assert city.send("tele/sonar/SENSOR", {"Time": time, "SR04": {"Distance": 60.0}}, wake * 3_600) == 1
    assert {record.origin.quality for record in city.stored} == {("clock",)}
    assert city.send("tele/sonar/SENSOR", {"Time": time, "SR04": {"Distance": 61.0}}, retained=True) == 0


def test_a_time_that_cannot_be_read_is_said() -> None:
    city = City(SONAR, HUB)
    city.send("tele/sonar/SENSOR", {"Time": "soon", "SR04": {"Distance": 60.0}})
    city.send("/json/key/tank/attrs", {"TimeInstant": "03/01/2026", "raw_distance_m": 0.6})
    assert [(record.origin.quality, record.origin.device_at) for record in city.stored] == [(("clock",), None)] * 2


def test_a_bad_element_is_a_dead_letter_and_costs_its_neighbours_nothing() -> None:
    city = City(TRUCK, TRACKER)
    first, second = fixes(60, 50)
    assert city.send("json/phone", [first, None, 7, "x", [second], second]) == 2
    assert len(city.rejected) == 4
    at = int(NOW.timestamp() * 1000)
    reported = [{"ts": at - 2_000, "239": 1}, {"239": 1}, None, {"ts": "soon"}, {"ts": at - 1_000, "239": 0}]
    assert city.send("352094081234569/data", {"state": {"reported": reported}}) == 2
    assert len(city.rejected) == 7
    assert city.values("ignition")[-2:] == [1, 0]


def test_a_position_that_the_server_numbers_anew_is_the_same() -> None:
    city = City(device("traccar", "111", "traccar-truck", "truck-3"))
    own = {"deviceTime": "2026-03-01T11:59:00Z", "latitude": -10.1, "longitude": 123.6, "valid": True, "speed": 5.0}

    def send(number: int, after_s: float = 0, **attributes: Any) -> int:
        servers = {"id": number, "serverTime": f"2026-03-01T12:00:{number:02}Z"}
        position = {**own, **servers, "attributes": {"distance": float(number), **attributes}}
        return city.send("positions", {"device": {"id": 1, "uniqueId": "111"}, "position": position}, after_s)

    assert [send(1, ignition=True), send(2, 20, ignition=True)] == [1, 0]
    assert send(3, 30, ignition=False) == 1


def updates() -> Iterator[tuple[str, str, list[str]]]:
    yield "new", "detection", []
    yield "update", "detection", []
    yield "update", "alert", ["street"]
    yield "update", "alert", ["street"]
    yield "end", "alert", ["street"]


def test_an_update_that_says_more_is_stored_and_one_that_says_nothing_new_is_not() -> None:
    city, began = City(GATE), NOW.timestamp() - 10
    for number, (step, severity, zones) in enumerate(updates()):
        data = {"objects": ["person"], "zones": zones}
        after = {"id": "9-z", "camera": "gate", "start_time": began, "severity": severity, "data": data}
        after["end_time"] = began + 40 if step == "end" else None
        city.send("frigate/reviews", {"type": step, "before": {}, "after": after}, number * 10)
    events = [record for record in city.stored if isinstance(record, EventRecord)]
    assert [(event.state, event.detail["severity"], event.detail["zones"]) for event in events] == [
        ("raised", "detection", []),
        ("raised", "alert", ["street"]),
        ("cleared", "alert", ["street"]),
    ]
