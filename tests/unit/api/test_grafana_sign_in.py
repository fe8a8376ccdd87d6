"""Grafana signs in who has signed in to the city, as a viewer or an editor, and nobody else."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from api.auth.access import COOKIE
from api.console.page_context import PageContext
from api.console.parts import layout
from api.routes.grafana import HEADER
from city.cli.main import main
from city.i18n.catalogue import LANGS, Lang
from city.runtime.secrets import Secrets
from people.grafana_sign_in import ADDRESS_LASTS, HEADER_LASTS, LOGIN_PREFIX, GrafanaSignIn
from people.grafana_tokens import SigningKey
from people.rights import DEMO, RIGHTS_OF, ROLES, Identity, Role
from people.sessions import LASTS
from tests.support.access import TESTER, identity_with
from tests.support.api_requests import AUTHORIZE
from tests.support.grafana_jwt import LEEWAY_S, GrafanaUser, RefusedError, compose_settings, decode_part, sign_in
from tests.unit.api.conftest import NOW, Stage

ISSUER = "http://localhost:8080"
"""The address of the console that `kota secrets init` writes."""
GRAFANA = "https://grafana.kota.example/papan"
AT = NOW + timedelta(seconds=1)
"""The time of the app."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return compose_settings(tmp_path_factory.mktemp("settings"))


@pytest.fixture
def key_set(stage: Stage) -> Path:
    """What `kota grafana jwks` writes for the city of the stage."""
    path = stage.folder / "jwks.json"
    assert main(["grafana", "jwks", "--data", str(stage.folder), "--out", str(path)]) == 0
    return path


@pytest.fixture
def grafana(stage: Stage) -> GrafanaSignIn:
    return GrafanaSignIn(stage.secrets.grafana_seed(), ISSUER, GRAFANA)


@pytest.fixture(autouse=True)
def known_issuer(stage: Stage) -> None:
    stage.issuer = ISSUER
    stage.grafana_url = GRAFANA


