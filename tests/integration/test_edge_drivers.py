"""Whole agents: what their drivers read arrives at real brokers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.brokers import ROOT, RunningBroker
from tests.support.clients import Connected
from tests.support.field import DISTANCE, SerialDevice, plugged
from tests.support.sensors import device_of
from tests.support.waiting import wait_for


@contextmanager
def edge(broker: RunningBroker, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A whole agent."""
    process = subprocess.Popen(
        [sys.executable, "-m", "city", "edge", *arguments],
        env={**os.environ, "KOTA_DATA": str(broker.folder), "KOTA_MQTT_PORT": str(broker.port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def test_a_whole_agent_brings_what_its_sensors_measure_to_the_broker(broker: RunningBroker, tmp_path: Path) -> None:
    device = SerialDevice(tmp_path / "ttyUSB0", lambda: DISTANCE)
    telemetry = "kota/v1/kupang/bin/bin-0003/telemetry"
    options = ("--device", "bin-0003", "--sensor", "ultrasonic-uart", "--source", str(device.path), "--interval", "0.2")
    with (
        Connected(broker, "ingest", filters=(telemetry,)) as ingest,
        plugged(device),
        edge(broker, *options) as agent,
    ):
        wait_for(lambda: ingest.received, "a distance at the broker")
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(20) == 0
    found = json.loads(ingest.received[0].payload)
    assert (found if isinstance(found, dict) else found[0])["distance_mm"] == 1953


def test_a_device_may_have_several_sensors_and_a_wrong_one_is_refused(broker: RunningBroker) -> None:
    access_point = device_of("ap").id
    telemetry = f"kota/v1/kupang/ap/{access_point}/telemetry"
    twice = ("--sensor", "reachability", "--source", "127.0.0.1#count=1") * 2
    with (
        Connected(broker, "ingest", filters=(telemetry,)) as ingest,
        edge(broker, "--device", access_point, *twice, "--interval", "600"),
    ):
        wait_for(
            lambda: b"".join(delivery.payload for delivery in ingest.received).count(b"loss_pct") == 2, "both readings"
        )
    with edge(broker, "--device", "bin-0003", "--sensor", "snmp", "--source", "127.0.0.1") as agent:
        assert agent.stdout is not None
        assert agent.wait(20) == 2
        assert b"--sensor snmp measures ap, and bin-0003 is bin" in agent.stdout.read()
