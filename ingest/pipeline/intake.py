"""Intake: reads messages from the broker, journals them, and acknowledges only after the journal's fsync.

network thread -> bounded queue -> group commit (one fsync) -> PUBACK and receipts
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from broker.client import Delivery
from broker.contract.codec import encode, sequence_ids_of
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
from city.backoff import Backoff
from city.errors import RetryLaterError, TopicError
from ingest.messages import Arrival
from ingest.pipeline.canary import Canary
from ingest.pipeline.journal import Journal
from ingest.store.intervals import IntervalSet

log = structlog.get_logger("ingest")

QUEUE_MAX: Final = 5_000
QUEUE_MAX_BYTES: Final = 64 << 20
"""Bound of messages between network and disk. At the bound the network thread waits; the broker keeps the rest."""
GROUP_MAX: Final = 2_000
GROUP_MAX_BYTES: Final = 16 << 20
"""Payload bytes from which on a group takes no further message: encryption keeps two copies of a group in memory."""
GROUP_WAIT_S: Final = 0.02
"""How long a message waits for others to share its fsync."""
RECEIPT_WAIT_S: Final = 0.5
RECEIPT_BATCH: Final = 50
"""Readings per receipt; a receipt goes out earlier after `RECEIPT_WAIT_S`, far below an edge's retransmit timeout."""
RETRY_MIN_S: Final = 0.3
RETRY_MAX_S: Final = 10.0
COMMITS_REPORTED: Final = 1_000
SEQUENCED_CHANNELS: Final = ("telemetry", "event")


