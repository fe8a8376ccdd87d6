"""The evidence of a city: files of all cases and the custody log, for camera workers, API and commands."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import structlog

from city.errors import KotaError, RetryLaterError, StorageError
from city.runtime.data_folder import CUSTODY_FOLDER, move_old_files
from city.runtime.secrets import Secrets
from city.runtime.settings import Settings
from city.storage.atomic_files import replace_file
from city.storage.signatures import Signer
from vision.evidence.case_files import (
    ABOUT_NAME,
    bytes_kept,
    case_of_part,
    hash_file,
    kept_cases,
    part_path,
    publish_case,
    unpublished_cases,
    write_case,
)
from vision.evidence.custody.log import HEAD_COPY_NAME, CustodyLog
from vision.evidence.custody.records import CaseRecord, CustodyIndex

log = structlog.get_logger("evidence")

RESERVE_NAME: Final = "custody.reserve"
RESERVE_BYTES: Final = 65_536
INTERRUPTED_AFTER_S: Final = 600.0

EVICTION_ORDER: Final = ("rejected", "merged", "reopened", "")
"""Verdicts whose cases are evicted when space runs out, in this order, oldest first; confirmed ones never are."""


class EvidenceError(KotaError):
    """A file of evidence cannot be served; `why` is the reason."""

    def __init__(self, why: Literal["unknown", "deleted", "missing", "changed"], message: str) -> None:
        super().__init__(message)
        self.why = why


class EvidenceStore:
    """Keeps, lists and deletes cases; each action is in the custody log before it is done, or at once.

    Args:
        folder: Folder of all cases.
        signer: Signs the custody log.
        max_bytes: Maximum size of all cases together.
        clock: Time of entries, UTC.
        head_copy: Copy of the custody log's head, outside of the folder.
    """

    def __init__(
        self,
        folder: Path,
        signer: Signer,
        max_bytes: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        head_copy: Path | None = None,
    ) -> None:
        self.folder = folder
        self.head_copy = head_copy
        self.custody = CustodyLog(folder, signer, clock, head_copy)
        self._max_bytes = max_bytes
        self._index = CustodyIndex(folder)

    def keep(self, case: str, files: Mapping[str, bytes], about: Mapping[str, Any]) -> dict[str, str]:
        """Keep a case durably, all of it or nothing; returns the SHA-256 of each file but `case.json`.

        Raises:
            RetryLaterError: The disk is full or refuses, or all the space is taken by confirmed cases.
        """
        try:
            self._evict(sum(map(len, files.values())))
            hashes = write_case(self.folder, case, files, about)
        except OSError as exc:
            raise StorageError(f"evidence of {case}: {exc}") from exc
        try:
            self.custody.add("kept", case, {"sha256": hashes})
            publish_case(self.folder, case)
        except RetryLaterError:
            shutil.rmtree(part_path(self.folder, case), ignore_errors=True)
            raise
        except OSError as exc:
            raise StorageError(f"evidence of {case}: {exc}") from exc
        self._reserve()
        return {name: hashes[name] for name in files}

    def _reserve(self) -> None:
        """Reserve disk space for the log entries of deletions."""
        path = self.folder / RESERVE_NAME
        if not path.exists():
            try:
                replace_file(path, bytes(RESERVE_BYTES))
            except StorageError as exc:
                log.warning("evidence.no_reserve", reason=str(exc))

    def _release_reserve(self) -> bool:
        path = self.folder / RESERVE_NAME
        was_reserved = path.exists()
        path.unlink(missing_ok=True)
        return was_reserved

    def records(self) -> dict[str, CaseRecord]:
        """Record of every case in the log, by its id."""
        return self._index.current()

    def verified_path(self, case: str, file: str) -> Path:
        """Path of a file whose SHA-256 is that of the custody log.

        Raises:
            EvidenceError: The file is unknown, deleted, missing or changed.
        """
        record = self.records().get(case)
        if record is None or file not in record.sha256:
            raise EvidenceError("unknown", f"the custody log knows no file {file!r} of case {case!r}")
        if record.deleted:
            raise EvidenceError("deleted", f"the evidence of case {case!r} has been deleted: {record.deleted}")
        path = self.folder / case / file
        sha256 = hash_file(path)
        if sha256 is None:
            raise EvidenceError("missing", f"{file!r} of case {case!r} should be there and is not")
        if sha256 != record.sha256[file]:
            raise EvidenceError("changed", f"{file!r} of case {case!r} is not as it was kept")
        return path

    def delete(self, case: str, why: str, **more: str) -> None:
        """Log the deletion of a case, then delete its folder.

        Args:
            case: Its id.
            why: The retention class, `space` or `erasure`.
            more: Further details of the log entry.
        """
        detail = {"why": why, **more}
        try:
            self.custody.add("deleted", case, detail)
        except RetryLaterError:
            # On a full disk nothing could be deleted for want of a line that says so.
            if not self._release_reserve():
                raise
            self.custody.add("deleted", case, detail)
        self.sweep(case)
        self._reserve()

    def sweep(self, case: str) -> None:
        """Delete the folder of a case that is deleted by the log."""
        shutil.rmtree(self.folder / case, ignore_errors=True)

    def resume(self, case: str) -> dict[str, str]:
        """Finish a case that a crash has interrupted: publish it if it is in the log, else delete it.

        Returns:
            The SHA-256 of each of its files but `case.json`; empty if nothing was kept.
        """
        record = self.records().get(case)
        part = part_path(self.folder, case)
        if record is None or record.kept_at is None or record.deleted:
            shutil.rmtree(part, ignore_errors=True)
            return {}
        if part.is_dir():
            publish_case(self.folder, case)
            log.warning("evidence.recovered", case=case)
        return {name: value for name, value in record.sha256.items() if name != ABOUT_NAME}

    def recover(self) -> None:
        """Resume every case whose writing was interrupted, by the age of its folder."""
        for part in unpublished_cases(self.folder):
            if time.time() - part.stat().st_mtime > INTERRUPTED_AFTER_S:
                self.resume(case_of_part(part))

    def _evict(self, needed: int) -> None:
        """Evict cases in `EVICTION_ORDER` until there is space.

        Raises:
            RetryLaterError: Only confirmed cases are left.
        """
        excess = bytes_kept(self.folder) + needed - self._max_bytes
        if excess <= 0:
            return
        records = self.records()
        for verdict in EVICTION_ORDER:
            for path in sorted(kept_cases(self.folder), key=lambda folder: folder.stat().st_mtime):
                if excess <= 0:
                    return
                if records.get(path.name, CaseRecord(path.name)).verdict == verdict:
                    excess -= sum(file.stat().st_size for file in path.iterdir())
                    self.delete(path.name, "space")
                    log.warning("evidence.evicted", case=path.name, bound_bytes=self._max_bytes)
        if excess > 0:
            raise RetryLaterError(f"evidence takes {self._max_bytes} bytes, all of them in confirmed cases")


def open_evidence_store(settings: Settings, secrets: Secrets) -> EvidenceStore:
    """The store in the data folder of the settings."""
    signer = Signer(secrets.custody_seed())
    bound = settings.evidence_max_mb << 20
    return EvidenceStore(settings.data / "evidence", signer, bound, head_copy=head_copy_path(settings.data))


def head_copy_path(data: Path) -> Path:
    """Path of the copy of the custody log's head."""
    move_old_files(data)
    return data / CUSTODY_FOLDER / HEAD_COPY_NAME
