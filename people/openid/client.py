"""Sign-in by OpenID Connect: the authorization code flow with PKCE. Source: OpenID Connect Core 1.0, section 3.1."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlencode, urlsplit

import msgspec
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from people.openid.attempts import ATTEMPT_LIFETIME, SignInAttempt
from people.openid.client_authentication import authenticated_form
from people.openid.client_key import load_client_key
from people.openid.documents import CachedDocument
from people.openid.errors import ProviderAwayError, SignInRefusedError
from people.openid.http import ProviderAnswer, ProviderHttp
from people.openid.identities import Claims, ProviderIdentity, identity_of, is_complete
from people.openid.metadata import ProviderKeys, ProviderMetadata, fetch_metadata
from people.openid.settings import OpenIdSettings
from people.openid.tokens import Expectation, id_token_claims

CODE_CHARS_MAX: Final = 8192
_RANDOM_BYTES: Final = 32
_AWAY: Final = frozenset({"server_error", "temporarily_unavailable"})
"""Error codes with the meaning of the statuses 500 and 503. Source: RFC 6749, section 4.1.2.1."""


class TokenAnswer(msgspec.Struct, frozen=True):
    """The part of the token endpoint's answer that this project uses."""

    id_token: str
    token_type: str
    access_token: str = ""


class OpenIdClient:
    """Sign-ins at one provider; keeps its metadata and keys for an hour. Thread-safe.

    Args:
        settings: The provider's settings.
        monotonic_s: A monotonic clock, in seconds.

    Raises:
        ConfigError: The private key's file is not acceptable.
    """

    def __init__(self, settings: OpenIdSettings, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._client_key = load_client_key(settings.private_key, settings.key_id) if settings.private_key else None
        self._http = ProviderHttp(settings.ca_file)
        self._metadata = CachedDocument(lambda: fetch_metadata(self._http, settings.issuer), monotonic_s)
        self._keys = ProviderKeys(self._http, lambda: self._metadata.current().jwks_uri, monotonic_s)

    def authorization_request(self, redirect_uri: str, now: datetime) -> tuple[str, SignInAttempt]:
        """Begin a sign-in.

        Args:
            redirect_uri: The callback's address, as it is registered at the provider.
            now: The time, UTC.

        Returns:
            The address to which the browser goes, and what `complete` needs within 10 minutes. The caller keeps the
            attempt on the server, bound to this browser.

        Raises:
            ProviderAwayError: The provider does not answer.
            SignInRefusedError: `metadata` or `provider_answer`: its discovery document is not acceptable.
        """
        endpoint = self._metadata.current().authorization_endpoint
        state, nonce, verifier = (secrets.token_urlsafe(_RANDOM_BYTES) for _ in range(3))
        attempt = SignInAttempt(self._settings.issuer, state, nonce, verifier, now + ATTEMPT_LIFETIME)
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}", attempt

    def complete(
        self, attempt: SignInAttempt, callback: Mapping[str, str], redirect_uri: str, now: datetime
    ) -> ProviderIdentity:
        """End a sign-in: check the callback, exchange its code, validate the token.

        The caller removes the attempt from its database first, so that a callback is answered once.

        Args:
            attempt: What `authorization_request` returned for this browser.
            callback: The query parameters of the callback.
            redirect_uri: The same address as in the request.
            now: The time, UTC.

        Raises:
            ProviderAwayError: The provider does not answer, or says that it is unavailable.
            SignInRefusedError: A check fails; its reason says which.
        """
        self._require_own_callback(attempt, callback, now)
        _require_no_error(callback)
        metadata = self._metadata.current()
        if metadata.authorization_response_iss_parameter_supported and "iss" not in callback:
            raise SignInRefusedError("issuer", "the callback has no iss, which the provider promises")
        tokens = self._exchange(_code(callback), attempt, redirect_uri, metadata, now)
        expected = Expectation(self._settings.issuer, self._settings.client_id, attempt.nonce, tokens.access_token, now)
        claims = id_token_claims(tokens.id_token, self._keys.key, expected)
        return identity_of([claims, *self._userinfo(claims, tokens, metadata)], self._settings)

    def _require_own_callback(self, attempt: SignInAttempt, callback: Mapping[str, str], now: datetime) -> None:
        if not hmac.compare_digest(_octets(callback.get("state", "")), _octets(attempt.state)):
            raise SignInRefusedError("state", "the callback is not of this attempt")
        if now >= attempt.expires_at:
            raise SignInRefusedError("expired", "the sign-in took longer than 10 minutes")
        # Source: RFC 9207, section 2.4.
        if attempt.issuer != self._settings.issuer or callback.get("iss", attempt.issuer) != attempt.issuer:
            raise SignInRefusedError("issuer", "the callback is of another provider")

    def _exchange(
        self, code: str, attempt: SignInAttempt, redirect_uri: str, metadata: ProviderMetadata, now: datetime
    ) -> TokenAnswer:
        grant = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
        }
        form, auth = authenticated_form(grant, self._settings, self._client_key, metadata, now)
        answer = self._http.post(metadata.token_endpoint, form, auth)
        _require_success(answer)
        try:
            return msgspec.convert(answer.content, TokenAnswer)
        except msgspec.ValidationError as exc:
            raise SignInRefusedError("provider_answer", str(exc)) from exc

    def _userinfo(self, claims: Claims, tokens: TokenAnswer, metadata: ProviderMetadata) -> list[Claims]:
        """The userinfo endpoint's claims, if there are any and the token's do not suffice."""
        endpoint = metadata.userinfo_endpoint
        if is_complete(claims, self._settings) or not (endpoint and _is_bearer(tokens)):
            return []
        answer = self._http.get(endpoint, tokens.access_token)
        _require_success(answer)
        # Source: OpenID Connect Core 1.0, section 5.3.2.
        if answer.content.get("sub") != claims["sub"]:
            raise SignInRefusedError("subject", "the userinfo endpoint answers for another person")
        return [answer.content]


def _octets(text: str) -> bytes:
    return text.encode(errors="replace")


def _is_bearer(tokens: TokenAnswer) -> bool:
    token = tokens.access_token
    return tokens.token_type.lower() == "bearer" and bool(token) and token.isascii() and token.isprintable()


def _code(callback: Mapping[str, str]) -> str:
    code = callback.get("code", "")
    if not (0 < len(code) <= CODE_CHARS_MAX and code.isascii() and code.isprintable()):
        raise SignInRefusedError("callback", f"a code of {len(code)} characters is none")
    return code


def _require_no_error(parameters: Mapping[str, object]) -> None:
    error, description = parameters.get("error"), parameters.get("error_description", "")
    if isinstance(error, str) and error in _AWAY:
        raise ProviderAwayError(f"the provider answers {error}")
    if error is not None:
        raise SignInRefusedError("provider_refused", f"{error}: {description}")


def _require_success(answer: ProviderAnswer) -> None:
    if answer.status != 200:  # noqa: PLR2004 - OK
        _require_no_error(answer.content)
        raise SignInRefusedError("provider_answer", f"status {answer.status}")
