"""The person whom a provider confirms, from the claims of its token and of its userinfo endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from people.openid.errors import SignInRefusedError, clip
from people.openid.settings import OpenIdSettings

Claims = Mapping[str, object]

NAME_CHARS_MAX: Final = 200
EMAIL_CHARS_MAX: Final = 254
"""Source: RFC 3696, erratum 1690."""


class ProviderIdentity(msgspec.Struct, frozen=True):
    """A person at a provider. `issuer` and `subject` together identify the person; name and email may change.

    `email` is None where the provider states none, `email_verified` whether the provider has checked it. `roles` are
    names of `role_map`; they are empty only if the settings have no map.
    """

    issuer: str
    subject: str
    name: str
    email: str | None
    email_verified: bool
    roles: frozenset[str]


def is_complete(claims: Claims, settings: OpenIdSettings) -> bool:
    """Whether claims have the name and, where the settings name one, the role claim."""
    has_roles = not settings.role_claim or claim_at(claims, settings.role_claim) is not None
    return has_roles and _text(claims, "name") is not None


def identity_of(sources: Sequence[Claims], settings: OpenIdSettings) -> ProviderIdentity:
    """The person of claims.

    Args:
        sources: The claims of the token, then those of the userinfo endpoint if it was read. Earlier ones win.
        settings: The provider's settings.

    Raises:
        SignInRefusedError: `no_role`: the settings map roles, and none of the person's values is in the map.
    """
    subject = str(sources[0]["sub"])
    names = [_text(claims, key) for key in ("name", "preferred_username") for claims in sources]
    email_claims = next((claims for claims in sources if _text(claims, "email")), {})
    email = _text(email_claims, "email")
    if email is not None and len(email) > EMAIL_CHARS_MAX:
        email = None
    return ProviderIdentity(
        issuer=settings.issuer,
        subject=subject,
        name=clip(next((name for name in names if name), email or subject), NAME_CHARS_MAX),
        email=email,
        email_verified=email is not None and email_claims.get("email_verified") is True,
        roles=_roles(sources, settings),
    )


def claim_at(claims: Claims, path: str) -> object:
    """A claim by its name, or else by its dotted path; None if there is none.

    Some providers use addresses with dots as names, therefore the name comes first.
    """
    if path in claims:
        return claims[path]
    value: object = claims
    for step in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def _roles(sources: Sequence[Claims], settings: OpenIdSettings) -> frozenset[str]:
    if not settings.role_claim:
        return frozenset()
    claim = next((value for claims in sources if (value := claim_at(claims, settings.role_claim)) is not None), ())
    values = [claim] if isinstance(claim, str) else claim if isinstance(claim, list | tuple) else []
    roles = frozenset(
        settings.role_map[value] for value in values if isinstance(value, str) and value in settings.role_map
    )
    if not roles:
        raise SignInRefusedError("no_role", f"{len(values)} values of {settings.role_claim}, none is in role_map")
    return roles


def _text(claims: Claims, key: str) -> str | None:
    value = claims.get(key)
    return value.strip() or None if isinstance(value, str) else None
