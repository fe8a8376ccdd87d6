"""Signed answers to nats-server's question whether a client may come in: JSON Web Tokens with an Ed25519 nkey.

Source: NATS architecture decision ADR-26 (authorization callouts) and the claims of `nats-io/jwt` version 2.
"""

from __future__ import annotations

import binascii
import time
import uuid
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from broker.contract.errors import PayloadError

_ACCOUNT_PREFIX: Final = 0
"""Of an account's public key; it makes the text begin with `A`."""
_HEADER: Final = b'{"typ":"JWT","alg":"ed25519-nkey"}'
_PARTS: Final = 3


class Claims(msgspec.Struct):
    """What the server asks: who wants to come in."""

    class _Server(msgspec.Struct):
        id: str

    class _Client(msgspec.Struct):
        id: int = 0
        host: str = ""
        type: str = ""
        mqtt_id: str = ""

    class _Options(msgspec.Struct, rename={"password": "pass"}):
        user: str = ""
        password: str = ""

    server_id: _Server
    user_nkey: str
    client_info: _Client
    connect_opts: _Options


class _Request(msgspec.Struct):
    nats: Claims


def read_request(token: bytes) -> Claims:
    """The server's question; its signature is not checked, because nobody else may publish on that subject.

    Raises:
        PayloadError: It is none.
    """
    parts = token.split(b".")
    if len(parts) != _PARTS:
        raise PayloadError("a question of the broker is no token")
    try:
        return msgspec.json.decode(_decoded(parts[1]), type=_Request).nats
    except (binascii.Error, ValueError) as exc:
        raise PayloadError(f"a question of the broker cannot be read: {exc}") from exc


class Signer:
    """Signs with one key; the server knows its public part.

    Args:
        seed: 32 bytes.
    """

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        raw = bytes([_ACCOUNT_PREFIX]) + self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.issuer: str = b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")

    def admission(self, asked: Claims, account: str, name: str, rights: dict[str, Any]) -> bytes:
        """The answer that lets a client in.

        Args:
            asked: The question.
            account: The server's account that it belongs to.
            name: What the server calls it.
            rights: Permissions and limits, in the server's terms.
        """
        user = self._signed({"sub": asked.user_nkey, "aud": account, "name": name}, {**rights, "type": "user"})
        return self._answer(asked, {"jwt": user.decode()})

    def refusal(self, asked: Claims, reason: str) -> bytes:
        """The answer that keeps a client out."""
        return self._answer(asked, {"error": reason})

    def _answer(self, asked: Claims, content: dict[str, str]) -> bytes:
        claims = {"sub": asked.user_nkey, "aud": asked.server_id.id}
        return self._signed(claims, {**content, "type": "authorization_response"})

    def _signed(self, claims: dict[str, Any], nats: dict[str, Any]) -> bytes:
        body = {"jti": uuid.uuid4().hex, "iat": int(time.time()), "iss": self.issuer, **claims}
        head = _encoded(_HEADER) + b"." + _encoded(msgspec.json.encode({**body, "nats": {**nats, "version": 2}}))
        return head + b"." + _encoded(self._key.sign(head))


def _encoded(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


def _decoded(text: bytes) -> bytes:
    return urlsafe_b64decode(text + b"=" * (-len(text) % 4))
