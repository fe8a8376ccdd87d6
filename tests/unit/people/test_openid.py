from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from joserfc.jwk import ECKey, KeySet

from people.openid.attempts import SignInAttempt
from people.openid.client import OpenIdClient
from people.openid.client_key import load_client_key, public_key_set
from people.openid.documents import LIFETIME_S
from people.openid.errors import ProviderAwayError, RefusalReason
from people.openid.identities import ProviderIdentity
from tests.support.openid_provider import CLIENT_ID, DISCOVERY, REDIRECT_URI, SECRET, FakeProvider
from tests.support.openid_sign_in import SteppedClock, now, openid_settings, refusal, sign_in

ROOT = Path(__file__).parents[3]


def test_a_sign_in_gives_the_person(provider: FakeProvider, client: OpenIdClient) -> None:
    expected = ProviderIdentity(provider.issuer, "person-1", "Maria Tey", "maria@kota.test", True, frozenset())
    assert sign_in(provider, client) == expected


def test_metadata_and_keys_are_fetched_once_an_hour(
    provider: FakeProvider, client: OpenIdClient, clock: SteppedClock
) -> None:
    for _ in range(3):
        sign_in(provider, client)
    assert (provider.requests[DISCOVERY], provider.requests["/jwks"], provider.requests["/userinfo"]) == (1, 1, 0)
    clock.now_s += LIFETIME_S
    sign_in(provider, client)
    assert (provider.requests[DISCOVERY], provider.requests["/jwks"]) == (2, 2)


def test_every_attempt_has_values_of_its_own(client: OpenIdClient) -> None:
    attempts = [client.authorization_request(REDIRECT_URI, now())[1] for _ in range(5)]
    values = {text for attempt in attempts for text in (attempt.state, attempt.nonce, attempt.verifier)}
    assert len(values) == 15
    assert min(len(value) for value in values) >= 43


def test_an_attempt_survives_serialisation_and_shows_no_secret(client: OpenIdClient) -> None:
    _, attempt = client.authorization_request(REDIRECT_URI, now())
    assert msgspec.json.decode(msgspec.json.encode(attempt), type=SignInAttempt) == attempt
    assert not any(secret in repr(attempt) for secret in (attempt.state, attempt.nonce, attempt.verifier))


def test_settings_show_no_secret(provider: FakeProvider) -> None:
    assert SECRET not in repr(openid_settings(provider))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "another"}, "state"),
        ({"state": None}, "state"),
        ({"state": "\ud800é"}, "state"),
        ({"iss": "https://evil.test"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"error": "access_denied", "error_description": "\x1b[31m\n" + "x" * 5000}, "provider_refused"),
        ({"code": None}, "callback"),
        ({"code": "x" * 10_000}, "callback"),
        ({"code": "a\nb"}, "callback"),
        ({"code": "unknown"}, "provider_refused"),
    ],
)
def test_a_wrong_callback_is_refused(
    provider: FakeProvider, client: OpenIdClient, changes: dict[str, str | None], reason: RefusalReason
) -> None:
    url, attempt = client.authorization_request(REDIRECT_URI, now())
    parameters = {**provider.consent(url), **changes}
    callback = {key: value for key, value in parameters.items() if value is not None}
    assert refusal(lambda: client.complete(attempt, callback, REDIRECT_URI, now())) == reason


def test_a_callback_without_issuer_is_accepted_where_the_provider_promises_none(
    provider: FakeProvider, client: OpenIdClient
) -> None:
    provider.discovery = {"authorization_response_iss_parameter_supported": False}
    url, attempt = client.authorization_request(REDIRECT_URI, now())
    callback = provider.consent(url)
    del callback["iss"]
    assert client.complete(attempt, callback, REDIRECT_URI, now()).subject == "person-1"


def test_the_code_is_not_sent_for_a_wrong_callback(provider: FakeProvider, client: OpenIdClient) -> None:
    url, attempt = client.authorization_request(REDIRECT_URI, now())
    callback = {**provider.consent(url), "state": "another"}
    assert refusal(lambda: client.complete(attempt, callback, REDIRECT_URI, now())) == "state"
    assert provider.requests["/token"] == 0


