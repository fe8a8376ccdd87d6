"""Checks the passwords of devices and services: derived from the city's key, or changed one at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from broker.password_hash import hash_password, is_hash_of
from city.errors import ConfigError
from city.runtime.password_changes import PasswordChanges, utc_now
from city.runtime.secrets import Secrets

DERIVED: Final = "derived"
"""The id of the password that the city's key gives."""


class Passwords:
    """Knows which passwords of an account are valid now. Thread-safe.

    Args:
        secrets: The derived passwords.
        changes: The changed ones.
        clock: The time, UTC.
    """

    def __init__(self, secrets: Secrets, changes: PasswordChanges, clock: Callable[[], datetime] = utc_now) -> None:
        self._secrets = secrets
        self._changes = changes
        self._clock = clock

    def is_valid(self, user: str, password: str) -> bool:
        """Whether an account has this password; no password is valid while its file cannot be read."""
        try:
            change = self._changes.change_of(user)
        except ConfigError:
            return False
        if change is None:
            return self._secrets.is_password(user, password)
        hashes = change.hashes_at(self._clock())
        return any([is_hash_of(hash_, password) for hash_ in hashes])  # noqa: C419 - the time does not tell which

    def valid_ids(self, user: str) -> frozenset[str]:
        """An id of each password that is valid; a password keeps its id, and none can be found from it."""
        try:
            change = self._changes.change_of(user)
        except ConfigError:
            return frozenset()
        if change is None:
            return frozenset({DERIVED})
        old_ids = {DERIVED if old.is_derived else old.hash for old in change.old_at(self._clock())}
        return frozenset({*old_ids, *([change.hash] if change.hash else ())})

    def newest_hash(self, user: str) -> str | None:
        """The hash of the newest password, as Mosquitto has it; None after a revocation.

        Raises:
            ConfigError: The account's file cannot be read.
        """
        change = self._changes.change_of(user)
        return change.hash if change else hash_password(user, self._secrets.password(user))

    def has_overlap(self, user: str) -> bool:
        """Whether an old password is valid beside the newest one.

        Raises:
            ConfigError: The account's file cannot be read.
        """
        change = self._changes.change_of(user)
        return bool(change and change.old_at(self._clock()))
