"""Cases between the deposit and their event: on disk until they are reported, so that no crash forgets one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog

from broker.contract.codec import UNREADABLE
from broker.contract.errors import ConfigError
from city.atomic_files import replace_file

log = structlog.get_logger("vision")


class WaitingCase(msgspec.Struct):
    """A case that is reported once its evidence is on disk, and cleared after that if it has been removed before."""

    detail: dict[str, Any]
    at: datetime
    removed_at: datetime | None = None


class WaitingCases:
    """One camera's, by id; every change is on disk before it is believed, unless the disk refuses.

    Args:
        path: Their file; its folder is made. None keeps none.
    """

    def __init__(self, path: Path | None) -> None:
        """Take over what an earlier life has left."""
        self._path = path
        self._cases: dict[str, WaitingCase] = {}
        try:
            self._cases = msgspec.json.decode(path.read_bytes(), type=dict[str, WaitingCase]) if path else {}
        except FileNotFoundError:
            pass
        except (OSError, *UNREADABLE) as exc:
            log.error("vision.waiting_unreadable", file=str(path), reason=str(exc))

    def __contains__(self, case: object) -> bool:
        """Whether a case still waits."""
        return case in self._cases

    def cases(self) -> list[str]:
        """All ids, the longest waiting first."""
        return list(self._cases)

    def add(self, case: str, waiting: WaitingCase) -> None:
        """Have a case wait."""
        self._cases[case] = waiting
        self._save()

    def note_removed(self, case: str, at: datetime) -> None:
        """What was put down has gone before it was reported."""
        self._cases[case].removed_at = at
        self._save()

    def get(self, case: str) -> WaitingCase:
        """A case that waits."""
        return self._cases[case]

    def remove(self, case: str) -> None:
        """A case has been reported."""
        del self._cases[case]
        self._save()

    def _save(self) -> None:
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, msgspec.json.encode(self._cases))
        except (ConfigError, OSError) as exc:
            log.error("vision.waiting_refused", reason=str(exc))