def test_an_attempt_ends_after_ten_minutes(provider: FakeProvider, client: OpenIdClient) -> None:
    began = now()
    url, attempt = client.authorization_request(REDIRECT_URI, began)
    callback = provider.consent(url)
    late = began + timedelta(minutes=10)
    assert refusal(lambda: client.complete(attempt, callback, REDIRECT_URI, late)) == "expired"


def test_an_attempt_of_another_provider_is_refused(provider: FakeProvider, client: OpenIdClient) -> None:
    url, attempt = client.authorization_request(REDIRECT_URI, now())
    foreign = msgspec.structs.replace(attempt, issuer="https://other.test")
    for iss in ({}, {"iss": "https://other.test"}, {"iss": provider.issuer}):
        callback = {"code": provider.consent(url)["code"], "state": attempt.state, **iss}
        assert refusal(lambda callback=callback: client.complete(foreign, callback, REDIRECT_URI, now())) == "issuer"


def test_a_replayed_code_is_refused(provider: FakeProvider, client: OpenIdClient) -> None:
    url, attempt = client.authorization_request(REDIRECT_URI, now())
    callback = provider.consent(url)
    client.complete(attempt, callback, REDIRECT_URI, now())
    assert refusal(lambda: client.complete(attempt, callback, REDIRECT_URI, now())) == "provider_refused"


def test_a_stolen_code_is_useless_in_another_attempt(provider: FakeProvider, client: OpenIdClient) -> None:
    """The thief's browser has another verifier."""
    stolen = provider.consent(client.authorization_request(REDIRECT_URI, now())[0])["code"]
    url, attempt = client.authorization_request(REDIRECT_URI, now())
    callback = {**provider.consent(url), "code": stolen}
    assert refusal(lambda: client.complete(attempt, callback, REDIRECT_URI, now())) == "provider_refused"


@pytest.mark.parametrize("error", ["temporarily_unavailable", "server_error"])
def test_a_provider_may_say_in_the_callback_that_it_is_away(
    provider: FakeProvider, client: OpenIdClient, error: str
) -> None:
    url, attempt = client.authorization_request(REDIRECT_URI, now())
    callback = {**provider.consent(url), "error": error}
    with pytest.raises(ProviderAwayError):
        client.complete(attempt, callback, REDIRECT_URI, now())


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(ECKey.generate_key("P-521").as_pem(private=True))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("audience", ["token_endpoint", "issuer"])
def test_a_client_with_a_key_signs_an_assertion(provider: FakeProvider, key_file: Path, audience: str) -> None:
    key = load_client_key(key_file, "")
    provider.client_keys = KeySet.import_key_set(public_key_set(key))  # type: ignore[arg-type]
    changes = {"client_secret": "", "private_key": key_file, "assertion_audience": audience}
    client = OpenIdClient(openid_settings(provider, **changes))
    for _ in range(2):
        sign_in(provider, client)
    first, second = provider.assertions
    assert first.header == {"typ": "JWT", "alg": "ES512", "kid": key.key_id}
    assert (first.claims["iss"], first.claims["sub"]) == (CLIENT_ID, CLIENT_ID)
    wanted = provider.issuer if audience == "issuer" else f"{provider.issuer}/token"
    assert first.claims["aud"] == wanted
    assert first.claims["exp"] - first.claims["iat"] == 60
    assert first.claims["jti"] != second.claims["jti"]


def test_the_registered_key_set_is_public(key_file: Path) -> None:
    (entry,) = public_key_set(load_client_key(key_file, "key-of-2026"))["keys"]  # type: ignore[misc]
    assert set(entry) == {"kty", "crv", "x", "y", "use", "alg", "kid"}
    assert (entry["alg"], entry["kid"]) == ("ES512", "key-of-2026")


def test_a_wrong_secret_is_refused(provider: FakeProvider) -> None:
    client = OpenIdClient(openid_settings(provider, client_secret="wrong"))  # noqa: S106
    assert refusal(lambda: sign_in(provider, client)) == "provider_refused"


def test_only_the_client_imports_the_libraries() -> None:
    """The settings and the structures are for processes without a provider too."""
    code = (
        "import sys, people.openid.settings, people.openid.attempts, people.openid.errors, people.openid.identities\n"
        "print([name for name in ('authlib', 'requests', 'joserfc', 'cryptography') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
