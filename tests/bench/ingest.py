"""`kota bench ingest`: the same messages from the same broker to a subscriber that does nothing, to ours, to Telegraf.

All at QoS 1 with a persistent session. `backlog` lies in the broker before the subscriber comes; `live` arrives at a
steady rate while it is there; `uplinks` is a backlog of other makers' messages.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from broker.client import BusClient, ConnectionParams
from broker.contract.codec import encode
from broker.contract.payloads import BinTelemetry
from tests.bench import telegraf, uplinks
from tests.bench.ingest_profile import print_profile
from tests.bench.latency import Latencies
from tests.bench.subscriber import Acknowledging, Outcome, Processes
from tests.support.brokers import ROOT, RunningBroker, free_port
from tests.support.influx import running_influx
from tests.support.waiting import wait_for

DEVICES: Final = 400
LIVE_RATE: Final = 2_000
LIVE_S: Final = 15
GATEWAY: Final = "bench"
"""Account of the server that sends uplinks."""
CONTENDERS: Final = ("acknowledging", "duckdb", "influx", "telegraf")
MISSING: Final[dict[str, Callable[[], str | None]]] = {
    "acknowledging": lambda: None,
    "duckdb": lambda: None,
    "influx": lambda: None if shutil.which("influxd") else "`influxd` (InfluxDB 1) is not on the path",
    "telegraf": telegraf.missing,
}
"""Contender to why it cannot be measured here, None when it can."""
Mode = Literal["backlog", "live", "uplinks"]
Prepare = Callable[[], None] | None
"""Called in a contender's process before its program."""
PINNED_CORE: Final = 0


class Figures(msgspec.Struct, frozen=True):
    """One contender in one mode.

    Attributes:
        mode: What it was given.
        name: The contender.
        messages: How many.
        messages_per_s: From the first one on.
        cpu_us_per_message: CPU time of all its processes.
        peak_resident_mb: Memory of all its processes at most.
        behind_s: From the last message published to the last one done with.
        queryable: Of ours, live: seconds from the publication of a reading until it can be queried.
    """

    mode: Mode
    name: str
    messages: int
    messages_per_s: int
    cpu_us_per_message: float
    peak_resident_mb: int
    behind_s: float
    queryable: Latencies | None = None


def run(argv: list[str]) -> int:
    """Print a line per contender and mode, and the ratios between them."""
    parser = argparse.ArgumentParser(prog="kota bench ingest", description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000, help="Of the backlog.")
    parser.add_argument(
        "--pin", action="store_true", help="Each contender on one core; broker and databases on others."
    )
    parser.add_argument("--processes", choices=get_args(Processes), default="auto", help="Of ours; default: auto.")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=CONTENDERS, help="Default: all contenders.")
    parser.add_argument("--mode", choices=(*get_args(Mode), "all"), default="all", help="Default: all.")
    parser.add_argument("--profile", action="store_true", help="CPU time of each stage instead.")
    parser.add_argument("--json", action="store_true", help="One JSON array.")
    args = parser.parse_args(argv)
    if args.profile:
        print_profile(args.messages)
        return 0
    os.environ["KOTA_INGEST_PROCESSES"] = args.processes
    names = [name for name in args.only if MISSING[name]() is None]
    sizes: dict[Mode, int] = {"backlog": args.messages, "live": LIVE_RATE * LIVE_S, "uplinks": args.messages}
    chosen = {mode: size for mode, size in sizes.items() if args.mode in (mode, "all")}
    cores = os.sched_getaffinity(0)
    if args.pin and len(cores) > 1:
        os.sched_setaffinity(0, cores - {PINNED_CORE})
    found = [measure(mode, name, messages, pin=args.pin) for mode, messages in chosen.items() for name in names]
    os.sched_setaffinity(0, cores)
    if args.json:
        print(msgspec.json.encode(found).decode())
        return 0
    for figures in found:
        print(
            f"{figures.mode:8} {figures.name:12} {figures.messages_per_s:>8} messages/s  "
            f"{figures.cpu_us_per_message:>6} us CPU a message  "
            f"{figures.peak_resident_mb:>5} MB resident  {figures.behind_s:>6} s behind"
        )
        if figures.queryable and figures.queryable.readings > 1:
            print(
                f"{'':21} queryable after {figures.queryable.median_s} s (median), {figures.queryable.p99_s} s (99 %)"
            )
    for mode in chosen:
        _print_ratios(mode, {figures.name: figures for figures in found if figures.mode == mode})
    for name in args.only:
        if name not in names:
            print(f"{name} was not measured: {MISSING[name]()}")
    return 0


def _print_ratios(mode: Mode, figures: dict[str, Figures]) -> None:
    for store in ("duckdb", "influx"):
        for reference in ("acknowledging", "telegraf"):
            if store in figures and reference in figures:
                ours, other = figures[store], figures[reference]
                rate = ours.messages_per_s / other.messages_per_s
                cost = ours.cpu_us_per_message / other.cpu_us_per_message
                print(f"{mode}, {store} beside {reference}: {rate:.2f} of its rate, {cost:.2f} of its CPU a message")


