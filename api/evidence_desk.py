"""Evidence handed out: checked against the custody log before, noted in it for every look, and refused when damaged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from broker.contract.errors import ConfigError, RetryLaterError
from city.model import City
from vision.evidence.chain import Entry
from vision.evidence.encryption import SUFFIX, decrypt, encrypted_name, read_key
from vision.evidence.export import export_case
from vision.evidence.records import CaseRecord
from vision.evidence.report_texts import Lang
from vision.evidence.store import EvidenceError, EvidenceStore

log = structlog.get_logger("api")

ONE_LOOK: Final = timedelta(minutes=10)
"""Who looks at a file again within this has looked once: a player asks for a clip in many parts."""
LOOKS_MAX: Final = 10_000


@dataclass(frozen=True)
class Visitor:
    """Who asks: role and network address; one token stands for a role, not for a person."""

    role: str
    address: str


class EvidenceDesk:
    """Hands out files, archives and clear copies; any thread may call it.

    Args:
        room: Where they are kept.
        city: Names places in reports.
        clear_key: File of the private key of clear copies; None where this city opens none.
        clock: UTC.
    """

    def __init__(self, room: EvidenceStore, city: City, clear_key: Path | None, clock: Callable[[], datetime]) -> None:
        """Nothing has been looked at yet."""
        self._room = room
        self._city = city
        self._clear_key = clear_key
        self._clock = clock
        self._lock = threading.Lock()
        self._looked: dict[tuple[Visitor, str, str], datetime] = {}

    def record(self, case: str) -> CaseRecord:
        """What the custody log says of a case."""
        return self._room.records().get(case, CaseRecord(case))

    def has(self, case: str, file: str) -> bool:
        """Whether a file is kept; it is not looked into."""
        record = self.record(case)
        return file in record.sha256 and not record.deleted and (self._room.folder / case / file).is_file()

    def show(self, case: str, file: str, visitor: Visitor) -> Path:
        """A file that is as it was kept; the look is in the custody log when this returns.

        Raises:
            EvidenceError: There is none, or it is not.
            RetryLaterError: The log refuses; without it nothing is shown.
        """
        path = self._room.verified_path(case, file)
        if self._is_news(visitor, case, file):
            self._room.custody.add("looked", case, {"file": file, "role": visitor.role, "address": visitor.address})
        return path

    def open_clear(self, case: str, file: str, reason: str, visitor: Visitor) -> bytes:
        """A file with its people in it; who opened it and why is in the custody log before.

        Raises:
            EvidenceError: There is no clear copy, or it is not as it was kept.
            ConfigError: This city's key does not open it, or there is none.
            RetryLaterError: The log refuses.
        """
        if self._clear_key is None:
            raise ConfigError("clear copies are not opened here: no key is set")
        sealed = self._room.verified_path(case, encrypted_name(file)).read_bytes()
        content = decrypt(sealed, read_key(self._clear_key), f"{case}/{file}")
        said = {"file": file, "clear": "yes", "reason": reason, "role": visitor.role, "address": visitor.address}
        self._room.custody.add("looked", case, said)
        return content

    def clear_files(self, case: str) -> list[str]:
        """Which of a case's files have a clear copy that can be opened here."""
        record = self.record(case)
        if self._clear_key is None or record.deleted:
            return []
        return [name for name in record.sha256 if not name.endswith(SUFFIX) and encrypted_name(name) in record.sha256]

    def export(self, case: str, lang: Lang, visitor: Visitor) -> bytes:
        """A case as a ZIP archive; noted in the custody log.

        Raises:
            EvidenceError: There is no such case, or a file is not as it was kept.
            RetryLaterError: The log refuses.
        """
        return export_case(self._room, self._city, case, lang, role=visitor.role, address=visitor.address)

    def erase(self, case: str, reason: str, visitor: Visitor) -> None:
        """Delete a case's files for good; that it was done, and why, stays.

        Raises:
            EvidenceError: There is nothing to delete.
            RetryLaterError: The log refuses; nothing was deleted.
        """
        record = self.record(case)
        if record.kept_at is None or record.deleted:
            raise EvidenceError("deleted" if record.deleted else "unknown", f"nothing is kept of case {case!r}")
        self._room.delete(case, "erasure", reason=reason, role=visitor.role, address=visitor.address)

    def custody(self, case: str) -> list[Entry]:
        """Who kept, saw, exported, reviewed and deleted a case's files, oldest first."""
        return self._room.custody.entries(case)

    def note_review(self, case: str, verdict: str, role: str) -> None:
        """Keep a verdict beside the evidence: it decides how long that is kept. The review itself is kept already."""
        try:
            self._room.custody.add("reviewed", case, {"verdict": verdict, "role": role})
        except RetryLaterError as exc:
            log.error("evidence.review_not_noted", case=case, verdict=verdict, reason=str(exc))

    def _is_news(self, visitor: Visitor, case: str, file: str) -> bool:
        now = self._clock()
        with self._lock:
            last = self._looked.get((visitor, case, file))
            if last is not None and timedelta() <= now - last < ONE_LOOK:
                return False
            if len(self._looked) >= LOOKS_MAX:
                self._looked.clear()
            self._looked[visitor, case, file] = now
            return True
