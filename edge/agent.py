"""The agent: keeps readings of one or more devices in the outbox, publishes them, deletes them on ingest's receipt.

sensor -> record -> outbox (disk) -> publish (QoS 1) -> receipt -> delete

A PUBACK proves nothing, because brokers acknowledge before a message is durable. What has no receipt after
`RETRANSMIT_TIMEOUT_S` is sent again; ingest stores it once. A receipt counts only for what this process has published.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from broker.client import Delivery, Will
from broker.contract.codec import encode, join_encoded, parse_receipt
from broker.contract.payloads import Offline, Online, Receipt, Status
from broker.contract.topics import Kind, Topic, parse_topic, subscription
from city.errors import PayloadError, RetryLaterError, TopicError
from edge.outbox import Entry, Outbox, OutboxStats, Row

log = structlog.get_logger("edge")

RETRANSMIT_TIMEOUT_S: Final = (2.0, 30.0)
"""Minimum and maximum time without a receipt before a reading is sent again, plus up to half at random.

In between, the timeout is four times the receipts' recent latency; it doubles with every round without a receipt.
"""
RETRANSMIT_MAX_S: Final = 600.0
"""Upper limit of the doubling while no receipts arrive at all.

Ingest is away then, the broker keeps what it has, and frequent retransmissions of a fleet would only fill its queue.
"""
WINDOW: Final = 500
"""Upper limit of readings in flight without a receipt; the others wait on disk."""
BATCH_MAX: Final = 100
"""Upper limit of readings of one device in a message, when a backlog has built up."""
BATCH_BYTES: Final = 64_000
DISK_RETRY_S: Final = 1.0
REPORT_EVERY_S: Final = 60.0
"""Minimum interval between reports of dropped readings."""
SHUTDOWN_TIMEOUT_S: Final = 2.0


class AgentBus(Protocol):
    """The port through which an agent publishes."""

    connected: threading.Event

    def listen(
        self, *, on_messages: Callable[[Sequence[Delivery]], None], on_connected: Callable[[bool], None]
    ) -> None:
        """Say who listens, before `run`."""

    def set_will(self, will: Will) -> None:
        """Set the last will, before `run`."""

    def run(self, stop: threading.Event) -> None:
        """Keep a connection until `stop` or `close`; blocks."""

    def subscribe(self, *filters: str, qos: int = 1) -> None:
        """Subscribe to filters; called after each connect."""

    def acknowledge(self, delivery: Delivery) -> bool:
        """Acknowledge a message of QoS 1; False for one of an earlier connection."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Publish a message; False without a connection."""

    def publish_and_wait(self, topic: str, payload: bytes, *, retain: bool, timeout_s: float) -> bool:
        """Publish a message and wait until the broker has it; False without a connection or after `timeout_s`."""

    def close(self) -> None:
        """End `run`."""


