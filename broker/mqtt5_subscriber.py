"""A faster client for ingest over MQTT 5: the codec is `mqtt5`, in Rust; the socket is ours."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Final

import mqtt5

from broker.client import KEEPALIVE_S, RECEIVE_MAXIMUM, SESSION_EXPIRY_S, ConnectionParams, Delivery, MqttConnection
from city.errors import ConfigError

READ_BYTES: Final = 1 << 18
FEW_BYTES: Final = 1 << 14
PAUSE_S: Final = 0.005
"""Pause after a read of few bytes: at some thousand messages a second, each would be a read of its own."""
TIMEOUT_S: Final = 5.0
POLL_S: Final = 0.2
_GRANTED_MAX: Final = 2
_OLDER_CONNACK: Final = b"\x20\x02"
"""Begin of the CONNACK of MQTT 3.1.1: two bytes follow. One of MQTT 5 is longer."""
CLOSED_MAX: Final = 3
"""Connections in a row that the broker closes without a CONNACK until it is taken for one of MQTT 3.1.1."""
_HEADER_MAX_BYTES: Final = 5
"""Packet type, and up to four bytes of the remaining length."""


class _OlderBrokerError(OSError):
    """The broker does not speak MQTT 5."""


class Mqtt5Subscriber(MqttConnection):
    """Subscribes, acknowledges manually, and publishes at QoS 0; for ingest only.

    Args:
        params: The broker and the account; the version must be 5.
    """

    def __init__(self, params: ConnectionParams) -> None:
        """Check the version.

        Raises:
            ConfigError: The version is not 5.
        """
        if params.version != "5":
            raise ConfigError("the client `mqtt5` speaks MQTT 5 only: set mqtt_version to 5, or mqtt_client to paho")
        super().__init__(params)
        self._sending = threading.Lock()
        self._socket: socket.socket | None = None
        self._closed_early = 0
        self._is_answered = False
        self.is_refused = False
        """Whether the broker does not speak MQTT 5; `run` has ended then."""
        self._sent_s = 0.0

    def _serve(self, stop: threading.Event) -> None:
        with closing(self._connect()) as connection:
            self._socket = connection
            try:
                self._send(self._connect_packet().write())
                self._is_answered = False
                for packets in self._packets(connection, stop):
                    if not self._is_answered:
                        self._on_connack(packets.pop(0))
                        self._is_answered = True
                    self._on_packets(packets)
            except _OlderBrokerError:
                self.is_refused = True
                self._stop.set()
                raise
            finally:
                self._socket = None

    def _connect(self) -> socket.socket:
        connection = socket.create_connection((self._params.host, self._params.port), TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = self._params.tls()
        return context.wrap_socket(connection, server_hostname=self._params.host) if context else connection

    def _connect_packet(self) -> mqtt5.ConnectPacket:
        return mqtt5.ConnectPacket(
            self._params.client_id,
            username=self._params.user,
            password=self._params.password.encode(),
            clean_start=not self._params.persistent,
            keep_alive=KEEPALIVE_S,
            session_expiry_interval=SESSION_EXPIRY_S if self._params.persistent else 0,
            receive_max=RECEIVE_MAXIMUM,
        )

    def _on_connack(self, packet: object) -> None:
        if not isinstance(packet, mqtt5.ConnAckPacket):
            raise OSError("the broker did not answer our connect")
        if packet.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            raise OSError(str(packet.reason_code))
        self._note_connected(session_present=packet.session_present)
        self._on_connected(packet.session_present)
        self.connected.set()

    def _packets(self, connection: socket.socket, stop: threading.Event) -> Iterator[list[mqtt5.Packet]]:
        """Packets as they arrive, those of one read together, until `stop`.

        Raises:
            OSError: The connection is gone, silent, or does not carry MQTT 5.
        """
        received = bytearray()
        for data in self._reads(connection, stop):
            received += data
            if len(received) < _packet_bytes(received):
                continue  # a large packet: what is there of it is not copied again and again
            buffer = memoryview(bytes(received))
            packets: list[mqtt5.Packet] = []
            with contextlib.suppress(IndexError):  # the rest of a packet is still to come
                while True:
                    packet, size = mqtt5.read(buffer)
                    buffer = buffer[size:]
                    packets.append(packet)
            received = bytearray(buffer)
            if packets:
                yield packets

    def _reads(self, connection: socket.socket, stop: threading.Event) -> Iterator[bytes]:
        """What the broker sends, until `stop`; sends keepalives meanwhile."""
        heard_s = time.monotonic()
        while not stop.is_set() and not self._stop.is_set():
            now_s = time.monotonic()
            if now_s - self._sent_s > KEEPALIVE_S / 2:
                self._send(mqtt5.PingReqPacket().write())
            if self._dropped.is_set():
                raise OSError("the connection was given up")
            if not _pending(connection) and not select.select([connection], [], [], POLL_S)[0]:
                if now_s - heard_s > 1.5 * KEEPALIVE_S:
                    raise OSError("the broker is silent")
                continue
            data = connection.recv(READ_BYTES)
            self._check_version(data)
            if not data:
                raise OSError("the broker has closed the connection")
            heard_s = now_s
            yield data
            if len(data) < FEW_BYTES and self._is_answered:
                self._stop.wait(PAUSE_S)

    def _check_version(self, data: bytes) -> None:
        """Whether the broker's first answer is that of an older version.

        Raises:
            _OlderBrokerError: It is, or connections were closed without an answer several times in a row.
        """
        if self._is_answered:
            return
        self._closed_early = 0 if data else self._closed_early + 1
        if data.startswith(_OLDER_CONNACK) or self._closed_early >= CLOSED_MAX:
            raise _OlderBrokerError("the broker does not speak MQTT 5")

    def _on_packets(self, packets: Sequence[mqtt5.Packet]) -> None:
        generation = self.generation
        deliveries = [
            Delivery(packet.topic, packet.payload, packet.retain, packet.packet_id or 0, int(packet.qos), generation)
            for packet in packets
            if isinstance(packet, mqtt5.PublishPacket)
        ]
        if len(deliveries) < len(packets):
            for packet in packets:
                self._on_control(packet)
        if deliveries:
            self._deliver(deliveries)

    def _on_control(self, packet: mqtt5.Packet) -> None:
        if isinstance(packet, mqtt5.SubAckPacket):
            refused = [str(code) for code in packet.reason_codes if int(code) > _GRANTED_MAX]
            if refused:
                raise OSError(f"a subscription was refused: {', '.join(refused)}")
        elif isinstance(packet, mqtt5.DisconnectPacket):
            raise OSError(f"the broker says goodbye: {packet.reason_code}")

    def subscribe(self, *filters: str) -> None:
        """Subscribe to filters at QoS 1; call from `listen`'s `on_connected`."""
        filters_ = [mqtt5.TopicFilter(topic_filter, max_qos=mqtt5.QoS.AT_LEAST_ONCE) for topic_filter in filters]
        self._send(mqtt5.SubscribePacket(1, filters_).write())

    def publish(self, topic: str, payload: bytes, *, qos: int = 0) -> bool:
        """Publish a message at QoS 0; False without a connection."""
        if qos:
            raise ValueError("the client `mqtt5` publishes at QoS 0 only")
        return self.publish_all([(topic, payload)])

    def publish_all(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        """Publish messages at QoS 0 in one write; False without a connection."""
        if not self.connected.is_set():
            return False
        return self._try_send(b"".join(mqtt5.PublishPacket(topic, payload).write() for topic, payload in messages))

    def publish_to_self(self, topic: str, payload: bytes) -> bool:
        """Publish a message that this client itself receives, in the way of any other."""
        return self.publish(topic, payload)

    def close(self) -> None:
        """End `run` with DISCONNECT."""
        self._try_send(mqtt5.DisconnectPacket().write())
        self._stop.set()

    def _send_acks(self, packets: bytes) -> None:
        self._try_send(packets)

    def _try_send(self, data: bytes) -> bool:
        try:
            self._send(data)
        except OSError:
            return False  # the network thread finds out and connects again; what is not acknowledged comes again
        return True

    def _send(self, data: bytes) -> None:
        with self._sending:
            if self._socket is None:
                raise OSError("there is no connection")
            self._socket.sendall(data)
            self._sent_s = time.monotonic()


def _packet_bytes(received: bytearray) -> int:
    """Size of the first packet; 0 while its fixed header is incomplete."""
    length = 0
    for place, digit in enumerate(received[1:_HEADER_MAX_BYTES]):
        length |= (digit & 0x7F) << 7 * place
        if not digit & 0x80:
            return place + 2 + length
    return 0


def _pending(connection: socket.socket) -> int:
    """Bytes in the read buffer of a TLS connection."""
    return connection.pending() if isinstance(connection, ssl.SSLSocket) else 0
