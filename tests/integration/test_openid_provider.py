from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from joserfc.jwk import ECKey

from people.openid.client import OpenIdClient
from people.openid.client_key import load_client_key, public_key_set
from people.openid.errors import ProviderAwayError
from people.openid.identities import ProviderIdentity
from people.openid.settings import OpenIdSettings, load_openid_settings
from tests.support.openid_servers import REDIRECT_URI, HydraServer, MockServer, running_server
from tests.support.openid_sign_in import refusal

MARIA = {"sub": "maria", "name": "Maria Tey", "email": "maria@kota.test", "email_verified": True}
USERS = [
    {**MARIA, "realm_access": {"roles": ["kota-admin", "offline_access"]}},
    {"sub": "petrus", "name": "Petrus Lado", "realm_access": {"roles": ["offline_access"]}},
]
ROLES = {"role_claim": "realm_access.roles", "role_map": {"kota-admin": "administrator"}}


@pytest.fixture(scope="module")
def mock_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockServer]:
    server = MockServer(tmp_path_factory.mktemp("provider"), USERS)
    with running_server(server):
        yield server


@pytest.fixture(scope="module")
def hydra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HydraServer]:
    server = HydraServer(tmp_path_factory.mktemp("hydra"))
    with running_server(server):
        yield server


def client_of(server: MockServer, **changes: Any) -> OpenIdClient:
    return OpenIdClient(OpenIdSettings(server.issuer, "kota", "secret", **changes))


def now() -> datetime:
    return datetime.now(UTC)


def test_a_person_signs_in_on_the_provider_s_form(mock_server: MockServer) -> None:
    client = client_of(mock_server, **ROLES)
    url, attempt = client.authorization_request(REDIRECT_URI, now())
    callback = mock_server.submit(url, {"sub": "maria"})
    identity = client.complete(attempt, callback, REDIRECT_URI, now())
    roles = frozenset({"administrator"})
    assert identity == ProviderIdentity(mock_server.issuer, "maria", "Maria Tey", "maria@kota.test", True, roles)


def test_a_code_is_exchanged_once(mock_server: MockServer) -> None:
    client = client_of(mock_server)
    url, attempt = client.authorization_request(REDIRECT_URI, now())
    callback = mock_server.submit(url, {"sub": "maria"})
    client.complete(attempt, callback, REDIRECT_URI, now())
    assert refusal(lambda: client.complete(attempt, callback, REDIRECT_URI, now())) == "provider_refused"


def test_a_person_without_role_is_refused(mock_server: MockServer) -> None:
    client = client_of(mock_server, **ROLES)
    url, attempt = client.authorization_request(REDIRECT_URI, now())
    callback = mock_server.submit(url, {"sub": "petrus"})
    assert refusal(lambda: client.complete(attempt, callback, REDIRECT_URI, now())) == "no_role"


def test_a_person_may_decline(mock_server: MockServer) -> None:
    """This provider's refusal has no state, therefore it belongs to no attempt."""
    client = client_of(mock_server)
    url, attempt = client.authorization_request(REDIRECT_URI, now())
    callback = mock_server.submit(url, {"action": "deny"})
    assert callback["error"] == "access_denied"
    assert refusal(lambda: client.complete(attempt, callback, REDIRECT_URI, now())) == "state"
    own = {**callback, "state": attempt.state}
    assert refusal(lambda: client.complete(attempt, own, REDIRECT_URI, now())) == "provider_refused"


def test_a_token_of_another_attempt_is_refused(mock_server: MockServer) -> None:
    client = client_of(mock_server)
    url, _ = client.authorization_request(REDIRECT_URI, now())
    _, attempt = client.authorization_request(REDIRECT_URI, now())
    callback = {**mock_server.submit(url, {"sub": "maria"}), "state": attempt.state}
    assert refusal(lambda: client.complete(attempt, callback, REDIRECT_URI, now())) == "nonce"


def test_a_token_of_another_time_is_refused(mock_server: MockServer) -> None:
    client = client_of(mock_server)
    tomorrow = now() + timedelta(days=1)
    url, attempt = client.authorization_request(REDIRECT_URI, tomorrow)
    callback = mock_server.submit(url, {"sub": "maria"})
    assert refusal(lambda: client.complete(attempt, callback, REDIRECT_URI, tomorrow)) == "token_expired"


