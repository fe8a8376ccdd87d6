"""Encryption of clear copies (pictures with people): a camera worker that writes them cannot read them.

Every file has a key of its own, agreed with X25519 between a fresh pair and the city's public clear key, and is
encrypted with ChaCha20-Poly1305. The private clear key is in no folder of the camera workers: `kota evidence clear-key
--out FILE` makes the pair, puts the public half beside the evidence, and FILE where the API alone can read it.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from city.errors import ConfigError

PUBLIC_NAME: Final = "clear.pub"
SUFFIX: Final = ".sealed"
_MAGIC: Final = b"KOTA-SEALED-1\n"
_KEY_BYTES: Final = 32
_NONCE: Final = bytes(12)
"""Constant, but never used twice with one key: every file has a key of its own."""


def encrypted_name(file: str) -> str:
    """Name of the encrypted copy of a file: `after.jpg` is `clear-after-jpg.sealed`."""
    return f"clear-{file.replace('.', '-')}{SUFFIX}"


def new_private_key() -> bytes:
    """A private clear key, 32 bytes."""
    return X25519PrivateKey.generate().private_bytes_raw()


def public_of(private: bytes) -> bytes:
    """The public half of a private clear key."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def read_key(path: Path) -> bytes:
    """Read a clear key, public or private, from a file of one base64 line.

    Raises:
        ConfigError: The file is absent or holds something else.
    """
    try:
        key = base64.b64decode(path.read_bytes().strip(), validate=True)
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{path}: no key for clear copies: {exc}") from exc
    if len(key) != _KEY_BYTES:
        raise ConfigError(f"{path}: holds {len(key)} bytes, not a key of {_KEY_BYTES}")
    return key


def key_line(key: bytes) -> str:
    """A clear key as the base64 line of its file."""
    return base64.b64encode(key).decode() + "\n"


def encrypt(content: bytes, public: bytes, name: str) -> bytes:
    """Encrypt for the owner of the private key; the name is authenticated and needed to decrypt.

    Args:
        content: The plain content.
        public: The city's public clear key.
        name: Case and file, `CASE/FILE`.
    """
    fresh = X25519PrivateKey.generate()
    shared = fresh.exchange(X25519PublicKey.from_public_bytes(public))
    ours = fresh.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return _MAGIC + ours + _cipher(shared, ours, public).encrypt(_NONCE, content, name.encode())


def decrypt(encrypted: bytes, private: bytes, name: str) -> bytes:
    """Decrypt an encrypted copy.

    Raises:
        ConfigError: It was encrypted for another key or name, or has been changed.
    """
    start = len(_MAGIC) + _KEY_BYTES
    theirs = encrypted[len(_MAGIC) : start]
    if not encrypted.startswith(_MAGIC):
        raise ConfigError(f"{name} is no encrypted file")
    try:
        shared = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(theirs))
        return _cipher(shared, theirs, public_of(private)).decrypt(_NONCE, encrypted[start:], name.encode())
    except (InvalidTag, ValueError) as exc:
        raise ConfigError(f"{name} cannot be decrypted: encrypted for another key or name, or changed since") from exc


def _cipher(shared: bytes, fresh: bytes, public: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(
        HKDF(SHA256(), _KEY_BYTES, salt=None, info=b"kota clear copy" + fresh + public).derive(shared)
    )
