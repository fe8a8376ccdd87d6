"""Ingest's client of the embedded broker: reads its stream by a pull consumer, and QoS 0 messages directly.

A message stays in the broker's stream, on disk, until ingest has journaled it; MQTT sessions are not used.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from broker.client import Connection, ConnectionParams, Delivery
from broker.contract.payloads import MAX_PAYLOAD_BYTES
from broker.contract.topics import covers
from broker.nats.connection import end_tasks, open_connection
from broker.nats.endpoint import Endpoint
from broker.nats.library import (
    Client,
    JetStreamContext,
    Msg,
    NatsError,
    NotFoundError,
    SlowConsumerError,
    Subscription,
)
from broker.nats.stream import renew_consumer
from broker.nats.subjects import FROM_GATEWAYS, MESSAGES, RETAINED, STREAM, subject_of, subjects_of, topic_of
from city.backoff import Backoff

TIMEOUT_S: Final = 5
INBOX: Final = "_INBOX_ingest"
PULL_MAX: Final = 1_000
"""Messages requested at once; more are requested when half of them have arrived."""
PULL_MAX_BYTES: Final = 16 << 20
"""Bytes requested at once, of one or many messages: the server sends them whether there is room or not."""
PULL_EXPIRES_S: Final = 20
QOS0_PENDING_BYTES: Final = 16 << 20
"""Bytes of one subject that the library keeps while our callback does not run; at least one largest message."""
QOS0_RECONNECT_MIN_S: Final = 0.1
QOS0_RECONNECT_MAX_S: Final = 2.0
QOS0_HELD_BYTES: Final = 32 << 20
"""QoS 0 messages held while there is no room; further ones are dropped, of those above a device's bound half of it."""
POLL_S: Final = 0.2
_EVERYTHING: Final = ">"
_QOS: Final = "Nmqtt-Pub"
_RETAINED_TOPIC: Final = "Nmqtt-RTopic"


