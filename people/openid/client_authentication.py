"""How this project proves at the token endpoint that it is the provider's client."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final
from urllib.parse import quote_plus

from authlib.oauth2.rfc7523 import private_key_jwt_sign
from requests.auth import AuthBase, HTTPBasicAuth

from people.openid.client_key import ClientKey
from people.openid.http import BearerAuth
from people.openid.metadata import ProviderMetadata
from people.openid.settings import OpenIdSettings

ASSERTION_LIFETIME_S: Final = 60
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_JTI_BYTES: Final = 16


def basic_authentication(settings: OpenIdSettings) -> HTTPBasicAuth:
    """`client_secret_basic`; both parts are form-encoded first. Source: RFC 6749, section 2.3.1."""
    return HTTPBasicAuth(quote_plus(settings.client_id), quote_plus(settings.client_secret))


def assertion_fields(
    settings: OpenIdSettings, client_key: ClientKey, metadata: ProviderMetadata, now: datetime
) -> dict[str, str]:
    """`private_key_jwt`: the fields of the form with a signed assertion. Source: RFC 7523, section 2.2."""
    audience = metadata.issuer if settings.assertion_audience == "issuer" else metadata.token_endpoint
    issued_at = int(now.timestamp())
    assertion: str = private_key_jwt_sign(
        client_key.key,
        settings.client_id,
        audience,
        alg=client_key.algorithm,
        claims={"jti": secrets.token_urlsafe(_JTI_BYTES)},
        header={"kid": client_key.key_id},
        issued_at=issued_at,
        expires_at=issued_at + ASSERTION_LIFETIME_S,
    )
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, "client_id": settings.client_id}


def authenticated_form(
    form: dict[str, str],
    settings: OpenIdSettings,
    client_key: ClientKey | None,
    metadata: ProviderMetadata,
    now: datetime,
) -> tuple[dict[str, str], AuthBase]:
    """A form for the token endpoint, and the authentication of its request."""
    if client_key is None:
        return form, basic_authentication(settings)
    return {**form, **assertion_fields(settings, client_key, metadata, now)}, BearerAuth()
