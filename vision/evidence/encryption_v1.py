"""Decrypts clear copies that earlier versions wrote (`clear-after-jpg.sealed`); no new one is written like this.

Every file has a key of its own, agreed with X25519 between a fresh pair and the city's public clear key, and is
encrypted with ChaCha20-Poly1305; its name is authenticated.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from city.errors import ConfigError

SUFFIX: Final = ".sealed"
MAGIC: Final = b"KOTA-SEALED-1\n"
KEY_BYTES: Final = 32
_NONCE: Final = bytes(12)


def decrypt(encrypted: bytes, private: bytes, name: str) -> bytes:
    """Decrypt a copy.

    Args:
        encrypted: Its content.
        private: The private clear key, 32 bytes.
        name: Case and file, `CASE/FILE`.

    Raises:
        ConfigError: It was encrypted for another key or name, or has been changed.
    """
    start = len(MAGIC) + KEY_BYTES
    theirs = encrypted[len(MAGIC) : start]
    try:
        ours = X25519PrivateKey.from_private_bytes(private)
        shared = ours.exchange(X25519PublicKey.from_public_bytes(theirs))
        info = b"kota clear copy" + theirs + ours.public_key().public_bytes_raw()
        key = HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(shared)
        return ChaCha20Poly1305(key).decrypt(_NONCE, encrypted[start:], name.encode())
    except (InvalidTag, ValueError) as exc:
        raise ConfigError(f"{name} cannot be decrypted: encrypted for another key or name, or changed since") from exc
