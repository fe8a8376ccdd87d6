"""`kota bench outage`: a journal that took in days without a store is drained, while new readings go on arriving.

Reports the seconds taken, how long new readings took to be stored meanwhile and afterwards, memory, and disk.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, get_args

import msgspec

from broker.client import BusClient, ConnectionParams
from city.inventory.loader import builtin_city, load_city
from city.runtime.settings import Settings, load_settings
from ingest.messages import Arrival
from ingest.pipeline.journal import Journal
from ingest.pipeline.tuning import tune_interpreter
from ingest.service import Ingest, runs_in_two_processes
from ingest.store.factory import open_store
from tests.bench.ingest import message
from tests.bench.latency import Latencies, TimedStore
from tests.bench.subscriber import Processes, login, usage_with_children
from tests.support.brokers import RunningBroker, free_port

GROUP: Final = 5_000
AFTERWARDS_S: Final = 10


class Report(msgspec.Struct, frozen=True):
    """What catching up took."""

    messages: int
    hours: float
    seconds: float
    cpu_us_per_message: float
    live_meanwhile: Latencies
    live_afterwards: Latencies
    peak_resident_mb: int
    journal_before_mb: int
    journal_after_mb: int
    store_mb: int


def run(argv: list[str]) -> int:
    """Fill, catch up, and print the report."""
    parser = argparse.ArgumentParser(prog="kota bench outage", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--rate", type=float, default=15.0, help="Messages a second, before and during.")
    parser.add_argument("--processes", choices=get_args(Processes), default="auto", help="Of ingest; default: auto.")
    parser.add_argument("--json", action="store_true", help="One JSON object.")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="kota-bench-") as folder:
        settings = load_settings(data=Path(folder), journal_max_mb=1 << 14, ingest_processes=args.processes)
        broker = RunningBroker("mosquitto", free_port(), Path(folder))
        broker.start()
        try:
            _fill(settings, args.hours, args.rate)
            report = _catch_up(settings, broker, args.hours, args.rate)
        finally:
            broker.kill()
    if args.json:
        print(msgspec.json.encode(report).decode())
    else:
        for name, value in msgspec.structs.asdict(report).items():
            print(f"{name:20} {value}")
    return 0


def _journal_path(settings: Settings) -> Path:
    return settings.data / "ingest" / "journal.sqlite"


def _fill(settings: Settings, hours: float, rate: float) -> None:
    journal = Journal(_journal_path(settings), max_bytes=1 << 40)
    messages = round(hours * 3600 * rate)
    start = datetime.now(UTC) - timedelta(hours=hours)
    for first in range(0, messages, GROUP):
        arrivals = []
        for number in range(first, min(first + GROUP, messages)):
            at = start + timedelta(seconds=number / rate)
            topic, payload = message(number, at - timedelta(milliseconds=number))
            arrivals.append(Arrival(topic, payload, at))
        journal.append(arrivals)
    journal.close()


def _catch_up(settings: Settings, broker: RunningBroker, hours: float, rate: float) -> Report:
    journal_before = _journal_path(settings).stat().st_size
    city = load_city(builtin_city("kupang"))
    opened = open_store(settings, city)
    timed = TimedStore(opened.store, datetime.now(UTC), "received")
    tune_interpreter()
    ingest = Ingest(
        settings,
        city,
        login(broker.port, broker.folder),
        replace(opened, store=timed),  # type: ignore[arg-type]
        in_two_processes=runs_in_two_processes(settings, is_alone=True),
    )
    stop = threading.Event()
    began_cpu_s, messages = usage_with_children().cpu_s, ingest.drain.depth()
    began = time.monotonic()
    works = (*ingest.parts.values(), lambda stop: _publish(broker, messages, rate, stop))
    threads = [threading.Thread(target=work, args=(stop,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    while ingest.drain.depth() > rate:
        time.sleep(0.05)
    seconds, used = time.monotonic() - began, usage_with_children()
    meanwhile = timed.take()
    time.sleep(AFTERWARDS_S)
    afterwards = timed.take()
    stop.set()
    for thread in threads:
        thread.join(10)
    return Report(
        messages,
        hours,
        round(seconds, 1),
        round((used.cpu_s - began_cpu_s) / messages * 1e6, 1),
        meanwhile,
        afterwards,
        round(used.peak_resident_mb),
        journal_before >> 20,
        _journal_path(settings).stat().st_size >> 20,
        sum(path.stat().st_size for path in (settings.data / "store").iterdir()) >> 20,
    )


def _publish(broker: RunningBroker, first: int, rate: float, stop: threading.Event) -> None:
    """New readings at their own time, at the rate of the city."""
    password = broker.secrets.password("simulator")
    bus = BusClient(ConnectionParams("127.0.0.1", broker.port, "simulator", password, "simulator"))
    threading.Thread(target=bus.run, args=(stop,), daemon=True).start()
    number = first
    while not stop.wait(1 / rate):
        topic, payload = message(number, datetime.now(UTC) - timedelta(milliseconds=number))
        number += bus.publish(topic, payload)
