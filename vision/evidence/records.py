"""What the custody log says of each case: what was kept and when, the last verdict, whether it has been deleted."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from vision.evidence.chain import Entry, parse_entry
from vision.evidence.custody import LOG_NAME


@dataclass(frozen=True)
class Record:
    """One case, as its entries tell. `verdict` is the last one said, at `judged_at`; empty when there is none."""

    case: str
    kept_at: datetime | None = None
    sha256: dict[str, str] = field(default_factory=dict)
    verdict: str = ""
    judged_at: datetime | None = None
    deleted: str = ""


def records_of(entries: Iterable[Entry]) -> dict[str, Record]:
    """Each case's record, by its id."""
    found: dict[str, Record] = {}
    for entry in entries:
        found[entry.case] = _after(found.get(entry.case, Record(entry.case)), entry)
    found.pop("", None)
    return found


def _after(record: Record, entry: Entry) -> Record:
    """A case's record once this was said of it too."""
    if entry.kind == "kept":
        found = entry.detail.get("sha256")
        hashes = {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
        return replace(record, kept_at=entry.at, sha256=hashes, deleted="")
    if entry.kind == "reviewed":
        return replace(record, verdict=str(entry.detail.get("verdict", "")), judged_at=entry.at)
    if entry.kind == "deleted":
        return replace(record, deleted=str(entry.detail.get("why", "unknown")))
    return record


class RecordBook:
    """The records of a folder's log; reads what has been added since it was asked last. Any thread may ask."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read yet."""
        self._path = folder / LOG_NAME
        self._lock = threading.Lock()
        self._inode = self._read_bytes = 0
        self._records: dict[str, Record] = {}

    def current(self) -> dict[str, Record]:
        """Each case's record, by its id."""
        with self._lock:
            try:
                with self._path.open("rb") as file:
                    self._read_on(file)
            except FileNotFoundError:
                self._records = {}
            return dict(self._records)

    def _read_on(self, file: BinaryIO) -> None:
        found = os.fstat(file.fileno())
        if found.st_ino != self._inode or found.st_size < self._read_bytes:
            self._inode, self._read_bytes, self._records = found.st_ino, 0, {}
        file.seek(self._read_bytes)
        for line in file:
            if not line.endswith(b"\n"):
                break
            self._read_bytes += len(line)
            if (entry := parse_entry(line[:-1])) and entry.case:
                self._records[entry.case] = _after(self._records.get(entry.case, Record(entry.case)), entry)
