"""One subscriber of a bench in a process of its own: `nothing` (the broker's ceiling), or ours with one of its stores.

Prints one JSON object: seconds from the first message to the last being done with, CPU seconds, resident memory.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import threading
import time
from pathlib import Path
from typing import Literal

import msgspec

from broker.client import BusClient, ConnectionParams, Delivery
from broker.contract.topics import subscription
from city.inventory.loader import builtin_city, load_city
from city.runtime.secrets import Secrets
from city.runtime.settings import load_settings
from ingest.service import GC_THRESHOLDS, Ingest
from ingest.store.factory import open_store
from tests.bench.usage import usage_of


class Outcome(msgspec.Struct, frozen=True):
    """What a subscriber needed: `ended_s` is on the machine's monotonic clock, which all processes share."""

    seconds: float
    ended_s: float
    cpu_s: float
    peak_resident_mb: float


def login(port: int, folder: Path) -> ConnectionParams:
    """The account whose session holds the backlog; the broker's folder has the key of its password."""
    return ConnectionParams("127.0.0.1", port, "ingest", Secrets(folder).password("ingest"), "ingest", persistent=True)


class Nothing:
    """Acknowledges and does no more."""

    def __init__(self, port: int, folder: Path) -> None:
        """Prepare the connection."""
        self.count = 0
        self.began = 0.0
        self._bus = BusClient(login(port, folder), on_message=self._take, on_connected=self._subscribe)

    def run(self, messages: int) -> float:
        """Take that many; seconds from the first to the last."""
        threading.Thread(target=self._bus.run, args=(threading.Event(),), daemon=True).start()
        while self.count < messages:
            time.sleep(0.005)
        return time.monotonic() - self.began

    def _subscribe(self, _session_present: bool) -> None:  # noqa: FBT001 - the bus's callback
        self._bus.subscribe(subscription("telemetry", city="kupang"))

    def _take(self, delivery: Delivery) -> None:
        self.began = self.began or time.monotonic()
        self.count += 1
        self._bus.acknowledge(delivery)


def run_ours(port: int, messages: int, folder: Path, name: str) -> float:
    """Intake, journal, decoding and store, as the service runs them; seconds until all is stored."""
    stop = threading.Event()
    store, _, reader = name.partition("+")
    settings = load_settings(data=folder, late_after_s=86_400, store=store, mqtt_client=reader or "paho")
    city = load_city(builtin_city("kupang"))
    version: Literal["3.1.1", "5"] = "5" if reader else "3.1.1"
    account = msgspec.structs.replace(login(port, folder), version=version)
    gc.set_threshold(*GC_THRESHOLDS)
    ingest = Ingest(settings, city, account, open_store(settings, city))
    for work in ingest.parts.values():
        threading.Thread(target=work, args=(stop,), daemon=True).start()
    while ingest.intake.received == 0:
        time.sleep(0.001)
    began = time.monotonic()
    totals = ingest.drain.totals
    while totals.stored + totals.duplicates < messages:
        time.sleep(0.005)
    return time.monotonic() - began


def main(argv: list[str]) -> int:
    """Run one subscriber."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=("nothing", "duckdb", "duckdb+mqtt5", "influx"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    args = parser.parse_args(argv)
    began_cpu_s = usage_of(os.getpid()).cpu_s
    if args.name == "nothing":
        seconds = Nothing(args.port, args.folder).run(args.messages)
    else:
        seconds = run_ours(args.port, args.messages, args.folder, args.name)
    ended_s, used = time.monotonic(), usage_of(os.getpid())
    found = Outcome(seconds, ended_s, used.cpu_s - began_cpu_s, used.peak_resident_mb)
    print(msgspec.json.encode(found).decode(), flush=True)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.exit(code)
