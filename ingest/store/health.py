"""How ingest is doing, as ingest last said it; shown by the console, `/readyz` and the status of `kota up`."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Literal

import msgspec


class BadMessages(msgspec.Struct, frozen=True):
    """Too many of the last `of` messages were `bad`: of a device, named by its topic, or of all (`*`)."""

    subject: str
    bad: int
    of: int


class IngestHealth(msgspec.Struct, frozen=True):
    """A snapshot. Totals count since the process started; `lag_s` is the age of the oldest reading not yet stored.

    While a backlog is drained, `live_lag_s` is that of the readings that overtake it.
    """

    at: datetime
    connected: bool = False
    store: Literal["ok", "away"] = "ok"
    journal: Literal["ok", "full"] = "ok"
    journal_depth: int = 0
    journal_bytes: int = 0
    lag_s: float = 0.0
    live_lag_s: float = 0.0
    received_total: int = 0
    stored_total: int = 0
    duplicates_total: int = 0
    dead_letters_total: int = 0
    unknown_fields_total: int = 0
    ignored_total: int = 0
    note: str = ""
    alarms: tuple[BadMessages, ...] = ()


class HealthBoard:
    """Where ingest puts its newest snapshot and everybody else reads it; safe between threads."""

    def __init__(self) -> None:
        """Start without a snapshot."""
        self._lock = threading.Lock()
        self._health: IngestHealth | None = None

    def publish(self, health: IngestHealth) -> None:
        """Replace the snapshot."""
        with self._lock:
            self._health = health

    def read(self) -> IngestHealth | None:
        """The newest snapshot, None before the first."""
        with self._lock:
            return self._health
