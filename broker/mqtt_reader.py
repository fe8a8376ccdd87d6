"""Ingest's client of an MQTT broker: speaks MQTT 5 with a fast codec, and 3.1.1 to a broker that knows no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import msgspec
import structlog

from broker.client import BusClient, ConnectionParams, Delivery, MqttConnection
from broker.mqtt5_subscriber import Mqtt5Subscriber

log = structlog.get_logger("broker")


class MqttReader:
    """Begins with MQTT 5, and changes to 3.1.1 for good once the broker has refused it.

    Args:
        params: The broker and the account; their version is not used.
    """

    def __init__(self, params: ConnectionParams) -> None:
        self._client: MqttConnection = Mqtt5Subscriber(msgspec.structs.replace(params, version="5"))
        self._older = BusClient(msgspec.structs.replace(params, version="3.1.1"))
        self.connected = self._older.connected = self._client.connected
        self.dropped = 0
        """QoS 0 messages that were dropped: these clients drop none."""

    def listen(
        self,
        *,
        on_messages: Callable[[Sequence[Delivery]], None],
        on_connected: Callable[[bool], None],
        has_room: Callable[[], bool],
    ) -> None:
        """Say who listens; see `Connection.listen`."""
        for client in (self._client, self._older):
            client.listen(on_messages=on_messages, on_connected=on_connected, has_room=has_room)

    def run(self, stop: threading.Event) -> None:
        """Keep a connection until `stop` or `close`; blocks."""
        newer = self._client
        newer.run(stop)
        if isinstance(newer, Mqtt5Subscriber) and newer.is_refused:
            log.info("mqtt.older_version", version="3.1.1")
            self._older.generation = newer.generation  # no delivery of one passes for one of the other
            self._client = self._older
            self._older.run(stop)

    def subscribe(self, *filters: str) -> None:
        """Subscribe to filters at QoS 1; call from `listen`'s `on_connected`."""
        self._client.subscribe(*filters)

    def acknowledge_all(self, deliveries: Sequence[Delivery]) -> int:
        """Acknowledge QoS 1 messages; return how many acknowledgements were sent."""
        return self._client.acknowledge_all(deliveries)

    def publish(self, topic: str, payload: bytes, *, qos: int = 0) -> bool:
        """Publish a message at QoS 0; False without a connection."""
        return self._client.publish(topic, payload, qos=qos)

    def publish_all(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        """Publish messages at QoS 0; False without a connection."""
        return self._client.publish_all(messages)

    def publish_to_self(self, topic: str, payload: bytes) -> bool:
        """Publish a message that this client itself receives, in the way of any other."""
        return self._client.publish_to_self(topic, payload)

    def drop(self) -> None:
        """Drop the present connection, if any; `run` makes another."""
        self._client.drop()

    def close(self) -> None:
        """End `run`."""
        self._older.close()
        self._client.close()
