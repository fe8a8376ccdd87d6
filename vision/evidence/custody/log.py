"""The custody log: who kept, viewed, exported, reviewed and deleted which case; append-only, chained and signed.

Several processes append: the camera workers and the API. An entry is on disk before `add` returns. A fault at the log's
end that `add` finds is appended as an entry: new evidence is still kept, and the fault stays visible.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from broker.contract.codec import utc_ms
from city.errors import ConfigError, StorageError
from city.storage.atomic_files import replace_file
from city.storage.file_lock import file_lock
from city.storage.signatures import GENESIS, PublicKeys, Signer, add_public, sha256_of
from vision.evidence.custody.chain import Entry, Head, Kind, parse_entry, parse_head, sign_entry

log = structlog.get_logger("evidence")

PUBLIC_NAME: Final = "custody.pub"
LOG_NAME: Final = "custody.jsonl"
HEAD_NAME: Final = "custody.head"
HEAD_COPY_NAME: Final = "custody.noted"
"""A copy of the head, outside of the folder of evidence."""
LOCK_NAME: Final = "custody.lock"
DETAIL_MAX_BYTES: Final = 30_000
LINE_MAX_BYTES: Final = 32_768


class CustodyLog:
    """The log in a folder of evidence.

    Args:
        folder: Folder of the cases; made if absent.
        signer: Signs the entries.
        clock: Time of entries, UTC.
        head_copy: Copy of the head, outside of the folder: only this shows that the folder was deleted, emptied or set
            back.
    """

    def __init__(
        self,
        folder: Path,
        signer: Signer,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        head_copy: Path | None = None,
    ) -> None:
        self._head_copy = head_copy
        self._folder = folder
        self._signer = signer
        self._clock = clock
        self._published = False

    @property
    def key_id(self) -> str:
        """Id of the public key that checks new entries."""
        return self._signer.id

    @property
    def public_keys(self) -> PublicKeys:
        """The public key that checks new entries, by its id."""
        return {self._signer.id: self._signer.public}

    def add(self, kind: Kind, case: str, detail: Mapping[str, Any]) -> Entry:
        """Append an entry durably.

        Raises:
            ConfigError: `detail` is too large.
            StorageError: The disk refuses; the log is unchanged.
        """
        if len(msgspec.json.encode(detail)) > DETAIL_MAX_BYTES:
            raise ConfigError(f"the custody log takes {DETAIL_MAX_BYTES} bytes about one thing, not more")
        try:
            with self._lock():
                self._publish_key()
                with (self._folder / LOG_NAME).open("ab+") as file:
                    last = self._repair_end(file.fileno())
                    return self._append(file.fileno(), last, kind, case, detail)
        except (OSError, StorageError) as exc:
            raise StorageError(f"custody log: {exc}") from exc

    def entries(self, case: str | None = None) -> list[Entry]:
        """Readable entries, oldest first, of one case or of all."""
        return [entry for _, entry in read_lines(self._folder) if entry and case in (None, entry.case)]

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with file_lock(self._folder / LOCK_NAME):
            yield

    def _publish_key(self) -> None:
        """Add our public key to the file beside the log; earlier keys of the city stay."""
        if self._published:
            return
        add_public(self._folder / PUBLIC_NAME, self._signer)
        self._published = True

    def _repair_end(self, handle: int) -> bytes:
        """The last whole line, empty if there is none; a fault at the end of the log is appended as an entry."""
        size = os.fstat(handle).st_size
        tail = os.pread(handle, 2 * LINE_MAX_BYTES, max(0, size - 2 * LINE_MAX_BYTES))
        whole_lines, _, torn = tail.rpartition(b"\n")
        last = whole_lines.rpartition(b"\n")[2]
        if torn:
            last = self._set_aside(handle, size - len(torn), torn, last)
        why = self._end_fault(last)
        return self._append_fault(handle, last, why) if why else last

    def _set_aside(self, handle: int, keep_bytes: int, torn: bytes, last: bytes) -> bytes:
        """Move a line that a crash has truncated to a file; returns the fault entry appended for it."""
        aside = self._folder / f"custody.torn-{sha256_of(torn)[:12]}"
        aside.write_bytes(torn)
        os.ftruncate(handle, keep_bytes)
        log.warning("custody.torn_line", set_aside=aside.name, bytes=len(torn))
        return self._append_fault(handle, last, {"why": "torn", "set_aside": aside.name, "bytes": len(torn)})

    def _end_fault(self, last: bytes) -> dict[str, Any]:
        """Fault of the log's end compared with the head file; empty if there is none."""
        entry = parse_entry(last)
        if last and entry is None:
            return {"why": "damaged"}
        n = entry.n if entry else 0
        copied = _read_head(self._head_copy) if self._head_copy else None
        if copied is not None and copied.n > n:
            return {"why": "tail_cut", "head_n": copied.n, "head_sha256": copied.sha256}
        head = self._head()
        if head is None:
            return {"why": "no_head"} if n > 1 else {}
        if head.n > n or (head.n == n and head.sha256 != sha256_of(last)):
            return {"why": "tail_cut", "head_n": head.n, "head_sha256": head.sha256}
        return {}

    def _head(self) -> Head | None:
        return _read_head(self._folder / HEAD_NAME)

    def _append_fault(self, handle: int, last: bytes, detail: Mapping[str, Any]) -> bytes:
        """Append a fault entry; returns its line."""
        log.error("custody.fault", **detail)
        entry = self._append(handle, last, "fault", "", detail)
        return sign_entry(self._signer, entry)

    def _append(self, handle: int, last: bytes, kind: Kind, case: str, detail: Mapping[str, Any]) -> Entry:
        """Append an entry and write the head: both, or neither."""
        before = parse_entry(last) or self._head()
        at = utc_ms(self._clock())
        prev = sha256_of(last) if last else GENESIS
        entry = Entry(before.n + 1 if before else 1, at, kind, case, dict(detail), prev, self._signer.id)
        line = sign_entry(self._signer, entry)
        size = os.fstat(handle).st_size
        try:
            _write_all(handle, line + b"\n")
            os.fsync(handle)
            head = Head(entry.n, sha256_of(line), at, self._signer.id)
            replace_file(self._folder / HEAD_NAME, sign_entry(self._signer, head) + b"\n")
        except (OSError, StorageError):
            os.ftruncate(handle, size)
            raise
        self._write_head_copy(sign_entry(self._signer, head) + b"\n")
        return entry

    def _write_head_copy(self, head: bytes) -> None:
        """Copy the head outside of the folder; if that fails, the older copy there is still valid."""
        if self._head_copy is not None:
            try:
                replace_file(self._head_copy, head, parents=True)
            except StorageError as exc:
                log.warning("custody.head_not_copied", reason=str(exc))


def _read_head(path: Path) -> Head | None:
    try:
        return parse_head(path.read_bytes())
    except FileNotFoundError:
        return None


def read_lines(folder: Path) -> Iterator[tuple[bytes, Entry | None]]:
    """All whole lines of a folder's log, each with its entry, or None if it is none; empty if there is no log."""
    try:
        with (folder / LOG_NAME).open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line[:-1], parse_entry(line[:-1])
    except FileNotFoundError:
        return


def _write_all(handle: int, content: bytes) -> None:
    written = 0
    while written < len(content):
        written += os.write(handle, content[written:])
