"""The city's key and the secrets derived from it: passwords at the broker, signing keys.

Reading never makes a key: a new one would silently change every password and signature of the city. A service in a
container does not have the key: it has the secrets that it was given (`city/runtime/service_secrets.py`).
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
from city.runtime.service_secrets import GivenSecrets, SecretSource
from city.runtime.settings import Settings
from city.storage.atomic_files import replace_file

KEY_NAME: Final = "secret.key"
FINGERPRINT_NAME: Final = "secret.fingerprint"
_KEY_BYTES: Final = 32
_DATA: Final = ("ingest/journal.sqlite", "store/city.duckdb", "store/progress.sqlite", "evidence/custody.jsonl")
"""Files and folders that mark a data folder as in use."""
FINGERPRINT: Final = "fingerprint:key"
CUSTODY: Final = "evidence:custody"
AUDIT: Final = "audit"
GRAFANA: Final = "grafana:tokens"
CREWS: Final = "crews:codes"
PSEUDONYMS: Final = "pseudonyms"
JOURNAL: Final = "journal"
_NEW_KEY: Final = "or begin a new key with `kota secrets new-key`, which says what that costs"


class _CityKey:
    """Derives every secret by HMAC-SHA-256."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def digest(self, label: str) -> bytes:
        return hmac.new(self._key, label.encode(), hashlib.sha256).digest()

    def is_password(self, label: str, password: str) -> bool:
        return hmac.compare_digest(_password(self.digest(label)).encode(), password.encode())


class Secrets:
    """The secrets of a city. All come from one key file (mode 0600); nothing else is kept but the key's fingerprint."""

    def __init__(self, data: Path, given: GivenSecrets | None = None) -> None:
        """Read `data/secret.key`, unless the secrets are given; never makes one.

        Raises:
            ConfigError: The file is absent, cannot be read, is not a key, or is not the one that this data belongs to.
        """
        path = data / KEY_NAME
        self._source: SecretSource = given or _CityKey(_read(path))
        noted = _noted_fingerprint(data)
        if noted and not hmac.compare_digest(noted, self.fingerprint()):
            refusal = f"{given.path}: is not of the key" if given else f"{path}: is not the key"
            raise ConfigError(
                f"{refusal} that this data belongs to ({self.fingerprint()}, noted is {noted}): "
                f"put the right one back from a copy; {_NEW_KEY}"
            )

    @classmethod
    def of(cls, settings: Settings, *, make: bool = False) -> Secrets:
        """The secrets of this process: those that its service was given, else all, derived from the city's key.

        Args:
            settings: Name the data folder, or the folder of the service's secrets.
            make: Make a key for a data folder that holds nothing yet.

        Raises:
            ConfigError: As above, or the file of the service's secrets is absent or cannot be read.
        """
        if settings.secrets_folder is None:
            return cls.make(settings.data) if make else cls(settings.data)
        return cls(settings.data, GivenSecrets(settings.secrets_folder))

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
        return _password(self._source.digest(FINGERPRINT))[:16]

    def digest(self, label: str) -> bytes:
        """The 32 bytes of a label, for the file of a service."""
        return self._source.digest(label)

    def password(self, user: str) -> str:
        """The password of a device or service at the broker."""
        return _password(self._source.digest(mqtt_label(user)))

    def is_password(self, user: str, password: str) -> bool:
        """Whether a device or service has this password at the broker."""
        return self._source.is_password(mqtt_label(user), password)

    def gateway_password(self, name: str, nonce: str) -> str:
        """The password of a third-party server; the nonce differs for each account made under the same name."""
        return _password(self._source.digest(gateway_label(name, nonce)))

    def is_gateway_password(self, name: str, nonce: str, password: str) -> bool:
        """Whether a third-party server has this password."""
        return self._source.is_password(gateway_label(name, nonce), password)

    def broker_seed(self) -> bytes:
        """The 32 bytes from which the key is made that signs the embedded broker's admissions."""
        return self._source.digest("broker:admissions")

    def custody_seed(self) -> bytes:
        """The 32 bytes from which the key is made that signs the custody log of the evidence."""
        return self._source.digest(CUSTODY)

    def audit_seed(self) -> bytes:
        """The 32 bytes from which the key is made that signs the audit."""
        return self._source.digest(AUDIT)

    def grafana_seed(self) -> bytes:
        """The 32 bytes from which the key is made that signs people in to Grafana."""
        return self._source.digest(GRAFANA)

    def crew_key(self) -> bytes:
        """The key of the hashes of the codes by which phones of crews sign in."""
        return self._source.digest(CREWS)

    def pseudonym_key(self) -> bytes:
        """The key of the hashes that replace names of hotspot clients."""
        return self._source.digest(PSEUDONYMS)

    def journal_key(self) -> bytes:
        """The 32 bytes of the key that encrypts third-party messages in ingest's journal."""
        return self._source.digest(JOURNAL)

    def influx(self, account: str) -> str:
        """The password of an account at InfluxDB."""
        return _password(self._source.digest(influx_label(account)))


def mqtt_label(user: str) -> str:
    """Label of the password of a device or service at the broker."""
    return f"mqtt:{user}"


def gateway_label(name: str, nonce: str) -> str:
    """Label of the password of a third-party server."""
    return f"gateway:{name}:{nonce}"


def influx_label(account: str) -> str:
    """Label of the password of an account at InfluxDB."""
    return f"influx:{account}"


def _password(digest: bytes) -> str:
    return digest.hex()[:40]


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
