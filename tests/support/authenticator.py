"""An authenticator of passkeys in software: answers WebAuthn's options as a browser with a security key does."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import encode_cbor

PRESENT, VERIFIED, HAS_KEY = 0x01, 0x04, 0x40
"""Bits of the authenticator data. Source: Web Authentication Level 3, section 6.1."""
_AAGUID: Final = bytes(16)


@dataclass
class Authenticator:
    """One authenticator with one key, in a browser that shows pages of `origin`.

    Whatever a test changes is said or signed as it is: `rp_id` is hashed into the authenticator data, `flags` are those
    of the person's presence, and `count` grows with each signature; None says 0 at each.
    """

    origin: str
    rp_id: str
    flags: int = PRESENT | VERIFIED
    count: int | None = 0
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    handle: bytes = b""
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))

    def register(self, options: dict[str, Any]) -> dict[str, Any]:
        """Make the key for an account (`RegistrationResponseJSON`)."""
        self.handle = from_base64url(options["user"]["id"])
        client_data = self._client_data("webauthn.create", options["challenge"])
        key = self._public_key()
        made = _AAGUID + len(self.credential_id).to_bytes(2, "big") + self.credential_id + key
        attestation = {"fmt": "none", "attStmt": {}, "authData": self._authenticator_data(HAS_KEY) + made}
        response = {"clientDataJSON": client_data, "attestationObject": encode_cbor(attestation)}
        return self._answer(response)

    def sign(self, options: dict[str, Any]) -> dict[str, Any]:
        """Sign a challenge (`AuthenticationResponseJSON`)."""
        if self.count is not None:
            self.count += 1
        client_data = self._client_data("webauthn.get", options["challenge"])
        data = self._authenticator_data(0)
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ECDSA(SHA256()))
        return self._answer(
            {
                "clientDataJSON": client_data,
                "authenticatorData": data,
                "signature": signature,
                "userHandle": self.handle,
            }
        )

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _authenticator_data(self, more_flags: int) -> bytes:
        count = (self.count or 0).to_bytes(4, "big")
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([self.flags | more_flags]) + count

    def _public_key(self) -> bytes:
        """The public key in COSE: EC2, ES256, P-256. Source: RFC 9053, sections 2.1 and 7.1.1."""
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return bytes(encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y}))

    def _answer(self, response: dict[str, bytes]) -> dict[str, Any]:
        id_ = to_base64url(self.credential_id)
        texts = {name: to_base64url(value) for name, value in response.items()}
        return {"id": id_, "rawId": id_, "type": "public-key", "response": texts, "clientExtensionResults": {}}


def to_base64url(value: bytes) -> str:
    """Without padding, as in WebAuthn's JSON."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """The opposite of `to_base64url`."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
