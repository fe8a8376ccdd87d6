"""Hashes of passwords (argon2id) and what a password must be."""

from __future__ import annotations

import threading
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from people.errors import PeopleError

MIN_CHARACTERS, MAX_CHARACTERS = 12, 200
"""Source: NIST SP 800-63B-4, 3.1.1.2: at least 15 without a second factor is advised, 8 with one; length over rules."""
DIFFERENT_MIN: Final = 5
"""Minimum number of different characters."""
HASHES_AT_ONCE: Final = 2
"""Each takes 19 MiB while it is computed."""
# Source: OWASP Password Storage Cheat Sheet, argon2id: m = 19 MiB, t = 2, p = 1.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_AT_ONCE: Final = threading.BoundedSemaphore(HASHES_AT_ONCE)
_NOBODY: Final = _HASHER.hash("nobody has this password")
"""Verified for an account without a password, so that the answer takes as long as for one that has one."""


def hash_password(password: str, *, name: str = "") -> str:
    """The hash of a new password.

    Raises:
        PeopleError: `password_short`, `password_long` or `password_weak`.
    """
    if len(password) < MIN_CHARACTERS:
        raise PeopleError("password_short")
    if len(password) > MAX_CHARACTERS:
        raise PeopleError("password_long")
    if len(set(password)) < DIFFERENT_MIN or (name and name.lower() in password.lower()):
        raise PeopleError("password_weak")
    with _AT_ONCE:
        return _HASHER.hash(password)


def is_password(hashed: str | None, password: str) -> bool:
    """Whether a password is the one of a hash; without a hash it is not, after the same time."""
    try:
        with _AT_ONCE:
            _HASHER.verify(hashed or _NOBODY, password[: MAX_CHARACTERS + 1])
    except (VerificationError, InvalidHashError):
        return False
    return hashed is not None
