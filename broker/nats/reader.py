"""How ingest reads from the embedded broker: its stream by a pull consumer, and QoS 0 messages as they pass by.

A message stays in the broker's stream, on disk, until ingest has it in its journal; MQTT's sessions are not used.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from broker.client import Connection, Delivery, Login
from broker.contract.topics import covers
from broker.nats.connection import connected
from broker.nats.endpoint import Endpoint
from broker.nats.library import Client, JetStreamContext, Msg, NatsError, NotFoundError, Subscription
from broker.nats.stream import renew_consumer
from broker.nats.subjects import FROM_GATEWAYS, MESSAGES, RETAINED, STREAM, subject_of, subjects_of, topic_of

TIMEOUT_S: Final = 5
INBOX: Final = "_INBOX_ingest"
PULL_MAX: Final = 1_000
"""Messages asked for at once; the next are asked for when half of them have come."""
PULL_EXPIRES_S: Final = 20
POLL_S: Final = 0.2
_EVERYTHING: Final = ">"
_QOS: Final = "Nmqtt-Pub"
_RETAINED_TOPIC: Final = "Nmqtt-RTopic"


class StreamReader(Connection):
    """Receives everything that devices publish, acknowledges what is journaled, and publishes at QoS 0.

    Its `mid`s are positions of the stream. Acknowledging one acknowledges all before it, which have come before it.

    Args:
        login: The account; where the broker is stands in `endpoint`.
        endpoint: The file that the broker writes.
        on_message: Called on the network thread with each message; must not block.
        on_connected: Called after each connect; subscribe there.
        has_room: Whether more may be asked for.
    """

    def __init__(
        self,
        login: Login,
        endpoint: Path,
        *,
        on_message: Callable[[Delivery], None],
        on_connected: Callable[[bool], None],
        has_room: Callable[[], bool],
    ) -> None:
        super().__init__(login)
        self._endpoint = endpoint
        self._on_message = on_message
        self._on_connected = on_connected
        self._has_room = has_room
        self._filters: tuple[str, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._outgoing: deque[tuple[str, bytes]] = deque()
        self._ack_subjects: dict[int, str] = {}
        self._outgoing_lock = threading.Lock()
        self._asked = 0
        self._taken = 0

    def _serve(self, stop: threading.Event) -> None:
        try:
            asyncio.run(self._converse(stop))
        except (NatsError, TimeoutError, msgspec.MsgspecError) as exc:
            raise OSError(f"{type(exc).__name__}: {exc}") from exc
        finally:
            self._loop = None

    async def _converse(self, stop: threading.Event) -> None:
        endpoint = msgspec.json.decode(self._endpoint.read_bytes(), type=Endpoint)

        async def note_error(exc: Exception) -> None:
            self._note_lost(str(exc))

        login = self._login
        async with connected(endpoint.url, login.user, login.password, inbox=INBOX, on_error=note_error) as client:
            await self._begin(client)
            await self._pass_on(client, stop)
        if not (stop.is_set() or self._stop.is_set()):
            raise OSError("the connection was given up" if self._dropped.is_set() else "the broker has closed it")

    async def _begin(self, client: Client) -> None:
        """Renew the consumer, listen, and take over what the broker holds for newcomers."""
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._outgoing.clear()
        self._ack_subjects.clear()
        self._taken = 0
        self._on_connected(False)
        subjects = tuple(dict.fromkeys(subject for one in self._filters for subject in subjects_of(one)))
        js = client.jetstream(timeout=TIMEOUT_S)
        self._consumer = await renew_consumer(js, subjects)
        for subject in subjects:
            await client.subscribe(subject, cb=self._take_passing)
            if subject != _EVERYTHING:  # which covers what comes from gateways as well
                await client.subscribe(FROM_GATEWAYS + subject, cb=self._take_passing)
        self._inbox = f"{INBOX}.pull"
        self._pulled: Subscription = await client.subscribe(self._inbox, cb=self._take_stored)
        await client.flush(TIMEOUT_S)
        self._note_connected(session_present=True)
        self.connected.set()
        await self._take_retained(js)

    async def _pass_on(self, client: Client, stop: threading.Event) -> None:
        """Ask for messages and send what is to be sent, until the end."""
        loop = asyncio.get_running_loop()
        asked_s = 0.0
        self._asked = 0
        # The library's callbacks are not always called at an end; its state is right.
        while client.is_connected and not (stop.is_set() or self._stop.is_set() or self._dropped.is_set()):
            if loop.time() - asked_s > PULL_EXPIRES_S:
                self._asked = 0  # what was asked for then has expired
            if self._asked <= PULL_MAX // 2 and self._has_room():
                wish = {"batch": PULL_MAX - self._asked, "expires": PULL_EXPIRES_S * 1_000_000_000}
                await client.publish(
                    f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self._consumer}", msgspec.json.encode(wish), self._inbox
                )
                self._asked = PULL_MAX
                asked_s = loop.time()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S if self._has_room() else POLL_S / 10):
                    await self._wake.wait()
            self._wake.clear()
            while self._outgoing:
                subject, payload = self._outgoing.popleft()
                await client.publish(subject, payload)

    async def _take_stored(self, message: Msg) -> None:
        """One message of the stream, or the end of a request for some."""
        if not message.reply:
            self._asked = 0  # an answer without a message: what was asked for has expired or is refused
            self._wake.set()
            return
        self._asked -= 1
        if self._asked <= PULL_MAX // 2:
            self._wake.set()
        position = int(message.reply.split(".")[5])
        if position <= self._taken:
            return  # came before over this connection
        self._taken = position
        self._ack_subjects[position] = message.reply
        topic = topic_of(message.subject.removeprefix(MESSAGES))
        self._on_message(Delivery(topic, message.data, False, position, 1, self.generation))

    async def _take_passing(self, message: Msg) -> None:
        """A message as it is published: those of QoS 1 and 2 come from the stream."""
        if (message.headers or {}).get(_QOS, "0") == "0":
            topic = topic_of(message.subject.removeprefix(FROM_GATEWAYS))
            self._on_message(Delivery(topic, message.data, False, 0, 0, self.generation))

    async def _take_retained(self, js: JetStreamContext) -> None:
        """What the broker retains, as a new MQTT subscriber would be given it."""
        try:
            state = (await js.stream_info(RETAINED)).state
        except NotFoundError:
            return
        position = state.first_seq
        for _ in range(state.messages):
            try:
                found = await js.get_msg(RETAINED, seq=position, next=True, subject="$MQTT.rmsgs.>")
            except NotFoundError:
                return
            position = (found.seq or position) + 1
            topic = (found.headers or {}).get(_RETAINED_TOPIC, "")
            if topic and any(covers(one, topic) for one in self._filters):
                self._on_message(Delivery(topic, found.data or b"", True, 0, 0, self.generation))

    def subscribe(self, *filters: str) -> None:
        """What to read; call from `on_connected`."""
        self._filters = filters

    def acknowledge_all(self, deliveries: Sequence[Delivery]) -> int:
        """Tell the broker that these messages, and so all before them, are durable here; how many it was told."""
        with self._acks:
            mids = [one.mid for one in deliveries if one.mid and one.generation == self.generation]
            if not mids or not self.connected.is_set():
                return 0
            subject = self._ack_subjects.get(max(mids), "")
            for mid in mids:
                self._ack_subjects.pop(mid, None)
            return len(mids) if subject and self._send(subject, b"+ACK") else 0

    def publish(self, topic: str, payload: bytes, *, qos: int = 0) -> bool:
        """Hand a message of QoS 0 to the connection; False when there is none."""
        if qos:
            raise ValueError("the reader publishes at QoS 0 only")
        return self.connected.is_set() and self._send(subject_of(topic), payload)

    def publish_to_self(self, topic: str, payload: bytes) -> bool:
        """Put a message into the broker's stream, as a device's of QoS 1 would be."""
        return self.connected.is_set() and self._send(MESSAGES + subject_of(topic), payload)

    def close(self) -> None:
        """End `run`."""
        self._stop.set()

    def _send(self, subject: str, payload: bytes) -> bool:
        loop = self._loop
        if loop is None:
            return False
        self._outgoing.append((subject, payload))
        try:
            loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:
            return False  # the loop has just ended
        return True
