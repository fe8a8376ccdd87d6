"""One subscriber of a bench in a process of its own: `acknowledging` (the ceiling), or ours with one of its stores.

Prints one JSON object: seconds from the first message to the last being done with, CPU seconds, resident memory.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import msgspec

from broker.client import ConnectionParams, Delivery
from broker.contract.topics import subscription
from broker.mqtt_reader import MqttReader
from city.inventory.loader import builtin_city, load_city
from city.runtime.secrets import Secrets
from city.runtime.settings import load_settings
from ingest.decoding.formats.registry import FILTERS
from ingest.pipeline.tuning import tune_interpreter
from ingest.service import Ingest, runs_in_two_processes
from ingest.store.factory import open_store
from tests.bench import uplinks
from tests.bench.latency import Latencies, TimedStore
from tests.bench.usage import Usage, usage_of
from tests.support.brokers import children_of

Processes = Literal["auto", "1", "2"]


class Outcome(msgspec.Struct, frozen=True):
    """What a subscriber needed from its first message on; `ended_s` is on the monotonic clock of all processes."""

    seconds: float
    ended_s: float
    cpu_s: float
    peak_resident_mb: float
    queryable: Latencies | None = None
    """From the time of measurement until it can be queried."""


def login(port: int, folder: Path) -> ConnectionParams:
    """The account whose session holds the backlog; the broker's folder has the key of its password."""
    return ConnectionParams("127.0.0.1", port, "ingest", Secrets(folder).password("ingest"), "ingest", persistent=True)


class Began(NamedTuple):
    """When the first message came, and the CPU time of the process until then."""

    at_s: float
    cpu_s: float


def begins() -> Began:
    """The present moment as the beginning."""
    return Began(time.monotonic(), usage_with_children().cpu_s)


def usage_with_children() -> Usage:
    """What this process and those that it has started have used."""
    own = os.getpid()
    return sum(map(usage_of, children_of(own)), usage_of(own))


class Acknowledging:
    """Acknowledges and does no more: what reader and broker can do at most."""

    def __init__(self, port: int, folder: Path, mode: str) -> None:
        """Prepare the connection."""
        self._filters = filters_of(mode)
        self.count = 0
        self.began: Began | None = None
        self.bus = MqttReader(login(port, folder))
        self.bus.listen(on_messages=self._take, on_connected=self._subscribe, has_room=lambda: True)

    def run(self, messages: int) -> Began:
        """Take that many; says when it began."""
        threading.Thread(target=self.bus.run, args=(threading.Event(),), daemon=True).start()
        while self.count < messages or self.began is None:
            time.sleep(0.005)
        return self.began

    def _subscribe(self, _session_present: bool) -> None:  # noqa: FBT001 - the bus's callback
        self.bus.subscribe(*self._filters)

    def _take(self, deliveries: Sequence[Delivery]) -> None:
        self.began = self.began or begins()
        self.count += len(deliveries)
        self.bus.acknowledge_all(deliveries)


def filters_of(mode: str) -> tuple[str, ...]:
    """What is subscribed to: own telemetry, or what adapters read."""
    return FILTERS if mode == "uplinks" else (subscription("telemetry", city="kupang"),)


def run_ours(port: int, folder: Path, args: argparse.Namespace) -> tuple[Began, Latencies]:
    """Intake, journal, decoding and store, as the service runs them, until all is stored.

    Returns when it began, and how long readings took from their measurement on.
    """
    stop = threading.Event()
    settings = load_settings(data=folder, late_after_s=86_400, store=args.name, ingest_processes=args.processes)
    city = uplinks.city() if args.mode == "uplinks" else load_city(builtin_city("kupang"))
    tune_interpreter()
    opened = open_store(settings, city)
    timed = TimedStore(opened.store, datetime.now(UTC), "measured")
    timed_handle = replace(opened, store=timed) if args.mode == "live" else opened  # type: ignore[arg-type]
    in_two = runs_in_two_processes(settings, is_alone=True)
    ingest = Ingest(settings, city, login(port, folder), timed_handle, in_two_processes=in_two)
    for work in ingest.parts.values():
        threading.Thread(target=work, args=(stop,), daemon=True).start()
    while ingest.intake.state().counts.received == 0:
        time.sleep(0.001)
    began = begins()
    timed.since = datetime.now(UTC)  # what lay in the broker before is no live reading
    totals = ingest.drain.totals
    while totals.stored + totals.duplicates < args.messages or ingest.drain.depth():
        time.sleep(0.005)
    return began, timed.take()


def main(argv: list[str]) -> int:
    """Run one subscriber."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=("acknowledging", "duckdb", "influx"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--mode", required=True)
    parser.add_argument("--processes", choices=get_args(Processes), default="auto")
    args = parser.parse_args(argv)
    queryable: Latencies | None = None
    if args.name == "acknowledging":
        began = Acknowledging(args.port, args.folder, args.mode).run(args.messages)
    else:
        began, queryable = run_ours(args.port, args.folder, args)
    ended_s, used = time.monotonic(), usage_with_children()
    found = Outcome(ended_s - began.at_s, ended_s, used.cpu_s - began.cpu_s, used.peak_resident_mb, queryable)
    print(msgspec.json.encode(found).decode(), flush=True)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.exit(code)
