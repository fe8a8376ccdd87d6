"""Cases whose `dumping` event is not published yet: on disk, so that no crash loses one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog

from broker.contract.codec import UNREADABLE
from city.errors import StorageError
from city.storage.atomic_files import replace_file

log = structlog.get_logger("vision")


class PendingCase(msgspec.Struct):
    """A case that is published once its evidence is on disk. `removed_at` is when the waste was removed, if it was."""

    detail: dict[str, Any]
    at: datetime
    removed_at: datetime | None = None


class PendingCases:
    """Pending cases of one camera, by id. Every change is on disk when the call returns, unless the disk refuses.

    Args:
        path: File of the cases; its folder is made. None keeps no file.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._cases: dict[str, PendingCase] = {}
        try:
            self._cases = msgspec.json.decode(path.read_bytes(), type=dict[str, PendingCase]) if path else {}
        except FileNotFoundError:
            pass
        except (OSError, *UNREADABLE) as exc:
            log.error("vision.pending_cases_unreadable", file=str(path), reason=str(exc))

    def __contains__(self, case: object) -> bool:
        """Whether a case is pending."""
        return case in self._cases

    def case_ids(self) -> list[str]:
        """Ids of the pending cases, the oldest first."""
        return list(self._cases)

    def add(self, case: str, pending: PendingCase) -> None:
        """Add a case."""
        self._cases[case] = pending
        self._save()

    def note_removed(self, case: str, at: datetime) -> None:
        """Note that the waste was removed before the case was published."""
        self._cases[case].removed_at = at
        self._save()

    def get(self, case: str) -> PendingCase:
        """A pending case."""
        return self._cases[case]

    def remove(self, case: str) -> None:
        """Remove a case that has been published."""
        del self._cases[case]
        self._save()

    def _save(self) -> None:
        if self._path is None:
            return
        try:
            replace_file(self._path, msgspec.json.encode(self._cases), parents=True)
        except StorageError as exc:
            log.error("vision.pending_cases_refused", reason=str(exc))
