"""Hashes of passwords as Mosquitto's password file has them; the city keeps the same hashes of changed passwords.

Source: mosquitto_passwd(1) of 2.0, format `$7$`: PBKDF2 with SHA-512.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from typing import Final

ITERATIONS: Final = 101
"""Mosquitto's own default; a password of 160 random bits needs no stretching."""
HASH_PATTERN: Final = rf"^\$7\${ITERATIONS}\$([A-Za-z0-9+/]{{16}})\$([A-Za-z0-9+/]{{86}}==)$"
_SALT_BYTES: Final = 12
"""Mosquitto 2.0 refuses any other length."""
_HASH: Final = re.compile(HASH_PATTERN)


def hash_password(user: str, password: str) -> str:
    """The hash of an account's password. The salt is derived from the password: equal passwords have equal hashes."""
    salt = hmac.digest(password.encode(), f"salt:{user}".encode(), "sha256")[:_SALT_BYTES]
    digest = _digest(password, salt)
    return f"$7${ITERATIONS}${b64encode(salt).decode()}${b64encode(digest).decode()}"


def is_hash_of(hash_: str, password: str) -> bool:
    """Whether a hash is of a password; False for a text that is no hash of ours. Compares in constant time."""
    parts = _HASH.fullmatch(hash_)
    if parts is None:
        return False
    return hmac.compare_digest(_digest(password, b64decode(parts[1])), b64decode(parts[2]))


def _digest(password: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
