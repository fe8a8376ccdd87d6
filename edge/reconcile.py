"""`kota reconcile`: compares what this machine's outboxes published with what the store has.

The outboxes are read once. What was published by then is in the journal, and soon in the store: a running city is asked
until nothing is missing, or until the journal is empty. A stopped city is read from its files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from city.errors import ConfigError, RetryLaterError
from city.runtime.local_access import local_token
from city.runtime.options import add_settings, environment_of, settings_from
from city.runtime.settings import Settings
from city.storage.folder_lock import in_use
from edge.outbox import Outbox

Range = tuple[int, int]
ASK_EVERY_S: Final = 1.5
SETTLE_WITHIN_S: Final = 30.0
SURE_AFTER: Final = 3
"""Answers in a row that say that the journal is empty."""


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
    """The outcome, in readings.

    Attributes:
        published: Sequence numbers assigned.
        stored: Of them, those in the store.
        dead: Of them, those among the dead letters.
        waiting: Of them, those in an outbox, without a receipt.
        dropped: Dropped by a full outbox, as its policy says.
        missing: In none of these, although nothing waits in the journal.
        duplicates: Rows of the store beyond one for each sequence number.
        lost: Stored once, of any device, as ingest reports.
        under_way: In none of these; at least so many messages wait in the journal.
    """

    published: int
    stored: int
    dead: int
    waiting: int
    dropped: int
    missing: int
    duplicates: int
    lost: list[LostSequences] = []
    under_way: int = 0


class Kept(msgspec.Struct, frozen=True):
    """What is kept of every device and epoch, what the store has lost, and messages that wait in the journal."""

    epochs: list[StoredEpoch]
    lost: list[LostSequences] = []
    journal_depth: int = 0


class Published(msgspec.Struct, frozen=True):
    """What an outbox has published of one device.

    Attributes:
        device: Its id.
        epoch: Of the outbox.
        seqs: Sequence numbers assigned, from 0 on.
        pending: Those of messages that have no receipt yet.
        dropped: Readings that a full outbox has dropped.
    """

    device: str
    epoch: str
    seqs: int
    pending: frozenset[int]
    dropped: int = 0


def reconcile(published: Sequence[Published], kept: Kept) -> Reconciliation:
    """Compare by device and epoch, number by number."""
    by_epoch = {(epoch.device, epoch.epoch): epoch for epoch in kept.epochs}
    stored = dead = waiting = nowhere = 0
    for outbox in published:
        epoch = by_epoch.get((outbox.device, outbox.epoch))
        here = _numbers(epoch.seqs, outbox.seqs) if epoch else set()
        refused = _numbers(epoch.dead, outbox.seqs) - here if epoch else set()
        stored += len(here)
        dead += len(refused)
        waiting += len(outbox.pending - here - refused)
        left = outbox.seqs - len(here | refused | outbox.pending)
        nowhere += max(0, left - outbox.dropped)
    under_way = min(nowhere, kept.journal_depth)
    return Reconciliation(
        published=sum(outbox.seqs for outbox in published),
        stored=stored,
        dead=dead,
        waiting=waiting,
        dropped=sum(outbox.dropped for outbox in published),
        missing=nowhere - under_way,
        duplicates=sum(epoch.duplicates for epoch in kept.epochs),
        lost=kept.lost,
        under_way=under_way,
    )


def _numbers(ranges: Sequence[Range], below: int) -> set[int]:
    """The sequence numbers of ranges, below a number: those above were assigned after the outbox was read."""
    return {number for first, last in ranges for number in range(first, min(last + 1, below))}


def run(argv: list[str]) -> int:
    """Print the outcome; exit code 1 when readings are missing, duplicate or lost."""
    parser = argparse.ArgumentParser(
        prog="kota reconcile", description="Compare what was published with what is stored."
    )
    parser.add_argument("--json", action="store_true", help="One JSON object.")
    add_settings(parser, ("data", "city", "store", "influx_url", "influx_database", "influx_org", "influx_user"))
    args = parser.parse_args(argv)
    settings = settings_from(args)
    data = settings.data
    result = reconcile_settled(_read_outboxes(data), lambda: _ask_store(settings))
    if args.json:
        print(msgspec.json.encode(result).decode())
    else:
        print("  ".join(f"{name} {getattr(result, name)}" for name in result.__struct_fields__ if name != "lost"))
        for lost_range in result.lost:
            print(f"lost: {lost_range.device}, boot {lost_range.epoch}, seqs {lost_range.first} to {lost_range.last}")
    return 1 if result.missing or result.duplicates or result.lost else 0


def reconcile_settled(
    published: Sequence[Published], ask: Callable[[], Kept], wait: Callable[[float], object] = time.sleep
) -> Reconciliation:
    """Compare again until nothing is missing or under way, or the journal stays empty, for at most `SETTLE_WITHIN_S`.

    Args:
        published: Read before the first question.
        ask: What is kept now.
        wait: Waits so many seconds.
    """
    empty = 0
    for _ in range(round(SETTLE_WITHIN_S / ASK_EVERY_S)):
        kept = ask()
        result = reconcile(published, kept)
        # Ingest says its depth once a second: an old answer may say that a journal is empty which no longer is.
        empty = empty + 1 if kept.journal_depth == 0 else 0
        if not (result.missing or result.under_way) or empty == SURE_AFTER:
            break
        wait(ASK_EVERY_S)
    return result


def _read_outboxes(data: Path) -> list[Published]:
    published: list[Published] = []
    for path in sorted((data / "edge").glob("*.sqlite")):
        outbox = Outbox(path, max_bytes=1 << 40)
        stats, pending = outbox.stats(), outbox.pending_seqs()
        published += [
            Published(row.device, row.epoch, row.seqs, frozenset(pending.get(row.device, ())), row.dropped)
            for row in stats
        ]
        outbox.close()
    return published


def _ask_store(settings: Settings) -> Kept:
    """What is kept: by the API of a running city, else from the files of a stopped one."""
    try:
        run_file = json.loads((settings.data / "run.json").read_text())
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{settings.data / 'run.json'}: no city has been started here") from exc
    if not in_use(settings.data):
        return _read_files(settings)
    request = urllib.request.Request(
        f"http://{run_file['host']}:{run_file['port']}/api/v1/ledger",
        headers={"Authorization": f"Bearer {local_token(settings, ['messages.replay'])}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own http address
            return msgspec.json.decode(answer.read(), type=Kept)
    except OSError as exc:
        raise RetryLaterError(f"the API does not answer: {exc}") from exc


def _read_files(settings: Settings) -> Kept:
    # A verb of ingest: devices do not have its packages.
    command = [sys.executable, "-m", "city", "store", "epochs", "--json"]
    done = subprocess.run(  # noqa: S603 - our own verb
        command, env={**os.environ, **environment_of(settings)}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RetryLaterError(f"the store cannot be read: {done.stderr.strip()}")
    return msgspec.json.decode(done.stdout, type=Kept)
