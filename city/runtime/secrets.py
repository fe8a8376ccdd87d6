"""The city's key and the secrets derived from it: passwords at the broker, signing keys.

Reading never makes a key: a new one would silently change every password and signature of the city.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path
from typing import Final

from city.errors import ConfigError, StorageError
from city.storage.atomic_files import replace_file

KEY_NAME: Final = "secret.key"
FINGERPRINT_NAME: Final = "secret.fingerprint"
_KEY_BYTES: Final = 32
_DATA: Final = ("ingest/journal.sqlite", "store/city.duckdb", "store/progress.sqlite", "evidence/custody.jsonl")
"""Files and folders that mark a data folder as in use."""
_NEW_KEY: Final = "or begin a new key with `kota secrets new-key`, which says what that costs"


class Secrets:
    """Derives every secret from one key file (mode 0600); nothing else is kept but the key's fingerprint."""

    def __init__(self, data: Path) -> None:
        """Read `data/secret.key`; never makes one.

        Raises:
            ConfigError: The file is absent, cannot be read, is not a key, or is not the one that this data belongs to.
        """
        path = data / KEY_NAME
        self._key = _read(path)
        noted = _noted_fingerprint(data)
        if noted and not hmac.compare_digest(noted, self.fingerprint()):
            raise ConfigError(
                f"{path}: is not the key that this data belongs to ({self.fingerprint()}, noted is {noted}): "
                f"put the right one back from a copy; {_NEW_KEY}"
            )

    @classmethod
    def make(cls, data: Path) -> Secrets:
        """Read the key; make one for a data folder that holds nothing yet, and note its fingerprint.

        Raises:
            ConfigError: The key is gone while data exist, or as above.
            StorageError: The disk refuses.
        """
        path = data / KEY_NAME
        try:
            data.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                _require_empty(data)
                _make(path)
        except OSError as exc:
            raise StorageError(f"{path}: {exc.strerror or exc}") from exc
        instance = cls(data)
        replace_file(data / FINGERPRINT_NAME, f"{instance.fingerprint()}\n")
        return instance

    @classmethod
    def make_anew(cls, data: Path) -> Secrets:
        """Begin a new key on purpose; the old one stays beside it.

        Raises:
            StorageError: The disk refuses.
        """
        path = data / KEY_NAME
        try:
            data.mkdir(parents=True, exist_ok=True)
            if path.exists():
                path.rename(path.with_name(f"{KEY_NAME}.old-{time.time_ns()}"))
            (data / FINGERPRINT_NAME).unlink(missing_ok=True)
            _make(path)
        except OSError as exc:
            raise StorageError(f"{path}: {exc.strerror or exc}") from exc
        return cls.make(data)

    def fingerprint(self) -> str:
        """Fingerprint of the key; no secret can be derived from it."""
        return self._derive("fingerprint", "key")[:16]

    def password(self, user: str) -> str:
        """The password of a device or service at the broker."""
        return self._derive("mqtt", user)

    def gateway_password(self, name: str, nonce: str) -> str:
        """The password of a third-party server; the nonce differs for each account made under the same name."""
        return self._derive("gateway", f"{name}:{nonce}")

    def broker_seed(self) -> bytes:
        """The 32 bytes from which the key is made that signs the embedded broker's admissions."""
        return hmac.new(self._key, b"broker:admissions", hashlib.sha256).digest()

    def custody_seed(self) -> bytes:
        """The 32 bytes from which the key is made that signs the custody log of the evidence."""
        return hmac.new(self._key, b"evidence:custody", hashlib.sha256).digest()

    def audit_seed(self) -> bytes:
        """The 32 bytes from which the key is made that signs the audit."""
        return hmac.new(self._key, b"audit", hashlib.sha256).digest()

    def grafana_seed(self) -> bytes:
        """The 32 bytes from which the key is made that signs people in to Grafana."""
        return hmac.new(self._key, b"grafana:tokens", hashlib.sha256).digest()

    def pseudonym_key(self) -> bytes:
        """The key of the hashes that replace names of hotspot clients."""
        return hmac.new(self._key, b"pseudonyms", hashlib.sha256).digest()

    def journal_key(self) -> bytes:
        """The 32 bytes of the key that encrypts third-party messages in ingest's journal."""
        return hmac.new(self._key, b"journal", hashlib.sha256).digest()

    def influx(self, account: str) -> str:
        """The password of an account at InfluxDB."""
        return self._derive("influx", account)

    def _derive(self, purpose: str, name: str) -> str:
        return hmac.new(self._key, f"{purpose}:{name}".encode(), hashlib.sha256).hexdigest()[:40]


def _read(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except FileNotFoundError as exc:
        raise ConfigError(_absent(path)) from exc
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror or exc}") from exc
    if len(key) != _KEY_BYTES:
        raise ConfigError(
            f"{path}: holds {len(key)} bytes, not a key of {_KEY_BYTES}: put it back from a copy; {_NEW_KEY}"
        )
    return key


def _absent(path: Path) -> str:
    if _holds_data(path.parent):
        return f"{path}: the city's key is gone, its data are there: put it back from a copy; {_NEW_KEY}"
    return f"{path}: there is no city here yet; `kota up` makes its key, `kota secrets key` too"


def is_unused(data: Path) -> bool:
    """Whether a data folder has neither a key nor data: a first run may make one."""
    return not (data / KEY_NAME).exists() and not _holds_data(data)


def _require_empty(data: Path) -> None:
    if _holds_data(data):
        raise ConfigError(_absent(data / KEY_NAME))


def _holds_data(data: Path) -> bool:
    return any((data / name).exists() for name in (FINGERPRINT_NAME, *_DATA))


def _noted_fingerprint(data: Path) -> str:
    try:
        return (data / FINGERPRINT_NAME).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{data / FINGERPRINT_NAME}: {exc}") from exc


def _make(path: Path) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)  # of a process that had this id before, as in a container
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
