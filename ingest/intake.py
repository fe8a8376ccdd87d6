"""From the bus to the journal: messages are acknowledged, and receipts sent, only after the journal's fsync.

network thread -> bounded queue -> commit (group, fsync) -> PUBACK and receipts
"""

from __future__ import annotations

import contextlib
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol

import msgspec
import structlog

from broker.client import Delivery
from broker.contract.codec import encode, stamps_of
from broker.contract.errors import RetryLaterError, TopicError
from broker.contract.payloads import Receipt
from broker.contract.topics import (
    TOPICS_REMEMBERED,
    UP_CHANNELS,
    Topic,
    canary_topic,
    parse_topic,
    subscription,
    topic_from_bus,
)
from ingest import metrics
from ingest.adapters.registry import FILTERS
from ingest.canary import Canary
from ingest.journal import Arrival, Journal
from ingest.store.intervals import IntervalSet

log = structlog.get_logger("ingest")

QUEUE_MAX: Final = 5_000
QUEUE_MAX_BYTES: Final = 64 << 20
"""Messages between network and disk; when full the network waits, and the broker keeps the rest."""
GROUP_MAX: Final = 2_000
GROUP_WAIT_S: Final = 0.005
"""How long a message waits for others to share its fsync."""
RECEIPT_WAIT_S: Final = 0.5
RECEIPT_AT: Final = 50
"""A device gets its receipt for so many readings, or after that wait: far below an edge's patience, and few of them."""
FULL_PAUSE_S: Final = 0.01
RETRY_MAX_S: Final = 10.0
STAMPED_CHANNELS: Final = ("telemetry", "event")


class IntakeBus(Protocol):
    """How ingest reads from a broker, whichever it is."""

    connected: threading.Event

    def run(self, stop: threading.Event) -> None:
        """Keep a connection until `stop` or `close`; blocks."""

    def subscribe(self, *filters: str) -> None:
        """What to read; called after each connect."""

    def acknowledge_all(self, deliveries: Sequence[Delivery]) -> int:
        """Tell the broker that these are durable; how many it was told."""

    def publish(self, topic: str, payload: bytes, *, qos: int = 0) -> bool:
        """Hand over a message of QoS 0; False without a connection."""

    def publish_to_self(self, topic: str, payload: bytes) -> bool:
        """Send a message that comes back the way a device's does; False without a connection."""

    def drop(self) -> None:
        """Give up the connection that there is; another is made."""

    def close(self) -> None:
        """End `run`."""


