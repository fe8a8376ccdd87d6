"""The reader speaks MQTT 5, and MQTT 3.1.1 to a broker that knows no other: a scripted broker answers it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from broker.client import ConnectionParams, Delivery
from broker.mqtt_reader import MqttReader
from tests.attacks.packets import publish
from tests.support.waiting import wait_for

CONNACK_3, CONNACK_5 = b"\x20\x02\x00\x00", b"\x20\x03\x00\x00\x00"
REFUSED_3, BUSY_5 = b"\x20\x02\x00\x01", b"\x20\x03\x00\x89\x00"
VERSION_AT = 8
"""Offset of the protocol level in a CONNECT: 2 bytes of header, 6 of the protocol's name."""
SUBACK_5 = b"\x90\x04\x00\x01\x00\x01"
PUBLISH_5 = b"\x30\x09\x00\x01a\x00hello"
SUBACK_3 = b"\x90\x03\x00\x01\x01"


def version_of(connect: bytes) -> int:
    return connect[VERSION_AT]


@contextmanager
def broker(answer: Callable[[int, socket.socket], bytes | None]) -> Iterator[tuple[int, list[int]]]:
    """A port on which CONNECTs are answered by their version; None hangs up. Also the versions that came."""
    versions: list[int] = []
    kept: list[socket.socket] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                versions.append(version_of(connection.recv(4_096)))
                reply = answer(versions[-1], connection)
                if reply is None:
                    connection.close()
                else:
                    kept.append(connection)
                    connection.sendall(reply)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], versions


@contextmanager
def reader(port: int) -> Iterator[tuple[MqttReader, list[Delivery]]]:
    taken: list[Delivery] = []
    client = MqttReader(ConnectionParams("127.0.0.1", port, "ingest", "x", "ingest", persistent=True))
    client.listen(on_messages=taken.extend, on_connected=lambda _present: client.subscribe("a"), has_room=lambda: True)
    thread = threading.Thread(target=client.run, args=(threading.Event(),), daemon=True)
    thread.start()
    try:
        yield client, taken
    finally:
        client.close()
        thread.join(10)
        assert not thread.is_alive()


def test_a_broker_of_mqtt_5_is_spoken_to_in_mqtt_5() -> None:
    with broker(lambda _version, _connection: CONNACK_5) as (port, versions), reader(port) as (client, _):
        wait_for(client.connected.is_set, "the connection")
        assert versions == [5]
        assert client.publish("a", b"1")
        with pytest.raises(ValueError, match="QoS 0 only"):
            client.publish("a", b"1", qos=1)


@pytest.mark.parametrize("to_mqtt_5", [REFUSED_3, CONNACK_3, None], ids=["refuses", "answers in 3.1.1", "hangs up"])
def test_an_older_broker_is_spoken_to_in_its_version(to_mqtt_5: bytes | None) -> None:
    def answer(version: int, connection: socket.socket) -> bytes | None:
        del connection
        return CONNACK_3 + SUBACK_3 + publish(b"a", b"hello") if version == 4 else to_mqtt_5

    with broker(answer) as (port, versions), reader(port) as (client, taken):
        wait_for(lambda: taken, "a message", within_s=30)
        assert versions[-1] == 4
        assert versions.count(4) == 1
        assert [delivery.payload for delivery in taken] == [b"hello"]
        assert client.connected.is_set()


def test_an_answer_that_comes_byte_by_byte_is_put_together() -> None:
    def answer(_version: int, connection: socket.socket) -> bytes | None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in CONNACK_5 + SUBACK_5 + PUBLISH_5:
            connection.sendall(bytes([byte]))
            time.sleep(0.002)
        return b""

    with broker(answer) as (port, versions), reader(port) as (_, taken):
        wait_for(lambda: taken, "a message", within_s=30)
        assert [(delivery.topic, delivery.payload) for delivery in taken] == [("a", b"hello")]
        assert versions == [5]


def test_what_is_no_mqtt_ends_the_connection_and_another_is_made() -> None:
    answers = iter([b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(200), CONNACK_5 + b"\xff\xff\xff\xff\xff", CONNACK_5])
    with broker(lambda _version, _connection: next(answers)) as (port, versions), reader(port) as (client, _):
        wait_for(lambda: len(versions) == 3 and client.connected.is_set(), "the third connection", within_s=30)
        assert versions == [5, 5, 5]


def test_a_broker_that_is_busy_or_away_for_a_moment_keeps_mqtt_5() -> None:
    answers = iter([None, BUSY_5, None, CONNACK_5])
    with broker(lambda _version, _connection: next(answers)) as (port, versions), reader(port) as (client, _):
        wait_for(client.connected.is_set, "the connection", within_s=30)
        assert versions == [5, 5, 5, 5]


def test_no_delivery_of_one_version_is_acknowledged_in_the_other() -> None:
    def answer(version: int, connection: socket.socket) -> bytes | None:
        del connection
        return CONNACK_3 if version == 4 else REFUSED_3

    with broker(answer) as (port, _), reader(port) as (client, _):
        wait_for(client.connected.is_set, "the connection", within_s=30)
        stale = Delivery("a", b"1", retained=False, packet_id=7, qos=1, generation=1)
        assert client.acknowledge_all([stale]) == 0
