"""Other makers' messages, which nobody sends twice: what the broker acknowledged survives kill -9 of everything."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.store.duckdb.store import DuckStore
from tests.integration.test_delivery import ingest_stored
from tests.support.brokers import BrokerName, RunningBroker, free_port
from tests.support.clients import Connected
from tests.support.services import Service, running
from tests.support.waiting import wait_for

MESSAGES = 60


def uplink(number: int) -> bytes:
    """A Things Stack uplink of a sensor that the reference city has."""
    return json.dumps(
        {
            "end_device_ids": {"device_id": "em310-0001"},
            "received_at": datetime.now(UTC).isoformat(),
            "uplink_message": {
                "f_port": 85,
                "f_cnt": number,
                "received_at": datetime.now(UTC).isoformat(),
                "decoded_payload": {"distance": 400 + number, "battery": 92},
            },
        }
    ).encode()


def stored(folder: Path) -> int:
    store = DuckStore(folder / "store" / "city.duckdb")
    try:
        return sum(
            len(life.seqs) and sum(last - first + 1 for first, last in life.seqs) for life in store.stored_sequences()
        )
    finally:
        store.close()


@pytest.mark.parametrize("name", ["embedded", "mosquitto"])
def test_what_was_acknowledged_survives_kills_of_broker_and_ingest(tmp_path: Path, name: BrokerName) -> None:
    broker = RunningBroker(name, free_port(), tmp_path)
    broker.gateway("ttn", "tts")
    broker.start()
    ingest = Service(["ingest"], tmp_path, mqtt_port=broker.port, mqtt_client=broker.reader)
    saved = tmp_path / "mosquitto" / "state" / "mosquitto.db"
    try:
        with running(ingest):
            wait_for(lambda: "mqtt.connected" in ingest.log(), "ingest, once, so that a session waits for it")
            ingest.kill()
            with Connected(broker, "ttn") as server:
                for number in range(MESSAGES):
                    topic = "v3/kupang-bins@ttn/devices/em310-0001/up"
                    assert server.bus.publish_and_wait(topic, uplink(number), retain=False, timeout_s=20)
            if name == "mosquitto":  # it saves its queue once a second
                wait_for(lambda: b'"f_cnt": %d' % (MESSAGES - 1) in saved.read_bytes(), "the autosave")
            broker.kill()
            broker.start()
            ingest.start()
            wait_for(lambda: ingest_stored(broker) >= MESSAGES // 2, "the first of them", within_s=60)
            broker.kill()
            ingest.kill()
            broker.start()
            ingest.start()
            wait_for(lambda: ingest.log().count("mqtt.connected") >= 3, "ingest, a third time")
            wait_for(lambda: ingest_stored(broker) >= MESSAGES, "all of them", within_s=60)
            assert ingest.stop() == 0, ingest.log()
        assert stored(tmp_path) == MESSAGES
    finally:
        broker.kill()
