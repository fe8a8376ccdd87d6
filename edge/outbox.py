"""Store and forward: readings stay on this disk until ingest's receipt proves that they are on its disk.

One SQLite file per agent, WAL with synchronous=FULL: after `append` returns, the readings survive a power cut. A new
file (a new card) starts a new epoch, so that its sequence numbers never collide with old ones.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from broker.contract.codec import encode, utc_ms
from broker.contract.payloads import TELEMETRY, Event, Receipt
from broker.contract.topics import Kind
from city.errors import PayloadError, RetryLaterError
from city.storage.sqlite import DurableConnection, open_durable, truncate_wal, vacuum
from city.storage.sqlite_file import SqliteFile

EMPTY_EVERY_S: Final = 3_600.0
"""Maximum time that delivered readings stay in the write-ahead log; each truncation wears the card."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS life (boot TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS given_way (device TEXT PRIMARY KEY, readings INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS issued (device TEXT PRIMARY KEY, next_seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    device TEXT NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    payload BLOB NOT NULL,
    UNIQUE (device, seq)
);
"""


class TelemetryEntry(msgspec.Struct, frozen=True):
    """Telemetry to send: contract field names to values."""

    device: str
    kind: Kind
    at: datetime
    values: Mapping[str, Any]


class EventEntry(msgspec.Struct, frozen=True):
    """An event to send."""

    device: str
    kind: Kind
    at: datetime
    type: str
    state: Literal["raised", "cleared", "noted"]
    detail: dict[str, Any]


Entry = TelemetryEntry | EventEntry


class Row(msgspec.Struct, frozen=True):
    """One pending message, as it is published."""

    id: int
    device: str
    seq: int
    kind: Kind
    channel: Literal["telemetry", "event"]
    payload: bytes


class OutboxStats(msgspec.Struct, frozen=True):
    """Figures of an outbox for one device: sequence numbers assigned, messages pending, readings dropped."""

    device: str
    epoch: str
    seqs: int
    pending: int
    dropped: int = 0


class Outbox(SqliteFile):
    """Owns the file; any thread may call it. At the bound the oldest telemetry is dropped and counted, events are kept.

    Every method raises `RetryLaterError` when the disk refuses; nothing has changed then.
    """

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        """Open or create the file.

        Args:
            path: The SQLite file; its folder is created.
            max_bytes: Bound of the payloads kept.
        """
        self._max_bytes = max_bytes
        super().__init__(open_durable(path, _SCHEMA), "outbox")
        self._emptied_s = -EMPTY_EVERY_S
        with self._db:
            self._db.execute(
                "INSERT INTO life (boot) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM life)", (secrets.token_hex(5),)
            )
        self.epoch: str = self._db.execute("SELECT boot FROM life").fetchone()[0]
        self._next: dict[str, int] = dict(self._db.execute("SELECT device, next_seq FROM issued"))
        self._bytes: int = self._db.execute("SELECT coalesce(sum(length(payload)), 0) FROM outbox").fetchone()[0]

    def append(self, entries: Sequence[Entry]) -> None:
        """Assign a sequence number to each entry and keep all, durably, in one transaction.

        Raises:
            PayloadError: A value is outside the contract; nothing of the call is kept.
            RetryLaterError: The disk refused, or events alone fill the bound; nothing of the call is kept.
        """
        with self._guard():
            issued: dict[str, int] = {}
            rows = []
            for entry in entries:
                seq = issued.get(entry.device, self._next.get(entry.device, 0))
                issued[entry.device] = seq + 1
                channel, payload = self._encode(entry, seq)
                rows.append((entry.device, seq, entry.kind, channel, payload))
            added = sum(len(row[-1]) for row in rows)
            with self._reopen() as db:
                freed = self._make_room(db, self._bytes + added - self._max_bytes)
                db.executemany("INSERT INTO outbox (device, seq, kind, channel, payload) VALUES (?, ?, ?, ?, ?)", rows)
                statement = (
                    "INSERT INTO issued VALUES (?, ?) ON CONFLICT (device) DO UPDATE SET next_seq = excluded.next_seq"
                )
                db.executemany(statement, issued.items())
            self._next.update(issued)
            self._bytes += added - freed

    def _make_room(self, db: DurableConnection, excess_bytes: int) -> int:
        """Drop the oldest telemetry until `excess_bytes` are free; return the bytes freed."""
        freed = 0
        if excess_bytes <= 0:
            return freed
        dropped: list[tuple[int, str]] = []
        statement = "SELECT id, device, length(payload) FROM outbox WHERE channel = 'telemetry' ORDER BY id"
        for id_, device, size in db.execute(statement):
            if freed >= excess_bytes:
                break
            dropped.append((id_, device))
            freed += size
        if freed < excess_bytes:
            raise RetryLaterError("outbox: full of events, which are never dropped")
        db.executemany("DELETE FROM outbox WHERE id = ?", [(id_,) for id_, _ in dropped])
        statement = (
            "INSERT INTO given_way VALUES (?, ?) "
            "ON CONFLICT (device) DO UPDATE SET readings = readings + excluded.readings"
        )
        db.executemany(statement, Counter(device for _, device in dropped).items())
        return freed

    def _encode(self, entry: Entry, seq: int) -> tuple[str, bytes]:
        at = utc_ms(entry.at)
        try:
            if isinstance(entry, TelemetryEntry):
                fields = {**entry.values, "ts": at, "boot": self.epoch, "seq": seq}
                return "telemetry", encode(msgspec.convert(fields, TELEMETRY[entry.kind]))
            event = Event(ts=at, epoch=self.epoch, seq=seq, type=entry.type, state=entry.state, detail=entry.detail)
            return "event", encode(event)
        except (msgspec.ValidationError, TypeError) as exc:
            raise PayloadError(f"{entry.device}: {exc}") from exc

    def waiting(self, *, after_id: int, limit: int) -> list[Row]:
        """Pending rows with a higher id, oldest first."""
        statement = "SELECT id, device, seq, kind, channel, payload FROM outbox WHERE id > ? ORDER BY id LIMIT ?"
        with self._guard():
            return [Row(*row) for row in self._db.execute(statement, (after_id, limit))]

    def forget(self, receipts: Sequence[tuple[str, Receipt]]) -> list[int]:
        """Delete what `(device, receipt)` pairs prove durable; return the ids of the deleted rows.

        Receipts of another epoch are ignored.
        """
        ranges = [
            (device, first, last)
            for device, receipt in receipts
            if receipt.epoch == self.epoch
            for first, last in receipt.seqs
        ]
        statement = "DELETE FROM outbox WHERE device = ? AND seq BETWEEN ? AND ? RETURNING id, length(payload)"
        with self._guard():
            with self._reopen() as db:
                deleted = [row for key in ranges for row in db.execute(statement, key).fetchall()]
            self._bytes -= sum(size for _, size in deleted)
            if deleted and time.monotonic() - self._emptied_s >= EMPTY_EVERY_S:
                vacuum(self._db)
                if truncate_wal(self._db):
                    self._emptied_s = time.monotonic()
        return [id_ for id_, _ in deleted]

    def pending(self) -> int:
        """Number of messages that wait for a receipt."""
        with self._guard():
            return int(self._db.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def dropped_count(self) -> int:
        """Number of readings dropped at the bound in this epoch."""
        with self._guard():
            return int(self._db.execute("SELECT coalesce(sum(readings), 0) FROM given_way").fetchone()[0])

    def stats(self) -> list[OutboxStats]:
        """Figures by device; the published side of `kota reconcile`."""
        statement = (
            "SELECT i.device, i.next_seq, (SELECT count(*) FROM outbox o WHERE o.device = i.device), "
            "coalesce((SELECT readings FROM given_way g WHERE g.device = i.device), 0) FROM issued i ORDER BY i.device"
        )
        with self._guard():
            rows = self._db.execute(statement).fetchall()
        return [OutboxStats(device, self.epoch, seqs, left, dropped) for device, seqs, left, dropped in rows]

    def pending_seqs(self) -> dict[str, set[int]]:
        """Device to the sequence numbers of its pending messages."""
        pending: defaultdict[str, set[int]] = defaultdict(set)
        with self._guard():
            for device, seq in self._db.execute("SELECT device, seq FROM outbox"):
                pending[device].add(seq)
        return pending
