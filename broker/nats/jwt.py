"""Signed answers to nats-server's authorization callout: JSON Web Tokens with an Ed25519 nkey.

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

from city.errors import PayloadError

_ACCOUNT_PREFIX: Final = 0
"""Prefix byte of an account's public key; its text begins with `A`."""
_HEADER: Final = b'{"typ":"JWT","alg":"ed25519-nkey"}'
_PARTS: Final = 3


class AuthRequest(msgspec.Struct):
    """The server's authorization request: the client and its credentials."""

    class _ServerId(msgspec.Struct):
        id: str

    class _Client(msgspec.Struct):
        id: int = 0
        host: str = ""
        type: str = ""
        mqtt_id: str = ""

    class _Options(msgspec.Struct, rename={"password": "pass"}):
        user: str = ""
        password: str = ""

    server_id: _ServerId
    user_nkey: str
    client_info: _Client
    connect_opts: _Options


class _Request(msgspec.Struct):
    nats: AuthRequest


def read_request(token: bytes) -> AuthRequest:
    """Decode the server's request; its signature is not checked, because only the server may publish on that subject.

    Raises:
        PayloadError: It is not a valid request.
    """
    parts = token.split(b".")
    if len(parts) != _PARTS:
        raise PayloadError("a question of the broker is no token")
    try:
        return msgspec.json.decode(_decode(parts[1]), type=_Request).nats
    except (binascii.Error, ValueError) as exc:
        raise PayloadError(f"a question of the broker cannot be read: {exc}") from exc


class JwtSigner:
    """Signs with one key; the server knows its public part.

    Args:
        seed: 32 bytes.
    """

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        raw = bytes([_ACCOUNT_PREFIX]) + self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.issuer: str = b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")

    def admission(self, request: AuthRequest, account: str, name: str, rights: dict[str, Any]) -> bytes:
        """The answer that admits a client.

        Args:
            request: The request.
            account: The server's account that the client belongs to.
            name: The client's name in the server.
            rights: Permissions and limits, in the server's terms.
        """
        user = self._sign({"sub": request.user_nkey, "aud": account, "name": name}, {**rights, "type": "user"})
        return self._answer(request, {"jwt": user.decode()})

    def refusal(self, request: AuthRequest, reason: str) -> bytes:
        """The answer that refuses a client."""
        return self._answer(request, {"error": reason})

    def _answer(self, request: AuthRequest, content: dict[str, str]) -> bytes:
        claims = {"sub": request.user_nkey, "aud": request.server_id.id}
        return self._sign(claims, {**content, "type": "authorization_response"})

    def _sign(self, claims: dict[str, Any], nats: dict[str, Any]) -> bytes:
        body = {"jti": uuid.uuid4().hex, "iat": int(time.time()), "iss": self.issuer, **claims}
        head = _encode(_HEADER) + b"." + _encode(msgspec.json.encode({**body, "nats": {**nats, "version": 2}}))
        return head + b"." + _encode(self._key.sign(head))


def _encode(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    return urlsafe_b64decode(text + b"=" * (-len(text) % 4))
