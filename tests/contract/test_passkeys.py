"""Passkeys behave alike on SQLite and PostgreSQL: adding, signing in, refusing, removing."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import func, insert, select, text, update
from webauthn.helpers import encode_cbor

from city.database.engine import HEAD, open_database
from city.database.schema import metadata
from city.database.upgrade import alembic_config
from city.runtime.secrets import Secrets
from people.attempts import FREE, WAIT_MAX
from people.errors import PeopleError, TooManyAttemptsError
from people.passkeys.relying_party import RelyingParty, relying_party_of
from people.passkeys.rows import CHALLENGE_LASTS, CHALLENGES_MAX, Passkey
from people.passkeys.service import PASSKEYS_MAX, RECENT
from people.rights import RIGHTS_OF, Identity
from people.service import People, open_people
from people.tables import accounts, passkey_challenges, passkeys
from tests.contract.conftest import ADMIN, NOW, PASSWORD, Clock, enter, join
from tests.support.authenticator import PRESENT, Authenticator, from_base64url, to_base64url

PARTY = RelyingParty("kota.example", "https://kota.example")
HERE, THERE = "10.0.0.1", "10.6.6.6"


def device(**changes: Any) -> Authenticator:
    return Authenticator(**{"origin": PARTY.origin, "rp_id": PARTY.id, **changes})


def register(people: People, identity: Identity, authenticator: Authenticator, name: str = "telepon") -> Passkey:
    options = people.passkeys.begin_registration(PARTY, identity, PASSWORD, HERE)
    return people.passkeys.register(PARTY, identity, name, authenticator.register(options), HERE)


def owner(people: People, name: str = "maria.seran", role: str = "dispatcher") -> tuple[Identity, Authenticator]:
    """Somebody with a passkey."""
    join(people, name, role)
    identity, authenticator = enter(people, name), device()
    register(people, identity, authenticator)
    return identity, authenticator


def sign_in(
    people: People, authenticator: Authenticator, address: str = HERE, change: Callable[[dict[str, Any]], object] = bool
) -> Identity:
    """The whole way of a browser; `change` alters its answer."""
    options, key = people.passkeys.begin_sign_in(PARTY)
    answer = authenticator.sign(options)
    change(answer)
    signed_in = people.passkeys.sign_in(PARTY, key, json.dumps(answer), address, "Firefox")
    identity = people.by_session(signed_in.cookie)
    assert identity is not None
    return identity


def refusal(people: People) -> tuple[str, str, dict[str, Any]]:
    """Whom the newest entry of the audit is about, whose name it has, and its detail."""
    (entry,) = people.audit.search(limit=1)
    assert (entry.action, entry.actor) == ("sign_in.failed", "unknown")
    return entry.object, entry.actor_name, entry.detail


def count_rows(people: People, table: Any) -> int:
    with people._database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_a_passkey_signs_in_without_a_name(people: People, clock: Clock) -> None:
    identity, authenticator = owner(people)
    assert [(known.name, known.used_at) for known in people.passkeys.of(identity.id)] == [("telepon", None)]
    clock.move(timedelta(hours=1))
    mine = sign_in(people, authenticator)
    assert (mine.id, mine.rights) == (identity.id, RIGHTS_OF["dispatcher"])
    assert people.sessions_of(mine.id)[0].method == "passkey"
    assert [known.used_at for known in people.passkeys.of(identity.id)] == [clock.now]
    entries = people.audit.search(limit=3)
    assert [(entry.action, entry.object) for entry in entries] == [
        ("sign_in", mine.id),
        ("passkey.add", mine.id),
        ("sign_in", mine.id),
    ]
    assert entries[0].detail == {"method": "passkey"}
    assert entries[1].detail == {"passkey": 1, "name": "telepon"}
    assert entries[1].address == HERE


def test_the_options_ask_for_a_key_that_needs_no_name_and_verifies_its_user(people: People) -> None:
    identity, authenticator = owner(people)
    making = people.passkeys.begin_registration(PARTY, identity, PASSWORD, HERE)
    assert making["rp"] == {"name": "Jaga Kota", "id": "kota.example"}
    assert making["attestation"] == "none"
    selection = making["authenticatorSelection"]
    assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
    assert [known["id"] for known in making["excludeCredentials"]] == [to_base64url(authenticator.credential_id)]
    assert "maria" not in from_base64url(making["user"]["id"]).decode(), "the handle says nothing of the person"
    asking, key = people.passkeys.begin_sign_in(PARTY)
    assert (asking["rpId"], asking["userVerification"], asking["allowCredentials"]) == ("kota.example", "required", [])
    assert key not in json.dumps(asking)


def test_an_open_session_alone_adds_no_passkey(people: People) -> None:
    join(people, "maria.seran")
    identity = enter(people, "maria.seran")
    for _ in range(FREE["pair"]):
        with pytest.raises(PeopleError, match="password wrong"):
            people.passkeys.begin_registration(PARTY, identity, "salah", HERE)
    assert people.audit.search(limit=1)[0].action == "password.refused"
    with pytest.raises(TooManyAttemptsError):
        people.passkeys.begin_registration(PARTY, identity, PASSWORD, HERE)
    with pytest.raises(PeopleError, match="passkey invalid"):
        people.passkeys.register(PARTY, identity, "x", device().register(of_challenge("AAAA")), HERE)
    assert people.passkeys.of(identity.id) == []


def of_challenge(challenge: str) -> dict[str, Any]:
    """The parts of options that an authenticator reads."""
    return {"challenge": challenge, "user": {"id": "AAAA"}}


def test_an_account_without_a_password_adds_one_soon_after_signing_in(people: People, clock: Clock) -> None:
    id_ = join(people, "maria.seran")
    identity = enter(people, "maria.seran")
    with people._database.begin() as connection:
        connection.execute(update(accounts).where(accounts.c.id == id_).values(password_hash=None, subject="maria"))
    clock.move(RECENT)
    register(people, identity, device())
    clock.move(timedelta(seconds=1))
    with pytest.raises(PeopleError, match="sign in again"):
        people.passkeys.begin_registration(PARTY, identity, "", HERE)


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "https://kota.example.evil"},
        {"origin": "http://kota.example"},
        {"origin": "https://kota.example:8443"},
        {"rp_id": "evil.example"},
        {"flags": PRESENT},
        {"flags": 0},
        {"credential_id": b""},
        {"credential_id": bytes(1_024)},
    ],
    ids=[
        "another host",
        "no TLS",
        "another port",
        "another domain",
        "nobody verified",
        "nobody there",
        "no id",
        "long id",
    ],
)
def test_an_authenticator_that_is_not_ours_adds_nothing(people: People, changes: dict[str, Any]) -> None:
    join(people, "maria.seran")
    identity = enter(people, "maria.seran")
    with pytest.raises(PeopleError, match="passkey invalid"):
        register(people, identity, device(**changes))
    assert people.passkeys.of(identity.id) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"origin": "https://kota.example.evil"}, "refused"),
        ({"origin": "null"}, "refused"),
        ({"rp_id": "evil.example"}, "refused"),
        ({"flags": PRESENT}, "refused"),
        ({"flags": 0}, "refused"),
        ({"handle": b""}, "refused"),
        ({"handle": b"0123456789abcdef"}, "refused"),
        ({"key": device().key}, "refused"),
        ({"credential_id": bytes(32)}, "unknown"),
    ],
    ids=[
        *("another host", "no host", "another domain", "nobody verified", "nobody there", "no handle"),
        *("another person", "another key", "another id"),
    ],
)
def test_an_answer_that_is_not_our_passkey_s_is_refused(people: People, changes: dict[str, Any], reason: str) -> None:
    identity, authenticator = owner(people)
    for name, value in changes.items():
        setattr(authenticator, name, value)
    with pytest.raises(PeopleError, match="passkey invalid"):
        sign_in(people, authenticator, THERE)
    known = (identity.id, "maria.seran") if reason != "unknown" else ("unknown", "")
    assert refusal(people) == (*known, {"method": "passkey", "reason": reason})
    assert people.audit.search(limit=1)[0].address == THERE
    assert people.passkeys.of(identity.id)[0].used_at is None


def test_a_challenge_is_of_one_browser_and_one_use(people: People, clock: Clock) -> None:
    _, authenticator = owner(people)
    options, key = people.passkeys.begin_sign_in(PARTY)
    _, other = people.passkeys.begin_sign_in(PARTY)
    answer = json.dumps(authenticator.sign(options))
    for wrong in (other, "", "session 1"):
        with pytest.raises(PeopleError, match="passkey invalid"):
            people.passkeys.sign_in(PARTY, wrong, answer, HERE, "x")
    assert refusal(people)[2]["reason"] == "challenge"
    assert people.passkeys.sign_in(PARTY, key, answer, HERE, "x").account.name == "maria.seran"
    with pytest.raises(PeopleError, match="passkey invalid"):
        people.passkeys.sign_in(PARTY, key, answer, HERE, "x")
    options, key = people.passkeys.begin_sign_in(PARTY)
    answer = json.dumps(authenticator.sign(options))
    clock.move(CHALLENGE_LASTS)
    with pytest.raises(PeopleError, match="passkey invalid"):
        people.passkeys.sign_in(PARTY, key, answer, HERE, "x")
    people.passkeys.begin_sign_in(PARTY)
    assert count_rows(people, passkey_challenges) == 1


def test_a_signature_made_for_one_challenge_answers_no_other(people: People) -> None:
    _, authenticator = owner(people)
    overheard = authenticator.sign(people.passkeys.begin_sign_in(PARTY)[0])
    _, key = people.passkeys.begin_sign_in(PARTY)
    with pytest.raises(PeopleError, match="passkey invalid"):
        people.passkeys.sign_in(PARTY, key, json.dumps(overheard), HERE, "x")


def test_one_answer_sent_at_once_by_many_opens_one_session(people: People) -> None:
    _, authenticator = owner(people)
    options, key = people.passkeys.begin_sign_in(PARTY)
    answer = json.dumps(authenticator.sign(options))

    def enter_by(_: int) -> bool:
        try:
            people.passkeys.sign_in(PARTY, key, answer, HERE, "x")
        except PeopleError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(enter_by, range(4))) == 1


def test_the_challenge_of_an_adding_belongs_to_its_session(people: People, clock: Clock) -> None:
    join(people, "maria.seran")
    join(people, "petrus.lado")
    maria, petrus, elsewhere = (enter(people, name) for name in ("maria.seran", "petrus.lado", "maria.seran"))
    authenticator = device()
    answer = authenticator.register(people.passkeys.begin_registration(PARTY, maria, PASSWORD, HERE))
    for identity in (petrus, elsewhere):
        with pytest.raises(PeopleError, match="passkey invalid"):
            people.passkeys.register(PARTY, identity, "x", answer, HERE)
    people.passkeys.register(PARTY, maria, "x", answer, HERE)
    with pytest.raises(PeopleError, match="passkey invalid"):
        people.passkeys.register(PARTY, maria, "x", answer, HERE)
    late = device().register(people.passkeys.begin_registration(PARTY, maria, PASSWORD, HERE))
    clock.move(CHALLENGE_LASTS)
    with pytest.raises(PeopleError, match="passkey invalid"):
        people.passkeys.register(PARTY, maria, "x", late, HERE)


def test_a_credential_id_has_one_account(people: People) -> None:
    identity, authenticator = owner(people)
    join(people, "petrus.lado")
    petrus = enter(people, "petrus.lado")
    with pytest.raises(PeopleError, match="passkey taken"):
        register(people, petrus, device(credential_id=authenticator.credential_id))
    assert sign_in(people, authenticator).id == identity.id


def test_two_accounts_that_add_one_credential_id_at_once_are_one(people: People) -> None:
    credential = bytes(range(32))
    identities = []
    for name in ("maria.seran", "petrus.lado"):
        join(people, name)
        identities.append(enter(people, name))

    def add(identity: Identity) -> bool:
        try:
            register(people, identity, device(credential_id=credential))
        except PeopleError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(add, identities)) == [False, True]


def test_a_count_of_signatures_that_goes_back_is_a_copy(people: People) -> None:
    identity, authenticator = owner(people)
    authenticator.count = 2**32 - 10
    sign_in(people, authenticator)
    for count in (5, 2**32 - 10, -1):
        authenticator.count = count
        with pytest.raises(PeopleError, match="passkey invalid"):
            sign_in(people, authenticator)
        assert refusal(people) == (identity.id, "maria.seran", {"method": "passkey", "reason": "sign_count"})
    authenticator.count = 2**32 - 9
    sign_in(people, authenticator)


def test_who_has_no_key_cannot_feign_a_copy(people: People) -> None:
    _, authenticator = owner(people)
    authenticator.count = 5
    sign_in(people, authenticator)
    forged = device(credential_id=authenticator.credential_id, handle=authenticator.handle)
    with pytest.raises(PeopleError, match="passkey invalid"):
        sign_in(people, forged)
    assert refusal(people)[2]["reason"] == "refused"


def test_an_authenticator_that_counts_nothing_signs_in_again_and_again(people: People) -> None:
    join(people, "maria.seran")
    authenticator = device(count=None)
    register(people, enter(people, "maria.seran"), authenticator)
    for _ in range(3):
        sign_in(people, authenticator)


def test_a_disabled_account_is_out_with_its_passkeys(people: People) -> None:
    identity, authenticator = owner(people)
    people.disable(ADMIN, identity.id, disabled=True)
    with pytest.raises(PeopleError, match="passkey invalid"):
        sign_in(people, authenticator)
    assert refusal(people)[2]["reason"] == "disabled"
    people.disable(ADMIN, identity.id, disabled=False)
    assert sign_in(people, authenticator).id == identity.id


def test_a_removed_passkey_is_refused_and_its_number_does_not_come_back(people: People) -> None:
    identity, authenticator = owner(people)
    join(people, "petrus.lado")
    petrus = enter(people, "petrus.lado")
    with pytest.raises(PeopleError, match="passkey unknown"):
        people.passkeys.remove(ADMIN, petrus.id, 1)
    people.passkeys.remove(ADMIN, identity.id, 1)
    (entry,) = people.audit.search(limit=1)
    assert (entry.action, entry.object, entry.detail) == (
        "passkey.remove",
        identity.id,
        {"passkey": 1, "name": "telepon"},
    )
    with pytest.raises(PeopleError, match="passkey unknown"):
        people.passkeys.remove(ADMIN, identity.id, 1)
    with pytest.raises(PeopleError, match="passkey invalid"):
        sign_in(people, authenticator)
    assert register(people, identity, device()).id == 2


def test_a_new_password_leaves_the_passkeys(people: People) -> None:
    identity, authenticator = owner(people)
    people.accept_link(people.invite(ADMIN, identity.id), "kota yang lebih bersih", HERE, "x")
    assert sign_in(people, authenticator).id == identity.id


def test_an_administrator_with_a_passkey_alone_may_sign_in(people: People) -> None:
    first, _ = owner(people, "first.admin", "administrator")
    second = join(people, "second.admin", "administrator")
    with people._database.begin() as connection:
        connection.execute(update(accounts).where(accounts.c.id == first.id).values(password_hash=None))
    people.change(ADMIN, second, role="viewer", areas=())
    assert people.first_link() == ""
    with pytest.raises(PeopleError, match="last administrator"):
        people.passkeys.remove(ADMIN, first.id, 1)
    assert [known.id for known in people.passkeys.of(first.id)] == [1]
    people.change(ADMIN, second, role="administrator", areas=())
    people.passkeys.remove(ADMIN, first.id, 1)
    with pytest.raises(PeopleError, match="last administrator"):
        people.disable(ADMIN, second, disabled=True)


def test_attempts_of_an_address_are_counted_before_they_are_checked(people: People, clock: Clock) -> None:
    _, authenticator = owner(people)

    def guess(_: int) -> str:
        try:
            people.passkeys.sign_in(PARTY, "no challenge", "{}", THERE, "x")
        except (PeopleError, TooManyAttemptsError) as exc:
            return type(exc).__name__
        return ""

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(guess, range(40)))
    assert outcomes.count("PeopleError") == FREE["address"]
    with pytest.raises(TooManyAttemptsError):
        sign_in(people, authenticator, THERE)
    with pytest.raises(TooManyAttemptsError):
        people.sign_in("maria.seran", PASSWORD, THERE, "x")
    sign_in(people, authenticator, HERE)
    clock.move(WAIT_MAX)
    sign_in(people, authenticator, THERE)


def test_signing_in_often_is_no_failure(people: People) -> None:
    _, authenticator = owner(people)
    for _ in range(FREE["address"] + 5):
        sign_in(people, authenticator)


def test_challenges_are_bounded_and_the_oldest_give_way(people: People, clock: Clock) -> None:
    with people._database.begin() as connection:
        rows = [
            {"digest": f"{n}", "challenge": b"x", "expires_at": NOW + timedelta(seconds=1 + n / 100)}
            for n in range(CHALLENGES_MAX)
        ]
        connection.execute(insert(passkey_challenges), rows)
    people.passkeys.begin_sign_in(PARTY)
    with people._database.read() as connection:
        left = set(connection.execute(select(passkey_challenges.c.digest)).scalars())
    assert (len(left), "0" in left, "1" in left) == (CHALLENGES_MAX, False, True)
    clock.move(timedelta(minutes=1))
    people.passkeys.begin_sign_in(PARTY)
    assert count_rows(people, passkey_challenges) == 2


def test_passkeys_of_an_account_are_bounded(people: People) -> None:
    join(people, "maria.seran")
    identity = enter(people, "maria.seran")
    late = device().register(people.passkeys.begin_registration(PARTY, identity, PASSWORD, HERE))
    with people._database.begin() as connection:
        fields = {"account_id": identity.id, "public_key": b"x", "sign_count": 0, "name": "x", "created_at": NOW}
        rows = [{"credential_id": bytes([n]), **fields} for n in range(PASSKEYS_MAX)]
        connection.execute(insert(passkeys), rows)
    with pytest.raises(PeopleError, match="too many"):
        people.passkeys.register(PARTY, identity, "x", late, HERE)
    with pytest.raises(PeopleError, match="too many"):
        people.passkeys.begin_registration(PARTY, identity, PASSWORD, HERE)


@pytest.mark.parametrize("name", ["", "  ", "a\nb\x00", "\u202ename", "\ud800", "x" * 200])
def test_a_name_that_cannot_be_costs_no_challenge(people: People, name: str) -> None:
    join(people, "maria.seran")
    identity, authenticator = enter(people, "maria.seran"), device()
    answer = authenticator.register(people.passkeys.begin_registration(PARTY, identity, PASSWORD, HERE))
    with pytest.raises(PeopleError, match="name invalid"):
        people.passkeys.register(PARTY, identity, name, answer, HERE)
    people.passkeys.register(PARTY, identity, "telepon", answer, HERE)


def test_without_a_domain_there_are_no_passkeys(people: People) -> None:
    identity, _ = owner(people)
    actions: list[Callable[[], object]] = [
        lambda: people.passkeys.begin_registration(None, identity, PASSWORD, HERE),
        lambda: people.passkeys.register(None, identity, "x", {}, HERE),
        lambda: people.passkeys.begin_sign_in(None),
        lambda: people.passkeys.sign_in(None, "", "", HERE, "x"),
    ]
    for action in actions:
        with pytest.raises(PeopleError, match="passkeys unavailable"):
            action()
    people.passkeys.remove(ADMIN, identity.id, 1)


DEEP = b"\x81" * 12_000 + b"\x00"
HOSTILE: list[object] = [
    *(None, 1, [], {}, "", "x", "=", "*" * 50, "\u00e9", "\ud800", "A", "AAAA", "A" * 16_000),
    to_base64url(DEEP),
    to_base64url(b"\x9b" + b"\xff" * 8),
    to_base64url(b"\x5b\x7f" + b"\xff" * 7),
    to_base64url(encode_cbor({"fmt": "none", "attStmt": {}, "authData": bytes(37)})),
    to_base64url(encode_cbor({"fmt": 7, "attStmt": 7, "authData": 7})),
    to_base64url(encode_cbor({"fmt": "packed", "attStmt": {"x5c": [b"x"], "alg": 9}, "authData": b"\x45" * 200})),
    to_base64url(b"[" * 12_000),
    to_base64url(b'{"type": 1, "challenge": 2, "origin": {}}'),
    to_base64url(b'{"type": "webauthn.get", "challenge": "\\ud800", "origin": "\\ud800"}'),
    to_base64url(b"9" * 10_000),
]


def variants(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The answer with each of its fields replaced by each hostile value."""
    fields = [name for name in answer if name != "clientExtensionResults"]
    whole = [{**answer, name: value} for name in fields for value in HOSTILE]
    response = answer["response"]
    inner = [{**answer, "response": {**response, name: value}} for name in response for value in HOSTILE]
    without = [{key: value for key, value in answer.items() if key != name} for name in fields]
    return [*whole, *inner, *without]


