"""The embedded broker refuses strangers and devices that speak for others, and passes on what it took."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from broker.client import Delivery
from tests.support.brokers import RunningBroker, free_port
from tests.support.clients import Connected
from tests.support.waiting import wait_for


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[RunningBroker]:
    broker = RunningBroker("embedded", free_port(), tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.mark.parametrize(("user", "password"), [("bin-0001", "wrong"), ("bin-9999", None), ("root", None)])
def test_strangers_and_wrong_passwords_stay_outside(embedded: RunningBroker, user: str, password: str | None) -> None:
    stranger = Connected(embedded, user, password)
    friend = Connected(embedded, "bin-0001" if user != "bin-0001" else "bin-0002")
    wait_for(friend.bus.connected.is_set, "the friend")
    assert not stranger.bus.connected.is_set()
    assert stranger.bus.connects == 0
    stranger.close()
    friend.close()


def test_a_device_cannot_speak_or_listen_for_another(embedded: RunningBroker) -> None:
    everything = "kota/v1/kupang/+/+/telemetry"
    ingest = Connected(embedded, "ingest", filters=(everything,))
    one = Connected(embedded, "bin-0001", filters=("kota/v1/kupang/bin/bin-0002/receipt", everything))
    for client in (ingest, one):
        wait_for(client.bus.connected.is_set, "a connection")
    one.bus.publish("kota/v1/kupang/bin/bin-0002/telemetry", b"forged")
    one.bus.publish("kota/v1/kupang/bin/bin-0001/telemetry", b"own")
    wait_for(lambda: ingest.received, "the device's own message")
    ingest.bus.publish("kota/v1/kupang/bin/bin-0002/receipt", b"for another", qos=1)
    one.bus.publish("kota/v1/kupang/bin/bin-0001/telemetry", b"last")
    wait_for(lambda: len(ingest.received) >= 2, "the last message")
    assert [delivery.payload for delivery in ingest.received] == [b"own", b"last"]
    assert one.received == []
    ingest.close()
    one.close()


def test_what_was_acknowledged_is_passed_on_although_its_sender_has_gone(embedded: RunningBroker) -> None:
    ingest = Connected(embedded, "ingest", filters=("json/+",))
    wait_for(ingest.bus.connected.is_set, "a connection")
    for sender in range(3):
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=f"sleeper-{sender}")
        client.username_pw_set("gateway", embedded.secrets.password("gateway"))
        client.connect("127.0.0.1", embedded.port)
        client.loop_start()
        sent = [client.publish(f"json/{sender}", str(number), qos=1) for number in range(300)]
        for one in sent:
            one.wait_for_publish(30)
        client.disconnect()
        client.loop_stop()
    wait_for(lambda: len(ingest.received) >= 900, "all of them")
    for sender in range(3):
        told = [int(one.payload) for one in ingest.received if one.topic == f"json/{sender}"]
        assert told == list(range(300))
    ingest.close()


def test_an_acknowledgement_of_an_earlier_connection_is_never_sent(embedded: RunningBroker) -> None:
    ingest = Connected(embedded, "ingest", filters=("kota/v1/kupang/+/+/telemetry",))
    wait_for(ingest.bus.connected.is_set, "a connection")
    stale = Delivery("t", b"", retained=False, mid=7, qos=1, generation=ingest.bus.generation)
    embedded.kill()
    wait_for(lambda: not ingest.bus.connected.is_set(), "the loss")
    embedded.start()
    wait_for(ingest.bus.connected.is_set, "the reconnect")
    assert not ingest.bus.acknowledge(stale)
    ingest.close()
