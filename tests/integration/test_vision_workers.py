"""Cameras shared by worker processes: whoever dies or hangs, every camera is watched again, and nobody stays behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from broker.contract.topics import parse_topic, subscription
from tests.support.brokers import ROOT, RunningBroker, free_port
from tests.support.clients import Connected
from tests.support.services import Service, running
from tests.support.waiting import wait_for

CAMERAS = ("cam-01", "cam-02", "cam-03", "cam-04")
NEVER = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Four demo cameras, two workers."""
    city = tmp_path / "city"
    shutil.copytree(ROOT / "city" / "kupang", city)
    (city / "cameras.toml").write_text("\n".join(f'[{id_}]\nsite = "tps-oebobo"\nsource = "demo"\n' for id_ in CAMERAS))
    broker = RunningBroker("embedded", free_port(), tmp_path)
    broker.start()
    made = Service(["vision"], tmp_path, city=city, mqtt_port=broker.port, vision_workers=2)
    try:
        with running(made):
            yield made
    finally:
        for pid in _workers(made):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        broker.kill()


@pytest.fixture
def heard(service: Service, tmp_path: Path) -> Iterator[Connected]:
    """Everything that cameras say."""
    port = int(service._environment["KOTA_MQTT_PORT"])
    broker = RunningBroker("embedded", port, tmp_path)
    filters = (subscription("telemetry", kind="camera"), subscription("event", kind="camera"))
    with Connected(broker, "ingest", filters=filters) as listening:
        yield listening


def _workers(service: Service) -> set[int]:
    """The processes that the coordinator has started, also after its own death."""
    assert service.process is not None
    return {pid for pid in _all_workers() if _supervisor(pid) == service.process.pid}


def _all_workers() -> Iterator[int]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with suppress(OSError):
                if b"vision-worker" in (path / "cmdline").read_bytes():
                    yield int(path.name)


def _supervisor(pid: int) -> int:
    with suppress(OSError, StopIteration, ValueError):
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return int(
            next(variable for variable in variables if variable.startswith(b"KOTA_SUPERVISOR=")).partition(b"=")[2]
        )
    return 0


def said(heard: Connected, since: datetime) -> dict[str, list[dict[str, Any]]]:
    """Camera to its telemetry from a time on; without receipts older telemetry is heard again and again."""
    found: dict[str, list[dict[str, Any]]] = {id_: [] for id_ in CAMERAS}
    for delivery in list(heard.received):
        topic, payload = parse_topic(delivery.topic), json.loads(delivery.payload)
        if topic.channel == "telemetry":
            reports = payload if isinstance(payload, list) else [payload]
            found[topic.device] += [report for report in reports if datetime.fromisoformat(report["ts"]) >= since]
    return found


def all_armed(heard: Connected, since: datetime = NEVER) -> bool:
    return all(any(report.get("scene") == "armed" for report in reports) for reports in said(heard, since).values())


def restarted(heard: Connected, since: datetime) -> set[str]:
    """Cameras whose worker has begun anew."""
    return {
        id_ for id_, reports in said(heard, since).items() if any(report.get("uptime_s", 99) < 5 for report in reports)
    }


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_dies_or_hangs_is_replaced(service: Service, heard: Connected, number: signal.Signals) -> None:
    wait_for(lambda: all_armed(heard), "four armed cameras")
    before = wait_for(lambda: len(found := _workers(service)) == 2 and found, "two workers")
    victim, other = sorted(before)
    since = datetime.now(UTC)
    os.kill(victim, number)
    wait_for(lambda: len(restarted(heard, since)) == 2, "two cameras to be watched anew")
    wait_for(lambda: all_armed(heard, since), f"four armed cameras\n{service.log()[-2000:]}")
    after = _workers(service)
    assert len(after) == 2
    assert other in after
    assert victim not in after
    assert len(restarted(heard, since)) == 2
    assert service.stop() == 0
    assert not _workers(service)


def test_workers_do_not_outlive_their_coordinator(service: Service, heard: Connected) -> None:
    wait_for(lambda: all_armed(heard), "four armed cameras")
    assert service.process is not None
    assert "cv2" not in Path(f"/proc/{service.process.pid}/maps").read_text()
    service.kill()
    wait_for(lambda: not _workers(service), "the workers to end")
