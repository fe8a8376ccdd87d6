"""From an outbox over a real broker into a real store: nothing lost, nothing twice, whoever is killed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from broker.client import BusClient, ConnectionParams
from broker.contract.topics import Kind
from edge.agent import Agent
from edge.outbox import Outbox, TelemetryEntry
from ingest.store.duckdb.store import DuckStore
from tests.support.brokers import ROOT, RunningBroker, free_port
from tests.support.services import Service, running, stored
from tests.support.waiting import wait_for

DEVICES: dict[str, Kind] = {"bin-0001": "bin", "bin-0002": "bin", "truck-01": "truck"}


@contextmanager
def agent_on(
    broker: RunningBroker, outbox: Outbox, devices: dict[str, Kind], version: Literal["3.1.1", "5"] = "3.1.1"
) -> Iterator[Agent]:
    """A running agent, as the simulator's account when it speaks for several."""
    user = next(iter(devices)) if len(devices) == 1 else "simulator"
    login = ConnectionParams("127.0.0.1", broker.port, user, broker.secrets.password(user), user, version)
    agent = Agent("kupang", devices, outbox, BusClient(login))
    stop = threading.Event()
    thread = threading.Thread(target=agent.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield agent
    finally:
        stop.set()
        thread.join(10)


def measured(device: str) -> TelemetryEntry:
    values = {"battery_pct": 50} if device.startswith("bin") else {"speed_kmh": 20}
    return TelemetryEntry(device, DEVICES[device], datetime.now(UTC), values)


def ingest_on(broker: RunningBroker, version: str = "3.1.1", client: str = "") -> Service:
    reader = client or broker.reader
    return Service(["ingest"], broker.folder, mqtt_port=broker.port, mqtt_version=version, mqtt_client=reader)


def assert_ledger(broker: RunningBroker, epoch: str, expected: dict[str, int]) -> None:
    lives = {life.device: life for life in stored(broker.folder) if life.epoch == epoch}
    assert {device: life.seqs for device, life in lives.items()} == {d: ((0, n - 1),) for d, n in expected.items()}
    assert sum(life.duplicates for life in lives.values()) == 0


def test_readings_are_forgotten_only_when_stored(broker: RunningBroker, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite", max_bytes=1 << 24)
    with agent_on(broker, outbox, DEVICES) as agent:
        agent.record([measured(device) for device in DEVICES] * 20)
        assert outbox.pending() == 60
        with running(ingest_on(broker)) as ingest:
            wait_for(lambda: outbox.pending() == 0, "receipts")
            assert ingest.stop() == 0, ingest.log()
    assert_ledger(broker, outbox.epoch, dict.fromkeys(DEVICES, 20))


def test_single_device_with_its_own_account_and_will(broker: RunningBroker, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite", max_bytes=1 << 24)
    with running(ingest_on(broker)) as ingest, agent_on(broker, outbox, {"bin-0001": "bin"}) as agent:
        agent.record([measured("bin-0001")])
        wait_for(lambda: outbox.pending() == 0, "the receipt")
        ingest.stop()
    assert_ledger(broker, outbox.epoch, {"bin-0001": 1})


@pytest.mark.parametrize("seed", [1])
def test_kills_lose_nothing_and_store_nothing_twice(broker: RunningBroker, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    outbox = Outbox(tmp_path / "outbox.sqlite", max_bytes=1 << 24)
    ingest = ingest_on(broker)
    ingest.start()
    sent = dict.fromkeys(DEVICES, 0)
    with agent_on(broker, outbox, DEVICES) as agent:
        for turn in range(8):
            for _ in range(dice.randint(5, 40)):
                device = dice.choice(list(DEVICES))
                agent.record([measured(device)])
                sent[device] += 1
            waiting = outbox.pending()
            if turn % 2:
                ingest.kill()
                ingest.start()
            else:
                broker.kill()
                broker.start()
            wait_for(lambda left=waiting: outbox.pending() <= left // 2, "half of what waited to be receipted")
        wait_for(lambda: outbox.pending() == 0, "all receipts after the kills")
    assert ingest.stop() == 0, ingest.log()
    assert_ledger(broker, outbox.epoch, sent)


def test_backlog_goes_out_in_batches_when_ingest_is_back(broker: RunningBroker, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite", max_bytes=1 << 26)
    outbox.append([measured("bin-0001") for _ in range(3_000)])
    with running(ingest_on(broker)) as ingest, agent_on(broker, outbox, DEVICES):
        wait_for(lambda: outbox.pending() == 0, "the backlog")
        ingest.stop()
    assert_ledger(broker, outbox.epoch, {"bin-0001": 3_000})


@pytest.mark.parametrize(("version", "client"), [("5", "paho"), ("3.1.1", "paho"), ("5", "mqtt5")])
def test_each_version_and_client_delivers(tmp_path: Path, version: str, client: str) -> None:
    folder = tmp_path / "city"
    folder.mkdir()
    broker = RunningBroker("mosquitto", free_port(), folder)
    broker.start()
    outbox = Outbox(tmp_path / "outbox.sqlite", max_bytes=1 << 24)
    try:
        with running(ingest_on(broker, version, client)) as ingest, agent_on(broker, outbox, DEVICES, version) as agent:
            agent.record([measured(device) for device in DEVICES] * 20)
            wait_for(lambda: outbox.pending() == 0, "receipts")
            ingest.kill()
            agent.record([measured("bin-0001")])
            ingest.start()
            wait_for(lambda: outbox.pending() == 0, "the receipt after the kill")
            ingest.stop()
    finally:
        broker.kill()
    assert_ledger(broker, outbox.epoch, {"bin-0001": 21, "bin-0002": 20, "truck-01": 20})


def states(broker: RunningBroker) -> dict[str, tuple[str, str]]:
    """Device to state and reason, as stored; ingest must have ended."""
    store = DuckStore(broker.folder / "store" / "city.duckdb")
    try:
        return {latest.device: (latest.state, latest.state_reason) for latest in store.latest()}
    finally:
        store.close()


@pytest.mark.parametrize(("ending", "reason"), [("SIGKILL", "lost"), ("SIGTERM", "stop")])
def test_a_lost_device_is_told_by_the_broker_and_a_stopped_one_by_itself(
    broker: RunningBroker, ending: str, reason: str
) -> None:
    with running(ingest_on(broker)) as ingest:
        wait_for(lambda: "mqtt.connected" in ingest.log(), "ingest")
        edge = subprocess.Popen(
            [sys.executable, "-m", "city", "edge", "--device", "bin-0003", "--sensor", "stdin"],
            env={**os.environ, "KOTA_DATA": str(broker.folder), "KOTA_MQTT_PORT": str(broker.port)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert edge.stdin is not None
        assert edge.stdout is not None
        edge.stdin.write(b'{"battery_pct": 5}\n')
        edge.stdin.flush()
        outbox = Outbox(broker.folder / "edge" / "bin-0003.sqlite", max_bytes=1 << 24)
        wait_for(lambda: [(i.seqs, i.pending) for i in outbox.stats()] == [(1, 0)], "the reading's receipt")
        before = ingest_stored(broker)
        edge.send_signal(getattr(signal, ending))
        edge.wait(20)
        edge.stdin.close()
        edge.stdout.close()
        wait_for(lambda: ingest_stored(broker) > before, "the state to be journaled")
        ingest.stop()
    assert states(broker)["bin-0003"] == ("offline", reason)


def ingest_stored(broker: RunningBroker) -> int:
    """How many messages the journal of a running ingest has taken so far."""
    with closing(sqlite3.connect(broker.folder / "ingest" / "journal.sqlite", timeout=10)) as db:
        row = db.execute("SELECT last FROM offsets").fetchone()
    return int(row[0]) if row else 0
