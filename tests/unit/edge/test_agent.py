"""The agent says at birth, and again when it happens, how much gave way in its outbox; a full disk stops nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.client import Delivery, Will
from broker.contract.payloads import Offline, Receipt
from city.errors import RetryLaterError
from edge.agent import REPORT_EVERY_S, Agent
from edge.outbox import Outbox, TelemetryEntry

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FakeBus:
    """Takes what is published."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.connected = threading.Event()
        self.will: Will | None = None
        self.subscriptions: list[tuple[tuple[str, ...], int]] = []

    def listen(self, *, on_messages: object, on_connected: Callable[[bool], None]) -> None:
        del on_messages
        self.on_connected = on_connected

    def set_will(self, will: Will) -> None:
        self.will = will

    def run(self, stop: threading.Event) -> None:
        stop.wait()

    def acknowledge(self, _delivery: Delivery) -> bool:
        return True

    def publish_and_wait(self, topic: str, payload: bytes, *, retain: bool, timeout_s: float) -> bool:
        del timeout_s
        return self.publish(topic, payload, retain=retain)

    def close(self) -> None:
        pass

    def subscribe(self, *filters: str, qos: int = 1) -> None:
        self.subscriptions.append((filters, qos))

    def publish(self, _topic: str, payload: bytes, **_options: Any) -> bool:
        self.said.append(msgspec.json.decode(payload))
        return True


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
def agent(tmp_path: Path, bus: FakeBus) -> Agent:
    return Agent("kupang", {"bin-1": "bin"}, Outbox(tmp_path / "outbox.sqlite", max_bytes=1_000), bus)


def filled(agent: Agent, readings: int) -> None:
    for _ in range(readings):
        agent.record([TelemetryEntry("bin-1", "bin", NOW, {"battery_pct": 5})])


def receipt(agent: Agent, *seqs: tuple[int, int], epoch: str = "") -> None:
    agent._receipts.append(("bin-1", Receipt(epoch=epoch or agent._outbox.epoch, seqs=list(seqs))))
    agent._forget_receipted()


def test_a_birth_tells_what_waits_and_what_gave_way(agent: Agent, bus: FakeBus) -> None:
    filled(agent, 40)
    agent._publish_online()
    (birth,) = bus.said
    assert birth["outbox_waiting"] + birth["outbox_dropped"] == 40
    assert birth["outbox_dropped"] > 0


def test_receipts_are_asked_for_so_that_the_broker_keeps_nothing_for_it(tmp_path: Path, bus: FakeBus) -> None:
    Agent("kupang", {"bin-1": "bin"}, Outbox(tmp_path / "outbox.sqlite", max_bytes=1_000), bus)
    bus.on_connected(False)
    assert bus.subscriptions == [(("kota/v1/kupang/bin/bin-1/receipt",), 0)]


def test_what_gave_way_while_there_was_no_connection_is_told_at_the_next(agent: Agent, bus: FakeBus) -> None:
    agent._publish_online()
    filled(agent, 40)
    agent._publish_online()
    first, second = bus.said
    assert first["outbox_dropped"] == 0
    assert second["outbox_dropped"] > 0


def test_it_is_told_again_when_more_gave_way_but_not_all_the_time(agent: Agent, bus: FakeBus) -> None:
    filled(agent, 5)
    agent._publish_online()
    now = time.monotonic()
    agent._report_dropped(now)
    assert len(bus.said) == 1
    filled(agent, 40)
    agent._report_dropped(now + REPORT_EVERY_S / 2)
    assert len(bus.said) == 1
    agent._report_dropped(now + REPORT_EVERY_S + 1)
    agent._report_dropped(now + 3 * REPORT_EVERY_S)
    assert [message["outbox_dropped"] > 0 for message in bus.said] == [False, True]


def test_a_refusing_disk_is_waited_for(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_receipts: object) -> list[int]:
        raise RetryLaterError("outbox: disk I/O error")

    agent._receipts.append(("bin-1", Receipt(epoch=agent._outbox.epoch, seqs=[(0, 0)])))
    monkeypatch.setattr(agent._outbox, "forget", refuse)
    stopped = threading.Event()
    stopped.set()
    agent._iterate_with_retry(stopped)
    assert agent._disk_refuses
    monkeypatch.undo()
    agent._iterate_with_retry(stopped)
    assert not agent._disk_refuses


