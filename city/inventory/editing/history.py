"""The history of changed files: what was changed by whom, and the text before, of the newest changes.

`DATA/inventory/changes/N.json` describes change N, and `N.gz` has the text of its file before it.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import structlog

from city.errors import ConfigError, StorageError
from city.inventory.city_files import EDITED
from city.storage.atomic_files import replace_file, require_version

log = structlog.get_logger("city")

FOLDER: Final = "changes"
KEPT: Final = 200
"""Number of changes that are kept."""
LINES_MAX: Final = 12
_DIGITS: Final = 6
What = Literal["add", "change", "remove", "revert", "discard"]


class ChangedLines(msgspec.Struct, frozen=True):
    """The lines that a change replaces. `line` is the first one, from 1.

    Of very many, as where a column is added, only the first and those of the entry are listed.
    """

    line: int
    before: tuple[str, ...]
    after: tuple[str, ...]


class Author(msgspec.Struct, frozen=True):
    """Who changes something: an account's id, and its name then."""

    id: str
    name: str


class Change(msgspec.Struct, frozen=True):
    """One change of a file. `entry` is the id of what was changed; `version` fields are those of the file."""

    n: int
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    by: Author
    what: What
    file: str
    entry: str
    lines: ChangedLines
    version_before: str
    version_after: str
    reverts: int | None = None
    version: int = 1


def version_of(text: str | None) -> str:
    """The version of a file's text, so that two changes at once are noticed; empty for a file that is absent."""
    return "" if text is None else hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def changed_lines(before: str, after: str, entry: str = "") -> ChangedLines:
    """What is different between two texts, from the first to the last line that is.

    Args:
        before: The text before.
        after: The text after.
        entry: The id of what is changed.
    """
    old, new = before.splitlines(), after.splitlines()
    start = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    same = zip(reversed(old[start:]), reversed(new[start:]), strict=False)
    end = next((n for n, (a, b) in enumerate(same) if a != b), min(len(old), len(new)) - start)
    return ChangedLines(
        start + 1,
        _few(old[start : len(old) - end], entry),
        _few(new[start : len(new) - end], entry),
    )


def _few(lines: Sequence[str], entry: str) -> tuple[str, ...]:
    if len(lines) <= LINES_MAX:
        return tuple(lines)
    of_entry = [line for line in lines[1:] if entry and re.search(rf"(?<![\w-]){re.escape(entry)}(?![\w-])", line)]
    return (lines[0], *of_entry[: LINES_MAX - 2], f"... ({len(lines)})")


class ChangeHistory:
    """The changes of a data folder. Who adds one holds the lock of the folder.

    Args:
        data: The data folder.
    """

    def __init__(self, data: Path) -> None:
        self._folder = data / EDITED / FOLDER

    def newest(self) -> list[Change]:
        """The changes that are kept, the newest first. One that cannot be read is left out and logged."""
        changes = []
        for path in sorted(self._folder.glob("[0-9]*.json"), reverse=True):
            try:
                raw = path.read_bytes()
                require_version(raw, path)
                changes.append(msgspec.json.decode(raw, type=Change))
            except (OSError, msgspec.MsgspecError, ConfigError) as exc:
                log.error("inventory.change_unreadable", file=path.name, reason=str(exc))
        return changes

    def get(self, number: int) -> Change:
        """A change.

        Raises:
            KeyError: It is not kept, or not any more.
        """
        for change in self.newest():
            if change.n == number:
                return change
        raise KeyError(number)

    def text_before(self, change: Change) -> str | None:
        """The text of its file before a change; None if there was none.

        Raises:
            KeyError: It is not kept any more.
        """
        if not change.version_before:
            return None
        try:
            return gzip.decompress(self._path(change.n, ".gz").read_bytes()).decode("utf-8")
        except (OSError, EOFError, ValueError) as exc:
            raise KeyError(change.n) from exc

    def next_number(self) -> int:
        """The number of the next change."""
        numbers = [int(path.stem) for path in self._folder.glob("[0-9]*.json") if path.stem.isdigit()]
        return max(numbers, default=0) + 1

    def add(self, change: Change, text_before: str | None) -> None:
        """Keep a change durably, before its file is written.

        Raises:
            StorageError: The disk refuses.
        """
        if text_before is not None:
            packed = gzip.compress(text_before.encode(), mtime=0)
            replace_file(self._path(change.n, ".gz"), packed, parents=True)
        content = msgspec.json.format(msgspec.json.encode(change), indent=1)
        replace_file(self._path(change.n, ".json"), content, parents=True)

    def drop(self, change: Change) -> None:
        """Forget a change that was never put in force."""
        for ending in (".json", ".gz"):
            with contextlib.suppress(OSError):
                self._path(change.n, ending).unlink()

    def forget_old(self) -> None:
        """Keep the newest `KEPT` changes."""
        for path in sorted(self._folder.glob("[0-9]*.json"), reverse=True)[KEPT:]:
            with contextlib.suppress(OSError):
                path.with_suffix(".gz").unlink(missing_ok=True)
                path.unlink()

    def _path(self, number: int, ending: str) -> Path:
        return self._folder / f"{number:0{_DIGITS}}{ending}"


def storage_error(path: Path, exc: OSError) -> StorageError:
    """An error of the disk."""
    return StorageError(f"{path}: {exc.strerror or exc}")
