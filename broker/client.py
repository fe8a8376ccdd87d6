"""The MQTT client of every service: paho-mqtt with reconnection and manual acknowledgement."""

from __future__ import annotations

import ssl
import sys
import threading
import time
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import msgspec
import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from broker.buffered import ReadAheadClient
from city.backoff import Backoff

log = structlog.get_logger("broker")

RECONNECT_MIN_S: Final = 0.25
RECONNECT_MAX_S: Final = 30.0
STABLE_AFTER_S: Final = 10.0
"""A connection that lasted this long resets the count of failures."""
KEEPALIVE_S: Final = 30
SESSION_EXPIRY_S: Final = 7 * 86_400
RECEIVE_MAXIMUM: Final = 1_000
"""Messages that a broker may send ahead of acknowledgements; paho's default of 65,535 bounds nothing."""
FULL_PAUSE_S: Final = 0.01
"""How often a full listener is asked again whether it has room."""
_PUBACK: Final = int.from_bytes((PacketTypes.PUBACK << 4, 2, 0, 0))
"""Fixed header, remaining length, packet id; the same in MQTT 3.1.1 and, meaning success, in 5."""


class ConnectionParams(msgspec.Struct, frozen=True):
    """Address of the broker and credentials."""

    host: str
    port: int
    user: str
    password: str
    client_id: str
    version: Literal["3.1.1", "5"] = "3.1.1"
    persistent: bool = False
    ca: Path | None = None
    """CA certificate that the broker's certificate must come from; None connects without TLS."""

    def tls(self) -> ssl.SSLContext | None:
        """The TLS context; None without TLS.

        Raises:
            OSError: The certificate cannot be read, or is invalid.
        """
        try:
            return ssl.create_default_context(cafile=str(self.ca)) if self.ca else None
        except OSError as exc:
            raise OSError(f"{self.ca}: {exc.strerror or exc}") from exc


class BrokerSettings(Protocol):
    """Broker settings of any service."""

    @property
    def mqtt_host(self) -> str:
        """The broker's host."""

    @property
    def mqtt_port(self) -> int:
        """The broker's port."""

    @property
    def mqtt_version(self) -> Literal["3.1.1", "5"]:
        """MQTT version."""

    @property
    def mqtt_user(self) -> str:
        """Account to use instead of the service's own; empty for none."""

    @property
    def mqtt_ca(self) -> Path | None:
        """CA certificate; None connects without TLS."""


def connection_params(
    settings: BrokerSettings, user: str, password: str, *, persistent: bool = False
) -> ConnectionParams:
    """Parameters for the account `user`, unless the settings name another.

    The client id is the account's name: both brokers accept no other.
    """
    account = settings.mqtt_user or user
    return ConnectionParams(
        _reachable(settings.mqtt_host),
        settings.mqtt_port,
        account,
        password,
        account,
        settings.mqtt_version,
        persistent,
        settings.mqtt_ca,
    )


