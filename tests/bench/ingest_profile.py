"""`kota bench ingest --profile`: CPU microseconds of each stage for a message, in one process and without a network.

Own telemetry and events, and uplinks of The Things Stack; in batches of a backlog, and in those of a live city.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import mqtt5

from broker.client import Delivery
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import City
from city.runtime.secrets import Secrets
from city.runtime.settings import load_settings
from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from ingest.pipeline.drain import Drain
from ingest.pipeline.intake import Receipts
from ingest.pipeline.journal import Journal
from ingest.pipeline.journal_params import open_journal
from ingest.pipeline.stateful_rules import StatefulRules
from ingest.store.duckdb.store import DuckStore
from ingest.store.factory import open_store
from ingest.store.manifest import StoreManifest
from tests.bench.adapters import DEVICES as UPLINK_DEVICES
from tests.bench.adapters import MAKERS, city_of, message_of

GROUP: Final = 2_000
LIVE_GROUP: Final = 300
"""Messages of one batch at 2,000 a second."""
STAGES: Final = (
    "read packets",
    "journal",
    "receipts",
    "read journal",
    "decode",
    "rules",
    "manifest",
    "store",
    "rest of drain",
)
Maker = Callable[[int, datetime], tuple[str, bytes]]
"""Topic and payload of the message of a number, sent at a time."""


class StageTimes:
    """CPU seconds of the calling thread in each stage; of nested stages, the inner one has the time."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._within: list[str] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        began_s = time.thread_time()
        self._within.append(name)
        try:
            yield
        finally:
            self._within.pop()
            passed_s = time.thread_time() - began_s
            self.seconds[name] += passed_s
            if self._within:
                self.seconds[self._within[-1]] -= passed_s

    def time(self, owner: type, method: str, name: str) -> Callable[[], None]:
        """Time a method of a class as a stage; returns what undoes it."""
        original = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return original(*args, **kwargs)

        setattr(owner, method, timed)
        return lambda: setattr(owner, method, original)


_METHODS: Final = (
    (Journal, "append", "journal"),
    (Receipts, "add", "receipts"),
    (Receipts, "take", "receipts"),
    (Journal, "read_batch", "read journal"),
    (Decoder, "decode_batch", "decode"),
    (StatefulRules, "apply", "rules"),
    (StatefulRules, "apply_to_columns", "rules"),
    (StoreManifest, "note", "manifest"),
    (DuckStore, "write", "store"),
    (Drain, "_drain_live", "rest of drain"),
)


def telemetry(number: int, at: datetime) -> tuple[str, bytes]:
    """A container's reading."""
    body = {
        "ts": at.isoformat(),
        "boot": "bench",
        "seq": number // 400,
        "distance_mm": 400.0,
        "temperature_c": 29.5,
        "tilt_deg": 2.0,
        "lid_open": False,
        "battery_pct": 87.0,
        "rssi_dbm": -98.0,
    }
    return f"kota/v1/kupang/bin/bin-{number % 400 + 1:04}/telemetry", json.dumps(body).encode()


def event(number: int, at: datetime) -> tuple[str, bytes]:
    """A container's event."""
    body = {"ts": at.isoformat(), "boot": "bench", "seq": number // 400, "type": "collected", "state": "noted"}
    return f"kota/v1/kupang/bin/bin-{number % 400 + 1:04}/event", json.dumps(body).encode()


def uplink(number: int, at: datetime) -> tuple[str, bytes]:
    """An uplink of The Things Stack."""
    return message_of("tts", number, at)


def print_profile(messages: int) -> None:
    """Print a table: a row a stage, a column for each sort of message and size of batch."""
    own = load_city(builtin_city("kupang"))
    foreign = city_of("tts", MAKERS["tts"][0])
    sorts: dict[str, tuple[City, Maker]] = {
        "telemetry": (own, telemetry),
        "events": (own, event),
        f"uplinks ({UPLINK_DEVICES} devices)": (foreign, uplink),
    }
    columns = {
        f"{name}, {'backlog' if group == GROUP else 'live'}": _profile(city, maker, messages, group)
        for name, (city, maker) in sorts.items()
        for group in (GROUP, LIVE_GROUP)
    }
    print(f"{'us of CPU a message':16}" + "".join(f"{name:>30}" for name in columns))
    for stage in STAGES:
        print(f"{stage:16}   " + "".join(f"{times[stage] / messages * 1e6:>30.1f}" for times in columns.values()))
    print(f"{'all':16}   " + "".join(f"{sum(times.values()) / messages * 1e6:>30.1f}" for times in columns.values()))


def _profile(city: City, maker: Maker, messages: int, group: int) -> dict[str, float]:
    """Seconds of each stage."""
    start = datetime.now(UTC) - timedelta(hours=1)
    packets = [
        mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=number % 65_535 + 1).write()
        for number in range(messages)
        for topic, payload in [maker(number, start + timedelta(milliseconds=number))]
    ]
    times = StageTimes()
    undo = [times.time(*method) for method in _METHODS]
    try:
        with tempfile.TemporaryDirectory(prefix="kota-bench-") as folder:
            _run(Path(folder), city, packets, group, times)
    finally:
        for put_back in undo:
            put_back()
    return times.seconds


def _run(folder: Path, city: City, packets: list[bytes], group: int, times: StageTimes) -> None:
    Secrets.make(folder)
    settings = load_settings(data=folder, late_after_s=86_400, store="duckdb")
    opened = open_store(settings, city)
    journal = open_journal(settings)
    decoder = Decoder(city, late_after=timedelta(days=1), pseudonym_key=bytes(32))
    parts = (opened.store, opened.dead_letters, opened.quarantine)
    drain = Drain(journal, decoder, *parts, manifest=opened.manifest)
    drain._sync_with_store()
    receipts, stop = Receipts(), threading.Event()
    for first in range(0, len(packets), group):
        buffer = memoryview(b"".join(packets[first : first + group]))
        with times.stage("read packets"):
            deliveries = []
            while buffer:
                packet, size = mqtt5.read(buffer)
                buffer = buffer[size:]
                deliveries.append(Delivery(packet.topic, packet.payload, packet.retain, packet.packet_id or 0, 1, 1))
        now = datetime.now(UTC)
        with times.stage("journal"):
            journal.append([Arrival(delivery.topic, delivery.payload, now) for delivery in deliveries])
        receipts.add(deliveries, time.monotonic())
        receipts.take(time.monotonic())
        while drain._drain_live(stop):
            pass
    journal.close()
    opened.close()
