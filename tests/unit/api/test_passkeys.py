"""Passkeys over HTTP: the sign-in page, the form of one's own account, and administrators."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import update

from api.auth.access import COOKIE
from api.auth.sign_in import CHALLENGE_COOKIE
from people.accounts import change
from people.attempts import FREE
from people.tables import sessions
from tests.support.access import PASSWORD, TESTER, add_passkey, passkey_body
from tests.support.authenticator import Authenticator, to_base64url
from tests.support.pages import read_page
from tests.unit.api.conftest import NOW, Stage

HERE = {"Origin": "http://localhost"}


@pytest.fixture
def local(stage: Stage) -> Stage:
    """A city at an address with a name."""
    stage.public_url = "http://localhost"
    return stage


def client_of(stage: Stage) -> TestClient:
    return stage.client(demo=False, host="localhost")


def signed_in(stage: Stage, role: Any) -> TestClient:
    client = client_of(stage)
    client.cookies[COOKIE] = stage.cookie(role)
    return client


def sign_in(client: TestClient, device: Authenticator, **changes: Any) -> Response:
    """The whole way of a browser; the answer to the form."""
    options = client.post("/login/passkey/options", headers=HERE)
    assert options.status_code == 200
    answer = {**device.sign(options.json()), **changes}
    return client.post("/login/passkey", data={"credential": json.dumps(answer)}, headers=HERE)


def test_a_passkey_opens_the_console(local: Stage) -> None:
    device = add_passkey(local.people, local.cookie("viewer"))
    client = client_of(local)
    page = read_page(client.get("/login").text)
    assert ("script", {"src": "/login/passkey.js", "defer": None}) in page.tags
    forms = [attributes for name, attributes in page.tags if name == "form"]
    assert [(form["action"], "hidden" in form) for form in forms] == [("/login", False), ("/login/passkey", True)]
    assert client.get("/login/passkey.js").headers["content-type"].startswith("text/javascript")
    answer = sign_in(client, device)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert client.get("/api/v1/me").json()["name"] == "viewer"
    assert client.get("/api/v1/me/sessions").json()[0]["method"] == "passkey"


def test_signing_in_replaces_the_session_that_the_browser_had(local: Stage) -> None:
    device = add_passkey(local.people, local.cookie("viewer"))
    client = signed_in(local, "viewer")
    planted = client.cookies[COOKIE]
    sign_in(client, device)
    assert client.get("/api/v1/me").json()["name"] == "viewer"
    assert local.people.by_session(planted) is None


def test_the_challenge_is_in_a_cookie_that_scripts_cannot_read(local: Stage) -> None:
    answer = client_of(local).post("/login/passkey/options", headers=HERE)
    cookie = answer.headers["set-cookie"].lower()
    assert CHALLENGE_COOKIE in cookie
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "max-age=300" in cookie
    assert answer.headers["cache-control"] == "no-store"
    local.public_url = "https://kota.example"
    secure = local.client(demo=False, host="kota.example").post(
        "/login/passkey/options", headers={"Origin": "https://kota.example"}
    )
    assert "secure" in secure.headers["set-cookie"].lower()


def test_a_refused_passkey_says_so_and_gives_no_session(local: Stage) -> None:
    device = add_passkey(local.people, local.cookie("viewer"))
    client, other = client_of(local), client_of(local)
    assert sign_in(client, device, rawId=to_base64url(b"x"), id=to_base64url(b"x")).status_code == 401
    challenge = client.post("/login/passkey/options", headers=HERE).json()
    answer = {"credential": json.dumps(device.sign(challenge))}
    stolen = other.post("/login/passkey", data=answer, headers=HERE)
    assert (stolen.status_code, "Masuk dengan passkey ditolak" in stolen.text) == (401, True)
    assert COOKIE not in other.cookies
    assert client.post("/login/passkey", data=answer, headers=HERE).status_code == 303
    assert client.post("/login/passkey", data=answer, headers=HERE).status_code == 401, "it was used"
    reasons = [entry.detail["reason"] for entry in local.people.audit.search(action="sign_in.failed")]
    assert reasons == ["challenge", "challenge", "unknown"]


@pytest.mark.parametrize(
    "text", ["", "x", "{}", "[]", "null", "\u00e9", '{"id": "\\ud800"}', pytest.param("[" * 9_000, id="deep")]
)
def test_nonsense_is_refused_and_no_error_of_ours(local: Stage, text: str) -> None:
    client = client_of(local)
    client.post("/login/passkey/options", headers=HERE)
    answer = client.post("/login/passkey", data={"credential": text}, headers=HERE)
    assert answer.status_code in (401, 422)


def test_other_sites_and_large_bodies_are_refused(local: Stage) -> None:
    client = client_of(local)
    for path in ("/login/passkey", "/login/passkey/options"):
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {}):
            assert client.post(path, data={"credential": "{}"}, headers=headers).status_code == 403
    assert client.post("/login/passkey", data={"credential": "x" * 13_000}, headers=HERE).status_code == 422
    assert client.post("/login/passkey", data={"credential": "x" * 40_000}, headers=HERE).status_code == 413


def test_guesses_are_slowed_and_say_how_long_to_wait(local: Stage) -> None:
    client = client_of(local)
    answers = [client.post("/login/passkey", data={"credential": "{}"}, headers=HERE) for _ in range(30)]
    assert [answer.status_code for answer in answers].count(401) == FREE["address"]
    assert (answers[-1].status_code, answers[-1].headers["retry-after"]) == (429, "6")
    assert "Coba lagi 6 detik lagi" in answers[-1].text


def test_a_person_adds_lists_and_removes_a_passkey(local: Stage) -> None:
    client = signed_in(local, "viewer")
    path = "/api/v1/me/passkeys"
    assert client.post(f"{path}/options", json={"password": "salah"}, headers=HERE).status_code == 422
    begun = client.post(f"{path}/options", json={"password": PASSWORD}, headers=HERE)
    device = Authenticator("http://localhost", "localhost")
    body = {"name": "ponsel", "credential": device.register(begun.json()["options"])}
    made = client.post(path, json=body, headers=HERE)
    assert (made.status_code, made.json()["name"], made.json()["used_at"]) == (200, "ponsel", None)
    assert client.post(path, json=body, headers=HERE).status_code == 422, "the challenge was used"
    assert client.get(path).json() == [made.json()]
    assert sign_in(client_of(local), device).status_code == 303
    assert client.get(path).json()[0]["used_at"] is not None
    assert client.delete(f"{path}/1", headers=HERE).status_code == 200
    assert client.get(path).json() == []
    assert sign_in(client_of(local), device).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"name": "x"}',
        b'{"name": "x", "credential": 7}',
        b'{"name": "\\u202e", "credential": {}}',
        b'{"name": "x", "credential": {"id": "\\ud800", "rawId": "\\ud800", "response": {}}}',
        b'{"name": "\\ud800", "credential": {}}',
        (
            b'{"name": "x", "credential": {"id": "A", "rawId": "A", "type": "public-key", "response": '
            b'{"clientDataJSON": "A", "attestationObject": "gYGBgYGBgYGB"}}}'
        ),
    ],
)
def test_a_malformed_key_is_a_clear_refusal(local: Stage, body: bytes) -> None:
    client = signed_in(local, "viewer")
    client.post("/api/v1/me/passkeys/options", json={"password": PASSWORD}, headers=HERE)
    headers = {**HERE, "Content-Type": "application/json"}
    answer = client.post("/api/v1/me/passkeys", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_a_passkey_of_somebody_else_cannot_be_taken_or_removed(local: Stage) -> None:
    add_passkey(local.people, local.cookie("viewer"))
    client = signed_in(local, "supervisor")
    assert client.delete("/api/v1/me/passkeys/1", headers=HERE).status_code == 404
    body = passkey_body(local.people, client.cookies[COOKIE])
    assert signed_in(local, "supervisor").post("/api/v1/me/passkeys", json=body, headers=HERE).status_code == 422
    device = Authenticator("http://localhost", "localhost")
    first = passkey_body(local.people, client.cookies[COOKIE], device)
    assert client.post("/api/v1/me/passkeys", json=first, headers=HERE).status_code == 200
    again = passkey_body(local.people, client.cookies[COOKIE], device)
    assert client.post("/api/v1/me/passkeys", json=again, headers=HERE).status_code == 409


def test_a_session_of_a_provider_s_person_has_to_be_new(local: Stage) -> None:
    account = local.account("viewer")
    client = signed_in(local, "viewer")
    begin = {"url": "/api/v1/me/passkeys/options", "json": {}, "headers": HERE}
    with local.people._database.begin() as connection:
        change(connection, account.id, password_hash=None, subject="viewer")
    assert client.post(**begin).status_code == 200
    with local.people._database.begin() as connection:
        connection.execute(update(sessions).values(created_at=NOW - timedelta(hours=1)))
    assert client.post(**begin).status_code == 403


def test_an_administrator_removes_a_passkey_of_somebody(local: Stage) -> None:
    device = add_passkey(local.people, local.cookie("viewer"))
    client = signed_in(local, "administrator")
    path = f"/api/v1/accounts/{local.account('viewer').id}/passkeys"
    assert [passkey["name"] for passkey in client.get(path).json()] == ["a telephone"]
    assert signed_in(local, "supervisor").delete(f"{path}/1", headers=HERE).status_code == 403
    assert client.delete(f"{path}/1", headers=HERE).status_code == 200
    assert client.delete(f"{path}/1", headers=HERE).status_code == 404
    assert sign_in(client_of(local), device).status_code == 401


def test_at_an_ip_address_there_are_no_passkeys_and_the_page_says_why(stage: Stage) -> None:
    client = stage.client(demo=False)
    here = {"Origin": "http://127.0.0.1"}
    assert "/login/passkey" not in client.get("/login").text
    assert client.post("/login/passkey/options", headers=here).status_code == 404
    assert client.post("/login/passkey", data={"credential": "{}"}, headers=here).status_code == 404
    client.cookies[COOKIE] = stage.cookie("viewer")
    page = client.get("/account?lang=en").text
    assert "KOTA_PUBLIC_URL" in page
    assert "passkey-add" not in page
    refused = client.post("/api/v1/me/passkeys/options", json={"password": PASSWORD}, headers=here)
    assert (refused.status_code, refused.json()["detail"]) == (409, "passkeys unavailable")


def test_pages_show_passkeys_with_what_removes_them(local: Stage) -> None:
    add_passkey(local.people, local.cookie("viewer"))
    own = read_page(signed_in(local, "viewer").get("/account?lang=id").text)
    assert "a telephone" in own.text
    buttons = [attributes.get("data-to") for name, attributes in own.tags if name == "button"]
    assert "/api/v1/me/passkeys/1" in buttons
    people = read_page(signed_in(local, "administrator").get("/people?lang=en").text)
    account = local.account("viewer").id
    assert "1 passkey" in people.text
    buttons = [attributes.get("data-to") for name, attributes in people.tags if name == "button"]
    assert f"/api/v1/accounts/{account}/passkeys/1" in buttons


def test_a_disabled_account_s_passkey_opens_nothing(local: Stage) -> None:
    device = add_passkey(local.people, local.cookie("viewer"))
    local.people.disable(TESTER, local.account("viewer").id, disabled=True)
    client = client_of(local)
    assert sign_in(client, device).status_code == 401
    assert client.get("/api/v1/me").status_code == 401