def test_a_provider_that_ends_during_a_sign_in_is_away(tmp_path: Path) -> None:
    server = MockServer(tmp_path, USERS)
    with running_server(server):
        client = client_of(server)
        url, attempt = client.authorization_request(REDIRECT_URI, now())
        callback = server.submit(url, {"sub": "maria"})
    with pytest.raises(ProviderAwayError):
        client.complete(attempt, callback, REDIRECT_URI, now())


# Hydra


def key_file(folder: Path) -> Path:
    path = folder / "key.pem"
    path.write_bytes(ECKey.generate_key("P-521").as_pem(private=True))
    path.chmod(0o600)
    return path


def hydra_client(hydra: HydraServer, folder: Path, client_id: str, registered: Path) -> OpenIdClient:
    """A client from the operator's file, which signs with `folder`'s key; `registered` is the key that Hydra knows."""
    hydra.register(
        client_id,
        token_endpoint_auth_method="private_key_jwt",  # noqa: S106
        token_endpoint_auth_signing_alg="ES512",  # noqa: S106
        jwks=public_key_set(load_client_key(registered, "key-1")),
    )
    content = f'issuer = "{hydra.issuer}"\nclient_id = "{client_id}"\nprivate_key = "key.pem"\nkey_id = "key-1"\n'
    path = folder / "openid.toml"
    path.write_text(f'{content}role_claim = "realm_access.roles"\n[role_map]\nkota-admin = "administrator"\n')
    return OpenIdClient(load_openid_settings(path))


def test_hydra_accepts_a_client_that_signs_with_es512(hydra: HydraServer, tmp_path: Path) -> None:
    key = key_file(tmp_path)
    client = hydra_client(hydra, tmp_path, "kota-es512", key)
    for _ in range(2):
        url, attempt = client.authorization_request(REDIRECT_URI, now())
        callback = hydra.consent(url, "maria", USERS[0])
        identity = client.complete(attempt, callback, REDIRECT_URI, now())
        roles = frozenset({"administrator"})
        assert identity == ProviderIdentity(hydra.issuer, "maria", "Maria Tey", "maria@kota.test", True, roles)
    assert refusal(lambda: client.complete(attempt, callback, REDIRECT_URI, now())) == "provider_refused"


def test_hydra_refuses_the_key_of_another_client(hydra: HydraServer, tmp_path: Path) -> None:
    (tmp_path / "registered").mkdir()
    key_file(tmp_path)
    client = hydra_client(hydra, tmp_path, "kota-other-key", key_file(tmp_path / "registered"))
    url, attempt = client.authorization_request(REDIRECT_URI, now())
    callback = hydra.consent(url, "maria", USERS[0])
    assert refusal(lambda: client.complete(attempt, callback, REDIRECT_URI, now())) == "provider_refused"


def test_hydra_refuses_another_verifier(hydra: HydraServer, tmp_path: Path) -> None:
    client = hydra_client(hydra, tmp_path, "kota-verifier", key_file(tmp_path))
    url, attempt = client.authorization_request(REDIRECT_URI, now())
    callback = hydra.consent(url, "maria", USERS[0])
    thief = msgspec.structs.replace(attempt, verifier="x" * 43)
    assert refusal(lambda: client.complete(thief, callback, REDIRECT_URI, now())) == "provider_refused"


def test_hydra_checks_a_secret_with_special_characters(hydra: HydraServer) -> None:
    secret = "a secret/of+100% é:&"  # noqa: S105
    hydra.register("kota secret", client_secret=secret, token_endpoint_auth_method="client_secret_basic")  # noqa: S106
    client = OpenIdClient(OpenIdSettings(hydra.issuer, "kota secret", secret))
    url, attempt = client.authorization_request(REDIRECT_URI, now())
    callback = hydra.consent(url, "petrus", {})
    identity = client.complete(attempt, callback, REDIRECT_URI, now())
    assert (identity.subject, identity.name) == ("petrus", "petrus")
