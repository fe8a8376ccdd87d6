"""The fast reader receives, acknowledges by hand and comes back after the broker's death, on a broker of MQTT 5."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.client import BusClient, ConnectionParams, Delivery
from broker.contract.payloads import GATEWAY_PAYLOAD_BYTES
from broker.mqtt5_subscriber import Mqtt5Subscriber
from city.errors import ConfigError
from tests.support.brokers import RunningBroker, free_port
from tests.support.waiting import wait_for

TOPIC = "kota/v1/kupang/bin/bin-0001/telemetry"
OWN_TOPIC = "kota/v1/kupang/bin/bin-0001/receipt"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    made = RunningBroker("mosquitto", free_port(), tmp_path)
    made.start()
    yield made
    made.kill()


class Reader:
    """A fast reader on a thread of its own."""

    def __init__(self, broker: RunningBroker) -> None:
        """Connect."""
        self.received: list[Delivery] = []
        password = broker.secrets.password("ingest")
        login = ConnectionParams("127.0.0.1", broker.port, "ingest", password, "ingest", "5", persistent=True)
        self.bus = Mqtt5Subscriber(login)
        self.bus.listen(on_messages=self.received.extend, on_connected=self._subscribe)
        self._thread = threading.Thread(target=self.bus.run, args=(threading.Event(),), daemon=True)
        self._thread.start()
        wait_for(self.bus.connected.is_set, "the fast reader")

    def _subscribe(self, _session_present: bool) -> None:  # noqa: FBT001 - the bus's callback
        self.bus.subscribe("kota/v1/kupang/+/+/telemetry", OWN_TOPIC)

    def close(self) -> None:
        """End it."""
        self.bus.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def publish(broker: RunningBroker) -> Iterator[BusClient]:
    bus = BusClient(
        ConnectionParams("127.0.0.1", broker.port, "simulator", broker.secrets.password("simulator"), "simulator")
    )
    thread = threading.Thread(target=bus.run, args=(threading.Event(),), daemon=True)
    thread.start()
    wait_for(bus.connected.is_set, "the publisher")
    yield bus
    bus.close()
    thread.join(10)


def test_what_is_not_acknowledged_comes_again_and_what_is_does_not(broker: RunningBroker, publish: BusClient) -> None:
    reader = Reader(broker)
    for number in range(50):
        wait_for(lambda number=number: publish.publish(TOPIC, b"%d" % number), "a publish")
    wait_for(lambda: len(reader.received) == 50, "all of them")
    assert reader.bus.acknowledge_all(reader.received[:30]) == 30
    reader.close()
    again = Reader(broker)
    wait_for(lambda: len(again.received) == 20, "the rest")
    assert [delivery.payload for delivery in again.received] == [b"%d" % number for number in range(30, 50)]
    assert again.bus.acknowledge_all(again.received) == 20
    again.close()


def test_it_comes_back_after_the_broker_s_death_and_sends_no_old_acknowledgement(broker: RunningBroker) -> None:
    reader = Reader(broker)
    stale = Delivery(TOPIC, b"", retained=False, packet_id=1, qos=1, generation=reader.bus.generation)
    broker.kill()
    wait_for(lambda: not reader.bus.connected.is_set(), "the loss")
    assert not reader.bus.publish(TOPIC, b"x")
    broker.start()
    wait_for(reader.bus.connected.is_set, "the reconnect")
    assert reader.bus.acknowledge_all([stale]) == 0
    assert reader.bus.publish(OWN_TOPIC, b"hello")
    wait_for(lambda: [delivery.payload for delivery in reader.received] == [b"hello"], "its own message")
    reader.close()


def test_it_says_that_it_needs_mqtt_5() -> None:
    with pytest.raises(ConfigError, match="MQTT 5 only"):
        Mqtt5Subscriber(ConnectionParams("127.0.0.1", 1, "ingest", "x", "fast"))


def test_the_largest_message_comes_whole_and_the_next_one_behind_it(broker: RunningBroker, publish: BusClient) -> None:
    reader = Reader(broker)
    large = bytes(range(256)) * (GATEWAY_PAYLOAD_BYTES // 256)
    for payload in (b"first", large, b"last"):
        publish.publish(TOPIC, payload)
    wait_for(lambda: len(reader.received) == 3, "all of them")
    assert [delivery.payload for delivery in reader.received] == [b"first", large, b"last"]
    reader.close()
