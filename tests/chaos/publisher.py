"""One edge process of a chaos run: an agent with its own outbox that records readings until each device has its share.

Started anew after a kill it goes on where its outbox says that it was, at a pace, and never beyond the share that the
run has released so far, so that there is something to lose at every fault. Some readings carry a wrong clock; readings
of devices the inventory does not know must end among the dead letters, exactly once.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from broker.client import BusClient, ConnectionParams
from broker.contract.topics import Kind
from city.errors import RetryLaterError
from city.runtime.logs import configure_logging
from city.runtime.secrets import Secrets
from edge.agent import Agent
from edge.outbox import Outbox, TelemetryEntry
from tests.chaos import mutants

CLOCKS = (timedelta(0), timedelta(0), timedelta(0), timedelta(days=-8000), timedelta(days=1), timedelta(hours=-5))
RELEASED = "released"
"""File in the run's folder: the share of each device's readings that may be given out, 0 to 1."""


def main(argv: list[str]) -> int:
    """Publish until every device has given out its readings and all are receipted, or until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--devices", required=True)
    parser.add_argument("--readings", type=int, required=True)
    parser.add_argument("--mutant", default="")
    args = parser.parse_args(argv)
    mutants.apply(args.mutant)
    configure_logging()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    devices: dict[str, Kind] = dict.fromkeys(args.devices.split(","), "bin")
    outbox = Outbox(args.data / "edge" / f"{args.name}.sqlite", max_bytes=1 << 28)
    login = ConnectionParams("127.0.0.1", args.port, args.user, Secrets(args.data).password(args.user), args.user)
    agent = Agent("kupang", devices, outbox, BusClient(login))
    ended = threading.Event()
    thread = threading.Thread(target=agent.run, args=(ended,), daemon=True)
    thread.start()
    _record(agent, outbox, list(devices), args.readings, args.data, stop)
    while not stop.is_set() and thread.is_alive() and _pending(outbox):
        stop.wait(0.05)
    failed = not thread.is_alive()
    ended.set()
    thread.join(5)
    return 1 if failed else 0


def _record(agent: Agent, outbox: Outbox, devices: list[str], readings: int, data: Path, stop: threading.Event) -> None:
    dice = random.Random(outbox.epoch)
    while not stop.is_set():
        try:
            issued = {life.device: life.seqs for life in outbox.stats()}
        except RetryLaterError:
            stop.wait(0.1)
            continue
        if all(issued.get(device, 0) >= readings for device in devices):
            return
        allowed = min(readings, round(readings * share_in(data)))
        # A few at once where there are many to give, so that a disk's fsyncs do not set the pace.
        each = max(1, readings // 500)
        due = [device for device in devices for _ in range(min(each, allowed - issued.get(device, 0)))]
        now = datetime.now(UTC)
        try:
            agent.record(
                [TelemetryEntry(device, "bin", now + dice.choice(CLOCKS), {"battery_pct": 50}) for device in due]
            )
        except RetryLaterError:
            stop.wait(0.1)  # a full disk: the readings have no seq yet and are given out when there is room
        stop.wait(0.01)


def _pending(outbox: Outbox) -> bool:
    try:
        return outbox.pending() > 0
    except RetryLaterError:
        return True


def share_in(data: Path) -> float:
    """What the run in a data folder has released so far of each device's readings, 0 to 1."""
    try:
        return float((data / RELEASED).read_text())
    except (OSError, ValueError):
        return 0.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
