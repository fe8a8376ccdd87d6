"""`kota bench embedded`: the embedded broker and ingest as services, beside Mosquitto and ingest, under the same load.

Devices publish their own readings at QoS 1 over connections of their own and count receipts. `live`: ingest is there.
`backlog`: ingest is away until the broker has acknowledged everything. `idle`: devices are connected and say nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from tests.bench.load import Moments
from tests.bench.usage import Usage, usage_of
from tests.chaos.fleet import read_lives
from tests.chaos.harness import FLEET_OF_A_PROCESS, city_with_fleet, fleet_id
from tests.chaos.publisher import RELEASED
from tests.support.brokers import ROOT, BrokerName, RunningBroker, children_of, free_port
from tests.support.waiting import wait_for

WITHIN_S: Final = 600.0
FLEETS: Final = (0, 460, 2_000)
Mode = Literal["live", "backlog"]


class Case(msgspec.Struct, frozen=True):
    """One load; `messages` over all connections, each of `batch` readings."""

    mode: Mode
    connections: int
    messages: int
    batch: int = 1


class Figures(msgspec.Struct, frozen=True):
    """One contender under one load.

    `seconds` are from the first message to the last receipt; of a backlog, from the start of ingest. `stored_s` runs to
    where ingest has said that all is stored, which it says once a second.
    """

    name: str
    case: Case
    seconds: float
    stored_s: float
    messages_per_s: int
    broker_us_per_message: float
    ingest_us_per_message: float
    broker_peak_mb: int
    ingest_peak_mb: int
    sent_again: int


class Idle(msgspec.Struct, frozen=True):
    """Memory of a broker with so many devices connected, MB resident: of all its processes, and of each."""

    name: str
    devices: int
    resident_mb: int
    of_each_mb: list[int]


@dataclass(frozen=True)
class Contender:
    """A broker, and the checkout and Python that its broker and ingest run from."""

    name: str
    broker: BrokerName
    root: Path = ROOT
    python: str = sys.executable

    @contextlib.contextmanager
    def running(self, folder: Path, city: str = "kupang") -> Iterator[RunningBroker]:
        """The broker alone."""
        broker = RunningBroker(self.broker, free_port(), folder, city=city)
        broker.secrets.password("ingest")
        if self.root == ROOT:
            broker.start()
        else:
            self._start_other(broker)
        try:
            yield broker
        finally:
            broker.kill()

    def _start_other(self, broker: RunningBroker) -> None:
        with (broker.folder / "broker.log").open("ab") as log:
            broker.process = subprocess.Popen(
                [self.python, "-m", "city", "serve", "broker"],
                stdout=log, stderr=log, env=self.environment(broker), cwd=self.root,
            )  # fmt: skip
        wait_for(broker.listens, f"the broker of {self.root}")

    def environment(self, broker: RunningBroker) -> dict[str, str]:
        """What its services are told."""
        ours = {"KOTA_DATA": str(broker.folder), "KOTA_MQTT_PORT": str(broker.port), "PYTHONPATH": str(self.root)}
        if self.root == ROOT:
            ours["KOTA_MQTT_CLIENT"] = broker.reader
        return {**os.environ, **ours}

    @contextlib.contextmanager
    def ingest(self, broker: RunningBroker) -> Iterator[subprocess.Popen[bytes]]:
        """Ingest, connected."""
        since = datetime.now(UTC)
        with (broker.folder / "ingest.log").open("ab") as log:
            process = subprocess.Popen(
                [self.python, "-m", "city", "serve", "ingest"],
                stdout=log, stderr=log, env=self.environment(broker), cwd=self.root,
            )  # fmt: skip
        try:
            wait_for(lambda: _said(broker.folder).at > since and _said(broker.folder).connected, "ingest")
            yield process
        finally:
            process.terminate()
            process.wait(30)


class Said(msgspec.Struct):
    """What a bench needs of ingest's health."""

    at: datetime = datetime.min.replace(tzinfo=UTC)
    connected: bool = False
    stored_total: int = 0


def _said(folder: Path) -> Said:
    try:
        return msgspec.json.decode((folder / "ingest" / "health.json").read_bytes(), type=Said)
    except (OSError, msgspec.MsgspecError):
        return Said()


def measure(contender: Contender, case: Case) -> Figures:
    """One contender with a fresh data folder."""
    with tempfile.TemporaryDirectory(prefix="kota-bench-") as name, contender.running(folder := Path(name)) as broker:
        if case.mode == "live":
            with contender.ingest(broker) as ingest:
                before = _usage_of_broker(broker), usage_of(ingest.pid)
                load = _start_load(broker, case)
                return _finish(contender, case, broker, ingest, load, before, 0.0)
        with contender.ingest(broker):
            pass
        before_broker = _usage_of_broker(broker)
        load = _start_load(broker, case)
        wait_for(lambda: _has_it_all(folder, load), "the broker to have it all", within_s=WITHIN_S)
        began_s = time.monotonic()
        with contender.ingest(broker) as ingest:
            nothing = Usage(0.0, 0.0, 0.0)
            return _finish(contender, case, broker, ingest, load, (before_broker, nothing), began_s)


def _has_it_all(folder: Path, load: subprocess.Popen[bytes]) -> bool:
    assert load.poll() is None, "the load has ended before its receipts"
    return (folder / "acknowledged").exists()


def _start_load(broker: RunningBroker, case: Case) -> subprocess.Popen[bytes]:
    options = {
        "--data": broker.folder,
        "--port": broker.port,
        "--connections": case.connections,
        "--messages": case.messages,
        "--batch": case.batch,
        "--window": 500 if case.mode == "live" else 0,
        "--acknowledged": broker.folder / "acknowledged",
    }
    command = [sys.executable, "-m", "tests.bench.load", *(f"{key}={value}" for key, value in options.items())]
    if case.mode == "backlog":
        command.append("--patient")
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)


