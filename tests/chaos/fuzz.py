"""`kota fuzz`: real and golden messages, mutated, through all of ingest but the network; counts must add up.

Every message must end as records, dead letters or ignored; the rows in the store and the letters in the box must be
as many as a second, independent decoding says. A seed gives the same messages again.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from broker.contract import codec
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import City
from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from ingest.pipeline.drain import Drain
from ingest.pipeline.journal import Journal
from ingest.store.duckdb.store import DuckStore
from ingest.store.parked.dead_letters import DeadLetterQueue
from ingest.store.parked.quarantine import Quarantine
from tests.support.field_samples import SAMPLES, samples
from tests.support.field_samples_page import DEEP, device_of

EXAMPLES: Final = Path(codec.__file__).parent / "examples"
_SEQ: Final = re.compile(rb'"seq":\s*\d+')
GROUP: Final = 1_000
OF_A_FILE: Final = 40
RECEIVED_AT: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

HOSTILE: Final = (
    b"null", b"true", b"-0", b"1e999", b"-1e999", b"NaN", b"Infinity", b'""', b"[]", b"{}", b'"\\ud800"', b'"\\u0000"',
    b"9223372036854775808", b"-9223372036854775809", b"0.1e-400", b'"0001-01-01T00:00:00Z"', b"[[[[[[[[[[]]]]]]]]]]",
    b'"9999-12-31T23:59:59.999999Z"', b'"2026-03-01T12:00:00+23:59"', b'"12 mm"', b'"' + b"x" * 70_000 + b'"',
    b"[" * 3_000, b'{"a":' * 3_000, b"\xff\xfe", b"\x00", b"\xef\xbb\xbf",
)  # fmt: skip


class Seed(msgspec.Struct, frozen=True):
    """A message to start from."""

    topic: str
    payload: bytes


class Report(msgspec.Struct, frozen=True):
    """What became of the messages, as the drain counted it and as counted otherwise (`expected_...`).

    `stored` and `duplicates` are records, `without_effect` counts of access points that a list leaves out.
    `strangers` is what goes to quarantine; `letters` is what is in the box, the same bytes counted by their times.
    """

    messages: int
    with_records: int
    with_dead: int
    ignored: int
    unaccounted: int
    crashed: int
    strangers: int
    stored: int
    duplicates: int
    without_effect: int
    rows: int
    expected_records: int
    expected_strangers: int
    letters: int
    expected_letters: int
    refused_by_store: int
    seconds: float

    @property
    def adds_up(self) -> bool:
        """Whether nothing crashed, nothing is unaccounted for, and both counts agree."""
        return (
            self.unaccounted == self.crashed == 0
            and self.stored + self.duplicates + self.without_effect + self.refused_by_store == self.expected_records
            and self.strangers == self.expected_strangers
            and self.letters == self.expected_letters + self.refused_by_store
        )


def seeds(city: City) -> tuple[City, tuple[list[Seed], ...]]:
    """Golden examples on their topics; messages that our adapters read; real samples where they are present.

    The city that is returned also has the devices of the samples.
    """
    first = {device.KIND: device.id for device in reversed(list(city.devices.values()))}
    valid: list[Seed] = []
    invalid: list[Seed] = []
    for path in sorted(EXAMPLES.glob("*/*.json")):
        kind, channel = path.stem.split("-")[:2]
        into = valid if path.parent.name == "valid" else invalid
        into.append(Seed(f"kota/v1/{city.id}/{kind}/{first[kind]}/{channel}", path.read_bytes()))  # type: ignore[index]
    reached = [device.binding for device in city.devices.values() if device.binding]
    topics = [f"owntracks/{binding.address}" for binding in reached if binding.adapter == "owntracks"]
    topics += [
        f"v3/{application}@ttn/devices/{device}/up"
        for binding in reached
        if binding.adapter == "tts"
        for application, _, device in [binding.address.partition("/")]
    ]
    location = {"_type": "location", "lat": -10.17, "lon": 123.6, "tst": 1772366398, "vel": 31, "cog": 271}
    uplink = {"decoded_payload": {"distance": 490, "battery": 92}, "received_at": "2026-03-01T11:59:58.789585559Z"}
    ours = [location, {"end_device_ids": {"device_id": "x"}, "uplink_message": uplink}, {"_type": "lwt"}]
    known = [Seed(topic, json.dumps(body).encode()) for topic in topics[:12] for body in ours]
    with_samples, real = _samples(city)
    return with_samples, (valid, valid, invalid, known, *([real, real, real] if real else []))


def _samples(city: City) -> tuple[City, list[Seed]]:
    """Every message of the samples, a few of each sequence, and the city with their devices."""
    if not SAMPLES.is_dir():
        return city, []
    devices, found, seen = dict(city.devices), [], Counter[str]()
    for sample in samples():
        seen[sample.file] += 1
        if seen[sample.file] > OF_A_FILE:
            continue
        found.append(Seed(sample.topic, sample.payload))
        if sample.address:
            id_ = f"sample-{len(devices)}"
            devices.setdefault(f"{sample.adapter}/{sample.address}/{sample.kind}", device_of(sample, id_))
    return replace(
        city, models={**city.models, DEEP.id: DEEP}, devices={device.id: device for device in devices.values()}
    ), found


def mutate(dice: random.Random, payload: bytes) -> bytes:
    """Up to three changes: bytes flipped, cut, doubled, swapped for something hostile, values made absurd."""
    for _ in range(dice.randrange(4)):
        at, end = sorted((dice.randrange(len(payload) + 1), dice.randrange(len(payload) + 1)))
        end = min(end, at + 12)
        match dice.randrange(6):
            case 0:
                payload = payload[:at] + bytes([dice.randrange(256)]) + payload[at + 1 :]
            case 1:
                payload = payload[:at]
            case 2:
                payload = payload[:end] + payload[at:end] + payload[end:]
            case 3:
                payload = payload[:at] + dice.choice(HOSTILE) + payload[end:]
            case 4:
                payload = _with_another_value(dice, payload)
            case _:
                payload = b"[" + b",".join([payload] * dice.randint(1, 4)) + b"]"
    return payload


def _with_another_value(dice: random.Random, payload: bytes) -> bytes:
    """A value replaced by something hostile where the payload is an object, so that it stays JSON more often."""
    try:
        body = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return payload
    if body:
        body[dice.choice(list(body))] = msgspec.Raw(dice.choice(HOSTILE[:16]))
    return msgspec.json.encode(body)


def fuzz(folder: Path, payloads: int, seed: int) -> Report:
    """Send that many messages through all of ingest but the network."""
    began = time.monotonic()
    city, start = seeds(load_city(builtin_city("kupang")))
    dice = random.Random(seed)
    journal = Journal(folder / "journal.sqlite", max_bytes=1 << 40)
    decoder = Decoder(city, late_after=timedelta(minutes=15))
    store, box = DuckStore(folder / "city.duckdb"), DeadLetterQueue(folder / "dead.sqlite", max_bytes=1 << 40)
    drain = Drain(journal, decoder, store, box, Quarantine(folder / "strangers.sqlite", max_bytes=1 << 40))
    stop = threading.Event()
    sorts = ("with_records", "with_dead", "ignored", "unaccounted", "crashed", "strangers", "records", "letters")
    counted = dict.fromkeys(sorts, 0)
    for first in range(0, payloads, GROUP):
        arrivals = []
        for number in range(first, min(first + GROUP, payloads)):
            seed_message = dice.choice(dice.choice(start))
            fresh = _SEQ.sub(b'"seq":%d' % number, seed_message.payload)
            at = RECEIVED_AT + timedelta(milliseconds=number)
            arrivals.append(Arrival(seed_message.topic, mutate(dice, fresh), at))
        journal.append(arrivals)
        _count(decoder, arrivals, counted)
        drain._drain(stop)
    rows = sum(life.rows for life in store.stored_sequences())
    letters = sum(letter.times for letter in box.find(state=None, limit=-1))
    refused = sum(letter.reason.startswith("store: ") for letter in box.find(state=None, limit=-1))
    store.close()
    return Report(
        payloads,
        counted["with_records"],
        counted["with_dead"],
        counted["ignored"],
        counted["unaccounted"],
        counted["crashed"],
        drain.totals.quarantined,
        drain.totals.stored,
        drain.totals.duplicates,
        drain.totals.without_effect,
        rows,
        counted["records"],
        counted["strangers"],
        letters,
        counted["letters"],
        refused,
        round(time.monotonic() - began, 1),
    )


def _count(decoder: Decoder, arrivals: list[Arrival], counted: dict[str, int]) -> None:
    for arrival in arrivals:
        result = decoder.decode(arrival)
        counted["with_records"] += bool(result.records)
        counted["with_dead"] += bool(result.rejected)
        counted["ignored"] += result.ignored
        counted["unaccounted"] += not (result.records or result.rejected or result.unknown_devices or result.ignored)
        counted["strangers"] += len(result.unknown_devices)
        counted["crashed"] += any(letter.reason.startswith("decoder failed") for letter in result.rejected)
        counted["records"] += len(result.records)
        # The same element twice in one message is one letter, come once.
        counted["letters"] += len({letter.raw for letter in result.rejected})


def run(argv: list[str]) -> int:
    """Run once; 1 unless everything adds up."""
    parser = argparse.ArgumentParser(
        prog="kota fuzz", description="Mutated messages through ingest; counts must add up."
    )
    parser.add_argument("--payloads", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1, help="The same seed gives the same messages again.")
    parser.add_argument("--json", action="store_true", help="The report as one JSON object.")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="kota-fuzz-") as folder:
        report = fuzz(Path(folder), args.payloads, args.seed)
    if args.json:
        print(msgspec.json.encode(report).decode())
    else:
        for name, value in msgspec.structs.asdict(report).items():
            print(f"{name:18} {value}")
        print("adds up" if report.adds_up else "DOES NOT ADD UP")
    return 0 if report.adds_up else 1
