"""`kota reconcile`: what the outboxes of this machine ever gave out, against what the store has."""

from __future__ import annotations

import argparse
import json
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from broker.contract.errors import ConfigError, RetryLaterError
from city.options import add_settings, settings_from
from city.secrets import Secrets
from edge.outbox import Issued, Outbox

Range = tuple[int, int]


class Stored(msgspec.Struct, frozen=True):
    """What the store says of one outbox life."""

    device: str
    boot: str
    seqs: list[Range]
    rows: int
    duplicates: int
    dead: list[Range] = []


class LostSeqs(msgspec.Struct, frozen=True):
    """Readings with a receipt that the store had and has not any more."""

    device: str
    boot: str
    first: int
    last: int


class Balance(msgspec.Struct, frozen=True):
    """The outcome. `missing`: given out, no longer in an outbox, neither stored nor among the dead letters.

    `dropped` gave way in a full outbox, as its policy says. `lost` was stored once, of any device: ingest's own word.
    """

    published: int
    stored: int
    dead: int
    waiting: int
    dropped: int
    missing: int
    duplicates: int
    lost: list[LostSeqs] = []


def balance(issued: Sequence[Issued], stored: Mapping[tuple[str, str], Stored]) -> Balance:
    """Compare device by device and boot by boot."""
    total = dead = missing = waiting = published = dropped = 0
    for life in issued:
        found = stored.get((life.device, life.boot))
        have = _count(found.seqs) if found else 0
        refused = _count(found.dead) if found else 0
        published += life.seqs
        total += have
        dead += refused
        waiting += life.pending
        dropped += life.dropped
        missing += max(0, life.seqs - have - refused - life.pending - life.dropped)
    return Balance(published, total, dead, waiting, dropped, missing, sum(one.duplicates for one in stored.values()))


def _count(seqs: Sequence[Range]) -> int:
    return sum(last - first + 1 for first, last in seqs)


def run(argv: list[str]) -> int:
    """Print the balance; 1 when something is missing or stored twice."""
    parser = argparse.ArgumentParser(
        prog="kota reconcile", description="Compare what was published with what is stored."
    )
    parser.add_argument("--json", action="store_true", help="One JSON object.")
    add_settings(parser, ("data",))
    args = parser.parse_args(argv)
    data = settings_from(args).data
    stored, lost = _ask_store(data)
    result = msgspec.structs.replace(balance(_read_outboxes(data), stored), lost=lost)
    if args.json:
        print(msgspec.json.encode(result).decode())
    else:
        print("  ".join(f"{name} {getattr(result, name)}" for name in result.__struct_fields__ if name != "lost"))
        for one in result.lost:
            print(f"lost: {one.device}, boot {one.boot}, seqs {one.first} to {one.last}")
    return 1 if result.missing or result.duplicates or result.lost else 0


def _read_outboxes(data: Path) -> list[Issued]:
    found: list[Issued] = []
    for path in sorted((data / "edge").glob("*.sqlite")):
        outbox = Outbox(path, max_bytes=1 << 40)
        found += outbox.issued()
        outbox.close()
    return found


def _ask_store(data: Path) -> tuple[dict[tuple[str, str], Stored], list[LostSeqs]]:
    try:
        run_file = json.loads((data / "run.json").read_text())
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{data / 'run.json'}: no city has been started here") from exc
    request = urllib.request.Request(
        f"http://{run_file['host']}:{run_file['port']}/api/v1/ledger",
        headers={"Authorization": f"Bearer {Secrets(data).token('admin')}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own http address
            rows: Any = json.load(answer)
    except OSError as exc:
        raise RetryLaterError(f"the API does not answer: {exc}") from exc
    lives = msgspec.convert(rows["lives"], list[Stored])
    return {(life.device, life.boot): life for life in lives}, msgspec.convert(rows.get("lost", []), list[LostSeqs])
