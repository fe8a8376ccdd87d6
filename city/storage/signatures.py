"""Signed lines of JSON, as the custody log and the audit consist of; Ed25519 keys, derived from the city's key.

A line is `{..,"key":"..","sig":".."}`. Signed is the line without `,"sig":".."`. `openssl` alone can check it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from city.errors import ConfigError
from city.storage.atomic_files import replace_file

_END: Final = "-----END PUBLIC KEY-----\n"
_ID_DIGITS: Final = 16
_SIGNATURE: Final = b',"sig":"'
GENESIS: Final = "0" * 64
"""SHA-256 that the first line of a chain names as that of the line before it."""

PublicKeys = Mapping[str, Ed25519PublicKey]
"""Public keys by id: the first digits of the SHA-256 of the key's 32 bytes."""


class Signer:
    """Signs lines with the city's key; `id` is that of its public key."""

    def __init__(self, seed: bytes) -> None:
        """Derive the key pair from a seed.

        Args:
            seed: 32 secret bytes.
        """
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._private.public_key()
        self.id = id_of(self._public)

    @property
    def public(self) -> Ed25519PublicKey:
        """The public key that checks its signatures."""
        return self._public

    def sign(self, body: bytes) -> str:
        """The signature of a text, base64."""
        return base64.b64encode(self._private.sign(body)).decode()

    def public_pem(self) -> str:
        """The public key, as OpenSSL reads it."""
        return self._public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def id_of(key: Ed25519PublicKey) -> str:
    """A key's id."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:_ID_DIGITS]


def read_public(path: Path) -> dict[str, Ed25519PublicKey]:
    """All keys of a PEM file, by id; the city may have had several.

    Raises:
        ConfigError: The file is absent or holds something else.
    """
    try:
        texts = [part + _END for part in path.read_text(encoding="ascii").split(_END) if part.strip()]
        keys = [load_pem_public_key(text.encode()) for text in texts]
    except (OSError, ValueError, UnsupportedAlgorithm) as exc:
        raise ConfigError(f"{path}: no public key: {exc}") from exc
    keys_by_id = {id_of(key): key for key in keys if isinstance(key, Ed25519PublicKey)}
    if not keys_by_id:
        raise ConfigError(f"{path}: holds no Ed25519 key")
    return keys_by_id


def add_public(path: Path, signer: Signer) -> None:
    """Add a signer's public key to a PEM file; the keys that it has stay.

    Raises:
        OSError, StorageError: The disk refuses.
    """
    known = path.read_text(encoding="ascii") if path.exists() else ""
    if signer.public_pem() not in known:
        replace_file(path, known + signer.public_pem())


def is_signed(keys: PublicKeys, id_: str, body: bytes, signature: str) -> bool:
    """Whether a text was signed with the key of that id."""
    key = keys.get(id_)
    if key is None:
        return False
    try:
        key.verify(base64.b64decode(signature, validate=True), body)
    except (InvalidSignature, ValueError):
        return False
    return True


def sign_line(signer: Signer, fields: Mapping[str, Any]) -> bytes:
    """The signed line of fields, without its line end; their last is `key`."""
    body = msgspec.json.encode(fields)
    return body[:-1] + _SIGNATURE + signer.sign(body).encode() + b'"}'


def is_genuine(line: bytes, keys: PublicKeys, key: str, signature: str) -> bool:
    """Whether the signature of a line is valid.

    Args:
        line: The line.
        keys: Public keys by id.
        key: Id of the key, as the line says.
        signature: The signature, as the line says.
    """
    body, mark, _ = line.rpartition(_SIGNATURE)
    return bool(mark) and is_signed(keys, key, body + b"}", signature)


def sha256_of(content: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
