"""`kota reconcile`: compares what this machine's outboxes published with what the store has."""

from __future__ import annotations

import argparse
import json
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from city.errors import ConfigError, RetryLaterError
from city.runtime.local_access import local_token
from city.runtime.options import add_settings, settings_from
from city.runtime.settings import Settings
from edge.outbox import Outbox, OutboxStats

Range = tuple[int, int]


class StoredEpoch(msgspec.Struct, frozen=True):
    """The store's sequence numbers of one device and epoch."""

    device: str
    epoch: str = msgspec.field(name="boot")
    seqs: list[Range]
    rows: int
    duplicates: int
    dead: list[Range] = []


class LostSequences(msgspec.Struct, frozen=True):
    """Receipted readings that the store had and lacks now."""

    device: str
    epoch: str = msgspec.field(name="boot")
    first: int
    last: int


class Reconciliation(msgspec.Struct, frozen=True):
    """The outcome. `missing`: published, no longer in an outbox, neither stored nor among the dead letters.

    `dropped` were dropped by a full outbox, as its policy says. `lost` were stored once, of any device, as ingest
    reports.
    """

    published: int
    stored: int
    dead: int
    waiting: int
    dropped: int
    missing: int
    duplicates: int
    lost: list[LostSequences] = []


def reconcile(stats: Sequence[OutboxStats], stored: Mapping[tuple[str, str], StoredEpoch]) -> Reconciliation:
    """Compare by device and epoch."""
    total = dead = missing = waiting = published = dropped = 0
    for outbox in stats:
        stored_epoch = stored.get((outbox.device, outbox.epoch))
        have = _count(stored_epoch.seqs) if stored_epoch else 0
        refused = _count(stored_epoch.dead) if stored_epoch else 0
        published += outbox.seqs
        total += have
        dead += refused
        waiting += outbox.pending
        dropped += outbox.dropped
        missing += max(0, outbox.seqs - have - refused - outbox.pending - outbox.dropped)
    return Reconciliation(
        published, total, dead, waiting, dropped, missing, sum(epoch.duplicates for epoch in stored.values())
    )


def _count(seqs: Sequence[Range]) -> int:
    return sum(last - first + 1 for first, last in seqs)


def run(argv: list[str]) -> int:
    """Print the outcome; exit code 1 when readings are missing, duplicate or lost."""
    parser = argparse.ArgumentParser(
        prog="kota reconcile", description="Compare what was published with what is stored."
    )
    parser.add_argument("--json", action="store_true", help="One JSON object.")
    add_settings(parser, ("data",))
    args = parser.parse_args(argv)
    settings = settings_from(args)
    data = settings.data
    stored, lost = _ask_store(settings)
    result = msgspec.structs.replace(reconcile(_read_outboxes(data), stored), lost=lost)
    if args.json:
        print(msgspec.json.encode(result).decode())
    else:
        print("  ".join(f"{name} {getattr(result, name)}" for name in result.__struct_fields__ if name != "lost"))
        for lost_range in result.lost:
            print(f"lost: {lost_range.device}, boot {lost_range.epoch}, seqs {lost_range.first} to {lost_range.last}")
    return 1 if result.missing or result.duplicates or result.lost else 0


def _read_outboxes(data: Path) -> list[OutboxStats]:
    stats: list[OutboxStats] = []
    for path in sorted((data / "edge").glob("*.sqlite")):
        outbox = Outbox(path, max_bytes=1 << 40)
        stats += outbox.stats()
        outbox.close()
    return stats


def _ask_store(settings: Settings) -> tuple[dict[tuple[str, str], StoredEpoch], list[LostSequences]]:
    try:
        run_file = json.loads((settings.data / "run.json").read_text())
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{settings.data / 'run.json'}: no city has been started here") from exc
    request = urllib.request.Request(
        f"http://{run_file['host']}:{run_file['port']}/api/v1/ledger",
        headers={"Authorization": f"Bearer {local_token(settings, ['messages.replay'])}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own http address
            rows: Any = json.load(answer)
    except OSError as exc:
        raise RetryLaterError(f"the API does not answer: {exc}") from exc
    epochs = msgspec.convert(rows["epochs"], list[StoredEpoch])
    return {(stored_epoch.device, stored_epoch.epoch): stored_epoch for stored_epoch in epochs}, msgspec.convert(
        rows.get("lost", []), list[LostSequences]
    )
