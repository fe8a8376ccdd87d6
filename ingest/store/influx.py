"""The production store: InfluxDB 1.x, 2.x and what speaks like them; a redelivery overwrites itself.

A measurement per kind, `event` and `status`; tags are the device and what the inventory says of it. What is stored is
noted on this disk after each write (`progress.py`); a crash in between writes the same points to the same times again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from time import monotonic, time
from typing import Any, Final

from broker.contract.errors import PayloadError, RowsRejectedError
from broker.contract.topics import Kind
from city.model import City
from ingest.store import influx_reader
from ingest.store.influx_http import InfluxHttp, RefusedError, TooLargeError
from ingest.store.influx_rollup import roll_up
from ingest.store.latest import LatestBoard
from ingest.store.line_protocol import encode_tags, to_line
from ingest.store.port import EventQuery, Latest, Ledger, Point, Ranges, SeriesQuery, Written
from ingest.store.progress import Progress
from ingest.store.records import EventRecord, Reading, Record
from ingest.store.schema import EVENTS, RAW, WINDOW_S, Policy
from ingest.store.seen import fresh_of
from ingest.store.tags import tags_of_device

FOLLOW_EVERY_S: Final = 2.0
FOLLOW_BACK: Final = timedelta(minutes=5)
"""How far back a process that does not write looks for new readings each time; what comes later is found at start."""
SETTLED_AFTER_S: Final = 20.0
"""A window is rolled up so long after its end: what is on its way then has arrived."""
LINES_MAX: Final = 5_000
"""Lines of one request; the store's documentation and our measurements agree on this size."""


