"""The city's key and what is derived from it: passwords at the broker and tokens for the API."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final, Literal

from broker.contract.errors import ConfigError

Role = Literal["viewer", "operator", "admin"]

ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "admin")
"""From least to most; a role may do what those before it may."""

SERVICE_USERS: Final = ("ingest", "simulator")
_KEY_BYTES: Final = 32


class Secrets:
    """Derives every secret from one key file (mode 0600), made at first use; nothing else is kept."""

    def __init__(self, data: Path) -> None:
        """Read or make `data/secret.key`.

        Raises:
            ConfigError: The file cannot be read or made, or is not a key.
        """
        path = data / "secret.key"
        try:
            data.mkdir(parents=True, exist_ok=True)
            self._key = _read_or_make(path)
        except OSError as exc:
            raise ConfigError(f"{path}: {exc.strerror or exc}") from exc
        if len(self._key) != _KEY_BYTES:
            raise ConfigError(f"{path}: holds {len(self._key)} bytes, not a key of {_KEY_BYTES}")

    def password(self, user: str) -> str:
        """The password of a device or service at the broker."""
        return self._derive("mqtt", user)

    def gateway_password(self, name: str, nonce: str) -> str:
        """The password of another maker's server; made again under the same name it has another nonce."""
        return self._derive("gateway", f"{name}:{nonce}")

    def broker_seed(self) -> bytes:
        """The 32 bytes from which the key is made that signs the embedded broker's admissions."""
        return hmac.new(self._key, b"broker:admissions", hashlib.sha256).digest()

    def token(self, role: Role) -> str:
        """The bearer token of a role at the API."""
        return f"{role}-{self._derive('api', role)}"

    def role_of(self, token: str) -> Role | None:
        """The role a token stands for, None when it is not one of ours; compares in constant time."""
        return next((role for role in ROLES if hmac.compare_digest(self.token(role).encode(), token.encode())), None)

    def session_key(self) -> str:
        """The key that signs the console's cookies."""
        return self._derive("console", "session")

    def custody_seed(self) -> bytes:
        """The 32 bytes from which the key is made that signs the custody log of the evidence."""
        return hmac.new(self._key, b"evidence:custody", hashlib.sha256).digest()

    def pseudonym_key(self) -> bytes:
        """The key of the hashes that stand for clients of hotspots."""
        return hmac.new(self._key, b"pseudonyms", hashlib.sha256).digest()

    def influx(self, account: str) -> str:
        """The password of an account at InfluxDB."""
        return self._derive("influx", account)

    def _derive(self, purpose: str, name: str) -> str:
        return hmac.new(self._key, f"{purpose}:{name}".encode(), hashlib.sha256).hexdigest()[:40]


def _read_or_make(path: Path) -> bytes:
    if path.exists():
        return path.read_bytes()
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
    return path.read_bytes()
