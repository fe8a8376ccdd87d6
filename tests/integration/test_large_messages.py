"""A controller's answer about a whole site comes in over both brokers and over HTTP, up to its account's bound."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pytest

from broker.client import ConnectionParams, Delivery
from broker.contract.payloads import GATEWAY_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES
from broker.nats.endpoint import READER
from broker.nats.reader import PULL_MAX_BYTES, QOS0_HELD_BYTES, StreamReader
from city.runtime.local_access import local_token
from city.runtime.settings import load_settings
from ingest.store.duckdb.store import DuckStore
from ingest.store.parked.dead_letters import DeadLetterQueue
from tests.integration.test_http_hostile import request
from tests.support.asking import answer_of, ask
from tests.support.brokers import RunningBroker, free_port
from tests.support.clients import Connected
from tests.support.raw_http import Answer, Line, ask_raw
from tests.support.services import Service, running
from tests.support.sites import CLIENTS, DEVICES, ap_id, clients_answer, clients_of, largest_answer, write_site
from tests.support.waiting import wait_for

SITE = 2_000


class Place:
    """A city with a large site, its broker, and its server without a demo."""

    def __init__(self, broker: RunningBroker, folder: Path) -> None:
        """Write the inventory and the gateway's account."""
        self.broker = broker
        self.folder = folder
        self.port = free_port()
        self.password = broker.gateway("controller", "unifi", "netjson")
        settings = {"mqtt_port": broker.port, "mqtt_client": broker.reader, "port": self.port, "demo": False}
        self.server = Service(["ingest", "api"], folder, city=broker.city, **settings)

    def clients(self) -> dict[str, float]:
        """The last number of clients of each access point of the site; ask after the server has ended."""
        store = DuckStore(self.folder / "store" / "city.duckdb")
        try:
            latest = {known.device: known.values for known in store.latest(kind="ap")}
        finally:
            store.close()
        return {device: values["clients"].value for device, values in latest.items() if device.startswith("site-")}

    def reasons(self) -> list[str]:
        """Why there are dead letters."""
        queue = DeadLetterQueue(self.folder / "store" / "dead_letters.sqlite")
        return [letter.reason for letter in queue.find()]

    @cached_property
    def token(self) -> str:
        """A token that may read."""
        return local_token(load_settings(data=self.folder), ["telemetry.read"])

    def dead_letters(self) -> int:
        """How many there are, as the API says."""
        token = self.token
        found = ask(f"http://127.0.0.1:{self.port}/api/v1/dead-letters", token) or {}
        return len(found.get("dead_letters", ()))

    def has(self, number: int) -> bool:
        """Whether an access point has a reading, as the API says."""
        token = self.token
        found = ask(f"http://127.0.0.1:{self.port}/api/v1/devices/{ap_id(number)}/latest", token)
        return bool(found) and found["values"].get("clients", {}).get("value") == clients_of(number)


