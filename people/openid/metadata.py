"""What a provider says about itself: its endpoints and its signature keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

from people.openid.addresses import is_loopback, refusal_of
from people.openid.client_key import RSA_BITS_MIN
from people.openid.documents import CachedDocument
from people.openid.errors import SignInRefusedError
from people.openid.http import ProviderHttp

DISCOVERY: Final = "/.well-known/openid-configuration"
KEYS_MAX: Final = 64
_MODULUS_CHARS_MIN: Final = -(-RSA_BITS_MIN // 6)  # in base64url
PublicKey = ECKey | RSAKey


class ProviderMetadata(msgspec.Struct, frozen=True):
    """The part of a discovery document that this project uses. Source: OpenID Connect Discovery 1.0, section 3."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    authorization_response_iss_parameter_supported: bool = False
    code_challenge_methods_supported: tuple[str, ...] | None = None


def fetch_metadata(http: ProviderHttp, issuer: str) -> ProviderMetadata:
    """The discovery document of an issuer.

    Raises:
        ProviderAwayError: The provider does not answer.
        SignInRefusedError: `metadata` or `provider_answer`: the document is not acceptable.
    """
    content = _document(http, issuer.rstrip("/") + DISCOVERY)
    try:
        metadata = msgspec.convert(content, ProviderMetadata)
    except msgspec.ValidationError as exc:
        raise SignInRefusedError("metadata", str(exc)) from exc
    if metadata.issuer != issuer:
        raise SignInRefusedError("metadata", f"the document is of the issuer {metadata.issuer}")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
        url = getattr(metadata, name)
        if url is not None and (refusal := refusal_of(url, loopback=is_loopback(issuer))):
            raise SignInRefusedError("metadata", f"{name}: {refusal}")
    methods = metadata.code_challenge_methods_supported
    if methods is not None and "S256" not in methods:
        raise SignInRefusedError("metadata", "the provider supports no PKCE with S256")
    return metadata


class ProviderKeys:
    """The public signature keys of a provider, fetched when they are needed. Thread-safe.

    Args:
        http: Requests to the provider.
        address: Gives the address of the key set.
        monotonic_s: A monotonic clock, in seconds.
    """

    def __init__(self, http: ProviderHttp, address: Callable[[], str], monotonic_s: Callable[[], float]) -> None:
        self._document = CachedDocument(lambda: key_list(_document(http, address())), monotonic_s)

    def key(self, key_id: str | None, algorithm: str) -> PublicKey:
        """The key of a token. An unknown id fetches the keys again, at most once a minute.

        Args:
            key_id: The token's `kid`; None fits if the provider has one suitable key only.
            algorithm: The token's `alg`.

        Raises:
            ProviderAwayError: The provider does not answer.
            SignInRefusedError: `signature`: there is no such key; `provider_answer`: there is no key set.
        """
        for read in (self._document.current, self._document.latest):
            suitable = [key for key in read() if _is_suitable(key, key_id, algorithm)]
            if len(suitable) == 1:
                return suitable[0]
        raise SignInRefusedError("signature", f"{len(suitable)} keys of the provider fit kid {key_id!r}, {algorithm}")


def key_list(content: dict[str, object]) -> list[PublicKey]:
    """The public keys of a JSON Web Key Set; a key of another type, or a wrong one, does not count.

    Raises:
        SignInRefusedError: `provider_answer`: this is no key set.
    """
    entries = content.get("keys")
    if not isinstance(entries, list):
        raise SignInRefusedError("provider_answer", "the key set has no keys")
    return [key for entry in entries[:KEYS_MAX] if (key := _public_key(entry)) is not None]


def _public_key(entry: object) -> PublicKey | None:
    """The key of an entry; a symmetric key is none, as everybody can read it."""
    if not isinstance(entry, dict) or entry.get("kty") not in ("EC", "RSA"):
        return None
    if entry["kty"] == "RSA" and len(str(entry.get("n", ""))) < _MODULUS_CHARS_MIN:
        return None
    try:
        key = JWKRegistry.import_key(entry)
    except (JoseError, ValueError, TypeError, KeyError, OverflowError):
        return None
    if isinstance(key, RSAKey):
        return key if key.public_key.key_size >= RSA_BITS_MIN else None
    return key if isinstance(key, ECKey) else None


def _is_suitable(key: PublicKey, key_id: str | None, algorithm: str) -> bool:
    return (
        (key_id is None or key.kid == key_id)
        and key.key_type == ("EC" if algorithm.startswith("ES") else "RSA")
        and key.get("use") in (None, "sig")
        and key.get("alg") in (None, algorithm)
    )


def _document(http: ProviderHttp, url: str) -> dict[str, object]:
    answer = http.get(url)
    if answer.status != 200:  # noqa: PLR2004 - OK
        raise SignInRefusedError("provider_answer", f"status {answer.status} for {url}")
    return answer.content
