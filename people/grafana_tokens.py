"""JSON Web Tokens with which Grafana signs people in (`auth.jwt`), and the key set that verifies them.

the city's key -> `SigningKey` -> a token, which Grafana verifies with the key set in its `jwk_set_file`

Grafana 9.4 and newer parse a token with go-jose, take the keys of the set that have the token's `kid`, verify the
signature, compare `exp`, `nbf` and `iat` with a leeway of 60 s, and then the claims of `expect_claims`. Every version
accepts ES256, and some accept nothing else. `sub` is required. Source: Grafana's documentation "Configure JWT
authentication" and its `pkg/services/auth/jwt`; the leeway is `jwt.DefaultLeeway` of go-jose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from joserfc import jwt
from joserfc.jwk import ECKey

ALGORITHM: Final = "ES256"
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of the base point of P-256. Source: SEC 2, section 2.4.2."""
_DERIVED_BYTES: Final = 48
"""16 bytes more than the order has, so that no key is likelier than another. Source: FIPS 186-5, A.2.1."""


class SigningKey:
    """The key pair on P-256 that a seed gives: the same seed gives the same public key.

    Args:
        seed: 32 secret bytes.
    """

    def __init__(self, seed: bytes) -> None:
        derived = HKDFExpand(SHA256(), _DERIVED_BYTES, b"P-256").derive(seed)
        private = derive_private_key(int.from_bytes(derived, "big") % (_ORDER - 1) + 1, SECP256R1())
        self._key = ECKey(private, private)
        self.id: str = self._key.thumbprint()
        """The thumbprint of the public key. Source: RFC 7638."""

    def public_set(self) -> dict[str, list[dict[str, str]]]:
        """The JSON Web Key Set with the public key alone. Source: RFC 7517, section 5."""
        public = self._key.as_dict(private=False)
        parts = {name: str(public[name]) for name in ("kty", "crv", "x", "y")}
        return {"keys": [{**parts, "use": "sig", "alg": ALGORITHM, "kid": self.id}]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token with these claims, in compact form: ASCII letters, digits, `-`, `_` and `.` only."""
        return jwt.encode({"alg": ALGORITHM, "typ": "JWT", "kid": self.id}, dict(claims), self._key)