@pytest.fixture(params=["embedded", "mosquitto"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    broker = RunningBroker(request.param, free_port(), tmp_path, city=str(write_site(tmp_path / "city", SITE)))
    made = Place(broker, tmp_path)
    broker.start()
    try:
        with running(made.server):
            answer_of(f"http://127.0.0.1:{made.port}/readyz")
            yield made
    finally:
        broker.kill()
        print(broker.log()[-3000:], made.server.log()[-3000:])


def test_every_access_point_of_an_answer_of_8_mib_is_stored(place: Place) -> None:
    with Connected(place.broker, "controller") as controller:
        assert controller.bus.publish_and_wait(DEVICES, largest_answer(SITE), retain=False, timeout_s=60)
        wait_for(lambda: place.has(SITE - 1), "the last access point")
        controller.bus.publish(DEVICES, b" " * (GATEWAY_PAYLOAD_BYTES + 9_000))
        wait_for(lambda: controller.bus.connects > 1, "the broker to hang up on a packet that is too large")
    place.server.stop()
    assert place.clients() == {ap_id(number): clients_of(number) for number in range(SITE)}
    assert place.reasons() == []


def test_a_device_has_its_own_bound_and_costs_nobody_else(place: Place) -> None:
    topic = "kota/v1/kupang/bin/bin-0001/telemetry"
    with Connected(place.broker, "bin-0001") as device, Connected(place.broker, "controller") as controller:
        device.bus.publish(topic, b" " * (MAX_PAYLOAD_BYTES + 9_000))
        if place.broker.name == "embedded":
            wait_for(lambda: device.bus.connects > 1, "the broker to hang up")
        else:
            wait_for(lambda: place.dead_letters() == 1, "the dead letter")
        assert controller.bus.publish_and_wait(CLIENTS, clients_answer(10_000, SITE), retain=False, timeout_s=60)
        wait_for(
            lambda: place.has(4),  # five clients each
            "the answer of another",
        )
    place.server.stop()
    assert place.clients() == dict.fromkeys(map(ap_id, range(SITE)), 5)
    assert len(place.reasons()) == (0 if place.broker.name == "embedded" else 1)


def post(place: Place, path: str, size: int, *headers: bytes, body: bytes | None = None) -> Answer:
    """Send the head of a request, and its body only where it is given."""
    head = request(b"POST", path.encode(), b"Content-Length: %d" % size, b"Connection: close", *headers)
    if body is not None:
        return ask_raw(place.port, head + body)
    line = Line(place.port)
    try:
        line.send(head)
        return line.answer()
    finally:
        line.close()


@pytest.mark.parametrize("place", ["embedded"], indirect=True)
def test_over_http_the_account_has_the_bound_and_nothing_is_read_beyond(place: Place) -> None:
    basic = b"Authorization: Basic " + base64.b64encode(f"controller:{place.password}".encode())
    path = f"/api/v1/messages/{DEVICES}"
    too_large = GATEWAY_PAYLOAD_BYTES + 1
    assert post(place, path, GATEWAY_PAYLOAD_BYTES).status == 401, "without an account, before the body"
    assert post(place, path, too_large, basic).status == 413, "before the body"
    assert post(place, path, GATEWAY_PAYLOAD_BYTES, basic, body=largest_answer(SITE)).status == 200
    wait_for(lambda: place.has(SITE - 1), "the last access point")

    device = next(id_ for id_ in place_devices(place) if not id_.startswith("site-"))
    monitoring = f"/api/v1/monitoring/device/{device}/?key="
    own, gateways = place.broker.password(device), place.password
    assert post(place, monitoring + "wrong", 10).status == 404
    assert post(place, monitoring + own, MAX_PAYLOAD_BYTES + 1).status == 413, "a device, before the body"
    small = b"{}".ljust(MAX_PAYLOAD_BYTES)
    assert post(place, monitoring + own, MAX_PAYLOAD_BYTES, body=small).status == 200
    assert post(place, monitoring + gateways, too_large).status == 413
    place.server.stop()
    assert place.clients() == {ap_id(number): clients_of(number) for number in range(SITE)}


def place_devices(place: Place) -> list[str]:
    """Ids of the access points of the inventory."""
    lines = (Path(place.broker.city) / "access_points.csv").read_text().splitlines()
    return [line.split(",")[0] for line in lines[1:]]


class Slow:
    """A reader of the embedded broker that has room for nothing, until it is told."""

    def __init__(self, broker: RunningBroker) -> None:
        """Connect."""
        self.received: list[Delivery] = []
        self.has_room = threading.Event()
        login = ConnectionParams("127.0.0.1", broker.port, READER, broker.password(READER), READER)
        self.bus = StreamReader(login, broker.folder / "broker" / "endpoint.json")
        self.bus.listen(
            on_messages=self.received.extend,
            on_connected=lambda _present: self.bus.subscribe("unifi/#", "kota/v1/#"),
            has_room=self.has_room.is_set,
        )
        self._thread = threading.Thread(target=self.bus.run, args=(threading.Event(),), daemon=True)
        self._thread.start()
        wait_for(self.bus.connected.is_set, "the slow reader")

    def close(self) -> None:
        """Disconnect."""
        self.bus.close()
        self._thread.join(10)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[RunningBroker]:
    broker = RunningBroker("embedded", free_port(), tmp_path)
    broker.gateway("controller", "unifi")
    broker.start()
    yield broker
    broker.kill()
    print(broker.log()[-3000:])


def test_a_reader_without_room_takes_no_more_than_it_has_asked_for(embedded: RunningBroker) -> None:
    large = b" " * GATEWAY_PAYLOAD_BYTES
    reader = Slow(embedded)
    try:
        with Connected(embedded, "controller") as controller:
            reader.has_room.set()
            controller.bus.publish_and_wait(DEVICES, b"first", retain=False, timeout_s=60)
            wait_for(lambda: reader.received, "the first")
            reader.has_room.clear()
            for _ in range(12):
                assert controller.bus.publish_and_wait(DEVICES, large, retain=False, timeout_s=60)
            controller.bus.publish_and_wait("unifi/default/event", b"last", retain=False, timeout_s=60)
            size = sum(len(delivery.payload) for delivery in reader.received)
            assert size <= 2 * PULL_MAX_BYTES, "what was asked for while there was room"
            reader.has_room.set()
            wait_for(lambda: len(reader.received) == 14, "the rest")
            assert reader.received[-1].payload == b"last"
    finally:
        reader.close()


def test_messages_of_qos_0_without_room_are_held_within_a_bound_and_counted(embedded: RunningBroker) -> None:
    large = b" " * GATEWAY_PAYLOAD_BYTES
    kept = QOS0_HELD_BYTES // 2 // GATEWAY_PAYLOAD_BYTES
    topic = "kota/v1/kupang/bin/bin-0001/telemetry"
    reader = Slow(embedded)
    try:
        with Connected(embedded, "controller") as controller, Connected(embedded, "bin-0001") as device:
            for _ in range(8):
                controller.bus.publish(DEVICES, large, qos=0)
            wait_for(lambda: reader.bus.dropped == 8 - kept, "the others to be counted")
            device.bus.publish(topic, b"{}", qos=0)
            controller.bus.publish(DEVICES, large, qos=0)
            wait_for(lambda: reader.bus.dropped == 9 - kept, "one more")
            reader.has_room.set()
            wait_for(lambda: len(reader.received) == kept + 1, "what was held")
            assert [delivery.topic for delivery in reader.received] == [*[DEVICES] * kept, topic]
    finally:
        reader.close()
