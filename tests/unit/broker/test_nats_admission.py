"""Who comes in at the embedded broker, and that its permissions say what Mosquitto's access rules say."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from broker.access import Rights, rights_table
from broker.nats.admission import (
    ADDRESSES_MAX,
    DELAY_MAX_S,
    DELAY_STEP_S,
    Authenticator,
    FailureDelays,
    SignIn,
    in_server_terms,
)
from broker.nats.jwt import JwtSigner, read_request
from city.errors import PayloadError

TABLE = rights_table("kupang", {"bin-1": "bin", "bin-2": "bin"}, demo=True, gateways={"ttn": ["v3/#"]})


def authenticate(user: str, password: str, client_id: str) -> Rights | str:
    return Authenticator(lambda: TABLE, lambda name, word: word == f"secret-{name}").authenticate(
        SignIn(user, password, client_id, "10.0.0.1")
    )


@pytest.mark.parametrize(
    ("user", "password", "client_id", "reason"),
    [
        ("", "", "", "unknown_account"),
        ("bin-9", "secret-bin-9", "bin-9", "unknown_account"),
        ("keeper", "secret-keeper", "keeper", "unknown_account"),
        ("bin-1", "", "bin-1", "wrong_password"),
        ("bin-1", "secret-bin-2", "bin-1", "wrong_password"),
        ("bin-1", "secret-bin-1\u00e9", "bin-1", "wrong_password"),
        ("bin-1", "secret-bin-1", "bin-2", "foreign_client_id"),
        ("bin-1", "secret-bin-1", "", "foreign_client_id"),
        ("bin-1", "secret-bin-1", "BIN-1", "foreign_client_id"),
        ("ttn", "secret-ttn", "bin-1", "foreign_client_id"),
        ("ttn", "secret-ttn", "ingest", "foreign_client_id"),
    ],
)
def test_who_stays_outside(user: str, password: str, client_id: str, reason: str) -> None:
    assert authenticate(user, password, client_id) == reason


def test_who_comes_in() -> None:
    assert authenticate("bin-1", "secret-bin-1", "bin-1") == TABLE["bin-1"]
    assert authenticate("ttn", "secret-ttn", "ttn") == authenticate("ttn", "secret-ttn", "any other") == TABLE["ttn"]


def test_who_may_do_nothing_is_denied_everything_because_no_list_would_allow_everything() -> None:
    terms = in_server_terms(TABLE["ttn"])
    assert terms["sub"] == {"deny": [">"]}
    assert terms["pub"]["allow"] == ["v3.>", "v3"]
    assert "kota.>" in terms["pub"]["deny"]
    assert in_server_terms(Rights())["pub"] == {"deny": [">"]}
    assert in_server_terms(Rights(writes=("a b/c",)))["pub"] == {"deny": [">"]}


def test_refusals_wait_longer_each_time_and_are_forgiven() -> None:
    delays = FailureDelays()
    waits = [delays.add_failure("10.0.0.1", float(second)) for second in range(30)]
    assert waits == sorted(waits)
    assert waits[0] < waits[5] < waits[-1] == DELAY_MAX_S
    assert delays.add_failure("10.0.0.2", 30.0) == waits[0]
    assert delays.add_failure("10.0.0.1", 5_000.0) == waits[0]


def test_the_address_that_failed_longest_ago_is_evicted() -> None:
    delays = FailureDelays()
    for number in range(ADDRESSES_MAX + 1):
        delays.add_failure(f"10.0.{number >> 8}.{number & 255}", 0.0)
    assert delays.add_failure("10.0.0.0", 0.0) == DELAY_STEP_S, "it was evicted"
    assert delays.add_failure("10.0.0.2", 0.0) == 2 * DELAY_STEP_S


def question(**changes: object) -> bytes:
    body = {
        "server_id": {"id": "NSERVER"},
        "user_nkey": "UCLIENT",
        "client_info": {"host": "10.0.0.1", "type": "mqtt", "mqtt_id": "bin-1"},
        "connect_opts": {"user": "bin-1", "pass": "x", "protocol": 1},
        **changes,
    }
    coded = base64.urlsafe_b64encode(json.dumps({"nats": body, "iat": 1}).encode()).rstrip(b"=")
    return b"e30." + coded + b".c2ln"


def part(token: str, number: int) -> dict[str, object]:
    text = token.split(".")[number]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def test_an_admission_is_signed_by_the_key_that_the_server_was_told() -> None:
    signer = JwtSigner(b"s" * 32)
    asked = read_request(question())
    answer = signer.admission(asked, "KOTA", "bin-1", in_server_terms(TABLE["bin-1"])).decode()
    outer = part(answer, 1)
    assert (outer["iss"], outer["aud"], outer["sub"]) == (signer.issuer, "NSERVER", "UCLIENT")
    inner = str(outer["nats"]["jwt"])  # type: ignore[index]
    assert (part(inner, 1)["aud"], part(inner, 1)["name"]) == ("KOTA", "bin-1")
    raw = base64.b32decode(signer.issuer)
    for token in (answer, inner):
        head, _, signature = token.rpartition(".")
        Ed25519PublicKey.from_public_bytes(raw[1:33]).verify(base64.urlsafe_b64decode(signature + "=="), head.encode())
    assert part(signer.refusal(asked, "wrong_password").decode(), 1)["nats"]["error"] == "wrong_password"  # type: ignore[index]


@pytest.mark.parametrize(
    "token", [b"", b"a.b", b"a.!.c", b"a.e30.c", question(user_nkey=3), question(connect_opts={"user": 1})]
)
def test_a_question_that_is_none_is_refused(token: bytes) -> None:
    with pytest.raises(PayloadError):
        read_request(token)
