"""The evidence room of a city: the files of every case and the custody log, for workers, API and commands alike."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import structlog

from broker.contract.errors import ConfigError, KotaError, RetryLaterError
from city.atomic_files import replace_file
from city.secrets import Secrets
from city.settings import Settings
from vision.evidence.case_files import (
    ABOUT_NAME,
    bytes_kept,
    case_of_part,
    hash_file,
    kept_cases,
    part_of,
    publish_case,
    unpublished,
    write_case,
)
from vision.evidence.custody import NOTED_NAME, CustodyLog
from vision.evidence.keys import Signer
from vision.evidence.records import Record, RecordBook

log = structlog.get_logger("evidence")

RESERVE_NAME: Final = "custody.reserve"
RESERVE_BYTES: Final = 65_536
WRITTEN_WITHIN_S: Final = 600.0

GIVES_WAY: Final = ("rejected", "merged", "reopened", "")
"""Verdicts whose cases give way when space runs out, in this order, the oldest first; confirmed ones never do."""


class EvidenceError(KotaError):
    """A file of evidence cannot be shown; `why` says in which way."""

    def __init__(self, why: Literal["unknown", "deleted", "missing", "changed"], message: str) -> None:
        """Keep why."""
        super().__init__(message)
        self.why = why


class EvidenceRoom:
    """Keeps, lists and deletes; whatever it does is in the custody log first, or at once.

    Args:
        folder: Of all cases.
        signer: Of the custody log.
        max_bytes: What all cases may take together.
        clock: The time of entries, UTC.
        noted: Where the newest entry of the custody log is noted outside the folder.
    """

    def __init__(
        self,
        folder: Path,
        signer: Signer,
        max_bytes: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        noted: Path | None = None,
    ) -> None:
        """Nothing is read or made yet."""
        self.folder = folder
        self.noted = noted
        self.custody = CustodyLog(folder, signer, clock, noted)
        self._max_bytes = max_bytes
        self._book = RecordBook(folder)

    def keep(self, case: str, files: Mapping[str, bytes], about: Mapping[str, Any]) -> dict[str, str]:
        """Keep a case durably, all of it or nothing; the SHA-256 of each file but `case.json`.

        Raises:
            RetryLaterError: The disk is full or refuses, or all the space is taken by confirmed cases.
        """
        try:
            self._make_room(sum(map(len, files.values())))
            hashes = write_case(self.folder, case, files, about)
        except OSError as exc:
            raise RetryLaterError(f"evidence of {case}: {exc}") from exc
        try:
            self.custody.add("kept", case, {"sha256": hashes})
            publish_case(self.folder, case)
        except RetryLaterError:
            shutil.rmtree(part_of(self.folder, case), ignore_errors=True)
            raise
        except OSError as exc:
            raise RetryLaterError(f"evidence of {case}: {exc}") from exc
        self._reserve()
        return {name: hashes[name] for name in files}

    def _reserve(self) -> None:
        """Hold some of the disk for the log of deletions."""
        path = self.folder / RESERVE_NAME
        if not path.exists():
            try:
                replace_file(path, bytes(RESERVE_BYTES))
            except ConfigError as exc:
                log.warning("evidence.no_reserve", reason=str(exc))

    def _give_up_reserve(self) -> bool:
        path = self.folder / RESERVE_NAME
        held = path.exists()
        path.unlink(missing_ok=True)
        return held

    def records(self) -> dict[str, Record]:
        """What the log says of every case, by its id."""
        return self._book.current()

    def looked_up(self, case: str, file: str) -> Path:
        """A file of a case, which is as it was kept.

        Raises:
            EvidenceError: It is not.
        """
        record = self.records().get(case)
        if record is None or file not in record.sha256:
            raise EvidenceError("unknown", f"the custody log knows no file {file!r} of case {case!r}")
        if record.deleted:
            raise EvidenceError("deleted", f"the evidence of case {case!r} has been deleted: {record.deleted}")
        path = self.folder / case / file
        found = hash_file(path)
        if found is None:
            raise EvidenceError("missing", f"{file!r} of case {case!r} should be there and is not")
        if found != record.sha256[file]:
            raise EvidenceError("changed", f"{file!r} of case {case!r} is not as it was kept")
        return path

    def delete(self, case: str, why: str, **more: str) -> None:
        """Delete a case's files; that it was done is in the log before they go, and their folder goes either way.

        Args:
            case: Its id.
            why: The retention class, `space` or `erasure`.
            more: What else the log shall say.
        """
        said = {"why": why, **more}
        try:
            self.custody.add("deleted", case, said)
        except RetryLaterError:
            # On a full disk nothing could be deleted for want of a line that says so.
            if not self._give_up_reserve():
                raise
            self.custody.add("deleted", case, said)
        self.sweep(case)
        self._reserve()

    def sweep(self, case: str) -> None:
        """Remove what is left of a case that the log says is deleted."""
        shutil.rmtree(self.folder / case, ignore_errors=True)

    def resume(self, case: str) -> dict[str, str]:
        """Bring a case to an end that a crash has interrupted: it gets its name if the log knows it, else it goes.

        Returns:
            The SHA-256 of each of its files but `case.json`; empty when nothing was kept.
        """
        record = self.records().get(case)
        part = part_of(self.folder, case)
        if record is None or record.kept_at is None or record.deleted:
            shutil.rmtree(part, ignore_errors=True)
            return {}
        if part.is_dir():
            publish_case(self.folder, case)
            log.warning("evidence.recovered", case=case)
        return {name: value for name, value in record.sha256.items() if name != ABOUT_NAME}

    def recover(self) -> None:
        """Resume every case whose writing must have been interrupted: a worker is done within a minute."""
        for part in unpublished(self.folder):
            if time.time() - part.stat().st_mtime > WRITTEN_WITHIN_S:
                self.resume(case_of_part(part))

    def _make_room(self, needed: int) -> None:
        """Let the least important, oldest cases give way until there is room.

        Raises:
            RetryLaterError: There is none.
        """
        excess = bytes_kept(self.folder) + needed - self._max_bytes
        if excess <= 0:
            return
        records = self.records()
        for verdict in GIVES_WAY:
            for path in sorted(kept_cases(self.folder), key=lambda one: one.stat().st_mtime):
                if excess <= 0:
                    return
                if records.get(path.name, Record(path.name)).verdict == verdict:
                    excess -= sum(file.stat().st_size for file in path.iterdir())
                    self.delete(path.name, "space")
                    log.warning("evidence.gave_way", case=path.name, bound_bytes=self._max_bytes)
        if excess > 0:
            raise RetryLaterError(f"evidence takes {self._max_bytes} bytes, all of them in confirmed cases")


def open_room(settings: Settings, secrets: Secrets) -> EvidenceRoom:
    """The room in the data folder of the settings."""
    signer = Signer(secrets.custody_seed())
    bound = settings.evidence_max_mb << 20
    return EvidenceRoom(settings.data / "evidence", signer, bound, noted=settings.data / NOTED_NAME)
