"""Sign-in to Grafana: who has signed in to the city gets a token that makes them a viewer or an editor there.

an identity -> claims -> `people.grafana_tokens` -> the header of a proxy, or the address to which a browser is sent
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlencode

from people.rights import Identity

if TYPE_CHECKING:
    from people.grafana_tokens import SigningKey

GrafanaRole = Literal["Viewer", "Editor"]

AUDIENCE: Final = "grafana"
LOGIN_PREFIX: Final = "kota:"
"""Begins each login in Grafana. Grafana gives a token the account that has its login already, with that account's
rights: without the prefix, a person with the user name `admin` would become Grafana's administrator. No user name has a
colon, and Grafana's own accounts have another name or e-mail address. Source: `lookupByOneOf` in Grafana's user sync.
"""
HEADER_LASTS: Final = timedelta(seconds=60)
ADDRESS_LASTS: Final = timedelta(hours=1)
"""The longest life of a token in an address. Grafana takes one for 60 s more."""


@dataclass(frozen=True)
class GrafanaAddress:
    """An address that signs one person in to Grafana until `expires_at`. It is a secret."""

    url: str
    role: GrafanaRole
    expires_at: datetime

    def __repr__(self) -> str:
        return f"GrafanaAddress(role={self.role!r}, expires_at={self.expires_at.isoformat()})"


class GrafanaSignIn:
    """Signs tokens for Grafana. Thread-safe.

    Args:
        seed: 32 secret bytes, of the city's key.
        issuer: Claim `iss`, which Grafana compares with its setting `expect_claims`.
        public_url: Address of Grafana as browsers reach it; empty if there is none.
    """

    def __init__(self, seed: bytes, issuer: str, public_url: str = "") -> None:
        self._seed = seed
        self._issuer = issuer
        self.public_url = public_url

    @cached_property
    def key(self) -> SigningKey:
        """The key that signs."""
        from people.grafana_tokens import SigningKey  # noqa: PLC0415 - 11 MB of memory, for who has Grafana

        return SigningKey(self._seed)

    def assertion(self, identity: Identity, now: datetime) -> str:
        """The token of one request, which a proxy adds to it; in force for 60 s."""
        return self._sign(identity, now, now + HEADER_LASTS)

    def address(self, identity: Identity, now: datetime, latest: datetime | None) -> GrafanaAddress:
        """The address at which a browser is signed in.

        Args:
            identity: Who is signed in.
            now: The time, UTC.
            latest: When the session or token ends by which they ask; None if it has no end.
        """
        expires_at = min(now + ADDRESS_LASTS, latest or datetime.max.replace(tzinfo=now.tzinfo))
        query = urlencode({"auth_token": self._sign(identity, now, expires_at)})
        return GrafanaAddress(f"{self.public_url.rstrip('/')}/?{query}", role_of(identity), expires_at)

    def _sign(self, identity: Identity, now: datetime, expires_at: datetime) -> str:
        return self.key.sign(claims_of(identity, self._issuer, now, expires_at))


def role_of(identity: Identity) -> GrafanaRole:
    """The role in Grafana. Nobody becomes an administrator there."""
    return "Editor" if identity.may("dashboards.write") else "Viewer"


def claims_of(identity: Identity, issuer: str, now: datetime, expires_at: datetime) -> dict[str, Any]:
    """The claims of a token; times are whole seconds since 1970.

    `sub` is the id of the account or service, which stays when a name changes. A person is shown by the user name.
    """
    subject = identity.id or identity.kind
    return {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": subject,
        "preferred_username": LOGIN_PREFIX + (identity.name if identity.kind == "person" else subject),
        "name": identity.name,
        "role": role_of(identity),
        "iat": int(now.timestamp()),
        "nbf": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
    }