class StreamReader(Connection):
    """Reads everything that devices publish, acknowledges what is journaled, and publishes at QoS 0.

    Its packet ids are positions in the stream. Acknowledging one acknowledges all before it.

    Args:
        params: The account; the broker's address is in `endpoint`.
        endpoint: The broker's endpoint file.
    """

    def __init__(self, params: ConnectionParams, endpoint: Path) -> None:
        super().__init__(params)
        self._endpoint = endpoint
        self._filters: tuple[str, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._outgoing: deque[tuple[str, bytes]] = deque()
        self._ack_subjects: dict[int, str] = {}
        self._outgoing_lock = threading.Lock()
        self._requested = 0
        self._last_position = 0
        self._held: deque[Delivery] = deque()
        self._held_bytes = 0
        self._qos0_tasks: list[asyncio.Task[None]] = []

    def _serve(self, stop: threading.Event) -> None:
        try:
            asyncio.run(self._run_connection(stop))
        except (NatsError, TimeoutError, msgspec.MsgspecError) as exc:
            raise OSError(f"{type(exc).__name__}: {exc}") from exc
        finally:
            self._loop = None

    async def _run_connection(self, stop: threading.Event) -> None:
        endpoint = msgspec.json.decode(self._endpoint.read_bytes(), type=Endpoint)

        async def note_error(exc: Exception) -> None:
            self._note_lost(str(exc))

        params = self._params
        async with open_connection(
            endpoint.url, params.user, params.password, inbox=INBOX, on_error=note_error
        ) as client:
            try:
                await self._start_consumer(client, endpoint.url)
                await self._transfer(client, stop)
            finally:
                await end_tasks(self._qos0_tasks)
                self._qos0_tasks = []
        if not (stop.is_set() or self._stop.is_set()):
            raise OSError("the connection was given up" if self._dropped.is_set() else "the broker has closed it")

    async def _start_qos0(self, url: str, subjects: tuple[str, ...]) -> None:
        """Follow devices' and gateways' messages of QoS 0, and wait for the subscriptions."""
        # The first of all subjects covers what comes from gateways as well.
        from_gateways = () if _EVERYTHING in subjects else tuple(FROM_GATEWAYS + subject for subject in subjects)
        ready = []
        for followed in (subjects, from_gateways):
            if followed:
                ready.append(asyncio.Event())
                self._qos0_tasks.append(asyncio.create_task(self._follow_qos0(url, followed, ready[-1])))
        async with asyncio.timeout(TIMEOUT_S):
            for event in ready:
                await event.wait()

    async def _follow_qos0(self, url: str, subjects: tuple[str, ...], ready: asyncio.Event) -> None:
        """Receive messages as they are published, over a connection of their own.

        The server sends them whether they are read or not, and closes a connection on which too many bytes wait. That
        must not be the connection of consumer and receipts, nor may one gateway cost the devices theirs.
        """
        backoff = Backoff(QOS0_RECONNECT_MIN_S, QOS0_RECONNECT_MAX_S)
        while True:
            with contextlib.suppress(NatsError, TimeoutError, OSError):
                async with open_connection(
                    url, self._params.user, self._params.password, inbox=INBOX, on_error=self._note_overrun
                ) as client:
                    for subject in subjects:
                        await client.subscribe(subject, cb=self._on_qos0, pending_bytes_limit=QOS0_PENDING_BYTES)
                    await client.flush(TIMEOUT_S)
                    ready.set()
                    # The library's callbacks are not always called at an end; its state is right.
                    while client.is_connected:  # noqa: ASYNC110 - see above
                        await asyncio.sleep(POLL_S)
            await asyncio.sleep(backoff.next_s())
            self._note_dropped()

    async def _note_overrun(self, exc: Exception) -> None:
        if isinstance(exc, SlowConsumerError):
            self._note_dropped()

    async def _start_consumer(self, client: Client, url: str) -> None:
        """Renew the consumer, subscribe, and deliver retained messages."""
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._outgoing.clear()
        self._ack_subjects.clear()
        self._held.clear()
        self._held_bytes = 0
        self._last_position = 0
        self._on_connected(False)
        subjects = tuple(
            dict.fromkeys(subject for topic_filter in self._filters for subject in subjects_of(topic_filter))
        )
        js = client.jetstream(timeout=TIMEOUT_S)
        self._consumer = await renew_consumer(js, subjects)
        await self._start_qos0(url, subjects)
        self._inbox = f"{INBOX}.pull"
        self._pulled: Subscription = await client.subscribe(self._inbox, cb=self._on_stored)
        await client.flush(TIMEOUT_S)
        self._note_connected(session_present=True)
        self.connected.set()
        await self._deliver_retained(js)

    async def _transfer(self, client: Client, stop: threading.Event) -> None:
        """Request messages and send outgoing ones, until the connection ends."""
        loop = asyncio.get_running_loop()
        requested_s = 0.0
        self._requested = 0
        # The library's callbacks are not always called at an end; its state is right.
        while client.is_connected and not (stop.is_set() or self._stop.is_set() or self._dropped.is_set()):
            if loop.time() - requested_s > PULL_EXPIRES_S:
                self._requested = 0  # what was asked for then has expired
            if self._requested <= PULL_MAX // 2 and self._has_room():
                request = {
                    "batch": PULL_MAX - self._requested,
                    "max_bytes": PULL_MAX_BYTES,
                    "expires": PULL_EXPIRES_S * 1_000_000_000,
                }
                await client.publish(
                    f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self._consumer}", msgspec.json.encode(request), self._inbox
                )
                self._requested = PULL_MAX
                requested_s = loop.time()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S if self._has_room() else POLL_S / 10):
                    await self._wake.wait()
            self._wake.clear()
            self._hand_over_held()
            while self._outgoing:
                subject, payload = self._outgoing.popleft()
                await client.publish(subject, payload)

    async def _on_stored(self, message: Msg) -> None:
        """Handle a message of the stream, or the end of a pull request."""
        if not message.reply:
            self._requested = 0  # an answer without a message: what was asked for has expired or is refused
            self._wake.set()
            return
        self._requested -= 1
        if self._requested <= PULL_MAX // 2:
            self._wake.set()
        position = int(message.reply.split(".")[5])
        if position <= self._last_position:
            return  # came before over this connection
        self._last_position = position
        self._ack_subjects[position] = message.reply
        topic = topic_of(message.subject.removeprefix(MESSAGES))
        self._on_messages([Delivery(topic, message.data, False, position, 1, self.generation)])

    async def _on_qos0(self, message: Msg) -> None:
        """Handle a message as it is published; messages of QoS 1 and 2 come from the stream."""
        if (message.headers or {}).get(_QOS, "0") == "0":
            topic = topic_of(message.subject.removeprefix(FROM_GATEWAYS))
            delivery = Delivery(topic, message.data, False, 0, 0, self.generation)
            if self._held or not self._has_room():
                self._hold(delivery)
            else:
                self._on_messages([delivery])

    def _hold(self, delivery: Delivery) -> None:
        """Hold a QoS 0 message until there is room, or drop it."""
        size = len(delivery.payload)
        bound = QOS0_HELD_BYTES // 2 if size > MAX_PAYLOAD_BYTES else QOS0_HELD_BYTES
        if self._held_bytes + size > bound:
            self._note_dropped()
            return
        self._held.append(delivery)
        self._held_bytes += size

    def _hand_over_held(self) -> None:
        while self._held and self._has_room():
            delivery = self._held.popleft()
            self._held_bytes -= len(delivery.payload)
            self._on_messages([delivery])

    async def _deliver_retained(self, js: JetStreamContext) -> None:
        """Deliver the broker's retained messages, as to a new MQTT subscriber."""
        try:
            state = (await js.stream_info(RETAINED)).state
        except NotFoundError:
            return
        position = state.first_seq
        for _ in range(state.messages):
            try:
                message = await js.get_msg(RETAINED, seq=position, next=True, subject="$MQTT.rmsgs.>")
            except NotFoundError:
                return
            position = (message.seq or position) + 1
            topic = (message.headers or {}).get(_RETAINED_TOPIC, "")
            if topic and any(covers(topic_filter, topic) for topic_filter in self._filters):
                self._on_messages([Delivery(topic, message.data or b"", True, 0, 0, self.generation)])

    def subscribe(self, *filters: str) -> None:
        """Set the topic filters; call from `listen`'s `on_connected`."""
        self._filters = filters

    def acknowledge_all(self, deliveries: Sequence[Delivery]) -> int:
        """Acknowledge these messages, and so all before them; return how many were acknowledged."""
        with self._acks:
            packet_ids = [
                delivery.packet_id
                for delivery in deliveries
                if delivery.packet_id and delivery.generation == self.generation
            ]
            if not packet_ids or not self.connected.is_set():
                return 0
            subject = self._ack_subjects.get(max(packet_ids), "")
            for packet_id in packet_ids:
                self._ack_subjects.pop(packet_id, None)
            return len(packet_ids) if subject and self._send(subject, b"+ACK") else 0

    def publish(self, topic: str, payload: bytes, *, qos: int = 0) -> bool:
        """Publish a message at QoS 0; False without a connection."""
        if qos:
            raise ValueError("the reader publishes at QoS 0 only")
        return self.publish_all([(topic, payload)])

    def publish_all(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        """Publish messages at QoS 0; False without a connection."""
        sent = [(subject_of(topic), payload) for topic, payload in messages]
        return self.connected.is_set() and self._send_all(sent)

    def publish_to_self(self, topic: str, payload: bytes) -> bool:
        """Publish a message into the broker's stream, like a device's of QoS 1."""
        return self.connected.is_set() and self._send(MESSAGES + subject_of(topic), payload)

    def close(self) -> None:
        """End `run`."""
        self._stop.set()

    def _send(self, subject: str, payload: bytes) -> bool:
        return self._send_all([(subject, payload)])

    def _send_all(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        loop = self._loop
        if loop is None:
            return False
        self._outgoing.extend(messages)
        try:
            loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:
            return False  # the loop has just ended
        return True