class IntakeBus(Protocol):
    """The port through which intake reads from a broker."""

    connected: threading.Event
    dropped: int
    """QoS 0 messages that were dropped because the listener had no room."""

    def listen(
        self,
        *,
        on_messages: Callable[[Sequence[Delivery]], None],
        on_connected: Callable[[bool], None],
        has_room: Callable[[], bool],
    ) -> None:
        """Say who listens, before `run`; nothing more is read from the broker while there is no room."""

    def run(self, stop: threading.Event) -> None:
        """Keep a connection until `stop` or `close`; blocks."""

    def subscribe(self, *filters: str) -> None:
        """Set the topic filters; called after each connect."""

    def acknowledge_all(self, deliveries: Sequence[Delivery]) -> int:
        """Acknowledge deliveries that are durable; return how many acknowledgements were sent."""

    def publish_all(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        """Publish messages at QoS 0, which may be lost; False without a connection."""

    def publish_to_self(self, topic: str, payload: bytes) -> bool:
        """Publish a message that comes back the way a device's message does; False without a connection."""

    def drop(self) -> None:
        """Drop the present connection and connect anew."""

    def close(self) -> None:
        """End `run`."""


class IntakeCounts(msgspec.Struct):
    """Counters since the process started.

    Attributes:
        received: Messages that came over the bus.
        acknowledged: Messages acknowledged after they were on disk.
        stale_acks: Acknowledgements not sent because their connection was gone.
        qos0_dropped: Messages of QoS 0 for which there was no room.
        deaf: Connections given up because nothing came over them.
        commits: Commits of the journal.
    """

    received: int = 0
    acknowledged: int = 0
    stale_acks: int = 0
    qos0_dropped: int = 0
    deaf: int = 0
    commits: int = 0


def add_counts(earlier: IntakeCounts, later: IntakeCounts) -> IntakeCounts:
    """Both together."""
    return IntakeCounts(*map(sum, zip(msgspec.structs.astuple(earlier), msgspec.structs.astuple(later), strict=True)))


class IntakeState(msgspec.Struct):
    """What intake says of itself, several times a second.

    Attributes:
        counts: Its counters.
        is_connected: Whether the broker is connected and delivers messages.
        is_deaf: Whether the broker is connected but has delivered nothing for too long.
        silent_s: Seconds since the last message.
        is_full: Whether the journal takes nothing at the moment.
        commit_s: Duration of each commit since the state before; at most `COMMITS_REPORTED`.
    """

    counts: IntakeCounts = msgspec.field(default_factory=IntakeCounts)
    is_connected: bool = False
    is_deaf: bool = False
    silent_s: float = 0.0
    is_full: bool = False
    commit_s: list[float] = msgspec.field(default_factory=list)


class Received(NamedTuple):
    """Messages that the bus handed over at once, the bytes of their payloads, and their time of receipt."""

    deliveries: Sequence[Delivery]
    size: int
    at: datetime


class Intake:
    """Owns the subscription. `run` blocks and is the only writer of arrivals to the journal.

    Args:
        city: The city's id.
        journal: Where messages become durable.
        bus: The connection to the broker, not yet running.
        on_journaled: Called after each commit, for example to wake the drain.
        filters: Topic filters of third-party formats.
        clock: Time of receipt, UTC.
    """

    def __init__(
        self,
        city: str,
        journal: Journal,
        bus: IntakeBus,
        *,
        on_journaled: Callable[[], None],
        filters: Sequence[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._city = city
        self._filters = tuple(filters)
        self._canary_topic = canary_topic(city)
        self._journal = journal
        self._on_journaled = on_journaled
        self._clock = clock
        # Unbounded in itself, because a bounded one costs 5 us a message; `has_room` is the bound.
        self._queue: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._bytes_in = self._bytes_out = 0
        self._messages_in = self._messages_out = 0
        self._bus = bus
        bus.listen(on_messages=self.put, on_connected=self._on_connected, has_room=self.has_room)
        self._receipts = Receipts()
        self._canary = Canary(time.monotonic())
        self._was_deaf = False
        self._is_full = False
        self._counts = IntakeCounts()
        self._commit_s: deque[float] = deque(maxlen=COMMITS_REPORTED)
        self.on_iteration: Callable[[], None] = lambda: None
        """Called a few times a second while the loop makes progress, also while it waits for a disk."""

    @property
    def commits(self) -> int:
        """Commits of the journal so far."""
        return self._counts.commits

    def state(self) -> IntakeState:
        """What it does now; the durations of commits are reported once."""
        now_s = time.monotonic()
        is_connected, is_deaf = self._bus.connected.is_set(), self._canary.is_deaf(now_s)
        commit_s = [self._commit_s.popleft() for _ in range(len(self._commit_s))]
        return IntakeState(
            msgspec.structs.replace(self._counts, qos0_dropped=self._bus.dropped),
            is_connected and not is_deaf,
            is_connected and is_deaf,
            self._canary.age_s(now_s),
            self._is_full,
            commit_s,
        )

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop`.

        Messages that are queued then and not committed stay unacknowledged: the broker keeps them.
        """
        network = threading.Thread(target=self._bus.run, args=(stop,), name="ingest-network", daemon=True)
        network.start()
        while not stop.is_set():
            group = self._next_group()
            if group and self._commit(group, stop):
                self._acknowledge([delivery for received in group for delivery in received.deliveries])
                self._on_journaled()
            self.on_iteration()
            now_s = time.monotonic()
            self._send_receipts(self._receipts.take(now_s))
            self._listen_to_canary(now_s)
        self._send_receipts(self._receipts.take(None))
        self._bus.close()
        network.join(2.0)

    def _on_connected(self, _session_present: bool) -> None:  # noqa: FBT001 - the bus's callback
        """Subscribe; the bus calls this after each connect."""
        # Always again: a persistent session keeps old filters but learns no new ones (a lesson of others).
        own = (subscription(channel, city=self._city) for channel in UP_CHANNELS)
        self._canary.on_connected(time.monotonic())
        self._bus.subscribe(*own, self._canary_topic, *self._filters)

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """Queue messages without waiting; the bus checks `has_room` before it reads more."""
        self._canary.on_message(time.monotonic())
        size = sum(len(delivery.payload) for delivery in deliveries)
        self._bytes_in += size
        self._messages_in += len(deliveries)
        self._queue.put(Received(deliveries, size, self._clock()))

    def has_room(self) -> bool:
        """Whether the queue is below its bounds."""
        waiting = self._messages_in - self._messages_out
        return waiting < QUEUE_MAX and self._bytes_in - self._bytes_out <= QUEUE_MAX_BYTES

    def _listen_to_canary(self, now_s: float) -> None:
        """Send the canary when due; drop a connection that delivers nothing."""
        if not self.has_room():
            self._canary.on_message(now_s)
        if self._bus.connected.is_set() and self._canary.due(now_s):
            self._bus.publish_to_self(self._canary_topic, b"{}")
        is_deaf = self._canary.is_deaf(now_s)
        if self._bus.connected.is_set() and self._canary.gives_up(now_s):
            log.error("ingest.deaf", silent_s=round(self._canary.age_s(now_s)))
            self._counts.deaf += 1
            self._bus.drop()
        elif self._was_deaf and not is_deaf:
            log.info("ingest.hears_again")
        self._was_deaf = is_deaf

    def _next_group(self) -> list[Received]:
        """What the next commit makes durable; at most `GROUP_MAX` messages and those received with them."""
        try:
            group = [self._queue.get(timeout=0.2)]
        except queue.Empty:
            return []
        messages, size = len(group[0].deliveries), group[0].size
        if self._messages_in - self._messages_out < GROUP_MAX:
            time.sleep(GROUP_WAIT_S)
        with contextlib.suppress(queue.Empty):
            while messages < GROUP_MAX and size < GROUP_MAX_BYTES:
                group.append(self._queue.get_nowait())
                messages += len(group[-1].deliveries)
                size += group[-1].size
        self._bytes_out += size
        self._messages_out += messages
        self._counts.received += messages
        return group

    def _commit(self, group: list[Received], stop: threading.Event) -> bool:
        """Journal a group, waiting while the disk is full or absent; False when stopped before it was kept."""
        arrivals = [
            Arrival(topic_from_bus(delivery.topic), delivery.payload, received.at, delivery.retained)
            for received in group
            for delivery in received.deliveries
            if delivery.topic != self._canary_topic
        ]
        if not arrivals:
            return True
        backoff = Backoff(RETRY_MIN_S, RETRY_MAX_S)
        while not stop.is_set():
            self.on_iteration()
            began_s = time.monotonic()
            try:
                self._journal.append(arrivals)
            except RetryLaterError as exc:
                if not self._is_full:
                    log.error("ingest.journal_refuses", reason=str(exc))
                self._is_full = True
                self._listen_to_canary(time.monotonic())
                stop.wait(backoff.next_s(exc.retry_after_s))
            else:
                if self._is_full:
                    log.info("ingest.journal_recovered")
                self._is_full = False
                self._counts.commits += 1
                self._commit_s.append(time.monotonic() - began_s)
                return True
        return False

    def _acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        sent = self._bus.acknowledge_all(deliveries)
        self._counts.acknowledged += sent
        self._counts.stale_acks += sum(1 for delivery in deliveries if delivery.qos) - sent
        self._receipts.add(deliveries, time.monotonic())

    def _send_receipts(self, receipts: Sequence[tuple[str, Receipt]]) -> None:
        if receipts:
            self._bus.publish_all([(topic, encode(receipt)) for topic, receipt in receipts])


class _PendingReceipt(msgspec.Struct):
    """Sequence numbers of one epoch that are durable and not yet receipted."""

    due_s: float
    seqs: list[int] = msgspec.field(default_factory=list)

    def receipt(self, epoch: str) -> Receipt:
        """The receipt of all of them."""
        ranges = IntervalSet()
        if not ranges.add_run(self.seqs):
            for seq in self.seqs:
                ranges.add(seq)
        return Receipt(epoch=epoch, seqs=list(ranges))


class Receipts:
    """Collects durable sequence ids, for one receipt per device and epoch; rejected readings are included.

    A reading that will become a dead letter is durable as well: the edge has nothing more to do for it.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], _PendingReceipt] = {}
        self._due: list[tuple[str, str]] = []

    def add(self, deliveries: Iterable[Delivery], now_s: float) -> None:
        """Add the sequence ids of messages that are durable."""
        waiting, due_s = self._waiting, now_s + RECEIPT_WAIT_S
        for delivery in deliveries:
            receipt_topic = _receipt_topic(delivery.topic)
            if not receipt_topic:
                continue
            for epoch, seq in sequence_ids_of(delivery.payload):
                key = receipt_topic, epoch
                pending = waiting.get(key)
                if pending is None:
                    pending = waiting[key] = _PendingReceipt(due_s)
                pending.seqs.append(seq)
                if len(pending.seqs) == RECEIPT_BATCH:
                    self._due.append(key)

    def take(self, now_s: float | None) -> list[tuple[str, Receipt]]:
        """Topics and receipts that are due; all of them when `now_s` is None."""
        due = self._due
        self._due = []
        for key, pending in self._waiting.items():
            # In order of their first reading, and so of their time.
            if now_s is not None and pending.due_s > now_s:
                break
            if len(pending.seqs) < RECEIPT_BATCH:
                due.append(key)
        return [(key[0], self._waiting.pop(key).receipt(key[1])) for key in due]


@lru_cache(maxsize=TOPICS_REMEMBERED)
def _receipt_topic(name: str) -> str:
    """The topic of the receipts for a topic; empty where none are expected."""
    with contextlib.suppress(TopicError):
        topic = parse_topic(name)
        if topic.channel in SEQUENCED_CHANNELS:
            return str(Topic(topic.city, topic.kind, topic.device, "receipt"))
    return ""
