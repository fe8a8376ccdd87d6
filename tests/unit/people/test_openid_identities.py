from __future__ import annotations

from typing import Any

import pytest

from people.openid.client import OpenIdClient
from tests.support.openid_provider import FakeProvider
from tests.support.openid_sign_in import openid_settings, refusal, sign_in


@pytest.mark.parametrize(
    ("path", "claims", "roles"),
    [
        ("roles", {"roles": ["kota-admin", "other"]}, {"administrator"}),
        ("roles", {"roles": "kota-view"}, {"viewer"}),
        ("realm_access.roles", {"realm_access": {"roles": ["kota-view", "kota-admin"]}}, {"viewer", "administrator"}),
        ("https://kota.test/roles", {"https://kota.test/roles": ["kota-view", 7, None]}, {"viewer"}),
    ],
)
def test_values_of_the_role_claim_become_roles(
    provider: FakeProvider, path: str, claims: dict[str, Any], roles: set[str]
) -> None:
    role_map = {"kota-admin": "administrator", "kota-view": "viewer"}
    provider.claims.update(claims)
    client = OpenIdClient(openid_settings(provider, role_claim=path, role_map=role_map))
    assert sign_in(provider, client).roles == roles
    assert provider.requests["/userinfo"] == 0


@pytest.mark.parametrize("roles", [None, [], ["other"], "other", {"kota-view": 1}, 7])
def test_a_person_without_role_is_refused(provider: FakeProvider, roles: object) -> None:
    provider.claims["roles"] = roles
    client = OpenIdClient(openid_settings(provider, role_claim="roles", role_map={"kota-view": "viewer"}))
    assert refusal(lambda: sign_in(provider, client)) == "no_role"


def test_userinfo_supplies_what_the_token_lacks(provider: FakeProvider, client: OpenIdClient) -> None:
    provider.claims = {"email": "token@kota.test"}
    provider.userinfo |= {"name": "Maria\nTey", "email": "info@kota.test", "email_verified": True}
    identity = sign_in(provider, client)
    assert (identity.name, identity.email, identity.email_verified) == ("Maria Tey", "token@kota.test", False)
    assert provider.requests["/userinfo"] == 1


def test_userinfo_supplies_roles(provider: FakeProvider) -> None:
    provider.userinfo["roles"] = ["kota-view"]
    client = OpenIdClient(openid_settings(provider, role_claim="roles", role_map={"kota-view": "viewer"}))
    assert sign_in(provider, client).roles == {"viewer"}


@pytest.mark.parametrize("subject", ["person-2", None, 7])
def test_userinfo_of_another_person_is_refused(provider: FakeProvider, client: OpenIdClient, subject: object) -> None:
    provider.claims = {}
    provider.userinfo = {"sub": subject, "name": "The Mayor"}
    assert refusal(lambda: sign_in(provider, client)) == "subject"


def test_without_userinfo_the_subject_is_the_name(provider: FakeProvider, client: OpenIdClient) -> None:
    provider.claims = {"email_verified": True}
    provider.discovery = {"userinfo_endpoint": None}
    identity = sign_in(provider, client)
    assert (identity.name, identity.email, identity.email_verified) == ("person-1", None, False)


@pytest.mark.parametrize("verified", ["true", 1, None, "false"])
def test_an_email_is_verified_only_if_the_provider_says_true(
    provider: FakeProvider, client: OpenIdClient, verified: object
) -> None:
    provider.claims["email_verified"] = verified
    assert not sign_in(provider, client).email_verified
