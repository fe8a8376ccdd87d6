"""The connection of intake to the broker: the embedded broker's stream, or MQTT."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from broker.client import BusClient, ConnectionParams
from broker.mqtt5_subscriber import Mqtt5Subscriber
from broker.mqtt_reader import MqttReader
from ingest.pipeline.intake import IntakeBus

BusKind = Literal["auto", "paho", "mqtt5", "nats"]


class BusParams(msgspec.Struct, frozen=True):
    """Client, account, and for `nats` the endpoint file of the embedded broker."""

    kind: BusKind
    login: ConnectionParams
    endpoint: Path

    def connect(self) -> IntakeBus:
        """The connection, not yet running."""
        match self.kind:
            case "nats":
                from broker.nats.reader import StreamReader  # noqa: PLC0415 - the library is for this broker alone

                return StreamReader(self.login, self.endpoint)
            case "auto":
                return MqttReader(self.login)
            case "mqtt5":
                return Mqtt5Subscriber(self.login)
            case _:
                return BusClient(self.login)
