"""`kota store`: copies a city to another store (resumable, verified at the end), or says what a store has or lost."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from city.errors import ConfigError
from city.runtime.options import add_settings, settings_from
from city.runtime.service import own_city
from city.runtime.settings import Settings
from city.storage.atomic_files import require_kept
from city.storage.folder_lock import lock_data_folder
from ingest.pipeline.backlog import OffsetTracker
from ingest.pipeline.journal_params import open_journal
from ingest.store.factory import create_store, manifest_path, open_manifest
from ingest.store.parked.dead_letters import DeadLetterQueue, dead_letters_path
from ingest.store.port import Ranges, Store
from ingest.store.records import Record, StatusRecord
from ingest.store.views.ledger import KeptEpoch, kept_epochs

WINDOW: Final = timedelta(hours=6)
"""Time range that is copied between two bookmarks."""
BATCH: Final = 4_000
BAR: Final = 30
STORES: Final = ("duckdb", "influx")

OnWindow = Callable[[float, datetime, int], None]
"""Called with the share done, the time reached, and the number of records stored."""


class Bookmark(msgspec.Struct, frozen=True):
    """The time up to which a copy has come."""

    source: str
    target: str
    until: datetime


def run(argv: list[str]) -> int:
    """Exit code 0 when everything is present afterwards, 1 when something is missing."""
    parser = argparse.ArgumentParser(
        prog="kota store",
        description="Copy everything that is stored into another store. The city is stopped meanwhile; a copy that was "
        "cut off goes on where it was. Afterwards `--store` (KOTA_STORE) says which one is used.",
    )
    parser.add_argument(
        "action",
        choices=("copy", "lost", "epochs"),
        help="Copy, say what was damaged and lost, or which sequence numbers of each device are stored.",
    )
    parser.add_argument("--from", dest="source", choices=STORES)
    parser.add_argument("--to", dest="target", choices=STORES)
    parser.add_argument("--accept", action="store_true", help="Of what is lost: end the alarm, it was taken note of.")
    parser.add_argument("--json", action="store_true", help="Of what is lost: one JSON document.")
    add_settings(parser, ("data", "city", "store", "influx_url", "influx_database", "influx_org", "influx_user"))
    args = parser.parse_args(argv)
    settings = settings_from(args)
    match args.action:
        case "lost":
            return _print_lost(args, settings)
        case "epochs":
            return _print_epochs(args, settings)
        case _:
            return _copy(args, settings)


def _print_epochs(args: argparse.Namespace, settings: Settings) -> int:
    """Print what is kept of each device and epoch of a stopped city; `kota reconcile` reads it."""
    require_kept(manifest_path(settings.data))
    with lock_data_folder(settings.data):
        epochs, journal_depth = _epochs_of(settings)
    manifest = open_manifest(settings.data)
    try:
        lost = manifest.lost_ranges()
    finally:
        manifest.close()
    if args.json:
        rows = [{**msgspec.to_builtins(stored), "dead": dead} for stored, dead in epochs]
        print(msgspec.json.encode({"epochs": rows, "lost": lost, "journal_depth": journal_depth}).decode())
        return 0
    for stored, dead in epochs:
        words = f"stored {_range_words(stored.seqs)}, dead letters {_range_words(dead)}"
        print(f"{stored.device}, boot {stored.epoch}: {words}")
    print(f"{journal_depth} messages of the journal are not stored yet")
    return 0


def _range_words(ranges: Iterable[tuple[int, int]]) -> str:
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges) or "none"


def _epochs_of(settings: Settings) -> tuple[list[KeptEpoch], int]:
    """What is kept, and the messages of the journal that the store does not have."""
    store = create_store(settings, own_city(settings), settings.store)
    try:
        dead_letters = DeadLetterQueue(dead_letters_path(settings.data))
        try:
            epochs = kept_epochs(store.stored_sequences(), dead_letters.seqs())
        finally:
            dead_letters.close()
        journal = open_journal(settings)
        try:
            tracker = OffsetTracker(store.committed_offsets(), journal.first(), journal.next_after)
            return epochs, tracker.pending_count(journal.last())
        finally:
            journal.close()
    finally:
        store.close()


def _print_lost(args: argparse.Namespace, settings: Settings) -> int:
    """Print damages and lost readings; exit code 1 while some are not accepted."""
    require_kept(manifest_path(settings.data))
    manifest = open_manifest(settings.data)
    try:
        damages, lost = manifest.damages(), manifest.lost_ranges()
        if args.accept:
            manifest.accept()
    finally:
        manifest.close()
    if args.json:
        print(msgspec.json.encode({"damages": damages, "lost": lost}).decode())
    else:
        for damage in damages:
            print(f"{damage.at:%Y-%m-%d %H:%M:%S} UTC  {damage.file}: {damage.what}: {damage.detail}")
        for lost_range in lost:
            print(f"lost: {lost_range.device}, boot {lost_range.epoch}, seqs {lost_range.first} to {lost_range.last}")
        readings = sum(lost_range.last - lost_range.first + 1 for lost_range in lost)
        print(f"{len(damages)} damages, {readings} readings lost")
    return 1 if (damages or lost) and not args.accept else 0


def _copy(args: argparse.Namespace, settings: Settings) -> int:
    if args.source is None or args.target is None:
        raise ConfigError("give --from and --to")
    if args.source == args.target:
        raise ConfigError("--from and --to are the same store")
    city = own_city(settings)
    with lock_data_folder(settings.data):
        source = create_store(settings, city, args.source)
        target = create_store(settings, city, args.target)
        path = settings.data / "store" / "copy.json"
        bookmark = _bookmark(path, args.source, args.target)
        try:
            copied = copy(source, target, since=bookmark, on_window=_progress_writer(path, args.source, args.target))
            missing = missing_in(source, target)
        finally:
            source.close()
            target.close()
    if missing:
        print(f"\n{missing} of the readings and events are missing in {args.target}", file=sys.stderr)
        return 1
    path.unlink(missing_ok=True)
    print(f"\n{copied} records copied, everything that {args.source} has is in {args.target}")
    return 0


def copy(source: Store, target: Store, *, since: datetime | None = None, on_window: OnWindow = lambda *_: None) -> int:
    """Copy all records in order of time, then the committed offsets; return how many were new to the target.

    Args:
        source: Read from.
        target: Written to; what it has already is not stored again.
        since: Where an earlier copy was interrupted.
        on_window: Called after each window that is durable in the target.

    Raises:
        RetryLaterError: A store is unavailable; resume later.
    """
    span = source.span()
    if span is None:
        target.write([], source.committed_offsets())
        return 0
    first, last = span
    at, stored = max(since, first) if since else first, 0
    while at <= last:
        stored += _copy_window(source, target, at, at + WINDOW)
        at += WINDOW
        on_window(min((at - first) / (last - first or WINDOW), 1.0), min(at, last), stored)
    target.write([], source.committed_offsets())
    return stored


def _copy_window(source: Store, target: Store, start: datetime, end: datetime) -> int:
    kept: Ranges = target.committed_offsets()
    state_at_by_device = {latest.device: latest.state_at for latest in target.latest()}

    def is_wanted(record: Record) -> bool:
        # A state is told from its repetition by what was said last, which a copy of long ago does not know.
        if not isinstance(record, StatusRecord):
            return True
        known = state_at_by_device.get(record.device)
        return known is None or record.received_at > known

    stored = 0
    batch: list[Record] = []
    for record in source.export(start, end):
        if is_wanted(record):
            batch.append(record)
        if len(batch) == BATCH:
            stored += target.write(batch, kept).stored
            batch = []
    return stored + (target.write(batch, kept).stored if batch else 0)


def missing_in(source: Store, target: Store) -> int:
    """Number of readings and events of the source that the target lacks, counted from both stores' rows."""
    theirs = {(sequences.device, sequences.epoch): sequences for sequences in target.stored_sequences()}
    missing = 0
    for sequences in source.stored_sequences():
        copied = theirs.get((sequences.device, sequences.epoch))
        had = sum(last - first + 1 for first, last in sequences.seqs)
        missing += had - (_common(sequences.seqs, copied.seqs) if copied else 0)
    return missing


