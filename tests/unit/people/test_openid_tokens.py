from __future__ import annotations

import base64
import hmac
import json
import secrets
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from people.openid.client import OpenIdClient
from people.openid.documents import REFRESH_PAUSE_S
from people.openid.errors import RefusalReason, SignInRefusedError
from people.openid.metadata import key_list
from people.openid.tokens import Expectation, id_token_claims
from tests.support.openid_provider import CLIENT_ID, FakeProvider
from tests.support.openid_sign_in import SteppedClock, now, refusal, sign_in, unsigned_token

OTHER_KEY = ECKey.generate_key("P-256", {"kid": "key-1"})


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": 1}, "nonce"),
        ({"iss": "https://evil.test"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"aud": "another client"}, "audience"),
        ({"aud": ["another client"]}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": {"a": 1}}, "audience"),
        ({"aud": None}, "audience"),
        ({"aud": [CLIENT_ID, "another client"]}, "authorized_party"),
        ({"aud": [CLIENT_ID, "another client"], "azp": "another client"}, "authorized_party"),
        ({"azp": "another client"}, "authorized_party"),
        ({"exp": None}, "token_expired"),
        ({"exp": "soon"}, "token_expired"),
        ({"exp": True}, "token_expired"),
        ({"exp": 1}, "token_expired"),
        ({"iat": None}, "issued_at"),
        ({"nbf": 2**40}, "issued_at"),
        ({"sub": None}, "subject"),
        ({"sub": ""}, "subject"),
        ({"sub": 7}, "subject"),
        ({"sub": "x" * 256}, "subject"),
        ({"sub": "a\nb"}, "subject"),
        ({"at_hash": "another"}, "access_token_hash"),
        ({"at_hash": {"a": 1}}, "token"),
    ],
)
def test_a_wrong_claim_is_refused(
    provider: FakeProvider, client: OpenIdClient, claims: dict[str, Any], reason: RefusalReason
) -> None:
    provider.claims.update(claims)
    assert refusal(lambda: sign_in(provider, client)) == reason


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat", "nonce"])
def test_a_required_claim_is_there(provider: FakeProvider, client: OpenIdClient, name: str) -> None:
    provider.make_token = lambda claims: provider.sign({key: claims[key] for key in claims if key != name})
    refusal(lambda: sign_in(provider, client))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": [CLIENT_ID]},
        {"aud": [CLIENT_ID, "account"], "azp": CLIENT_ID},
        {"azp": CLIENT_ID},
        {"at_hash": "aWGxWGACV-BJ0UmSW_dIrg", "extra": {"deep": [1]}},
    ],
)
def test_an_unusual_and_correct_claim_is_accepted(
    provider: FakeProvider, client: OpenIdClient, claims: dict[str, Any]
) -> None:
    if "at_hash" in claims:
        digest = hashes.Hash(hashes.SHA256())
        digest.update(b"access-1")
        claims["at_hash"] = base64.urlsafe_b64encode(digest.finalize()[:16]).rstrip(b"=").decode()
    provider.claims.update(claims)
    assert sign_in(provider, client).subject == "person-1"


@pytest.mark.parametrize(("after_s", "reason"), [(-50, None), (-90, "issued_at"), (350, None), (370, "token_expired")])
def test_clocks_may_differ_by_a_minute(
    provider: FakeProvider, client: OpenIdClient, after_s: int, reason: RefusalReason | None
) -> None:
    """The token is valid for 300 s of the provider's clock."""
    if reason is None:
        assert sign_in(provider, client, timedelta(seconds=after_s)).subject == "person-1"
    else:
        assert refusal(lambda: sign_in(provider, client, timedelta(seconds=after_s))) == reason


def test_a_token_of_another_key_is_refused(provider: FakeProvider, client: OpenIdClient) -> None:
    provider.make_token = lambda claims: jwt.encode({"alg": "ES256", "kid": "key-1"}, claims, OTHER_KEY)
    assert refusal(lambda: sign_in(provider, client)) == "signature"


def test_changed_claims_are_refused(provider: FakeProvider, client: OpenIdClient) -> None:
    def forge(claims: dict[str, Any]) -> str:
        header, _, signature = provider.sign(claims).split(".")
        forged = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "mayor"}).encode()).rstrip(b"=").decode()
        return f"{header}.{forged}.{signature}"

    provider.make_token = forge
    assert refusal(lambda: sign_in(provider, client)) == "signature"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS256", "EdDSA", "XX1", ["ES256"], None, 3])
def test_an_algorithm_off_the_list_is_refused_before_any_key_is_fetched(
    provider: FakeProvider, client: OpenIdClient, algorithm: object
) -> None:
    provider.make_token = lambda claims: unsigned_token(claims, {"alg": algorithm, "kid": "key-1"})
    assert refusal(lambda: sign_in(provider, client)) == "algorithm"
    assert provider.requests["/jwks"] == 0


def test_a_public_key_is_no_secret_of_hs256(provider: FakeProvider, client: OpenIdClient) -> None:
    public = ECKey.import_key(provider.key_set["keys"][0]).as_pem(private=False)

    def forge(claims: dict[str, Any]) -> str:
        content = unsigned_token(claims, {"alg": "HS256", "kid": "key-1"}).removesuffix(".")
        digest = hmac.digest(public, content.encode(), "sha256")
        return f"{content}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"

    provider.make_token = forge
    assert refusal(lambda: sign_in(provider, client)) == "algorithm"


def test_a_key_in_the_token_is_not_used(provider: FakeProvider, client: OpenIdClient) -> None:
    header = {"alg": "ES256", "kid": "key-1", "jwk": OTHER_KEY.as_dict(private=False)}
    provider.make_token = lambda claims: jwt.encode(header, claims, OTHER_KEY)
    assert refusal(lambda: sign_in(provider, client)) == "signature"


