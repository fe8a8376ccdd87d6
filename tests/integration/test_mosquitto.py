"""The real Mosquitto on the files that `kota mosquitto` writes: it lets in and through what the table allows."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.contract.payloads import MAX_PAYLOAD_BYTES
from broker.mosquitto.cli import layout_of, write
from city.settings import load_settings
from tests.support.brokers import RunningBroker, free_port
from tests.support.clients import Connected
from tests.support.require import require_program
from tests.support.waiting import wait_for

OWN = "kota/v1/kupang/bin/bin-0001"
OTHER = "kota/v1/kupang/bin/bin-0002"
NOT_AUTHORISED = 5
"""`mosquitto_pub` ends with MQTT 3.1.1's code for a refused connection."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    made = RunningBroker("mosquitto", free_port(), tmp_path)
    made.start()
    yield made
    made.kill()
    print(made.log()[-2000:])


def mosquitto_pub(port: int, *options: str) -> int:
    """Connect and publish one message with Mosquitto's own client."""
    program = require_program("mosquitto_pub")
    address = ["-h", "localhost", "-p", str(port), "-V", "mqttv311", "-q", "1", "-t", f"{OWN}/telemetry", "-m", "{}"]
    return subprocess.run([program, *address, *options], timeout=30, check=False, capture_output=True).returncode


def test_the_nameless_strangers_and_wrong_passwords_stay_outside(broker: RunningBroker) -> None:
    assert mosquitto_pub(broker.port) == NOT_AUTHORISED
    assert mosquitto_pub(broker.port, "-u", "bin-0001", "-P", "wrong") == NOT_AUTHORISED
    assert mosquitto_pub(broker.port, "-u", "bin-9999", "-P", broker.secrets.password("bin-9999")) == NOT_AUTHORISED
    assert mosquitto_pub(broker.port, "-u", "bin-0001", "-P", broker.secrets.password("bin-0001")) == 0


@pytest.mark.parametrize(
    ("user", "refused", "allowed"),
    [
        ("bin-0001", [f"{OTHER}/telemetry", f"{OWN}/receipt", "v3/a/devices/d/up"], f"{OWN}/telemetry"),
        ("bin-0001", ["kota/v1/atambua/bin/bin-0001/event", f"{OTHER}/event"], f"{OWN}/event"),
        ("bin-0001", ["kota/v1/kupang/truck/bin-0001/status", f"{OTHER}/status"], f"{OWN}/status"),
        ("cam-01", [f"{OWN}/event"], "kota/v1/kupang/camera/cam-01/event"),
        ("gateway", [f"{OWN}/telemetry", "kota/other"], "v3/a/devices/d/up"),
        ("simulator", [f"{OWN}/receipt", "v3/a/devices/d/up"], f"{OTHER}/telemetry"),
        ("ingest", [f"{OWN}/telemetry", "v3/a/devices/d/up"], f"{OWN}/receipt"),
    ],
)
def test_who_publishes_where(broker: RunningBroker, user: str, refused: list[str], allowed: str) -> None:
    with Connected(broker, "ingest", client="reader", filters=("#",)) as reader, Connected(broker, user) as writer:
        for topic in (*refused, allowed):
            writer.bus.publish(topic, topic.encode())
        wait_for(lambda: reader.received, "the message that is allowed")
        assert [delivery.topic for delivery in reader.received] == [allowed]


def test_a_device_hears_its_own_receipts_and_commands_and_nothing_else(broker: RunningBroker) -> None:
    # Mosquitto grants subscriptions and looks when it delivers.
    with (
        Connected(broker, "bin-0001", filters=("#", "kota/v1/+/+/+/receipt", f"{OWN}/receipt")) as device,
        Connected(broker, "ingest", client="writer") as ingest,
        Connected(broker, "bin-0002") as other,
    ):
        other.bus.publish(f"{OTHER}/telemetry", b"{}")
        ingest.bus.publish(f"{OTHER}/receipt", b"{}")
        ingest.bus.publish(f"{OWN}/receipt", b"{}")
        wait_for(lambda: device.received, "its receipt")
        assert {delivery.topic for delivery in device.received} == {f"{OWN}/receipt"}