def test_a_malformed_answer_is_refused_and_no_error_of_ours(people: People) -> None:
    _, authenticator = owner(people)
    options, _ = people.passkeys.begin_sign_in(PARTY)
    texts = [json.dumps(answer) for answer in variants(authenticator.sign(options))]
    texts += ["", "{", "[]", "null", "7", '"x"', "[" * 16_000, "9" * 16_000, "\x00", "\ud800"]
    for number, answer in enumerate(texts):
        _, key = people.passkeys.begin_sign_in(PARTY)
        with pytest.raises(PeopleError, match="passkey invalid"):
            people.passkeys.sign_in(PARTY, key, answer, f"10.0.{number // 15}.1", "x")
    assert people.audit.faults() == []


def test_a_malformed_key_is_refused_and_no_error_of_ours(people: People) -> None:
    join(people, "maria.seran")
    identity = enter(people, "maria.seran")
    options = people.passkeys.begin_registration(PARTY, identity, PASSWORD, HERE)
    for answer in variants(device().register(options)):
        people.passkeys.begin_registration(PARTY, identity, PASSWORD, HERE)
        with pytest.raises(PeopleError, match="passkey invalid"):
            people.passkeys.register(PARTY, identity, "x", answer, HERE)
    assert people.passkeys.of(identity.id) == []


