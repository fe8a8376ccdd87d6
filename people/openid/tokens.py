"""Validation of a provider's id_token: its signature, and that it is for this client, this attempt and this time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec
from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError

from people.openid.errors import RefusalReason, SignInRefusedError
from people.openid.identities import Claims
from people.openid.metadata import PublicKey

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures with a key pair. `none` and HS* are absent: the key of HS* would be a public text."""
LEEWAY_S: Final = 60
"""How far the provider's clock and ours may differ."""
SUBJECT_CHARS_MAX: Final = 255
"""Source: OpenID Connect Core 1.0, section 2."""
_HEADER_BYTES_MAX: Final = 16 * 1024  # some providers add their certificates
_REASONS: Final[dict[str, RefusalReason]] = {
    "iss": "issuer",
    "aud": "audience",
    "azp": "authorized_party",
    "exp": "token_expired",
    "iat": "issued_at",
    "nbf": "issued_at",
    "nonce": "nonce",
    "at_hash": "access_token_hash",
    "sub": "subject",
}
_MALFORMED: Final = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""What the libraries raise for a token that no provider makes."""


class Expectation(msgspec.Struct, frozen=True):
    """What a token must state. `access_token` is the one that came with it, for `at_hash`; empty if none came."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str
    now: datetime


def id_token_claims(token: str, find_key: Callable[[str | None, str], PublicKey], expected: Expectation) -> Claims:
    """The claims of an id_token that passes every check. Source: OpenID Connect Core 1.0, section 3.1.3.7.

    Args:
        token: The token in its compact form.
        find_key: Gives the provider's key of a key id and an algorithm.
        expected: What it must state.

    Raises:
        ProviderAwayError: The keys are needed, and the provider does not answer.
        SignInRefusedError: A check fails; its reason says which.
    """
    key_id, algorithm = _header(token)
    key = find_key(key_id, algorithm)
    try:
        content = jwt.decode(token, key, registry=_registry())
    except (JoseError, *_MALFORMED) as exc:
        raise SignInRefusedError("signature", str(exc)) from exc
    claims = content.claims
    _require_claims(claims, content.header, expected)
    subject = claims["sub"]
    if not 0 < len(subject) <= SUBJECT_CHARS_MAX or not subject.isprintable():
        raise SignInRefusedError("subject", f"a subject of {len(subject)} characters")
    return claims


def _registry() -> jws.JWSRegistry:
    registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    registry.max_header_length = _HEADER_BYTES_MAX
    return registry


def _header(token: str) -> tuple[str | None, str]:
    """Key id and algorithm, before anything is verified."""
    try:
        header = jws.extract_compact(token.encode("ascii"), registry=_registry()).headers()
        algorithm, key_id = header["alg"], header.get("kid")
    except (JoseError, *_MALFORMED) as exc:
        raise SignInRefusedError("token", str(exc)) from exc
    if algorithm not in ALGORITHMS:
        raise SignInRefusedError("algorithm", str(algorithm))
    if "crit" in header or not isinstance(key_id, str | None):
        raise SignInRefusedError("token", "its header is not acceptable")
    return key_id, algorithm


def _require_claims(claims: Claims, header: dict[str, object], expected: Expectation) -> None:
    options = {
        "iss": {"essential": True, "value": expected.issuer},
        "aud": {"essential": True, "value": expected.client_id},
    }
    params = {"client_id": expected.client_id, "nonce": expected.nonce, "access_token": expected.access_token}
    token = CodeIDToken(claims, header, options, params)
    try:
        token.validate(now=int(expected.now.timestamp()), leeway=LEEWAY_S)
    except (ClaimError, ExpiredTokenError) as exc:
        raise SignInRefusedError(_REASONS.get(exc.claim, "token"), str(exc)) from exc
    except (JoseError, *_MALFORMED) as exc:
        raise SignInRefusedError("token", str(exc)) from exc
