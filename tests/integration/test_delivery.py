"""From an outbox over a real broker into a real store: nothing lost, nothing twice, whoever is killed."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.client import Login
from broker.contract.topics import Kind
from edge.agent import Agent
from edge.outbox import Measured, Outbox
from tests.support.brokers import RunningBroker
from tests.support.services import Service, running, stored
from tests.support.waiting import wait_for

DEVICES: dict[str, Kind] = {"bin-0001": "bin", "bin-0002": "bin", "truck-01": "truck"}


@contextmanager
def agent_on(broker: RunningBroker, outbox: Outbox, devices: dict[str, Kind]) -> Iterator[Agent]:
    """A running agent, as the simulator's account when it speaks for several."""
    user = next(iter(devices)) if len(devices) == 1 else "simulator"
    login = Login("127.0.0.1", broker.port, user, broker.secrets.password(user), f"test-{user}")
    agent = Agent("kupang", devices, outbox, login)
    stop = threading.Event()
    thread = threading.Thread(target=agent.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield agent
    finally:
        stop.set()
        thread.join(10)


def measured(device: str) -> Measured:
    values = {"battery_pct": 50} if device.startswith("bin") else {"speed_kmh": 20}
    return Measured(device, DEVICES[device], datetime.now(UTC), values)


def ingest_on(broker: RunningBroker) -> Service:
    return Service(["ingest"], broker.folder, mqtt_port=broker.port)


def assert_ledger(broker: RunningBroker, boot: str, expected: dict[str, int]) -> None:
    lives = {life.device: life for life in stored(broker.folder) if life.boot == boot}
    assert {device: life.seqs for device, life in lives.items()} == {d: ((0, n - 1),) for d, n in expected.items()}
    assert sum(life.twice for life in lives.values()) == 0


def test_readings_are_forgotten_only_when_stored(broker: RunningBroker, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite", max_bytes=1 << 24)
    with agent_on(broker, outbox, DEVICES) as agent:
        agent.record([measured(device) for device in DEVICES] * 20)
        assert outbox.pending() == 60
        with running(ingest_on(broker)) as ingest:
            wait_for(lambda: outbox.pending() == 0, "receipts")
            assert ingest.stop() == 0, ingest.log()
    assert_ledger(broker, outbox.boot, dict.fromkeys(DEVICES, 20))


def test_single_device_with_its_own_account_and_will(broker: RunningBroker, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite", max_bytes=1 << 24)
    with running(ingest_on(broker)) as ingest, agent_on(broker, outbox, {"bin-0001": "bin"}) as agent:
        agent.record([measured("bin-0001")])
        wait_for(lambda: outbox.pending() == 0, "the receipt")
        ingest.stop()
    assert_ledger(broker, outbox.boot, {"bin-0001": 1})


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
    assert_ledger(broker, outbox.boot, sent)


def test_backlog_goes_out_in_batches_when_ingest_is_back(broker: RunningBroker, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite", max_bytes=1 << 26)
    outbox.append([measured("bin-0001") for _ in range(3_000)])
    with running(ingest_on(broker)) as ingest, agent_on(broker, outbox, DEVICES):
        wait_for(lambda: outbox.pending() == 0, "the backlog")
        ingest.stop()
    assert_ledger(broker, outbox.boot, {"bin-0001": 3_000})