def encoded(part: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def claims_in(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(decode_part(token.split(".")[1]))
    return claims


def browser(stage: Stage, role: Role) -> TestClient:
    """A browser with a new session."""
    client = stage.client(demo=False)
    client.cookies[COOKIE] = stage.cookie(role)
    return client


def menu(stage: Stage, identity: Identity, lang: Lang = "id") -> str:
    """The head of a page."""
    headers = [(b"host", b"127.0.0.1")]
    request = Request({"type": "http", "method": "GET", "path": "/system", "query_string": b"", "headers": headers})
    return str(layout._header(PageContext(stage.context(demo=False), lang, identity), request, "system"))


def token_at(location: str) -> str:
    (token,) = parse_qs(urlsplit(location).query)["auth_token"]
    return token


@pytest.mark.parametrize("role", ROLES)
def test_each_role_is_a_viewer_or_an_editor_by_its_right(
    stage: Stage, key_set: Path, settings: dict[str, str], role: Role
) -> None:
    assertion = browser(stage, role).get(AUTHORIZE).headers[HEADER]
    expected = "Editor" if role in ("supervisor", "administrator") else "Viewer"
    assert ("dashboards.write" in RIGHTS_OF[role]) is (expected == "Editor")
    user = GrafanaUser(stage.account(role).id, f"{LOGIN_PREFIX}{role}", role, expected, is_grafana_admin=False)
    assert sign_in(assertion, key_set, settings, AT) == user


def test_the_header_is_in_force_for_a_minute_and_no_cache_keeps_it(
    stage: Stage, key_set: Path, settings: dict[str, str]
) -> None:
    answer = browser(stage, "viewer").get(AUTHORIZE)
    assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (204, b"", "no-store")
    claims = claims_in(answer.headers[HEADER])
    assert (claims["exp"] - claims["iat"], claims["nbf"]) == (HEADER_LASTS.total_seconds(), claims["iat"])
    latest = AT + HEADER_LASTS + timedelta(seconds=LEEWAY_S)
    sign_in(answer.headers[HEADER], key_set, settings, latest)
    with pytest.raises(RefusedError, match="expired"):
        sign_in(answer.headers[HEADER], key_set, settings, latest + timedelta(seconds=1))
    with pytest.raises(RefusedError, match="not valid yet"):
        sign_in(answer.headers[HEADER], key_set, settings, NOW - timedelta(seconds=LEEWAY_S + 1))


def test_each_request_of_a_proxy_adds_nothing_to_the_audit(stage: Stage) -> None:
    client = browser(stage, "viewer")
    before = len(stage.people.audit.search())
    for _ in range(3):
        assert client.get(AUTHORIZE).status_code == 204
    assert len(stage.people.audit.search()) == before


def test_a_service_and_a_person_come_with_a_token_too(stage: Stage, key_set: Path, settings: dict[str, str]) -> None:
    day = timedelta(days=1)
    number, token = stage.people.make_token(TESTER, "Laporan\nX-Evil", ["telemetry.read"], day)
    service = sign_in(stage.client(demo=False, token=token).get(AUTHORIZE).headers[HEADER], key_set, settings, AT)
    assert (service.auth_id, service.login, service.role) == (f"token-{number}", f"kota:token-{number}", "Viewer")
    person = stage.people.by_session(stage.cookie("viewer"))
    assert person is not None
    _, own = stage.people.make_token(TESTER, "script", ["telemetry.read"], day, account=person)
    signed_in = sign_in(stage.client(demo=False, token=own).get(AUTHORIZE).headers[HEADER], key_set, settings, AT)
    assert signed_in == GrafanaUser(person.id, "kota:viewer", "viewer", "Viewer", is_grafana_admin=False)


def test_a_token_without_the_right_to_read_is_refused(stage: Stage) -> None:
    _, token = stage.people.make_token(TESTER, "editor", ["dashboards.write"], timedelta(days=1))
    for path in (AUTHORIZE, "/grafana"):
        answer = stage.client(demo=False, token=token).get(path)
        assert (answer.status_code, HEADER in answer.headers) == (403, False), path
        assert "auth_token" not in answer.text


def test_an_editor_of_yesterday_is_a_viewer_today(stage: Stage, key_set: Path, settings: dict[str, str]) -> None:
    client = browser(stage, "supervisor")
    assert sign_in(client.get(AUTHORIZE).headers[HEADER], key_set, settings, AT).role == "Editor"
    stage.people.change(TESTER, stage.account("supervisor").id, role="viewer", areas=())
    assert sign_in(client.get(AUTHORIZE).headers[HEADER], key_set, settings, AT).role == "Viewer"


@pytest.mark.parametrize("end", ["sign out", "end", "disable", "expire"])
def test_who_is_signed_out_is_refused_at_the_next_request(stage: Stage, end: str) -> None:
    client, account = browser(stage, "viewer"), stage.account("viewer")
    stage.account("administrator")
    assert client.get(AUTHORIZE).status_code == 204
    cookie = client.cookies[COOKIE]
    match end:
        case "sign out":
            client.post("/logout", headers={"Origin": "http://127.0.0.1"})
            client.cookies[COOKIE] = cookie
        case "end":
            stage.people.end_sessions(TESTER, account.id)
        case "disable":
            stage.people.disable(TESTER, account.id, disabled=True)
        case _:
            stage.expire(cookie)
    answer = client.get(AUTHORIZE)
    assert (answer.status_code, HEADER in answer.headers) == (401, False)
    opened = client.get("/grafana")
    assert (opened.status_code, opened.headers["location"]) == (303, "/login")


def test_a_revoked_token_and_that_of_a_disabled_account_are_refused(stage: Stage) -> None:
    number, token = stage.people.make_token(TESTER, "x", ["telemetry.read"], timedelta(days=1))
    person = stage.people.by_session(stage.cookie("viewer"))
    stage.account("administrator")
    _, own = stage.people.make_token(TESTER, "x", ["telemetry.read"], timedelta(days=1), account=person)
    stage.people.revoke_token(TESTER, number)
    stage.people.disable(TESTER, stage.account("viewer").id, disabled=True)
    for refused in (token, own, f"kota_{0:043}", ""):
        answer = stage.client(demo=False, token=refused).get(AUTHORIZE)
        assert (answer.status_code, HEADER in answer.headers) == (401, False)


def test_areas_do_not_matter_because_measurements_are_of_the_whole_city(stage: Stage) -> None:
    client = browser(stage, "viewer")
    stage.people.change(TESTER, stage.account("viewer").id, role="viewer", areas=("kelurahan:Oesapa",))
    assert client.get(AUTHORIZE).status_code == 204


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}])
def test_a_page_of_another_site_gets_nobody_into_grafana(stage: Stage, headers: dict[str, str]) -> None:
    # A proxy hands the browser's `Origin` on: what that page sends to Grafana is refused here.
    answer = browser(stage, "supervisor").get(AUTHORIZE, headers=headers)
    assert (answer.status_code, HEADER in answer.headers) == (403, False)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "PUT"])
