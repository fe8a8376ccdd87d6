"""`kota bench ingest`: one backlog in Mosquitto, drained by a subscriber that does nothing and by ours."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from broker.client import BusClient, Login
from broker.contract.codec import encode
from broker.contract.payloads import BinTelemetry
from tests.bench.subscriber import Figures, Nothing
from tests.support.brokers import ROOT, RunningBroker, free_port
from tests.support.waiting import wait_for

DEVICES: Final = 400
NAMES: Final = ("nothing", "duckdb")


def run(argv: list[str]) -> int:
    """Print a line per subscriber and the ratio between them."""
    parser = argparse.ArgumentParser(prog="kota bench ingest", description=__doc__)
    parser.add_argument("bench", choices=("ingest",))
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="One JSON array.")
    args = parser.parse_args(argv)
    found = [measure(name, args.messages) for name in NAMES]
    if args.json:
        print(msgspec.json.encode(found).decode())
        return 0
    for one in found:
        print(
            f"{one.name:8} {one.messages_per_s:>8} messages/s  {one.cpu_us_per_message:>6} us CPU a message  "
            f"{one.resident_mb:>5} MB resident"
        )
    ceiling, ours = found
    print(f"ours holds {ours.messages_per_s / ceiling.messages_per_s:.2f} of the broker's ceiling with paho")
    return 0


def measure(name: str, messages: int) -> Figures:
    """Fill a fresh broker's queue for an absent subscriber, then let the subscriber drain it."""
    with tempfile.TemporaryDirectory(prefix="kota-bench-") as folder:
        broker = RunningBroker("mosquitto", free_port(), Path(folder))
        broker.start()
        try:
            _make_session(broker.port)
            _fill(broker.port, messages)
            command = [sys.executable, "-m", "tests.bench.subscriber", name, "--folder", folder]
            numbers = ["--port", str(broker.port), "--messages", str(messages)]
            done = subprocess.run(
                [*command, *numbers], cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=True
            )
            return msgspec.json.decode(done.stdout.splitlines()[-1], type=Figures)
        finally:
            broker.kill()


def _make_session(port: int) -> None:
    """Subscribe once, so that the broker keeps what comes while nobody is there."""
    subscriber = Nothing(port)
    stop = threading.Event()
    thread = threading.Thread(target=subscriber._bus.run, args=(stop,), daemon=True)
    thread.start()
    wait_for(subscriber._bus.connected.is_set, "the session")
    wait_for(lambda: subscriber._bus.publish("bench/ready", b"", qos=1), "the subscription to be made")
    subscriber._bus.close()
    thread.join(5)


def _fill(port: int, messages: int) -> None:
    bus = BusClient(Login("127.0.0.1", port, "devices", "x", "bench-devices"))
    thread = threading.Thread(target=bus.run, args=(threading.Event(),), daemon=True)
    thread.start()
    wait_for(bus.connected.is_set, "the publisher")
    start = datetime.now(UTC) - timedelta(hours=1)
    for number in range(messages - 1):
        topic, payload = _message(number, start)
        while not bus.publish(topic, payload):
            time.sleep(0.001)  # as many as MQTT has packet ids are waiting for their PUBACK
    topic, payload = _message(messages - 1, start)
    wait_for(
        lambda: bus.publish_and_wait(topic, payload, retain=False, timeout_s=60),
        "the broker to have it all",
        within_s=300,
    )
    bus.close()
    thread.join(5)


def _message(number: int, start: datetime) -> tuple[str, bytes]:
    reading = BinTelemetry(
        ts=start + timedelta(milliseconds=number),
        boot="bench",
        seq=number // DEVICES,
        distance_mm=400.0,
        temperature_c=29.5,
        tilt_deg=2.0,
        lid_open=False,
        battery_pct=87.0,
        battery_v=3.6,
        rssi_dbm=-98.0,
    )
    return f"kota/v1/kupang/bin/bin-{number % DEVICES + 1:04}/telemetry", encode(reading)