def test_a_day_without_receipts_is_no_flood_and_ends_soon_after_the_first_receipt(
    agent: Agent, bus: FakeBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("edge.agent.time.monotonic", lambda: clock[0])
    filled(agent, 3)
    bus.connected.set()
    agent._report_due = 10**9
    for clock[0] in range(0, 86_400, 5):
        agent._iterate()
    sent = [message["seq"] for element in bus.said for message in (element if isinstance(element, list) else [element])]
    assert sent.count(0) < 160
    agent._receipts.append(("bin-1", Receipt(epoch=agent._outbox.epoch, seqs=[(0, 0)])))
    agent._iterate()
    before = len(bus.said)
    clock[0] += 50
    agent._iterate()
    assert len(bus.said) == before + 1


@pytest.mark.parametrize("seqs", [(0, 2**53), (0, 9), (3, 3)])
def test_a_forged_receipt_destroys_nothing_that_was_never_sent(agent: Agent, seqs: tuple[int, int]) -> None:
    filled(agent, 5)
    receipt(agent, seqs)
    assert agent._outbox.pending() == 5


def test_a_receipt_is_believed_for_what_was_published_and_for_nothing_beyond(agent: Agent, bus: FakeBus) -> None:
    filled(agent, 3)
    bus.connected.set()
    agent._iterate()
    filled(agent, 2)
    receipt(agent, (0, 2**53), epoch="another")
    assert agent._outbox.pending() == 5
    receipt(agent, (1, 2**53))
    assert [row.seq for row in agent._outbox.waiting(after_id=0, limit=10)] == [0, 3, 4]
    receipt(agent, (0, 0), (0, 0))
    assert agent._outbox.pending() == 2


def test_another_life_of_the_agent_believes_no_receipt_before_it_has_sent_again(agent: Agent, bus: FakeBus) -> None:
    filled(agent, 3)
    bus.connected.set()
    agent._iterate()
    after = Agent("kupang", {"bin-1": "bin"}, agent._outbox, FakeBus())
    receipt(after, (0, 2))
    assert agent._outbox.pending() == 3


def test_one_device_has_a_last_will_and_several_have_none(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite", max_bytes=1_000)
    alone, several = FakeBus(), FakeBus()
    Agent("kupang", {"bin-1": "bin"}, outbox, alone)
    Agent("kupang", {"bin-1": "bin", "bin-2": "bin"}, outbox, several)
    assert alone.will is not None
    assert alone.will.topic == "kota/v1/kupang/bin/bin-1/status"
    assert msgspec.json.decode(alone.will.payload)["reason"] == "lost"
    assert several.will is None


def receipt_of(device: str, epoch: str) -> Delivery:
    payload = msgspec.json.encode(Receipt(epoch=epoch, seqs=[(0, 0)]))
    return Delivery(f"kota/v1/kupang/bin/{device}/receipt", payload, False, 0, 0, 1)


def test_a_receipt_of_another_epoch_says_that_somebody_else_sends_for_the_device(tmp_path: Path, bus: FakeBus) -> None:
    outbox, others = Outbox(tmp_path / "outbox.sqlite", max_bytes=1_000), list[str]()
    agent = Agent("kupang", {"bin-1": "bin", "bin-2": "bin"}, outbox, bus, on_foreign_receipt=others.append)
    deliveries = [
        receipt_of("bin-1", outbox.epoch),
        receipt_of("bin-2", "other"),
        receipt_of("bin-9", "other"),
        Delivery("kota/v1/kupang/bin/bin-1/receipt", b"{}", False, 0, 0, 1),
    ]
    agent._on_messages(deliveries)
    assert others == ["bin-2"]


def test_no_status_is_published_of_a_device_that_was_released(tmp_path: Path, bus: FakeBus) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite", max_bytes=1_000)
    agent = Agent("kupang", {"bin-1": "bin", "bin-2": "bin"}, outbox, bus)
    agent.release({"bin-2"})
    agent._publish_online()
    assert not agent.state("bin-2", Offline(reason="stop"))
    agent._publish_offline()
    assert [status["state"] for status in bus.said] == ["online", "offline"]
    agent.release({"bin-1", "bin-2"})
    agent._publish_offline()
    assert len(bus.said) == 2


def test_an_agent_follows_the_devices_of_a_city(tmp_path: Path) -> None:
    """A new one is born at once, and one that has gone is left alone."""
    outbox, bus = Outbox(tmp_path / "o.sqlite", max_bytes=1 << 20), TopicBus()
    agent = Agent("kupang", {"bin-1": "bin", "bin-2": "bin"}, outbox, bus)
    agent.follow({"bin-2": "bin", "bin-3": "bin"})
    assert bus.topics == ["kota/v1/kupang/bin/bin-3/status"]
    agent._publish_online()
    assert bus.topics[1:] == ["kota/v1/kupang/bin/bin-2/status", "kota/v1/kupang/bin/bin-3/status"]
    outbox.close()


class TopicBus(FakeBus):
    """Takes note of topics as well."""

    def __init__(self) -> None:
        super().__init__()
        self.topics: list[str] = []

    def publish(self, topic: str, payload: bytes, **options: Any) -> bool:
        self.topics.append(topic)
        return super().publish(topic, payload, **options)