@pytest.mark.parametrize("path", [AUTHORIZE, "/grafana", "/.well-known/jwks.json"])
def test_other_methods_give_no_token_and_note_nothing(stage: Stage, path: str, method: str) -> None:
    client = browser(stage, "supervisor")
    before = len(stage.people.audit.search())
    answer = client.request(method, path, headers={"Origin": "http://127.0.0.1"})
    assert answer.status_code == 405
    assert HEADER not in answer.headers
    assert "location" not in answer.headers
    assert len(stage.people.audit.search()) == before


# The address of a browser


def test_a_browser_is_sent_to_grafana_and_the_audit_says_so(
    stage: Stage, key_set: Path, settings: dict[str, str]
) -> None:
    answer = browser(stage, "supervisor").get("/grafana")
    assert (answer.status_code, answer.content) == (303, b"")
    assert (answer.headers["referrer-policy"], answer.headers["cache-control"]) == ("no-referrer", "no-store")
    location = answer.headers["location"]
    assert location.partition("?")[0] == f"{GRAFANA}/"
    user = sign_in(token_at(location), key_set, settings, AT)
    assert (user.login, user.role) == ("kota:supervisor", "Editor")
    (entry,) = stage.people.audit.search(action="grafana.open")
    assert (entry.actor, entry.object, entry.detail["role"]) == (user.auth_id, user.auth_id, "Editor")
    assert datetime.fromisoformat(entry.detail["expires_at"]).timestamp() == claims_in(token_at(location))["exp"]
    assert token_at(location) not in str(entry)


def test_an_address_lasts_an_hour_and_never_longer_than_the_session(stage: Stage) -> None:
    client = browser(stage, "viewer")
    for later, lasts in ((timedelta(), ADDRESS_LASTS), (LASTS - timedelta(minutes=7), timedelta(minutes=7))):
        context = stage.context(demo=False, now=NOW + later)
        person = stage.people.by_session(client.cookies[COOKIE])
        assert person is not None
        address = context.grafana.address(person, NOW + later, stage.people.expiry_of(person))
        assert address.expires_at - (NOW + later) == lasts
        assert "auth_token" not in repr(address)


def test_an_address_lasts_no_longer_than_the_token_that_asks_for_it(stage: Stage) -> None:
    _, token = stage.people.make_token(TESTER, "x", ["telemetry.read"], timedelta(minutes=5))
    location = stage.client(demo=False, token=token).get("/grafana").headers["location"]
    assert claims_in(token_at(location))["exp"] == (NOW + timedelta(minutes=5)).timestamp()


@pytest.mark.parametrize(
    "query", ["?next=https://evil.example", "?to=//evil.example", "?auth_token=x", "?rd=%0d%0aX: y"]
)
def test_nobody_chooses_where_a_browser_is_sent(stage: Stage, query: str) -> None:
    client = browser(stage, "viewer")
    location = client.get(f"/grafana{query}", headers={"Referer": "https://evil.example"}).headers["location"]
    parts = urlsplit(location)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "grafana.kota.example", "/papan/")
    assert list(parse_qs(parts.query)) == ["auth_token"]