def _common(ours: Ranges, theirs: Ranges) -> int:
    """Number of integers that two lists of ranges share."""
    shared, place = 0, 0
    for first, last in ours:
        while place < len(theirs) and theirs[place][1] < first:
            place += 1
        at = place
        while at < len(theirs) and theirs[at][0] <= last:
            shared += min(last, theirs[at][1]) - max(first, theirs[at][0]) + 1
            at += 1
    return shared


def _bookmark(path: Path, source: str, target: str) -> datetime | None:
    """The time at which an earlier copy between the same stores was interrupted; None without one."""
    try:
        bookmark = msgspec.json.decode(path.read_bytes(), type=Bookmark)
    except (OSError, msgspec.MsgspecError):
        return None
    return bookmark.until if (bookmark.source, bookmark.target) == (source, target) else None


def _progress_writer(path: Path, source: str, target: str) -> OnWindow:
    def note(share: float, until: datetime, stored: int) -> None:
        part = path.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(Bookmark(source, target, until)))
        part.replace(path)
        bar = "#" * round(share * BAR)
        text = f"[{bar:{BAR}}] {share:4.0%}  {until:%Y-%m-%d %H:%M}  {stored} records"
        if sys.stdout.isatty():
            print(f"\r{text}", end="", flush=True)
        else:
            print(text, flush=True)

    return note