def test_a_packet_that_is_too_large_is_not_passed_on(broker: RunningBroker) -> None:
    with (
        Connected(broker, "ingest", client="reader", filters=("#",)) as reader,
        Connected(broker, "bin-0001") as writer,
    ):
        writer.bus.publish(f"{OWN}/telemetry", b" " * (MAX_PAYLOAD_BYTES + 1))
        writer.bus.publish(f"{OWN}/telemetry", b" " * MAX_PAYLOAD_BYTES)
        wait_for(lambda: reader.received, "the largest that is allowed")
        assert [len(delivery.payload) for delivery in reader.received] == [MAX_PAYLOAD_BYTES]
        writer.bus.publish(f"{OWN}/telemetry", b" " * (MAX_PAYLOAD_BYTES << 2))
        wait_for(lambda: writer.bus.connects > 1, "the broker to hang up on a packet that is far too large")


def test_only_a_demo_has_a_simulator_and_a_signal_makes_the_difference(broker: RunningBroker) -> None:
    account = ("-u", "simulator", "-P", broker.secrets.password("simulator"))
    assert mosquitto_pub(broker.port, *account) == 0
    settings = load_settings(data=broker.folder, mqtt_port=broker.port, demo=False)
    user = "root" if os.geteuid() == 0 else ""
    layout = layout_of(settings, broker.folder / "mosquitto", bind="127.0.0.1", user=user)
    assert write(settings, layout) == {"mosquitto.conf": False, "acl": True, "passwd": True}
    assert broker.process is not None
    with Connected(broker, "simulator") as simulator:
        broker.process.send_signal(signal.SIGHUP)
        wait_for(lambda: mosquitto_pub(broker.port, *account) == NOT_AUTHORISED, "the simulator to be shut out")
        wait_for(lambda: not simulator.bus.connected.is_set(), "the one that was connected to be shut out as well")
    assert mosquitto_pub(broker.port, "-u", "bin-0001", "-P", broker.secrets.password("bin-0001")) == 0


def test_what_is_queued_and_retained_survives_a_power_cut(broker: RunningBroker) -> None:
    with Connected(broker, "ingest", client="reader", filters=(f"{OWN}/+",), persistent=True):
        pass
    with Connected(broker, "bin-0001") as writer:
        assert writer.bus.publish_and_wait(f"{OWN}/telemetry", b"queued", retain=False, timeout_s=10)
        assert writer.bus.publish_and_wait(f"{OWN}/status", b"retained", retain=True, timeout_s=10)
    saved = broker.folder / "mosquitto" / "state" / "mosquitto.db"
    wait_for(lambda: saved.exists() and b"retained" in saved.read_bytes(), "the autosave")
    broker.kill()
    broker.start()
    with Connected(broker, "ingest", client="reader", filters=(f"{OWN}/+",), persistent=True) as reader:
        wait_for(lambda: {b"queued", b"retained"} <= {one.payload for one in reader.received}, "both messages")


def test_devices_come_in_over_tls_and_know_whom_they_talk_to(tmp_path: Path) -> None:
    make_certificates(tmp_path / "tls")
    broker = RunningBroker("mosquitto", free_port(), tmp_path, tls=tmp_path / "tls", tls_port=free_port())
    broker.start()
    try:
        account = ("-u", "bin-0001", "-P", broker.secrets.password("bin-0001"))
        assert mosquitto_pub(broker.tls_port, *account, "--cafile", str(tmp_path / "tls" / "ca.crt")) == 0
        assert mosquitto_pub(broker.tls_port, *account) != 0
        assert mosquitto_pub(broker.tls_port, "--cafile", str(tmp_path / "tls" / "ca.crt")) == NOT_AUTHORISED
        assert mosquitto_pub(broker.port, *account) == 0
    finally:
        broker.kill()


def make_certificates(folder: Path) -> None:
    """An authority and a server's certificate for localhost, as `docs/production.md` makes them."""
    folder.mkdir()
    openssl = require_program("openssl")
    key = ["-newkey", "rsa:2048", "-nodes", "-days", "2"]
    authority = ["-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test authority"]
    server = ["-keyout", "server.key", "-out", "server.crt", "-subj", "/CN=localhost"]
    signed = ["-addext", "subjectAltName=DNS:localhost", "-CA", "ca.crt", "-CAkey", "ca.key"]
    for options in (authority, [*server, *signed]):
        subprocess.run([openssl, "req", "-x509", *key, *options], cwd=folder, check=True, capture_output=True)
