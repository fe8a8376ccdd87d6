"""State of each case by the custody log: files kept and when, latest review, whether it was deleted."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from vision.evidence.custody.chain import Entry, parse_entry
from vision.evidence.custody.log import LOG_NAME


@dataclass(frozen=True)
class CaseRecord:
    """State of one case. `verdict` is that of the latest review, at `judged_at`; empty if there is none."""

    case: str
    kept_at: datetime | None = None
    sha256: dict[str, str] = field(default_factory=dict)
    verdict: str = ""
    judged_at: datetime | None = None
    deleted: str = ""


def records_of(entries: Iterable[Entry]) -> dict[str, CaseRecord]:
    """Each case's record, by its id."""
    records: dict[str, CaseRecord] = {}
    for entry in entries:
        records[entry.case] = _apply(records.get(entry.case, CaseRecord(entry.case)), entry)
    records.pop("", None)
    return records


def _apply(record: CaseRecord, entry: Entry) -> CaseRecord:
    """The record after one more entry."""
    if entry.kind == "kept":
        sha256 = entry.detail.get("sha256")
        hashes = {str(name): str(value) for name, value in sha256.items()} if isinstance(sha256, dict) else {}
        return replace(record, kept_at=entry.at, sha256=hashes, deleted="")
    if entry.kind == "reviewed":
        return replace(record, verdict=str(entry.detail.get("verdict", "")), judged_at=entry.at)
    if entry.kind == "deleted":
        return replace(record, deleted=str(entry.detail.get("why", "unknown")))
    return record


class CustodyIndex:
    """Index of a folder's custody log by case. Each call reads the entries added since the last. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOG_NAME
        self._lock = threading.Lock()
        self._inode = self._read_bytes = 0
        self._records: dict[str, CaseRecord] = {}

    def current(self) -> dict[str, CaseRecord]:
        """Each case's record, by its id."""
        with self._lock:
            try:
                with self._path.open("rb") as file:
                    self._read_on(file)
            except FileNotFoundError:
                self._records = {}
            return dict(self._records)

    def _read_on(self, file: BinaryIO) -> None:
        status = os.fstat(file.fileno())
        if status.st_ino != self._inode or status.st_size < self._read_bytes:
            self._inode, self._read_bytes, self._records = status.st_ino, 0, {}
        file.seek(self._read_bytes)
        for line in file:
            if not line.endswith(b"\n"):
                break
            self._read_bytes += len(line)
            if (entry := parse_entry(line[:-1])) and entry.case:
                self._records[entry.case] = _apply(self._records.get(entry.case, CaseRecord(entry.case)), entry)