class InfluxStore:
    """Owns the connection and the note of what is stored; writes from one thread, reads from any."""

    def __init__(self, http: InfluxHttp, city: City, progress: Progress) -> None:
        self._http = http
        self._progress = progress
        self._write_lock = threading.Lock()
        self._tags_of = _tagger(city)
        self._latest = LatestBoard()
        self._latest_lock = threading.Lock()
        self._restored = False
        self._writes = False
        self._follow_due_s = 0.0

    def committed_offsets(self) -> Ranges:
        """The journal positions that are noted as stored."""
        return self._progress.committed_offsets

    def write(self, records: Sequence[Record], committed_offsets: Ranges) -> Written:
        """Store what is new of a batch, then note it.

        Raises:
            RetryLaterError: The database is away or busy, or the disk refused the note.
            RowsRejectedError: Some rows can never be stored.
        """
        self._restore()
        self._writes = True
        with self._write_lock:
            fresh, touched = fresh_of(records, self._progress.seen, self._latest)
            refused = self._send_all(fresh)
            if refused:
                places = {id(record): index for index, record in enumerate(records)}
                raise RowsRejectedError({places[id(fresh[index])]: reason for index, reason in refused.items()})
            self._progress.commit(touched, committed_offsets, _windows_of(fresh))
            self._latest.absorb(fresh)
        return Written(len(fresh), len(records) - len(fresh))

    def _send_all(self, fresh: Sequence[Record]) -> dict[int, str]:
        """Write each record to its retention class; the refused by their place."""
        classes: dict[Policy, list[int]] = {RAW: [], EVENTS: []}
        for index, record in enumerate(fresh):
            classes[EVENTS if isinstance(record, EventRecord) else RAW].append(index)
        refused: dict[int, str] = {}
        for policy, places in classes.items():
            lines = [to_line(fresh[place], self._tags_of) for place in places]
            for first in range(0, len(lines), LINES_MAX):
                found = self._send(lines[first : first + LINES_MAX], policy)
                refused |= {places[first + index]: reason for index, reason in found.items()}
        return refused

    def _send(self, lines: Sequence[bytes], policy: Policy, first: int = 0) -> dict[int, str]:
        """Write lines, halving where the database refuses; the refused by their place, counted from `first`."""
        try:
            self._http.write(b"\n".join(lines), policy)
        except (RefusedError, TooLargeError) as exc:
            if len(lines) == 1:
                return {first: str(exc)}
            middle = len(lines) // 2
            return self._send(lines[:middle], policy, first) | self._send(lines[middle:], policy, first + middle)
        return {}

    def write_derived(self, lines: Sequence[bytes], policy: Policy) -> None:
        """Store derived points; whatever is wrong with them is our own fault.

        Raises:
            RetryLaterError: The database is away or busy.
            PayloadError: It refuses them.
        """
        for first in range(0, len(lines), LINES_MAX):
            try:
                self._http.write(b"\n".join(lines[first : first + LINES_MAX]), policy)
            except (RefusedError, TooLargeError) as exc:
                raise PayloadError(f"derived points: {exc}") from exc

    def roll_up(self, now: datetime) -> int:
        """Make the rollups of windows that have ended and lack something; how many.

        Raises:
            RetryLaterError: The database is away or busy.
        """
        self._restore()
        return roll_up(self._http, self._progress, until_s=now.timestamp() - SETTLED_AFTER_S)

    def rollups_waiting(self) -> int:
        """Windows whose rollups are to be made, those that have not ended included."""
        return len(self._progress.stale())

    def last_states(self, now: datetime) -> list[dict[str, Any]]:
        """The newest point of `device_state` of each device, of the last day."""
        return influx_reader.read_states(self._http, now - timedelta(days=1))

    def events_since(self, types: Sequence[str], start: datetime) -> list[EventRecord]:
        """All events of some types since a time, oldest first, however many."""
        return influx_reader.read_events_since(self._http, types, start)

    def forget_before(self, *, readings: datetime, events: datetime) -> int:  # noqa: ARG002 - as the port says
        """Nothing: the database's retention classes do this, as `kota influx setup` has set them."""
        return 0

    def latest(
        self, *, kind: Kind | None = None, device: str | None = None, changed_since: datetime | None = None
    ) -> list[Latest]:
        """The newest of each device, from memory.

        Raises:
            RetryLaterError: The database is away and has not been read yet.
        """
        self._restore()
        self._follow()
        return self._latest.find(kind=kind, device=device, changed_since=changed_since)

    def _restore(self) -> None:
        """Take in what the database has of each device, once."""
        with self._latest_lock:
            if not self._restored:
                found = influx_reader.read_latest(self._http)
                for latest in found:
                    self._latest.restore(latest)
                if self._progress.covered_since_s() is None:
                    # What was stored before anybody noted windows has no rollups; `kota influx rollup` makes them.
                    self._progress.cover_since(int(time()) if found else 0)
                self._restored = True

    def _follow(self) -> None:
        """Where another process writes: take in what came since the last time."""
        with self._latest_lock:
            now_s = monotonic()
            if not self._writes and now_s >= self._follow_due_s:
                self._follow_due_s = now_s + FOLLOW_EVERY_S
                self._latest.absorb(influx_reader.read_since(self._http, datetime.now(UTC) - FOLLOW_BACK))

    def series(self, query: SeriesQuery) -> list[Point]:
        """Points of one field."""
        self._restore()
        known = self._latest.find(kind=None, device=query.device, changed_since=None)
        return influx_reader.read_series(self._http, query, known[0].kind if known else None, self._progress)

    def events(self, query: EventQuery) -> list[EventRecord]:
        """Events that match, newest first."""
        return influx_reader.read_events(self._http, query)

    def span(self) -> tuple[datetime, datetime] | None:
        """When the oldest and the newest record were measured."""
        return influx_reader.read_span(self._http)

    def export(self, start: datetime, end: datetime, *, device: str | None = None) -> Iterator[Record]:
        """Every record of a range, in order of time."""
        return influx_reader.read_all(self._http, start, end, device)

    def ledger(self) -> list[Ledger]:
        """Counted from the points."""
        return influx_reader.read_ledger(self._http)

    def close(self) -> None:
        """Let go of the connection and of the note."""
        with self._write_lock:
            self._http.close()
            self._progress.close()


def _windows_of(fresh: Sequence[Record]) -> set[tuple[Kind, int]]:
    """The windows that readings lie in, by kind and start in seconds since 1970."""
    return {
        (record.origin.kind, int(record.origin.measured_at.timestamp()) // WINDOW_S * WINDOW_S)
        for record in fresh
        if isinstance(record, Reading)
    }


def _tagger(city: City) -> Callable[[str], bytes]:
    @lru_cache(maxsize=65_536)
    def tags_of(device_id: str) -> bytes:
        return encode_tags(tags_of_device(city, device_id))

    return tags_of
