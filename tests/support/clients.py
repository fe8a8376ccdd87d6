"""Clients of a test's broker, each on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import paho.mqtt.client as paho
from msgspec import structs
from paho.mqtt.enums import CallbackAPIVersion

from broker.client import BusClient, ConnectionParams, Delivery
from broker.nats.endpoint import READER
from broker.nats.reader import StreamReader
from tests.support.brokers import RunningBroker
from tests.support.waiting import wait_for


class Connected:
    """A client that keeps what it receives; as a context it is connected inside and gone afterwards.

    Args:
        broker: Where to; its folder has the key of the passwords.
        user: The account.
        password: Another than its own.
        client: Another client id than its own.
        filters: What to subscribe.
        persistent: Whether the broker keeps its session.
        stream: Whether to read from the embedded broker's stream, as ingest does there.
    """

    def __init__(
        self,
        broker: RunningBroker,
        user: str,
        password: str | None = None,
        *,
        client: str = "",
        filters: tuple[str, ...] = (),
        persistent: bool = False,
        stream: bool = False,
    ) -> None:
        """Start connecting."""
        self.received: list[Delivery] = []
        self._filters = filters
        password = broker.password(user) if password is None else password
        login = ConnectionParams("127.0.0.1", broker.port, user, password, client or user, persistent=persistent)
        self._subscribed = threading.Event()
        self.bus = self._stream_reader(broker, login) if stream and broker.name == "embedded" else self._client(login)
        self._thread = threading.Thread(target=self.bus.run, args=(threading.Event(),), daemon=True)
        self._thread.start()

    def _client(self, login: ConnectionParams) -> BusClient:
        bus = BusClient(login)
        bus.listen(on_messages=self._keep, on_connected=self._subscribe)
        bus._client.on_subscribe = lambda *_: self._subscribed.set()
        return bus

    def _stream_reader(self, broker: RunningBroker, login: ConnectionParams) -> StreamReader:
        self._subscribed.set()  # it is connected when it has subscribed
        login = structs.replace(login, user=READER, password=broker.password(READER))
        bus = StreamReader(login, broker.folder / "broker" / "endpoint.json")
        bus.listen(on_messages=self._keep, on_connected=self._subscribe)
        return bus

    def __enter__(self) -> Self:
        """Wait for the connection, and for its subscriptions to be granted or refused."""
        wait_for(self.bus.connected.is_set, "a connection")
        if self._filters:
            wait_for(self._subscribed.is_set, "an answer to its subscriptions")
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        self.close()

    def _subscribe(self, _session_present: bool) -> None:  # noqa: FBT001 - the bus's callback
        if self._filters:
            self.bus.subscribe(*self._filters)

    def _keep(self, deliveries: Sequence[Delivery]) -> None:
        self.received += deliveries
        self.bus.acknowledge_all(deliveries)

    def close(self) -> None:
        """Disconnect."""
        self.bus.close()
        self._thread.join(5)


def answer_to(broker: RunningBroker, user: str | None, password: str | None, client_id: str) -> int:
    """MQTT 3.1.1's return code for a connect, -1 when the broker hangs up without one."""
    answers: list[int] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False)
    if user is not None:
        client.username_pw_set(user, password)
    client.on_connect = lambda _c, _d, _f, code, _p: answers.append(code.value)
    client.on_disconnect = lambda *_: answers.append(-1)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    wait_for(lambda: answers, "an answer")
    client.disconnect()
    client.loop_stop()
    return answers[0]