def test_without_an_address_of_grafana_there_is_none_and_no_link(stage: Stage) -> None:
    stage.grafana_url = ""
    client = browser(stage, "supervisor")
    assert client.get("/grafana").status_code == 404
    assert 'href="/grafana"' not in menu(stage, identity_with("supervisor"))
    assert not stage.people.audit.search(action="grafana.open")


def test_the_menu_has_the_link_in_both_languages_and_for_who_may_follow_it(stage: Stage) -> None:
    for lang in LANGS:
        found = menu(stage, identity_with("viewer"), lang)
        # The wide and the narrow menu.
        assert found.count('<a href="/grafana" target="_blank" rel="noopener noreferrer">Grafana</a>') == 2
    auditor = Identity("person", "0123456789abcdef", "x", frozenset({"audit.read"}))
    assert 'href="/grafana"' not in menu(stage, auditor)


def test_in_an_open_demo_whoever_uses_the_machine_is_an_editor(
    stage: Stage, key_set: Path, settings: dict[str, str]
) -> None:
    user = sign_in(stage.client().get(AUTHORIZE).headers[HEADER], key_set, settings, AT)
    assert user == GrafanaUser("demo", "kota:demo", "demo", "Editor", is_grafana_admin=False)
    assert stage.client().get("/grafana").status_code == 303
    assert stage.client().get(AUTHORIZE, headers={"X-Forwarded-For": "10.0.0.1"}).status_code == 403


# The key set


def test_the_key_set_is_public_and_equals_the_file(stage: Stage, key_set: Path) -> None:
    answer = stage.client(demo=False).get("/.well-known/jwks.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == json.loads(key_set.read_text())
    (key,) = answer.json()["keys"]
    assert key.keys() == {"kty", "crv", "x", "y", "use", "alg", "kid"}
    assert key_set.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in key_set.parent.glob("*jwks*")] == ["jwks.json"]


def test_the_key_stays_while_the_city_s_key_does(stage: Stage, key_set: Path, tmp_path: Path) -> None:
    before = key_set.read_bytes()
    assert main(["grafana", "jwks", "--data", str(stage.folder), "--out", str(key_set)]) == 0
    assert key_set.read_bytes() == before
    other = Secrets.make(tmp_path / "other")
    assert SigningKey(other.grafana_seed()).public_set() != json.loads(before)
    seeds = {stage.secrets.grafana_seed(), stage.secrets.audit_seed(), stage.secrets.custody_seed()}
    assert len(seeds) == 3


def test_the_key_id_is_the_thumbprint_of_rfc_7638() -> None:
    (key,) = SigningKey(bytes(32)).public_set()["keys"]
    canonical = f'{{"crv":"P-256","kty":"EC","x":"{key["x"]}","y":"{key["y"]}"}}'
    digest = urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).decode().rstrip("=")
    assert key["kid"] == digest
    assert all(len(decode_part(key[name])) == 32 for name in ("x", "y")), "RFC 7518, section 6.2.1.2: of full length"


@pytest.mark.parametrize("number", range(300))
def test_coordinates_have_their_full_length_for_every_seed(number: int) -> None:
    (key,) = SigningKey(number.to_bytes(32, "big")).public_set()["keys"]
    assert [len(key[name]) for name in ("x", "y")] == [43, 43]


