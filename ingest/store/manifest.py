"""The manifest: which readings the store must have, and which files belong together; kept apart from the store.

Ingest records here, beside the journal, what it writes. A store that lacks some of it was damaged, replaced or restored
from a copy; the difference is reported device by device. Only native messages are recorded: they have receipts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from city.storage.sqlite import DurableConnection, open_durable
from city.storage.sqlite_file import SqliteFile
from ingest.store.dedup import RANGES_MAX, SeenSequences
from ingest.store.intervals import IntervalSet
from ingest.store.port import Ranges
from ingest.store.record_batch import RecordBatch
from ingest.store.records import EventRecord, Reading, Record
from ingest.store.views.health import Damage, LostRange

Class = Literal["reading", "event"]

DAMAGES_MAX: Final = 100
NOTED_MAX: Final = 50_000
"""Ranges of devices, epochs and days that are remembered, so that each batch need not read them."""
_DAY_S: Final = 86_400
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stores (life TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS noted (
    class TEXT NOT NULL, day INTEGER NOT NULL, device TEXT NOT NULL, boot TEXT NOT NULL, ranges TEXT NOT NULL,
    PRIMARY KEY (class, day, device, boot)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lost (
    device TEXT NOT NULL, boot TEXT NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
    PRIMARY KEY (device, boot, first_seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS damages (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, file TEXT NOT NULL, what TEXT NOT NULL, detail TEXT NOT NULL
);
"""
_Key = tuple[Class, int, str, str]