class Agent:
    """Publishes for `devices` over one connection; threads: the caller's, the network's and `run`'s.

    Args:
        city: The city's id.
        devices: Device id to kind: one for a real device, many for a gateway. Only a single device has a last will,
            because a connection can have but one.
        outbox: Holds pending readings.
        bus: The connection to the broker with this agent's account, not yet running.
        firmware: Reported in the birth message.
        on_foreign_receipt: Called with a device of which a reading of another epoch was receipted: somebody else sends.
    """

    def __init__(
        self,
        city: str,
        devices: Mapping[str, Kind],
        outbox: Outbox,
        bus: AgentBus,
        *,
        firmware: str = "kota",
        on_foreign_receipt: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._city = city
        self._devices = dict(devices)
        self._outbox = outbox
        self._firmware = firmware
        self._random = random.Random()  # noqa: S311 - spreads resends, hides nothing
        self._wake = threading.Event()
        self._reconnected = threading.Event()
        self._receipts: deque[tuple[str, Receipt]] = deque()
        self._sent: dict[int, tuple[float, float]] = {}
        self._published: defaultdict[str, set[int]] = defaultdict(set)
        self._mismatch_logged = False
        self._retransmit_s = RETRANSMIT_TIMEOUT_S[0]
        self._cursor = 0
        self._on_foreign_receipt = on_foreign_receipt
        self._released: frozenset[str] = frozenset()
        self._states: dict[str, Status] = {}
        self._reported_drops: dict[str, int] = {}
        self._report_due = 0.0
        self._disk_refuses = False
        self._bus = bus
        bus.listen(on_messages=self._on_messages, on_connected=self._on_connected)
        if will := self._will():
            bus.set_will(will)

    def record(self, entries: Sequence[Entry]) -> None:
        """Keep readings and events durably and have them sent; returns when they are on disk.

        Raises:
            PayloadError: A value is outside the contract.
            RetryLaterError: The disk is full or refuses.
        """
        self._outbox.append(entries)
        self._wake.set()

    def release(self, devices: Collection[str]) -> None:
        """Publish no status of these devices from now on: somebody else sends for them."""
        self._released = frozenset(devices)

    def follow(self, devices: Mapping[str, Kind]) -> None:
        """Publish for these devices from now on; a new one is born at once, and one that has gone is left."""
        born = devices.keys() - self._devices.keys() - self._released
        self._devices = dict(devices)
        for device in self._states.keys() - devices.keys():
            self._states.pop(device, None)
        for device in sorted(born):
            status = encode(self._online_status(datetime.now(UTC), None))
            self._bus.publish(self._topic(device, "status"), status, retain=True)

    def state(self, device: str, status: Status) -> bool:
        """Publish a device's status, retained; False without a connection (it is published at the next connect)."""
        if device in self._released:
            return False
        self._states[device] = status
        return self._bus.publish(self._topic(device, "status"), encode(status), retain=True)

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop`, then publish the offline status. Unreceipted readings stay on disk for the next run."""
        network = threading.Thread(target=self._bus.run, args=(threading.Event(),), name="edge-network", daemon=True)
        network.start()
        while not stop.is_set():
            self._wake.wait(0.2)
            self._wake.clear()
            self._iterate_with_retry(stop)
        with contextlib.suppress(RetryLaterError):
            self._forget_receipted()
        self._publish_offline()
        self._bus.close()
        network.join(SHUTDOWN_TIMEOUT_S)

    def _iterate_with_retry(self, stop: threading.Event) -> None:
        """One iteration; after a disk error the readings are sent or receipted again later."""
        try:
            self._iterate()
        except RetryLaterError as exc:
            if not self._disk_refuses:
                log.error("edge.outbox_refuses", reason=str(exc))
            self._disk_refuses = True
            stop.wait(DISK_RETRY_S)
        else:
            self._disk_refuses = False

    def _iterate(self) -> None:
        """One iteration: delete what is receipted, then send what is due."""
        self._forget_receipted()
        if self._reconnected.is_set():
            self._reconnected.clear()
            self._publish_online()
            self._sent.clear()
            self._cursor = 0
        if self._bus.connected.is_set():
            self._send_due()
            self._report_dropped(time.monotonic())

    def _send_due(self) -> None:
        now = time.monotonic()
        fresh = {id_ for id_, (_, due) in self._sent.items() if due > now}
        if len(fresh) < len(self._sent):
            # Some are overdue: go over the waiting rows again from the start, those still fresh are left out.
            self._cursor = 0
            self._retransmit_s = min(RETRANSMIT_MAX_S, 2 * self._retransmit_s)
            self._sent = {id_: self._sent[id_] for id_ in fresh}
        room = WINDOW - len(fresh)
        if room <= 0:
            return
        rows = self._outbox.waiting(after_id=self._cursor, limit=WINDOW)
        due_rows = [row for row in rows if row.id not in fresh][:room]
        if rows:
            self._cursor = due_rows[-1].id if len(due_rows) == room else rows[-1].id
        self._publish(due_rows, now)

    def _publish(self, rows: list[Row], now: float) -> None:
        groups: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in rows:
            groups[row.device, row.channel].append(row)
        for (device, channel), group in groups.items():
            for batch in _batches(group):
                if not self._bus.publish(self._topic(device, channel), join_encoded([row.payload for row in batch])):
                    return
                due = now + self._retransmit_s * self._random.uniform(1.0, 1.5)
                self._sent.update((row.id, (now, due)) for row in batch)
                self._published[device].update(row.seq for row in batch)

    def _forget_receipted(self) -> None:
        receipts: list[tuple[str, Receipt]] = []
        while self._receipts:
            receipts.append(self._receipts.popleft())
        if not receipts:
            return
        limited = [(device, self._limit_to_published(device, receipt)) for device, receipt in receipts]
        sent = [self._sent.pop(id_) for id_ in self._outbox.forget(limited) if id_ in self._sent]
        for device, receipt in limited:
            for first, last in receipt.seqs:
                self._published[device].difference_update(range(first, last + 1))
        if sent:
            now = time.monotonic()
            was_silent = self._retransmit_s > RETRANSMIT_TIMEOUT_S[1]
            self._retransmit_s = min(
                max(RETRANSMIT_TIMEOUT_S[0], 4 * (now - min(at for at, _ in sent))), RETRANSMIT_TIMEOUT_S[1]
            )
            if was_silent:
                # What the broker has lost meanwhile is not to wait for the end of a long patience.
                soon = now + self._retransmit_s
                self._sent = {id_: (at, min(due, soon)) for id_, (at, due) in self._sent.items()}

    def _limit_to_published(self, device: str, receipt: Receipt) -> Receipt:
        """A receipt limited to what this process has published; anything else was never sent."""
        if receipt.epoch != self._outbox.epoch:
            return Receipt(epoch=receipt.epoch, seqs=[])
        published = sorted(self._published[device])
        covered = sorted(
            {
                seq
                for first, last in receipt.seqs
                for seq in published[bisect_left(published, first) : bisect_right(published, last)]
            }
        )
        named = sum(last - first + 1 for first, last in receipt.seqs)
        if named > len(covered) and not self._mismatch_logged:
            # After a resend the same readings are receipted twice; anything else is a forgery or a fault.
            log.info("edge.receipt_beyond_published", device=device, named=named, believed=len(covered))
            self._mismatch_logged = True
        return Receipt(epoch=receipt.epoch, seqs=_ranges(covered))

    def _publish_online(self) -> None:
        """Publish the last status of each device, else its birth with the outbox figures."""
        now = datetime.now(UTC)
        stats = {device_stats.device: device_stats for device_stats in self._outbox.stats()}
        for device in self._own_devices():
            # A birth is not remembered: at the next connect the outbox has other figures.
            status = self._states.get(device) or self._online_status(now, stats.get(device))
            self._bus.publish(self._topic(device, "status"), encode(status), retain=True)
        self._reported_drops = {device: device_stats.dropped for device, device_stats in stats.items()}

    def _own_devices(self) -> list[str]:
        """The devices whose status is ours to publish."""
        return [device for device in self._devices if device not in self._released]

    def _online_status(self, now: datetime, device_stats: OutboxStats | None) -> Online:
        waiting, dropped = (device_stats.pending, device_stats.dropped) if device_stats else (0, 0)
        return Online(
            ts=now, epoch=self._outbox.epoch, fw=self._firmware, outbox_waiting=waiting, outbox_dropped=dropped
        )

    def _report_dropped(self, now_s: float) -> None:
        """Publish the birth again, at a limited rate, when more readings were dropped."""
        if now_s < self._report_due:
            return
        self._report_due = now_s + REPORT_EVERY_S
        if self._outbox.dropped_count() != sum(self._reported_drops.values()):
            now = datetime.now(UTC)
            for device_stats in self._outbox.stats():
                if (
                    device_stats.dropped != self._reported_drops.get(device_stats.device, 0)
                    and device_stats.device in self._own_devices()
                ):
                    self._bus.publish(
                        self._topic(device_stats.device, "status"),
                        encode(self._online_status(now, device_stats)),
                        retain=True,
                    )
                    self._reported_drops[device_stats.device] = device_stats.dropped

    def _publish_offline(self) -> None:
        payload = encode(Offline(reason="stop", ts=datetime.now(UTC)))
        *others, last = self._own_devices() or [""]
        if not last:
            return
        for device in others:
            self._bus.publish(self._topic(device, "status"), payload, retain=True)
        # The broker handles one connection in order: when the last is acknowledged, all have arrived.
        self._bus.publish_and_wait(self._topic(last, "status"), payload, retain=True, timeout_s=SHUTDOWN_TIMEOUT_S)

    def _on_connected(self, _session_present: bool) -> None:  # noqa: FBT001 - the bus's callback
        if len(self._devices) == 1:
            device, kind = next(iter(self._devices.items()))
            receipts = subscription("receipt", city=self._city, kind=kind, device=device)
        else:
            receipts = subscription("receipt", city=self._city)
        # At QoS 0, as receipts are sent: one that is lost costs a resend, while nats-server keeps a queue on disk for
        # every subscription at QoS 1 and takes a minute to make those of a whole fleet.
        self._bus.subscribe(receipts, qos=0)
        self._reconnected.set()
        self._wake.set()

    def _on_messages(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._take_receipt(delivery)

    def _take_receipt(self, delivery: Delivery) -> None:
        self._bus.acknowledge(delivery)
        try:
            topic = parse_topic(delivery.topic)
            receipt = parse_receipt(delivery.payload)
        except (TopicError, PayloadError) as exc:
            log.warning("edge.receipt_unreadable", topic=delivery.topic, reason=str(exc))
            return
        if topic.device in self._devices:
            if receipt.epoch != self._outbox.epoch:
                self._on_foreign_receipt(topic.device)
            self._receipts.append((topic.device, receipt))
            self._wake.set()

    def _will(self) -> Will | None:
        if len(self._devices) != 1:
            return None
        return Will(self._topic(next(iter(self._devices)), "status"), encode(Offline(reason="lost")))

    def _topic(self, device: str, channel: str) -> str:
        return str(Topic(self._city, self._devices[device], device, channel))  # type: ignore[arg-type]


def _ranges(seqs: list[int]) -> list[tuple[int, int]]:
    """Sorted integers as inclusive ranges."""
    ranges: list[tuple[int, int]] = []
    for seq in seqs:
        if ranges and ranges[-1][1] == seq - 1:
            ranges[-1] = (ranges[-1][0], seq)
        else:
            ranges.append((seq, seq))
    return ranges


def _batches(rows: list[Row]) -> list[list[Row]]:
    """Rows of one topic in order, split into batches within the limits."""
    batches: list[list[Row]] = []
    size = 0
    for row in rows:
        if not batches or len(batches[-1]) >= BATCH_MAX or size + len(row.payload) > BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(row)
        size += len(row.payload)
    return batches