def test_jwks_needs_a_file_and_a_city(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grafana", "jwks", "--data", str(tmp_path)]) == 2
    assert "jwks needs --out FILE" in capsys.readouterr().err
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    assert main(["grafana", "jwks", "--data", str(nothing), "--out", str(nothing / "jwks.json")]) == 2
    assert list(nothing.iterdir()) == []


# Hostile tokens


def test_grafana_refuses_what_the_city_has_not_signed(
    grafana: GrafanaSignIn, key_set: Path, settings: dict[str, str], tmp_path: Path
) -> None:
    token = grafana.assertion(identity_with("viewer"), AT)
    header, claims, signature = token.split(".")
    editor = encoded({**claims_in(token), "role": "Editor"})
    alg = {"kid": grafana.key.id, "typ": "JWT"}
    other = GrafanaSignIn(Secrets.make(tmp_path / "other").grafana_seed(), ISSUER)
    forged_id = encoded({"alg": "ES256", **alg})
    theirs = other.assertion(identity_with("administrator"), AT)
    hostile = {
        "another city's key": theirs,
        "another city's key under our id": ".".join([forged_id, *theirs.split(".")[1:]]),
        "another role": f"{header}.{editor}.{signature}",
        "no algorithm": f"{encoded({'alg': 'none', **alg})}.{editor}.",
        "no algorithm, signed": f"{encoded({'alg': 'none', **alg})}.{editor}.{signature}",
        "a secret instead of a key": f"{encoded({'alg': 'HS256', **alg})}.{editor}.{signature}",
        "no key id": f"{encoded({'alg': 'ES256'})}.{claims}.{signature}",
        "an empty signature": f"{header}.{claims}.",
        "a signature of zeros": f"{header}.{claims}.{'A' * 86}",
        "a part is missing": f"{header}.{claims}",
        "nothing": "",
    }
    assert sign_in(token, key_set, settings, AT).role == "Viewer"
    for name, refused in hostile.items():
        with pytest.raises(RefusedError):
            pytest.fail(f"{name}: {sign_in(refused, key_set, settings, AT)}")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"iss": "http://localhost:8081"}, "iss"),
        ({"aud": "console"}, "aud"),
        ({"sub": ""}, "sub"),
        ({"role": "Owner"}, "role"),
        ({"role": None}, "role"),
        ({"preferred_username": ""}, "login"),
        ({"exp": 0}, "expired"),
        ({"nbf": 1 << 40}, "not valid yet"),
        ({"iat": 1 << 40}, "future"),
        ({"exp": "2199"}, "exp"),
    ],
)
def test_grafana_checks_the_claims(
    grafana: GrafanaSignIn, key_set: Path, settings: dict[str, str], change: dict[str, Any], reason: str
) -> None:
    claims = {**claims_in(grafana.assertion(identity_with("viewer"), AT)), **change}
    with pytest.raises(RefusedError, match=reason):
        sign_in(grafana.key.sign(claims), key_set, settings, AT)


def test_nobody_becomes_an_administrator_of_grafana(
    grafana: GrafanaSignIn, key_set: Path, settings: dict[str, str]
) -> None:
    roles = {sign_in(grafana.assertion(identity_with(role), AT), key_set, settings, AT).role for role in ROLES}
    assert roles == {"Viewer", "Editor"}
    assert sign_in(grafana.assertion(DEMO, AT), key_set, settings, AT).role == "Editor"
    claims = {**claims_in(grafana.assertion(identity_with("viewer"), AT)), "role": "GrafanaAdmin"}
    assert not sign_in(grafana.key.sign(claims), key_set, settings, AT).is_grafana_admin


@pytest.mark.parametrize(
    "name", ["admin", "wall", "admin@localhost", "a\r\nX-JWT-Assertion: b", "\u202eadmin", "é" * 60]
)
def test_no_name_takes_over_an_account_of_grafana_or_breaks_the_header(
    grafana: GrafanaSignIn, key_set: Path, settings: dict[str, str], name: str
) -> None:
    identity = Identity("person", "0123456789abcdef", name, RIGHTS_OF["viewer"])
    token = grafana.assertion(identity, AT)
    assert token.isascii()
    assert token.replace("-", "").replace("_", "").replace(".", "").isalnum()
    user = sign_in(token, key_set, settings, AT)
    assert (user.login, user.auth_id) == (f"kota:{name}", identity.id)
    address = grafana.address(identity, AT, None)
    assert address.url.isascii()
    assert address.url.isprintable()


def test_the_settings_are_those_that_this_needs(settings: dict[str, str]) -> None:
    assert settings == {
        "enabled": "true",
        "header_name": HEADER,
        "url_login": "true",
        "jwk_set_file": "/etc/grafana/jwks/jwks.json",
        "expect_claims": f'{{"iss": "{ISSUER}", "aud": "grafana"}}',
        "username_claim": "preferred_username",
        "auto_sign_up": "true",
        "role_attribute_path": "role",
        "role_attribute_strict": "true",
        "skip_org_role_sync": "false",
        "allow_assign_grafana_admin": "false",
    }
