"""Foreign messages in the journal are sealed with a key of the city: they come with names and addresses of people."""

from __future__ import annotations

import os
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12


class Seal:
    """Seals topic and payload of a message together (AES-256-GCM, a random nonce each)."""

    def __init__(self, key: bytes) -> None:
        """Take a key of 32 bytes."""
        self._cipher = AESGCM(key)

    def sealed(self, topic: str, payload: bytes) -> bytes:
        """Both, unreadable without the key."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, msgspec.msgpack.encode((topic, payload)), None)

    def opened(self, sealed: bytes) -> tuple[str, bytes]:
        """Topic and payload.

        Raises:
            ValueError: It was changed, or sealed with another key.
        """
        try:
            clear = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
            return msgspec.msgpack.decode(clear, type=tuple[str, bytes])
        except (InvalidTag, msgspec.MsgspecError) as exc:
            raise ValueError("sealed with another key, or changed") from exc