def _reachable(host: str) -> str:
    """The loopback address of a broker that listens on every address of this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on


class Will(msgspec.Struct, frozen=True):
    """The last will: published by the broker when this client is lost; retained, QoS 1."""

    topic: str
    payload: bytes


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """A message from the bus. `generation` numbers the connection: packet ids are valid on their connection only."""

    topic: str
    payload: bytes
    retained: bool
    packet_id: int
    qos: int
    generation: int


def _ignore(_: object) -> None:
    """Listen to nothing."""


def _always() -> bool:
    """There is room for any number of messages."""
    return True


class Connection(ABC):
    """Base of every client: `run` blocks and keeps one connection alive until `stop` or `close`."""

    def __init__(self, params: ConnectionParams) -> None:
        self._params = params
        self._backoff = Backoff(RECONNECT_MIN_S, RECONNECT_MAX_S)
        self._stop = threading.Event()
        self._lost_logged = False
        self._acks = threading.Lock()
        self._dropped = threading.Event()
        self._dropped_generation = 0
        self.connects = 0
        self.dropped = 0
        """QoS 0 messages that were dropped because there was no room."""
        self.generation = 0
        self.connected = threading.Event()
        self._on_messages: Callable[[Sequence[Delivery]], None] = _ignore
        self._on_connected: Callable[[bool], None] = _ignore
        self._has_room: Callable[[], bool] = _always

    def listen(
        self,
        *,
        on_messages: Callable[[Sequence[Delivery]], None] = _ignore,
        on_connected: Callable[[bool], None] = _ignore,
        has_room: Callable[[], bool] = _always,
    ) -> None:
        """Say who listens; call it before `run`. All three are called on the network thread and must not block.

        Args:
            on_messages: Called with messages in order; for QoS 1 acknowledge each once it is durable.
            on_connected: Called after each connect with `session_present`; subscribe there.
            has_room: Whether `on_messages` takes more just now; while it does not, the broker keeps the rest.
        """
        self._on_messages, self._on_connected, self._has_room = on_messages, on_connected, has_room

    def run(self, stop: threading.Event) -> None:
        """Connect, serve, and reconnect with jittered backoff (at most 30 s) until `stop` or `close`.

        A connection that ends early counts as a failure, so that an overloaded broker is not overloaded again.
        """
        while not stop.is_set() and not self._stop.is_set():
            began_s = time.monotonic()
            if self._attempt(stop) and time.monotonic() - began_s > STABLE_AFTER_S:
                self._backoff.reset()
            self._stop.wait(self._backoff.next_s())

    def _attempt(self, stop: threading.Event) -> bool:
        """One connection from start to end; return whether it was established."""
        with self._acks:
            self.generation += 1  # before anything can come over the new connection, or an old answer go over it
        self._dropped.clear()
        before = self.connects
        try:
            self._serve(stop)
        except (OSError, ValueError) as exc:
            self._note_lost(str(exc))
        finally:
            self.connected.clear()
        return self.connects != before

    def drop(self) -> None:
        """Drop the present connection, if any; `run` makes another."""
        self._dropped.set()

    @abstractmethod
    def _serve(self, stop: threading.Event) -> None:
        """Connect and serve until the connection ends or is dropped.

        Raises:
            OSError: It could not be made, or broke.
        """

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Hand messages over, once there is room; meanwhile nothing more is read from the network."""
        while not self._has_room():
            if self._stop.wait(FULL_PAUSE_S):
                return
        self._on_messages(deliveries)

    def _note_connected(self, *, session_present: bool) -> None:
        self.connects += 1
        log.info("mqtt.connected", user=self._params.user, session_present=session_present)
        self._lost_logged = False

    def _note_lost(self, reason: str) -> None:
        if not self._lost_logged and not self._stop.is_set():
            log.warning("mqtt.lost", user=self._params.user, reason=reason)
            self._lost_logged = True

    def _note_dropped(self) -> None:
        """Count a dropped QoS 0 message; logged at the first of a connection."""
        self.dropped += 1
        if self._dropped_generation != self.generation:
            self._dropped_generation = self.generation
            log.warning("mqtt.qos0_dropped", user=self._params.user, dropped=self.dropped)

    def acknowledge(self, delivery: Delivery) -> bool:
        """Send the PUBACK of a QoS 1 message; False, and nothing sent, for a delivery of an earlier connection.

        There the packet id may belong to another message.
        """
        return self.acknowledge_all([delivery]) == 1

    @abstractmethod
    def acknowledge_all(self, deliveries: Sequence[Delivery]) -> int:
        """Acknowledge QoS 1 messages; return how many acknowledgements were sent.

        Deliveries of earlier connections are left out.
        """


def pubacks(packet_ids: Sequence[int]) -> bytes:
    """The PUBACK packets of some messages, in order."""
    packets = array("I", [_PUBACK | packet_id for packet_id in packet_ids])
    if sys.byteorder == "little":
        packets.byteswap()
    return packets.tobytes()


