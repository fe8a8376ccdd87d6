"""The secrets that one service was given, in a folder of its own: what is not in it, the service cannot know.

`kota secrets share` writes the folders (`city/cli/share_secrets.py`); a container mounts one of them, read-only.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Final, Protocol

import msgspec

from city.errors import ConfigError

FILE_NAME: Final = "secrets.json"
_Stamp = tuple[int, int, int]


class SecretSource(Protocol):
    """Where secrets come from: the city's key, or the file of one service."""

    def digest(self, label: str) -> bytes:
        """The 32 bytes of a label.

        Raises:
            ConfigError: This service was not given it.
        """

    def is_password(self, label: str, password: str) -> bool:
        """Whether the password of a label is this one. Compares in constant time."""


class SecretsFile(msgspec.Struct, frozen=True):
    """Content of the file: 32 bytes in hexadecimal for each secret; SHA-256 of the passwords that are only compared."""

    service: str
    secrets: dict[str, str]
    verifiers: dict[str, str]


class GivenSecrets:
    """The file of one service. It is read again when it changes: a device may have been adopted.

    Args:
        folder: The folder of the service.

    Raises:
        ConfigError: The file is absent or cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._stamp, self._file = self._read()

    def digest(self, label: str) -> bytes:
        """The 32 bytes of a label.

        Raises:
            ConfigError: The service was not given it.
        """
        file = self._current()
        secret = file.secrets.get(label)
        if secret is None:
            raise ConfigError(f"{self.path}: {file.service} was not given {label!r}; `kota secrets share` writes it")
        return bytes.fromhex(secret)

    def is_password(self, label: str, password: str) -> bool:
        """Whether the password of a label is this one; False for a label that the file does not have."""
        verifier = self._current().verifiers.get(label, "")
        return hmac.compare_digest(verifier, verifier_of(password))

    def _current(self) -> SecretsFile:
        """The file as it is now; as it was where it cannot be read any more."""
        try:
            if _stamp(self.path) != self._stamp:
                self._stamp, self._file = self._read()
        except (ConfigError, OSError):
            return self._file
        return self._file

    def _read(self) -> tuple[_Stamp, SecretsFile]:
        try:
            stamp = _stamp(self.path)
            return stamp, msgspec.json.decode(self.path.read_bytes(), type=SecretsFile)
        except FileNotFoundError as exc:
            raise ConfigError(f"{self.path}: is absent; `kota secrets share` writes it") from exc
        except OSError as exc:
            raise ConfigError(f"{self.path}: {exc.strerror or exc}") from exc
        except msgspec.MsgspecError as exc:
            raise ConfigError(f"{self.path}: {exc}; `kota secrets share` writes it again") from exc


def verifier_of(password: str) -> str:
    """SHA-256 of a derived password, in hexadecimal. Its 160 random bits need no stretching."""
    return hashlib.sha256(password.encode()).hexdigest()


def _stamp(path: Path) -> _Stamp:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
