"""Encrypts third-party messages in the journal with a key of the city: they contain names and addresses of people."""

from __future__ import annotations

import os
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12


class Seal:
    """Encrypts topic and payload of a message together (AES-256-GCM, a random nonce each); `key` is 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, topic: str, payload: bytes) -> bytes:
        """Encrypt topic and payload."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, msgspec.msgpack.encode((topic, payload)), None)

    def decrypt(self, seal: bytes) -> tuple[str, bytes]:
        """Decrypt topic and payload.

        Raises:
            ValueError: The bytes were changed, or encrypted with another key.
        """
        try:
            clear = self._cipher.decrypt(seal[:_NONCE_BYTES], seal[_NONCE_BYTES:], None)
            return msgspec.msgpack.decode(clear, type=tuple[str, bytes])
        except (InvalidTag, msgspec.MsgspecError) as exc:
            raise ValueError("sealed with another key, or changed") from exc