def test_a_critical_header_is_refused(provider: FakeProvider, client: OpenIdClient) -> None:
    provider.make_token = lambda claims: unsigned_token(
        claims, {"alg": "ES256", "kid": "key-1", "crit": ["b64"], "b64": True}
    )
    assert refusal(lambda: sign_in(provider, client)) == "token"


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSAKey.generate_key(2048, {"kid": "key-1"}), "RS256"),
        (RSAKey.generate_key(2048, {"kid": "key-1"}), "PS512"),
        (ECKey.generate_key("P-521", {"kid": "key-1"}), "ES512"),
    ],
)
def test_algorithms_of_key_pairs_are_accepted(
    provider: FakeProvider, client: OpenIdClient, key: RSAKey | ECKey, algorithm: str
) -> None:
    provider.key, provider.algorithm, provider.header = key, algorithm, {"x5t": "of a certificate", "other": "text"}
    provider.key_set = KeySet([key]).as_dict(private=False)
    assert sign_in(provider, client).subject == "person-1"


def test_an_algorithm_fits_the_curve_of_its_key(provider: FakeProvider, client: OpenIdClient) -> None:
    provider.make_token = lambda claims: unsigned_token(claims, {"alg": "ES512", "kid": "key-1"}, b"x" * 132)
    assert refusal(lambda: sign_in(provider, client)) == "signature"


def test_a_token_without_key_id_fits_the_only_key(provider: FakeProvider, client: OpenIdClient) -> None:
    provider.header = {"kid": None}
    other = OTHER_KEY.as_dict(private=False)
    provider.key_set["keys"] += [{**other, "use": "enc"}, {**other, "alg": "ES384"}]
    assert sign_in(provider, client).subject == "person-1"


def test_a_token_without_key_id_is_refused_if_two_keys_fit(provider: FakeProvider, client: OpenIdClient) -> None:
    provider.header = {"kid": None}
    provider.key_set["keys"].append({**OTHER_KEY.as_dict(private=False), "kid": "key-2"})
    assert refusal(lambda: sign_in(provider, client)) == "signature"


def test_a_rotated_key_is_fetched(provider: FakeProvider, client: OpenIdClient, clock: SteppedClock) -> None:
    sign_in(provider, client)
    clock.now_s += REFRESH_PAUSE_S
    provider.rotate("key-2")
    assert sign_in(provider, client).subject == "person-1"
    assert provider.requests["/jwks"] == 2


def test_forged_key_ids_fetch_the_keys_once_a_minute(
    provider: FakeProvider, client: OpenIdClient, clock: SteppedClock
) -> None:
    sign_in(provider, client)
    provider.make_token = lambda claims: jwt.encode({"alg": "ES256", "kid": secrets.token_hex()}, claims, OTHER_KEY)
    clock.now_s += REFRESH_PAUSE_S
    assert {refusal(lambda: sign_in(provider, client)) for _ in range(5)} == {"signature"}
    assert provider.requests["/jwks"] == 2
    clock.now_s += REFRESH_PAUSE_S
    assert refusal(lambda: sign_in(provider, client)) == "signature"
    assert provider.requests["/jwks"] == 3


def test_unsuitable_keys_do_not_count() -> None:
    short = rsa.generate_private_key(65537, 1024).public_key().public_numbers().n  # noqa: S505
    modulus = base64.urlsafe_b64encode(short.to_bytes(128, "big")).rstrip(b"=").decode()
    good = OTHER_KEY.as_dict(private=False)
    wrong: list[object] = [
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "RSA", "n": modulus, "e": "AQAB"},
        {"kty": "RSA", "n": 7, "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "EC"},
        {"kty": ["EC"]},
        "text",
        None,
    ]
    assert [key.kid for key in key_list({"keys": [*wrong, good]})] == ["key-1"]


@given(
    st.one_of(
        st.text(),
        st.lists(st.binary(max_size=40), min_size=3, max_size=3).map(
            lambda parts: ".".join(base64.urlsafe_b64encode(part).decode() for part in parts)
        ),
    )
)
def test_any_text_as_token_is_refused(token: str) -> None:
    expected = Expectation("https://a.test", CLIENT_ID, "nonce", "", now())
    assert refusal(lambda: id_token_claims(token, lambda *_: OTHER_KEY, expected)) in {
        "token",
        "algorithm",
        "signature",
    }


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "amr", "at_hash"]), JSON_VALUES
    ),
    st.dictionaries(st.sampled_from(["kid", "typ", "crit", "b64", "x5c", "jwk", "zip"]), JSON_VALUES),
)
def test_any_signed_claims_are_refused_or_accepted(claims: dict[str, Any], header: dict[str, Any]) -> None:
    """No value of a provider raises another error than a refusal."""
    content = {"iss": "https://a.test", "sub": "p", "aud": CLIENT_ID, "exp": 2**40, "iat": 1, "nonce": "n", **claims}
    signed = unsigned_token(content, {"alg": "ES256", **header}).rpartition(".")[0].encode()
    private = OTHER_KEY.private_key
    assert private is not None
    r, s = decode_dss_signature(private.sign(signed, ec.ECDSA(hashes.SHA256())))
    signature = base64.urlsafe_b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).rstrip(b"=").decode()
    expected = Expectation("https://a.test", CLIENT_ID, "n", "access", now())
    try:
        accepted = id_token_claims(f"{signed.decode()}.{signature}", lambda *_: OTHER_KEY, expected)
    except SignInRefusedError:
        return
    assert (accepted["iss"], accepted["nonce"]) == ("https://a.test", "n")