class Intake:
    """Owns the subscription; `run` blocks and is the only one that writes arrivals to the journal.

    Args:
        city: The city's id.
        journal: Where messages become durable.
        make_bus: Makes who reads from the broker; given this intake, whose `receive` or `put`, and `on_connected`, it
            is to call.
        on_journaled: Called after each commit, for example to wake who stores.
        clock: Time of receipt, UTC.
    """

    def __init__(
        self,
        city: str,
        journal: Journal,
        make_bus: Callable[[Intake], IntakeBus],
        *,
        on_journaled: Callable[[], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare; nothing is connected yet."""
        self._city = city
        self._canary_topic = canary_topic(city)
        self._journal = journal
        self._on_journaled = on_journaled
        self._clock = clock
        self._random = random.Random()  # noqa: S311 - spreads retries, hides nothing
        # Unbounded in itself, because a bounded one costs 5 us a message; `has_room` is the bound.
        self._queue: queue.SimpleQueue[tuple[Delivery, datetime]] = queue.SimpleQueue()
        self._bytes_in = self._bytes_out = 0
        self._stop = threading.Event()
        self._bus = make_bus(self)
        self._receipts = Receipts()
        self._canary = Canary(time.monotonic())
        self._was_deaf = False
        self.full = threading.Event()
        self.received = 0
        self.on_turn: Callable[[], None] = lambda: None
        """Called a few times a second as long as it goes on, also while it waits for a disk."""

    @property
    def connected(self) -> bool:
        """Whether the broker is there and passes messages on."""
        return self._bus.connected.is_set() and not self._canary.is_deaf(time.monotonic())

    @property
    def is_deaf(self) -> bool:
        """Whether the broker is there and nothing was heard for too long, although a canary should have come."""
        return self._bus.connected.is_set() and self._canary.is_deaf(time.monotonic())

    @property
    def silent_s(self) -> float:
        """Seconds since anything was heard; a canary comes every few."""
        return self._canary.age_s(time.monotonic())

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop`; what is queued then and not committed is not acknowledged, so the broker keeps it."""
        network = threading.Thread(target=self._bus.run, args=(stop,), name="ingest-network", daemon=True)
        network.start()
        while not stop.is_set():
            group = self._next_group()
            if group and self._commit(group, stop):
                self._acknowledge(group)
                self._on_journaled()
            self.on_turn()
            now_s = time.monotonic()
            self._send_receipts(self._receipts.take(now_s))
            self._listen_to_canary(now_s)
        self._send_receipts(self._receipts.take(None))
        self._stop.set()
        self._bus.close()
        network.join(2.0)

    def on_connected(self, _session_present: bool) -> None:  # noqa: FBT001 - the bus's callback
        """The bus has a connection: say what is to be read."""
        # Always again: a persistent session keeps old filters but learns no new ones (a lesson of others).
        filters = (*(subscription(channel, city=self._city) for channel in UP_CHANNELS), self._canary_topic, *FILTERS)
        self._canary.connected(time.monotonic())
        self._bus.subscribe(*filters)

    def receive(self, delivery: Delivery) -> None:
        """Take a message from the network; waits while there is no room, so that the broker keeps the rest."""
        while not self.has_room():
            if self._stop.wait(FULL_PAUSE_S):
                return
            self._canary.heard(time.monotonic())  # nothing is read just now, so nothing can be heard
        self.put(delivery)

    def put(self, delivery: Delivery) -> None:
        """Take a message without waiting; for who asks `has_room` before reading more."""
        self._canary.heard(time.monotonic())
        self._bytes_in += len(delivery.payload)
        self._queue.put((delivery, self._clock()))

    def has_room(self) -> bool:
        """Whether the bounds between network and disk allow more."""
        return self._queue.qsize() < QUEUE_MAX and self._bytes_in - self._bytes_out <= QUEUE_MAX_BYTES

    def _listen_to_canary(self, now_s: float) -> None:
        """Send the next one; give up a connection over which nothing comes."""
        if not self.has_room():
            self._canary.heard(now_s)
        if self._bus.connected.is_set() and self._canary.due(now_s):
            self._bus.publish_to_self(self._canary_topic, b"{}")
        is_deaf = self._canary.is_deaf(now_s)
        if self._bus.connected.is_set() and self._canary.gives_up(now_s):
            log.error("ingest.deaf", silent_s=round(self._canary.age_s(now_s)))
            metrics.DEAF.inc()
            self._bus.drop()
        elif self._was_deaf and not is_deaf:
            log.info("ingest.hears_again")
        self._was_deaf = is_deaf

    def _next_group(self) -> list[tuple[Delivery, datetime]]:
        try:
            group = [self._queue.get(timeout=0.2)]
        except queue.Empty:
            return []
        if self._queue.qsize() < GROUP_MAX:
            time.sleep(GROUP_WAIT_S)
        with contextlib.suppress(queue.Empty):
            while len(group) < GROUP_MAX:
                group.append(self._queue.get_nowait())
        self._bytes_out += sum(len(delivery.payload) for delivery, _ in group)
        self.received += len(group)
        metrics.RECEIVED.inc(len(group))
        return group

    def _commit(self, group: list[tuple[Delivery, datetime]], stop: threading.Event) -> bool:
        """Journal a group, waiting out a full or absent disk; False when stopped before it could be kept."""
        arrivals = [
            Arrival(topic_from_bus(delivery.topic), delivery.payload, at, delivery.retained)
            for delivery, at in group
            if delivery.topic != self._canary_topic
        ]
        if not arrivals:
            return True
        attempt = 0
        while not stop.is_set():
            self.on_turn()
            try:
                with metrics.COMMIT.time():
                    self._journal.append(arrivals)
            except RetryLaterError as exc:
                if not self.full.is_set():
                    log.error("ingest.journal_refuses", reason=str(exc))
                self.full.set()
                attempt += 1
                stop.wait(self._random.uniform(0.1, min(RETRY_MAX_S, 0.2 * 2 ** min(attempt, 8))))
            else:
                if self.full.is_set():
                    log.info("ingest.journal_recovered")
                self.full.clear()
                return True
        return False

    def _acknowledge(self, group: list[tuple[Delivery, datetime]]) -> None:
        sent = self._bus.acknowledge_all([delivery for delivery, _ in group])
        metrics.ACKNOWLEDGED.inc(sent)
        metrics.UNACKNOWLEDGED_DROPPED.inc(sum(1 for delivery, _ in group if delivery.qos) - sent)
        self._receipts.add((delivery for delivery, _ in group), time.monotonic())

    def _send_receipts(self, found: Sequence[tuple[str, Receipt]]) -> None:
        for topic, receipt in found:
            self._bus.publish(topic, encode(receipt), qos=0)


class _Owed(msgspec.Struct):
    """What one outbox life is still to be told."""

    due_s: float
    seqs: IntervalSet = msgspec.field(default_factory=IntervalSet)
    readings: int = 0


class Receipts:
    """Collects what is durable, for one receipt per device and boot; bad readings included.

    A reading that will become a dead letter is durable as well: the edge has nothing more to do for it.
    """

    def __init__(self) -> None:
        """Start with nothing to tell."""
        self._waiting: dict[tuple[str, str], _Owed] = {}
        self._ripe: list[tuple[str, str]] = []

    def add(self, deliveries: Iterable[Delivery], now_s: float) -> None:
        """Everything stamped in these messages is durable."""
        for delivery in deliveries:
            if back := _receipt_topic(delivery.topic):
                for boot, seq in stamps_of(delivery.payload):
                    owed = self._waiting.get((back, boot))
                    if owed is None:
                        owed = self._waiting[back, boot] = _Owed(now_s + RECEIPT_WAIT_S)
                    owed.seqs.add(seq)
                    owed.readings += 1
                    if owed.readings == RECEIPT_AT:
                        self._ripe.append((back, boot))

    def take(self, now_s: float | None) -> list[tuple[str, Receipt]]:
        """Topics and receipts that are due; all of them without a time."""
        due = self._ripe
        self._ripe = []
        for key, owed in self._waiting.items():
            # In order of their first reading, and so of their time.
            if now_s is not None and owed.due_s > now_s:
                break
            if owed.readings < RECEIPT_AT:
                due.append(key)
        return [(back, Receipt(boot=boot, seqs=list(self._waiting.pop((back, boot)).seqs))) for back, boot in due]


@lru_cache(maxsize=TOPICS_REMEMBERED)
def _receipt_topic(name: str) -> str:
    """Where the receipts for readings on a topic go; empty where none are expected."""
    with contextlib.suppress(TopicError):
        topic = parse_topic(name)
        if topic.channel in STAMPED_CHANNELS:
            return str(Topic(topic.city, topic.kind, topic.device, "receipt"))
    return ""