def measure(mode: Mode, name: str, messages: int, *, pin: bool = False) -> Figures:
    """One contender with a fresh broker; pinned, its processes run on one core."""
    with tempfile.TemporaryDirectory(prefix="kota-bench-") as folder:
        broker = RunningBroker("mosquitto", free_port(), Path(folder))
        broker.gateway(GATEWAY, *uplinks.FORMATS)
        broker.start()
        try:
            _make_session(broker, mode)
            published_s = [0.0]

            def publish(rate: int | None) -> None:
                _publish(broker, mode, messages, rate)
                published_s[0] = time.monotonic()

            if mode != "live":
                publish(None)
            live = threading.Thread(target=publish, args=(LIVE_RATE,))
            if mode == "live":
                live.start()
            outcome = _DRAINS.get(name, _drain_by_ours)(name, broker, mode, messages, _pin if pin else None)
            if mode == "live":
                live.join()
        finally:
            broker.kill()
    return Figures(
        mode,
        name,
        messages,
        round(messages / outcome.seconds),
        round(outcome.cpu_s / messages * 1e6, 1),
        round(outcome.peak_resident_mb),
        round(outcome.ended_s - published_s[0], 2),
        outcome.queryable if mode == "live" else None,
    )


def _pin() -> None:
    os.sched_setaffinity(0, {PINNED_CORE})


def _drain_by_ours(name: str, broker: RunningBroker, mode: Mode, messages: int, prepare: Prepare) -> Outcome:
    command = [sys.executable, "-m", "tests.bench.subscriber", name, "--folder", str(broker.folder)]
    numbers = ["--port", str(broker.port), "--messages", str(messages)]
    numbers += ["--processes", os.environ.get("KOTA_INGEST_PROCESSES", "auto"), "--mode", mode]
    done = subprocess.run(
        [*command, *numbers],
        cwd=ROOT,
        env={**os.environ},
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=prepare,
    )
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Outcome)


def _drain_into_influx(name: str, broker: RunningBroker, mode: Mode, messages: int, prepare: Prepare) -> Outcome:
    with running_influx(broker.folder / "influx") as server:
        address = server.database("bench")
        os.environ |= {"KOTA_INFLUX_URL": address.url, "KOTA_INFLUX_DATABASE": address.database}
        return _drain_by_ours(name, broker, mode, messages, prepare)


def _drain_by_telegraf(_name: str, broker: RunningBroker, mode: Mode, messages: int, prepare: Prepare) -> Outcome:
    own = telegraf.Workload(telegraf.OWN, "bin", ("seq",))
    workload = telegraf.Workload(uplinks.TELEGRAF, "uplink", uplinks.COUNTED) if mode == "uplinks" else own
    with telegraf.running(broker, workload, prepare) as peer:
        wait_for(peer.stored, "Telegraf's first write")
        began_s = time.monotonic() - 1.0  # its flush interval, at the most
        while peer.stored() < messages:
            time.sleep(0.1)
        ended_s, used = time.monotonic(), peer.usage()
        return Outcome(ended_s - began_s, ended_s, used.cpu_s, used.peak_resident_mb)


_DRAINS: Final = {"influx": _drain_into_influx, "telegraf": _drain_by_telegraf}


def _make_session(broker: RunningBroker, mode: Mode) -> None:
    """Subscribe once, so that the broker keeps what comes while nobody is there."""
    subscriber = Acknowledging(broker.port, broker.folder, mode)
    stop = threading.Event()
    thread = threading.Thread(target=subscriber.bus.run, args=(stop,), daemon=True)
    thread.start()
    wait_for(subscriber.bus.connected.is_set, "the session")
    wait_for(lambda: subscriber.bus.publish("bench/ready", b""), "the subscription to be made")
    subscriber.bus.close()
    thread.join(5)


def _publish(broker: RunningBroker, mode: Mode, messages: int, rate: int | None) -> None:
    """Publish all of it, `rate` a second or as fast as the broker takes it, and wait until the broker has it."""
    user, make = (GATEWAY, uplinks.uplink) if mode == "uplinks" else ("simulator", message)
    bus = BusClient(ConnectionParams("127.0.0.1", broker.port, user, broker.password(user), user))
    thread = threading.Thread(target=bus.run, args=(threading.Event(),), daemon=True)
    thread.start()
    wait_for(bus.connected.is_set, "the publisher")
    start = datetime.now(UTC) - timedelta(hours=1)
    began_s = time.monotonic()
    for number in range(messages - 1):
        at = datetime.now(UTC) - timedelta(milliseconds=number) if rate else start
        topic, payload = make(number, at)
        while not bus.publish(topic, payload):
            time.sleep(0.001)  # as many as MQTT has packet ids are waiting for their PUBACK
        if rate and (ahead_s := number / rate - (time.monotonic() - began_s)) > 0:
            time.sleep(ahead_s)
    topic, payload = make(messages - 1, start)
    wait_for(
        lambda: bus.publish_and_wait(topic, payload, retain=False, timeout_s=60),
        "the broker to have it all",
        within_s=300,
    )
    bus.close()
    thread.join(5)


def message(number: int, start: datetime) -> tuple[str, bytes]:
    """Topic and payload of the reading that is measured so many milliseconds after the start."""
    reading = BinTelemetry(
        ts=start + timedelta(milliseconds=number),
        epoch="bench",
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
