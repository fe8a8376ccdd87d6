"""Access to evidence: every file is verified against the custody log, and every access is recorded in it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from city.errors import ConfigError, RetryLaterError
from city.i18n.catalogue import Lang
from city.inventory.provider import InventoryProvider
from vision.evidence.custody.chain import Entry
from vision.evidence.custody.records import CaseRecord
from vision.evidence.encryption import SUFFIXES, decrypt, encrypted_name, find_encrypted, read_private_key
from vision.evidence.export import export_case
from vision.evidence.store import EvidenceError, EvidenceStore

log = structlog.get_logger("api")

ACCESS_DEDUP_WINDOW: Final = timedelta(minutes=10)
"""Repeated accesses of an actor to a file within this time are one access: a player requests a clip in parts."""
ACCESSES_MAX: Final = 10_000
VIEWED: Final = "looked"
"""Kind of an access in the custody log; the stored word is older."""


@dataclass(frozen=True)
class Actor:
    """A user of evidence: name and network address."""

    name: str
    address: str


class EvidenceService:
    """Gives access to files, archives and clear copies. Thread-safe.

    Args:
        room: The evidence store.
        inventory: Names of places for reports.
        clear_key: File of the private key of clear copies; None if they are not opened here.
        clock: The time, UTC.
    """

    def __init__(
        self,
        room: EvidenceStore,
        inventory: InventoryProvider,
        clear_key: Path | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._room = room
        self._inventory = inventory
        self._clear_key = clear_key
        self._clock = clock
        self._lock = threading.Lock()
        self._accesses: dict[tuple[Actor, str, str], datetime] = {}

    def record(self, case: str) -> CaseRecord:
        """The custody log's record of a case."""
        return self._room.records().get(case, CaseRecord(case))

    def has(self, case: str, file: str) -> bool:
        """Whether a file is kept. It is not verified."""
        record = self.record(case)
        return file in record.sha256 and not record.deleted and (self._room.folder / case / file).is_file()

    def show(self, case: str, file: str, actor: Actor) -> Path:
        """The path of a verified file. The access is in the custody log when this returns.

        Raises:
            EvidenceError: The file is missing or was changed.
            RetryLaterError: The custody log cannot be written; then no access is given.
        """
        path = self._room.verified_path(case, file)
        if self._is_new_access(actor, case, file):
            self._room.custody.add(VIEWED, case, {"file": file, "user": actor.name, "address": actor.address})
        return path

    def open_clear(self, case: str, file: str, reason: str, actor: Actor) -> bytes:
        """The content of a file without redaction. The custody log records actor and reason before the return.

        Raises:
            EvidenceError: There is no clear copy, or it was changed.
            ConfigError: The key is not set, or does not decrypt the copy.
            RetryLaterError: The custody log cannot be written.
        """
        if self._clear_key is None:
            raise ConfigError("clear copies are not opened here: no key is set")
        name = find_encrypted(file, self.record(case).sha256) or encrypted_name(file)
        encrypted = self._room.verified_path(case, name).read_bytes()
        content = decrypt(encrypted, read_private_key(self._clear_key), f"{case}/{file}")
        detail = {"file": file, "clear": "yes", "reason": reason, "user": actor.name, "address": actor.address}
        self._room.custody.add(VIEWED, case, detail)
        return content

    def clear_files(self, case: str) -> list[str]:
        """The files of a case with a clear copy that can be opened here."""
        record = self.record(case)
        if self._clear_key is None or record.deleted:
            return []
        return [name for name in record.sha256 if not name.endswith(SUFFIXES) and find_encrypted(name, record.sha256)]

    def export(self, case: str, lang: Lang, actor: Actor) -> bytes:
        """A case as a ZIP archive. The custody log records the export.

        Raises:
            EvidenceError: The case is unknown, or a file was changed.
            RetryLaterError: The custody log cannot be written.
        """
        city = self._inventory.current()
        return export_case(self._room, city, case, lang, user=actor.name, address=actor.address)

    def erase(self, case: str, reason: str, actor: Actor) -> None:
        """Delete the files of a case permanently. The custody log keeps the erasure and its reason.

        Raises:
            EvidenceError: The case has no files.
            RetryLaterError: The custody log cannot be written; nothing was deleted.
        """
        record = self.record(case)
        if record.kept_at is None or record.deleted:
            raise EvidenceError("deleted" if record.deleted else "unknown", f"nothing is kept of case {case!r}")
        self._room.delete(case, "erasure", reason=reason, user=actor.name, address=actor.address)

    def custody(self, case: str) -> list[Entry]:
        """The custody log of a case: storage, access, export, review and deletion; oldest first."""
        return self._room.custody.entries(case)

    def note_review(self, case: str, verdict: str, user: str) -> None:
        """Record a verdict in the custody log, where it sets the retention period. The review is journaled already."""
        try:
            self._room.custody.add("reviewed", case, {"verdict": verdict, "user": user})
        except RetryLaterError as exc:
            log.error("evidence.review_not_noted", case=case, verdict=verdict, reason=str(exc))

    def _is_new_access(self, actor: Actor, case: str, file: str) -> bool:
        now = self._clock()
        with self._lock:
            last = self._accesses.get((actor, case, file))
            if last is not None and timedelta() <= now - last < ACCESS_DEDUP_WINDOW:
                return False
            if len(self._accesses) >= ACCESSES_MAX:
                self._accesses.clear()
            self._accesses[actor, case, file] = now
            return True
