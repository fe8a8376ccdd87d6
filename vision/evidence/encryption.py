"""Encryption of clear copies (pictures with people): a camera worker that writes them cannot read them.

The format is age's own: `age --decrypt -i clear.key clear-after-jpg.age` opens a copy without this program. The private
key is in no folder of the camera workers: `kota evidence clear-key --out FILE` makes the pair, puts the public half
beside the evidence, and FILE where the API alone can read it. Which case a copy belongs to is in the custody log, with
its hash. Keys and copies of earlier versions stay readable.

Source: age-encryption.org/v1; keys are X25519 keys in Bech32 (BIP 173).
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

import bech32

from city.errors import ConfigError
from vision.evidence import encryption_v1

PUBLIC_NAME: Final = "clear.pub"
SUFFIXES: Final = (".age", encryption_v1.SUFFIX)
"""Suffixes of encrypted copies, the present one first."""
_PUBLIC: Final = "age"
_PRIVATE: Final = "age-secret-key-"


def encrypted_name(file: str, suffix: str = SUFFIXES[0]) -> str:
    """Name of the encrypted copy of a file: `after.jpg` is `clear-after-jpg.age`."""
    return f"clear-{file.replace('.', '-')}{suffix}"


def find_encrypted(file: str, names: Iterable[str]) -> str | None:
    """The encrypted copy of a file among the names of a case's files; None without one."""
    kept = set(names)
    return next((name for suffix in SUFFIXES if (name := encrypted_name(file, suffix)) in kept), None)


def new_private_key() -> str:
    """A private clear key, `AGE-SECRET-KEY-1...`."""
    return str(_age().x25519.Identity.generate())


def public_of(private: str) -> str:
    """The public half of a private clear key, `age1...`."""
    return str(_age().x25519.Identity.from_str(private).to_public())


def key_file(private: str) -> str:
    """The content of a private key's file, as `age-keygen` writes it."""
    return f"# public key: {public_of(private)}\n{private}\n"


def read_private_key(path: Path) -> str:
    """Read a private clear key.

    Raises:
        ConfigError: The file is absent or holds something else.
    """
    return _read_key(path, _PRIVATE).upper()


def read_public_key(path: Path) -> str:
    """Read a public clear key.

    Raises:
        ConfigError: The file is absent or holds something else.
    """
    return _read_key(path, _PUBLIC)


def encrypt(content: bytes, public: str) -> bytes:
    """Encrypt for the owner of the private key.

    Args:
        content: The plain content.
        public: The city's public clear key.
    """
    age = _age()
    encrypted: bytes = age.encrypt(content, [age.x25519.Recipient.from_str(public)])
    return encrypted


def decrypt(encrypted: bytes, private: str, name: str) -> bytes:
    """Decrypt an encrypted copy.

    Args:
        encrypted: Its content.
        private: The private clear key.
        name: Case and file, `CASE/FILE`; copies of earlier versions are bound to it.

    Raises:
        ConfigError: It was encrypted for another key, or has been changed.
    """
    if encrypted.startswith(encryption_v1.MAGIC):
        return encryption_v1.decrypt(encrypted, _raw(private, _PRIVATE) or b"", name)
    age = _age()
    try:
        content: bytes = age.decrypt(encrypted, [age.x25519.Identity.from_str(private)])
    except (age.DecryptError, ValueError) as exc:
        raise ConfigError(f"{name} cannot be decrypted: encrypted for another key, or changed since") from exc
    return content


def _age() -> ModuleType:
    """The library, loaded when it is needed: 1.4 MB in every process, and few sites ask for clear copies."""
    return import_module("pyrage")


def _read_key(path: Path, part: str) -> str:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{path}: no key for clear copies: {exc}") from exc
    keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if len(keys) != 1:
        raise ConfigError(f"{path}: holds {len(keys)} keys for clear copies, not one")
    raw = _raw(keys[0], part) or _raw_v1(keys[0])
    if raw is None:
        raise ConfigError(f"{path}: holds no {'public' if part == _PUBLIC else 'private'} key for clear copies")
    return bech32.bech32_encode(part, bech32.convertbits(raw, 8, 5) or [])


def _raw(key: str, part: str) -> bytes | None:
    """The 32 bytes of a key in Bech32; None if it is none, or of another kind."""
    kind, words = bech32.bech32_decode(key)
    numbers = bech32.convertbits(words, 5, 8, False) if words and kind == part else None
    return bytes(numbers) if numbers and len(numbers) == encryption_v1.KEY_BYTES else None


def _raw_v1(key: str) -> bytes | None:
    """The 32 bytes of a key as earlier versions wrote it, in base64."""
    with contextlib.suppress(ValueError):
        raw = base64.b64decode(key, validate=True)
        return raw if len(raw) == encryption_v1.KEY_BYTES else None
    return None
