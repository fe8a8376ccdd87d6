"""Changed passwords of devices and services: one file each with hashes, written by an operator, read by every process.

`kota credentials DEVICE --renew` -> DATA/passwords/DEVICE.json -> the broker, Mosquitto's files, the route for messages
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import msgspec
import structlog
from msgspec import Meta

from broker.contract.topics import require_id
from broker.password_hash import HASH_PATTERN, hash_password
from city.errors import ConfigError, StorageError, TopicError
from city.storage.atomic_files import replace_file, require_version
from city.storage.file_lock import file_lock

log = structlog.get_logger("city")

FOLDER: Final = "passwords"
SECRET_BYTES: Final = 20
"""160 random bits; in hexadecimal as long as a derived password."""

Hash = Annotated[str, Meta(pattern=HASH_PATTERN)]
Instant = Annotated[datetime, Meta(tz=True)]


class OldPassword(msgspec.Struct, frozen=True):
    """A password before a renewal, valid until a time; `is_derived` marks the one that the city's key gives."""

    hash: Hash
    until: Instant
    is_derived: bool = False


class PasswordChange(msgspec.Struct, frozen=True):
    """The passwords of one account, as hashes. Without `hash` every password is refused: it was revoked."""

    user: str
    changed_at: Instant
    hash: Hash | None = None
    old: tuple[OldPassword, ...] = ()
    version: int = 1

    def old_at(self, now: datetime) -> tuple[OldPassword, ...]:
        """The old passwords that are still valid."""
        return tuple(old for old in self.old if now < old.until)

    def hashes_at(self, now: datetime) -> tuple[str, ...]:
        """The hashes of all passwords that are valid."""
        return (*([self.hash] if self.hash else ()), *(old.hash for old in self.old_at(now)))


class _Entry(msgspec.Struct):
    """What was last read of a file: its stamp, and its last readable content."""

    stamp: tuple[int, int, int] | None
    change: PasswordChange | None
    reason: str = ""


class PasswordChanges:
    """The files in the folder; each call looks at the file. Thread-safe.

    A file that was read once and is then damaged or gone counts as it was, until the process ends.
    """

    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    def change_of(self, user: str) -> PasswordChange | None:
        """The change of an account's password; None if the derived password counts.

        Raises:
            ConfigError: The file cannot be read; no password may be accepted.
        """
        path = self._path(user)
        with self._lock:
            entry = self._entries.get(user)
            try:
                stat = path.stat()
            except FileNotFoundError:
                if entry is None:
                    return None
                return self._keep(user, entry, None, f"{path}: is gone")
            except OSError as exc:
                return self._keep(user, entry, None, f"{path}: {exc.strerror or exc}")
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if entry is None or entry.stamp != stamp:
                return self._read(user, entry, stamp)
            return self._keep(user, entry, stamp, entry.reason)

    def changes(self) -> Mapping[str, PasswordChange | None]:
        """Every account with a changed password; None where the file cannot be read.

        Raises:
            ConfigError: The folder cannot be read.
        """
        try:
            users = sorted(path.stem for path in self._folder.iterdir() if path.suffix == ".json")
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise ConfigError(f"{self._folder}: {exc.strerror or exc}") from exc
        return {user: self._readable_change_of(user) for user in users}

    def renew(self, user: str, derived: str, overlap: timedelta, now: datetime) -> tuple[str, PasswordChange]:
        """Give an account a new random password, durably; returns it and what is kept of it.

        Every password that is valid stays valid for the overlap. Of an unreadable file no old password is known.

        Args:
            user: The account.
            derived: The password that the city's key gives it.
            overlap: Time after which the old passwords are refused; 0 ends them at once.
            now: The time of the change, UTC.

        Raises:
            ConfigError: The name is no id, or a newer version of this program has written the file.
            StorageError: The disk refuses.
        """
        password = secrets.token_hex(SECRET_BYTES)

        def renewal() -> PasswordChange:
            until = now + overlap
            olds = self._old_passwords(user, derived, until, now) if overlap else ()
            return PasswordChange(user, now, hash_password(user, password), olds)

        return password, self._write(user, renewal)

    def revoke(self, user: str, now: datetime) -> None:
        """Have every password of an account refused, until it is renewed; durably.

        Raises:
            ConfigError: The name is no id, or a newer version of this program has written the file.
            StorageError: The disk refuses.
        """
        self._write(user, lambda: PasswordChange(user, now))

    def _readable_change_of(self, user: str) -> PasswordChange | None:
        try:
            return self._decode(user)
        except (OSError, ValueError, ConfigError):
            return None

    def _old_passwords(self, user: str, derived: str, until: datetime, now: datetime) -> tuple[OldPassword, ...]:
        try:
            change = self._decode(user)
        except FileNotFoundError:
            return (OldPassword(hash_password(user, derived), until, is_derived=True),)
        except (OSError, ValueError):
            return ()
        older = [msgspec.structs.replace(old, until=min(old.until, until)) for old in change.old_at(now)]
        return (*([OldPassword(change.hash, until)] if change.hash else ()), *older)

    def _write(self, user: str, make: Callable[[], PasswordChange]) -> PasswordChange:
        path = self._path(user)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with file_lock(self._folder, is_folder=True):
                if path.exists():
                    require_version(path.read_bytes(), path)
                change = make()
                replace_file(path, msgspec.json.format(msgspec.json.encode(change), indent=1))
        except OSError as exc:
            raise StorageError(f"{path}: {exc.strerror or exc}") from exc
        return change

    def _path(self, user: str) -> Path:
        try:
            return self._folder / f"{require_id(user, 'the account')}.json"
        except TopicError as exc:
            raise ConfigError(str(exc)) from exc

    def _read(self, user: str, entry: _Entry | None, stamp: tuple[int, int, int]) -> PasswordChange | None:
        try:
            change = self._decode(user)
        except (OSError, ValueError, ConfigError) as exc:
            return self._keep(user, entry, stamp, f"{self._path(user)}: {exc}")
        self._entries[user] = _Entry(stamp, change)
        return change

    def _decode(self, user: str) -> PasswordChange:
        """Read a file.

        Raises:
            ConfigError: A newer version of this program has written it.
            OSError, ValueError: It cannot be read, or is of another account.
        """
        path = self._path(user)
        raw = path.read_bytes()
        require_version(raw, path)
        change = msgspec.json.decode(raw, type=PasswordChange)
        if change.user != user:
            raise ValueError(f"is of {change.user!r}")
        return change

    def _keep(self, user: str, entry: _Entry | None, stamp: tuple[int, int, int] | None, reason: str) -> PasswordChange:
        """What was readable before; a new reason is logged once.

        Raises:
            ConfigError: It was never readable.
        """
        if entry is None or entry.reason != reason:
            log.error("passwords.unreadable", user=user, reason=reason, kept=bool(entry and entry.change))
        entry = self._entries[user] = _Entry(stamp, entry.change if entry else None, reason)
        if entry.change is None:
            raise ConfigError(
                f"{reason}; no password of {user} is accepted: put the file back from a copy, or make a new password "
                f"with `kota credentials {user} --renew`"
            )
        return entry.change


def utc_now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)