class MqttConnection(Connection):
    """Base of the clients that speak MQTT: acknowledges with PUBACK packets."""

    def acknowledge_all(self, deliveries: Sequence[Delivery]) -> int:
        """Send the PUBACKs of QoS 1 messages in one write; return how many were sent.

        Deliveries of earlier connections are left out.
        """
        with self._acks:
            if not self.connected.is_set():
                return 0
            packet_ids = [
                delivery.packet_id
                for delivery in deliveries
                if delivery.qos == 1 and delivery.generation == self.generation
            ]
            if packet_ids:
                self._send_acks(pubacks(packet_ids))
            return len(packet_ids)

    @abstractmethod
    def subscribe(self, *filters: str) -> None:
        """Subscribe to filters at QoS 1; call from `listen`'s `on_connected`."""

    @abstractmethod
    def publish(self, topic: str, payload: bytes, *, qos: int = 0) -> bool:
        """Publish a message; False without a connection."""

    @abstractmethod
    def publish_all(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        """Publish messages at QoS 0; False without a connection."""

    @abstractmethod
    def publish_to_self(self, topic: str, payload: bytes) -> bool:
        """Publish a message that this client itself receives, in the way of any other."""

    @abstractmethod
    def close(self) -> None:
        """End `run`."""

    @abstractmethod
    def _send_acks(self, packets: bytes) -> None:
        """Send PUBACK packets over the present connection."""


class BusClient(MqttConnection):
    """The client of every service, on paho.

    Args:
        params: The broker and the account. A persistent session keeps QoS 1 messages at the broker while disconnected.
    """

    def __init__(self, params: ConnectionParams) -> None:
        super().__init__(params)
        self._client = self._build()

    def set_will(self, will: Will) -> None:
        """Set the last will, before `run`."""
        self._client.will_set(will.topic, will.payload, qos=1, retain=True)

    def _build(self) -> ReadAheadClient:
        client = ReadAheadClient(
            CallbackAPIVersion.VERSION2,
            client_id=self._params.client_id,
            clean_session=None if self._params.version == "5" else not self._params.persistent,
            protocol=MQTTv5 if self._params.version == "5" else MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.username_pw_set(self._params.user, self._params.password)
        # Outgoing order and durability are the outbox's; paho's own queue only has to hold one window.
        client.max_inflight_messages_set(RECEIVE_MAXIMUM)
        client.max_queued_messages_set(0)
        client.connect_timeout = 5.0
        if context := self._params.tls():
            client.tls_set_context(context)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._handle_message
        return client

    def _serve(self, _stop: threading.Event) -> None:
        self._client.connect(self._params.host, self._params.port, KEEPALIVE_S, **self._v5_options())
        while self._client.serve(timeout_s=0.2) == MQTTErrorCode.MQTT_ERR_SUCCESS:
            if self._dropped.is_set():
                self._client.hang_up()
                raise OSError("the connection was given up")

    def _v5_options(self) -> dict[str, Any]:
        if self._params.version != "5":
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        if self._params.persistent:
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
        return {"clean_start": not self._params.persistent, "properties": properties}

    def _on_connect(
        self, _client: Client, _data: object, flags: ConnectFlags, code: ReasonCode, _props: Properties | None
    ) -> None:
        if code.is_failure:
            self._note_lost(str(code))
            return
        self._note_connected(session_present=flags.session_present)
        self._on_connected(flags.session_present)
        self.connected.set()

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, code: ReasonCode, _props: Properties | None
    ) -> None:
        self.connected.clear()
        if code.is_failure:
            self._note_lost(str(code))

    def _handle_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # no broker should let it pass; what cannot be a topic is a dead letter
            topic = bytes(message._topic).decode("utf-8", "backslashreplace")  # noqa: SLF001 - kept nowhere else
        self._deliver(
            [Delivery(topic, bytes(message.payload), message.retain, message.mid, message.qos, self.generation)]
        )

    def subscribe(self, *filters: str, qos: int = 1) -> None:
        """Subscribe to filters; call from `listen`'s `on_connected`."""
        self._client.subscribe([(topic_filter, qos) for topic_filter in filters])

    def _send_acks(self, packets: bytes) -> None:
        # paho's own `ack` makes two system calls for each message, half of what one costs.
        self._client._packet_queue(PacketTypes.PUBACK << 4, packets, 0, 0)  # noqa: SLF001 - see above

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Publish a message; False without a connection. Success says nothing about durability."""
        if not self.connected.is_set():
            return False
        return self._client.publish(topic, payload, qos=qos, retain=retain).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def publish_all(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        """Publish messages at QoS 0; False without a connection."""
        sent = [self.publish(topic, payload, qos=0) for topic, payload in messages]
        return all(sent)

    def publish_to_self(self, topic: str, payload: bytes) -> bool:
        """Publish a message that this client itself receives, in the way of any other."""
        return self.publish(topic, payload, qos=0)

    def publish_and_wait(self, topic: str, payload: bytes, *, retain: bool, timeout_s: float) -> bool:
        """Publish at QoS 1 and wait for the PUBACK; for the offline status before a clean stop."""
        if not self.connected.is_set():
            return False
        message = self._client.publish(topic, payload, qos=1, retain=retain)
        try:
            message.wait_for_publish(timeout_s)
            return message.is_published()
        except (ValueError, RuntimeError):
            return False  # 65,535 messages wait for their PUBACK already, or the connection has just gone

    def close(self) -> None:
        """End `run` with DISCONNECT, so that no will is published."""
        self._stop.set()
        self._client.disconnect()
