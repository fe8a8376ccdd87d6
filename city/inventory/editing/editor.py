"""Changes files of a city, one at a time: checked before, kept with the text before, and seen by every process.

The changed copy of a file is in the data folder (`city.inventory.city_files`); the city's own folder stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from city.errors import ConfigError, StorageError
from city.inventory.city_files import EDITABLE, EDITED, CityFiles
from city.inventory.editing.history import (
    Author,
    Change,
    ChangedLines,
    ChangeHistory,
    What,
    changed_lines,
    storage_error,
    version_of,
)
from city.inventory.editing.trial import Check, problems_of_change
from city.inventory.field_types import check_id
from city.inventory.problems import InventoryError, InventoryProblem
from city.storage.atomic_files import replace_file
from city.storage.file_lock import file_lock

ADOPTED: Final = "devices/"
"""The folder of adopted devices, whose files may be changed as well."""
_BASES: Final = "bases.json"


class EditConflictError(ConfigError):
    """The file has changed since it was read."""


class FileState(msgspec.Struct, frozen=True):
    """A file as it is now.

    `path` is where its text is, and `writes_to` where a changed one is put. `is_edited`: there is a changed copy.
    `hides_newer`: the city's folder has had a newer file since the copy was begun.
    """

    name: str
    path: str
    text: str | None
    version: str
    writes_to: str
    is_edited: bool = False
    hides_newer: bool = False


class Proposal(msgspec.Struct, frozen=True):
    """A text that a file is to have. `version` is that of the text that was changed."""

    file: str
    text: str | None
    version: str
    what: What
    entry: str
    lines: ChangedLines
    reverts: int | None = None


class CityEditor:
    """Changes the files of one city. Safe between threads and processes.

    Args:
        files: Where the files are; there is a data folder.
        clock: UTC.
        checks: What is checked besides the inventory.
    """

    def __init__(self, files: CityFiles, clock: Callable[[], datetime], checks: Sequence[Check] = ()) -> None:
        assert files.data is not None  # noqa: S101 - the program's own mistake
        self._files = files
        self._data: Path = files.data
        self._clock = clock
        self._checks = checks
        self.history = ChangeHistory(self._data)

    def state(self, name: str) -> FileState:
        """A file as it is now.

        Raises:
            ConfigError: It is none that is changed here, or cannot be read.
        """
        path = self._path(name)
        own = self._read(self._files.folder / name) if name in EDITABLE else None
        copy = self._read(path)
        if copy is None:
            shown = self._files.folder / name if name in EDITABLE else path
            return FileState(name, str(shown), own, version_of(own), str(path))
        is_hidden = name in EDITABLE and self._bases().get(name, version_of(own)) != version_of(own)
        return FileState(name, str(path), copy, version_of(copy), str(path), name in EDITABLE, is_hidden)

    def propose(self, name: str, version: str, what: What, entry: str, change: Callable[[str], str | None]) -> Proposal:
        """A change of a file, not yet checked.

        Args:
            name: The file.
            version: The version that was read; another one now is a conflict.
            what: What is done to the entry.
            entry: The id of what is changed.
            change: Makes the new text from the present one, which is empty for a file that does not exist.

        Raises:
            EditConflictError: The file has another version.
            InventoryError: The text cannot be changed.
        """
        state = self._state_of_version(name, version)
        try:
            text = change(state.text or "")
        except ValueError as exc:
            raise InventoryError([InventoryProblem(name, "", str(exc))]) from exc
        return Proposal(name, text, version, what, entry, changed_lines(state.text or "", text or "", entry))

    def propose_revert(self, number: int, version: str) -> Proposal:
        """The text of a file before a change; later changes of it are taken back as well.

        Raises:
            KeyError: The change is not kept.
            EditConflictError: The file has another version.
        """
        change = self.history.get(number)
        before = self.history.text_before(change)
        state = self._state_of_version(change.file, version)
        lines = changed_lines(state.text or "", before or "", change.entry)
        return Proposal(change.file, before, version, "revert", change.entry, lines, number)

    def propose_discard(self, name: str, version: str) -> Proposal:
        """The text of the city's own folder instead of a changed copy.

        Raises:
            EditConflictError: The file has another version.
        """
        state = self._state_of_version(name, version)
        own = self._read(self._files.folder / name) if name in EDITABLE else None
        return Proposal(name, own, version, "discard", name, changed_lines(state.text or "", own or ""))

    def problems(self, proposal: Proposal) -> tuple[InventoryProblem, ...]:
        """What would be wrong with the city."""
        return problems_of_change(self._files, proposal.file, proposal.text, self._checks)

    def commit(self, proposal: Proposal, by: Author) -> Change | None:
        """Check a change and put it in force, durably; None if it changes nothing.

        Raises:
            EditConflictError: The file has changed meanwhile; nothing is written.
            InventoryError: The city would have problems; nothing is written.
            StorageError: The disk refuses; nothing is written.
        """
        with self._lock():
            state = self._state_of_version(proposal.file, proposal.version)
            if proposal.text == state.text:
                return None
            if problems := self.problems(proposal):
                raise InventoryError(problems)
            self._drop_unfinished(state)
            change = self._change(proposal, by)
            self.history.add(change, state.text)
            try:
                self._write(proposal.file, proposal.text)
            except StorageError:
                self.history.drop(change)
                raise
            self.history.forget_old()
            return change

    def _change(self, proposal: Proposal, by: Author) -> Change:
        return Change(
            self.history.next_number(),
            self._clock(),
            by,
            proposal.what,
            proposal.file,
            proposal.entry,
            proposal.lines,
            proposal.version,
            version_of(proposal.text),
            proposal.reverts,
        )

    def _drop_unfinished(self, state: FileState) -> None:
        """Forget a change of this file that was kept and never written: its process ended in between."""
        newest = next((change for change in self.history.newest() if change.file == state.name), None)
        if newest and newest.version_after != state.version and newest.version_before == state.version:
            self.history.drop(newest)

    def _write(self, name: str, text: str | None) -> None:
        path = self._path(name)
        own = self._read(self._files.folder / name) if name in EDITABLE else None
        try:
            if text is None or (name in EDITABLE and text == own):
                path.unlink(missing_ok=True)
                return
        except OSError as exc:
            raise storage_error(path, exc) from exc
        if name in EDITABLE and not path.exists():
            bases = {**self._bases(), name: version_of(own)}
            replace_file(self._data / EDITED / _BASES, msgspec.json.encode(bases), parents=True)
        replace_file(path, text.encode("utf-8"), parents=True)

    def _bases(self) -> dict[str, str]:
        """File to the version that the city's folder had when its changed copy was begun."""
        try:
            return msgspec.json.decode((self._data / EDITED / _BASES).read_bytes(), type=dict[str, str])
        except (OSError, msgspec.MsgspecError):
            return {}

    def _state_of_version(self, name: str, version: str) -> FileState:
        state = self.state(name)
        if state.version != version:
            raise EditConflictError(f"{name} has been changed meanwhile; read it again")
        return state

    def _path(self, name: str) -> Path:
        """Where the text of a file is written."""
        if (path := self._files.edited_path(name)) is not None:
            return path
        id_ = name.removeprefix(ADOPTED).removesuffix(".json")
        try:
            if name == f"{ADOPTED}{check_id(id_)}.json":
                return self._data / name
        except ValueError as exc:
            raise ConfigError(f"{name}: {exc}") from exc
        raise ConfigError(f"{name}: is not changed here")

    @staticmethod
    def _read(path: Path) -> str | None:
        try:
            return path.read_bytes().decode("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise ConfigError(f"{path.name}: {exc.strerror or 'cannot be read'}") from exc
        except UnicodeDecodeError as exc:
            raise ConfigError(f"{path.name}: not UTF-8 at byte {exc.start}") from exc

    @contextmanager
    def _lock(self) -> Iterator[None]:
        folder = self._data / EDITED
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = file_lock(folder / ".lock")
            with lock:
                yield
        except OSError as exc:
            raise storage_error(folder, exc) from exc