def _finish(
    contender: Contender,
    case: Case,
    broker: RunningBroker,
    ingest: subprocess.Popen[bytes],
    load: subprocess.Popen[bytes],
    before: tuple[Usage, Usage],
    began_s: float,
) -> Figures:
    """Wait until all has its receipt and is stored."""
    try:
        out, _ = load.communicate(timeout=WITHIN_S)
    except subprocess.TimeoutExpired:
        load.kill()
        raise
    moments = msgspec.json.decode(out, type=Moments)
    readings = case.messages * case.batch
    wait_for(lambda: _said(broker.folder).stored_total >= readings, "the store", within_s=WITHIN_S)
    began_s = began_s or moments.first_s
    stored_s = time.monotonic() - began_s
    used = _usage_of_broker(broker), usage_of(ingest.pid)
    seconds = moments.receipted_s - began_s
    return Figures(
        contender.name,
        case,
        round(seconds, 2),
        round(stored_s, 1),
        round(case.messages / seconds),
        round((used[0].cpu_s - before[0].cpu_s) / case.messages * 1e6, 1),
        round((used[1].cpu_s - before[1].cpu_s) / case.messages * 1e6, 1),
        round(used[0].peak_resident_mb),
        round(used[1].peak_resident_mb),
        moments.sent_again,
    )


def _pids_of_broker(broker: RunningBroker) -> list[int]:
    assert broker.process is not None
    return [broker.process.pid, *children_of(broker.process.pid)]


def _usage_of_broker(broker: RunningBroker) -> Usage:
    return sum((usage_of(pid) for pid in _pids_of_broker(broker)), Usage(0.0, 0.0, 0.0))


def measure_idle(contender: Contender, devices: int) -> Idle:
    """A broker with so many devices that say nothing; without ingest."""
    with tempfile.TemporaryDirectory(prefix="kota-bench-") as name:
        folder = Path(name)
        city = city_with_fleet(folder / "inventory", max(1, devices))
        with contender.running(folder, str(city)) as broker, _connected(broker, devices):
            each = [usage_of(pid).resident_mb for pid in _pids_of_broker(broker)]
            return Idle(contender.name, devices, round(sum(each)), [round(resident_mb) for resident_mb in each])


@contextlib.contextmanager
def _connected(broker: RunningBroker, devices: int) -> Iterator[None]:
    (broker.folder / RELEASED).write_text("0")
    fleets = []
    try:
        for number, first in enumerate(range(0, devices, FLEET_OF_A_PROCESS)):
            listed = broker.folder / f"fleet-{number}.txt"
            share = range(first, min(first + FLEET_OF_A_PROCESS, devices))
            listed.write_text("\n".join(fleet_id(device_number) for device_number in share))
            options = {"--name": number, "--data": broker.folder, "--port": broker.port, "--devices": listed}
            command = [sys.executable, "-m", "tests.chaos.fleet", *(f"{key}={value}" for key, value in options.items())]
            fleets.append(subprocess.Popen([*command, "--readings=1"], cwd=ROOT))
        wait_for(lambda: _connections(broker) >= devices, "every device", within_s=WITHIN_S)
        time.sleep(5)  # what signing in has taken is given back, or is not
        yield
    finally:
        for fleet in fleets:
            fleet.kill()
            fleet.wait(20)


def _connections(broker: RunningBroker) -> int:
    return sum(life.online for life in read_lives(broker.folder))


def run(argv: list[str]) -> int:
    """Print a line per contender and load, and ours beside Mosquitto's."""
    parser = argparse.ArgumentParser(prog="kota bench embedded", description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--fleets", type=int, nargs="*", default=FLEETS, help="Devices connected for the idle figures.")
    parser.add_argument("--against", type=Path, help="Another checkout, whose embedded broker and ingest are measured.")
    parser.add_argument("--against-python", help="The Python of its virtual environment.")
    parser.add_argument("--json", action="store_true", help="One JSON array.")
    args = parser.parse_args(argv)
    contenders = [Contender("mosquitto", "mosquitto"), Contender("embedded", "embedded")]
    if args.against:
        contenders.append(Contender("against", "embedded", args.against.resolve(), args.against_python))
    batches = max(20, args.messages // 10)
    cases = (
        Case("live", 20, args.messages),
        Case("live", 4, args.messages),
        Case("live", 20, batches, 50),
        Case("backlog", 20, args.messages),
    )
    found = [measure(contender, case) for case in cases for contender in contenders]
    idle = [measure_idle(contender, devices) for devices in args.fleets for contender in contenders[:2]]
    if args.json:
        print(msgspec.json.encode([*found, *idle]).decode())
        return 0
    for measurement in found:
        _print(measurement, next(other for other in found if other.case == measurement.case))
    for memory in idle:
        print(f"{memory.devices:>5} devices  {memory.name:10} {memory.resident_mb:>4} MB resident {memory.of_each_mb}")
    return 0


def _print(one: Figures, reference: Figures) -> None:
    case = one.case
    ratio = one.messages_per_s / reference.messages_per_s
    cost = f"broker {one.broker_us_per_message:>7} us, ingest {one.ingest_us_per_message:>7} us"
    print(
        f"{case.mode:8}{case.connections:>3} connections x{case.batch:<3}{one.name:10} {one.seconds:>7} s "
        f"(stored {one.stored_s:>6} s) {one.messages_per_s:>6} messages/s ({ratio:.2f} of the reference's)  "
        f"CPU a message: {cost}  peak: {one.broker_peak_mb:>4} MB, {one.ingest_peak_mb:>4} MB  "
        f"sent again {one.sent_again}"
    )
