"""Whole sign-ins at a provider, and how they are refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from people.openid.client import OpenIdClient
from people.openid.errors import RefusalReason, SignInRefusedError
from people.openid.identities import ProviderIdentity
from people.openid.settings import OpenIdSettings
from tests.support.openid_provider import CLIENT_ID, REDIRECT_URI, SECRET, FakeProvider


class SteppedClock:
    """A monotonic clock that a test advances."""

    def __init__(self) -> None:
        """Begin at any time."""
        self.now_s = 1000.0

    def __call__(self) -> float:
        """Its time, in seconds."""
        return self.now_s


def openid_settings(provider: FakeProvider, **changes: Any) -> OpenIdSettings:
    """The settings of a provider's client."""
    return OpenIdSettings(**{"issuer": provider.issuer, "client_id": CLIENT_ID, "client_secret": SECRET, **changes})


def now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


def sign_in(provider: FakeProvider, client: OpenIdClient, after: timedelta = timedelta()) -> ProviderIdentity:
    """A whole sign-in; `after` is how far our clock is ahead of the provider's."""
    url, attempt = client.authorization_request(REDIRECT_URI, now() + after)
    return client.complete(attempt, provider.consent(url), REDIRECT_URI, now() + after)


def refusal(action: Callable[[], object]) -> RefusalReason:
    """The reason of a refusal, whose message is short and printable."""
    with pytest.raises(SignInRefusedError) as caught:
        action()
    assert len(str(caught.value)) < 160
    assert str(caught.value).isprintable()
    return caught.value.reason


def unsigned_token(claims: dict[str, Any], header: dict[str, Any], signature: bytes = b"") -> str:
    """A token with any header and any signature."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