@pytest.mark.parametrize(
    "key",
    [
        {1: 2, 3: -7, -1: 1, -2: b"\x01" * 32, -3: b"\x02" * 32},
        {1: 2, 3: -7, -1: 1, -2: b"", -3: b""},
        {1: 2, 3: -7, -1: 9, -2: bytes(32), -3: bytes(32)},
        {1: 3, 3: -257, -1: b"\x01" * 2_000, -2: b"\x01\x00\x01"},
        {1: 3, 3: -257, -1: b"\x00", -2: b"\x00"},
        {1: 1, 3: -8, -1: 6, -2: b"short"},
        {1: 2, 3: -47, -1: 8, -2: bytes(32), -3: bytes(32)},
        {3: -7},
        {},
        [],
        7,
    ],
    ids=str,
)
def test_a_key_that_is_none_is_not_kept(people: People, key: object) -> None:
    join(people, "maria.seran")
    identity, authenticator = enter(people, "maria.seran"), device()
    authenticator._public_key = lambda: bytes(encode_cbor(key))  # type: ignore[method-assign]
    with pytest.raises(PeopleError, match="passkey invalid"):
        register(people, identity, authenticator)


def test_a_database_of_the_version_before_passkeys_gets_them(tmp_path: Path, url: str, clock: Clock) -> None:
    engine = open_database(tmp_path, url)
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(text("DELETE FROM alembic_version"))
        if connection.dialect.name == "postgresql":
            connection.execute(text("DROP FUNCTION refuse_audit_change"))
        command.upgrade(alembic_config(connection), "0002")
        fields = {"id": "0123456789abcdef", "name": "maria.seran", "shown_name": "Maria", "role": "viewer"}
        connection.execute(insert(accounts).values(areas=[], created_at=NOW, **fields))
    engine.dispose()
    people = open_people(tmp_path, url, Secrets.make(tmp_path), clock)
    people.accept_link(people.invite(ADMIN, "0123456789abcdef"), PASSWORD, HERE, "x")
    authenticator = device()
    register(people, enter(people, "maria.seran"), authenticator)
    assert sign_in(people, authenticator).name == "maria.seran"
    assert people.audit.faults() == []
    with people._database.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD
    people.close()


@pytest.mark.parametrize(
    ("address", "party"),
    [
        ("https://kota.example", ("kota.example", "https://kota.example")),
        ("https://Kota.Example:443/", ("kota.example", "https://kota.example")),
        ("https://kota.example:8443", ("kota.example", "https://kota.example:8443")),
        ("http://localhost:8080", ("localhost", "http://localhost:8080")),
        ("http://localhost:80", ("localhost", "http://localhost")),
        ("https://kot\u00e4.example", ("xn--kot-sla.example", "https://xn--kot-sla.example")),
        ("http://kota.example", None),
        ("https://10.0.0.1:8443", None),
        ("https://[::1]", None),
        ("https://127.1", None),
        ("https://0x7f000001", None),
        ("http://127.0.0.1:8080", None),
        ("ftp://localhost", None),
        ("https://", None),
        ("https://kota.example:x", None),
        ("https://a..b", None),
        ("kota.example", None),
        ("", None),
    ],
)
def test_the_relying_party_is_a_domain_of_which_browsers_think_well(
    address: str, party: tuple[str, str] | None
) -> None:
    assert relying_party_of(address) == (RelyingParty(*party) if party else None)