class StoreManifest(SqliteFile):
    """Owns the file, which is created with its folder where absent. Any thread may call it.

    Every method raises `RetryLaterError` when the disk refuses; nothing has changed then.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(open_durable(path, _SCHEMA), "manifest")
        self._noted: dict[_Key, IntervalSet] = {}
        self._noted_version = -1
        # A note that a power cut takes is of a reading that the journal still has.
        self._db.execute("PRAGMA synchronous=NORMAL")

    def note(self, records: Sequence[Record], last: int) -> None:
        """Record sequence numbers that are about to be stored, and the journal's last offset."""
        added: defaultdict[_Key, IntervalSet] = defaultdict(IntervalSet)
        batch = RecordBatch.of(records)
        for block in batch.columns:
            first_day, last_day = _day(min(block.measured_at)), _day(max(block.measured_at))
            for (device, epoch), rows in block.groups.items():
                numbers = [block.seqs[row] for row in rows]
                if first_day != last_day or not added["reading", first_day, device, epoch].add_run(numbers):
                    for row, number in zip(rows, numbers, strict=True):
                        added["reading", _day(block.measured_at[row]), device, epoch].add(number)
        for record in batch.records:
            if isinstance(record, Reading | EventRecord):
                added[_key(record)].add(record.origin.seq)
        with self._writing() as db:
            known = self._recent_notes(db)
            noted = {key: (known.get(key) or self._read(db, key)).union(seqs) for key, seqs in added.items()}
            db.executemany(
                "INSERT OR REPLACE INTO noted VALUES (?, ?, ?, ?, ?)",
                [(*key, msgspec.json.encode([*ranges]).decode()) for key, ranges in noted.items()],
            )
            db.execute("INSERT OR REPLACE INTO facts VALUES ('position', ?)", (str(last),))
        known |= noted

    def _recent_notes(self, db: DurableConnection) -> dict[_Key, IntervalSet]:
        """What was noted lately; empty again once another process has written, or there is much."""
        version = int(db.execute("PRAGMA data_version").fetchone()[0])
        if version != self._noted_version or len(self._noted) > NOTED_MAX:
            self._noted, self._noted_version = {}, version
        return self._noted

    def last_offset(self) -> int:
        """The journal's last offset at the last write; 0 before the first."""
        return int(self.fact("position") or 0)

    def fact(self, name: str) -> str:
        """The value of a named fact; empty when it was never recorded."""
        with self._guard():
            row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def state(self, **facts: str) -> None:
        """Record named facts."""
        with self._writing() as db:
            db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    def knows_store(self, life: str) -> bool | None:
        """Whether a store file with this id belongs, or belonged, to this city; None when none was ever recorded."""
        with self._guard():
            lives = {row[0] for row in self._db.execute("SELECT life FROM stores")}
        return life in lives if lives else None

    def adopt_store(self, life: str) -> None:
        """Record that the store file with this id belongs to this city."""
        with self._writing() as db:
            db.execute("INSERT OR IGNORE INTO stores VALUES (?)", (life,))

    def compare(self, seen: SeenSequences, elsewhere: Callable[[], SeenSequences]) -> tuple[LostRange, ...]:
        """Find and record the ranges that the store must have and that are neither in it nor in `elsewhere`.

        Args:
            seen: Sequence numbers in the store.
            elsewhere: Called when some are missing; returns those among the dead letters.
        """
        noted: defaultdict[tuple[str, str], IntervalSet] = defaultdict(IntervalSet)
        with self._writing() as db:
            for device, epoch, ranges in db.execute("SELECT device, boot, ranges FROM noted"):
                for first, last in _ranges(ranges):
                    noted[device, epoch].add(first, last)
            missing = {
                key: unseen for key, wanted in noted.items() if (unseen := wanted.difference(_present(seen, key)))
            }
            others = elsewhere() if missing else {}
            lost_ranges = [
                LostRange(*key, first, last)
                for key, unseen in sorted(missing.items())
                for first, last in unseen.difference(others.get(key, IntervalSet()))
            ]
            db.execute("DELETE FROM lost")
            db.executemany(
                "INSERT INTO lost VALUES (?, ?, ?, ?)",
                [msgspec.structs.astuple(lost_range) for lost_range in lost_ranges],
            )
        return tuple(lost_ranges)

    def lost_ranges(self) -> tuple[LostRange, ...]:
        """The ranges that the last comparison found missing."""
        with self._guard():
            rows = self._db.execute("SELECT device, boot, first_seq, last_seq FROM lost").fetchall()
        return tuple(LostRange(*row) for row in rows)

    def report(self, damage: Damage) -> None:
        """Keep a damage until an operator accepts it."""
        with self._writing() as db:
            row = (damage.at.timestamp(), damage.file, damage.what, damage.detail)
            db.execute("INSERT INTO damages (at, file, what, detail) VALUES (?, ?, ?, ?)", row)
            newest = "SELECT id FROM damages ORDER BY id DESC LIMIT ?"
            db.execute(f"DELETE FROM damages WHERE id NOT IN ({newest})", (DAMAGES_MAX,))  # noqa: S608 - our own text

    def damages(self) -> tuple[Damage, ...]:
        """Damages that no operator has accepted, oldest first."""
        with self._guard():
            rows = self._db.execute("SELECT at, file, what, detail FROM damages ORDER BY id").fetchall()
        return tuple(Damage(datetime.fromtimestamp(at, UTC), *rest) for at, *rest in rows)

    def accept(self) -> None:
        """Clear damages and lost ranges: an operator has taken note of them."""
        with self._writing() as db:
            gone: defaultdict[tuple[str, str], IntervalSet] = defaultdict(IntervalSet)
            for device, epoch, first, last in db.execute("SELECT * FROM lost").fetchall():
                gone[device, epoch].add(first, last)
            for class_, day, device, epoch, ranges in db.execute("SELECT * FROM noted").fetchall():
                if (device, epoch) in gone:
                    left = list(IntervalSet(_ranges(ranges)).difference(gone[device, epoch]))
                    row = (class_, day, device, epoch, msgspec.json.encode(left).decode())
                    db.execute("INSERT OR REPLACE INTO noted VALUES (?, ?, ?, ?, ?)", row)
            db.execute("DELETE FROM lost")
            db.execute("DELETE FROM damages")
            self._noted = {}

    def forget_before(self, *, readings: datetime, events: datetime) -> None:
        """Stop expecting what the store's retention deletes, with a day to spare."""
        with self._writing() as db:
            for class_, before in (("reading", readings), ("event", events)):
                day = int(before.timestamp()) // _DAY_S + 1
                db.execute("DELETE FROM noted WHERE class = ? AND day <= ?", (class_, day))
            self._noted = {}

    def _read(self, db: DurableConnection, key: _Key) -> IntervalSet:
        where = "class = ? AND day = ? AND device = ? AND boot = ?"
        row = db.execute(f"SELECT ranges FROM noted WHERE {where}", key).fetchone()  # noqa: S608 - our own text
        return IntervalSet(_ranges(row[0])) if row else IntervalSet()


def _present(seen: SeenSequences, key: tuple[str, str]) -> IntervalSet:
    present = seen[key].copy() if key in seen else IntervalSet()
    if len(present) >= RANGES_MAX:
        present.add(0, next(iter(present))[0])  # what lies below was forgotten, not lost
    return present


def _key(record: Reading | EventRecord) -> _Key:
    origin = record.origin
    class_: Class = "reading" if isinstance(record, Reading) else "event"
    return class_, _day(origin.measured_at), origin.device, origin.epoch


def _day(at: datetime) -> int:
    return int(at.timestamp()) // _DAY_S


def _ranges(text: str) -> Ranges:
    return msgspec.json.decode(text, type=tuple[tuple[int, int], ...])
