"""Signing in to the console at a real provider's process, and while it is away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from api.auth.access import COOKIE
from api.auth.sign_in import ATTEMPT_COOKIE, KNOWN_COOKIE
from city.errors import ConfigError
from people.errors import PeopleError
from people.openid_sign_in import KNOWN_LASTS, OpenIdSignIn
from people.service import open_people
from tests.support.access import TESTER
from tests.support.openid_servers import MockServer, running_server
from tests.unit.api.conftest import Stage

USERS = [
    {"sub": "maria", "name": "Maria Tey", "email": "maria.tey@kota.test", "groups": ["dispatch", "staff"]},
    {"sub": "petrus", "name": "Petrus Lado", "groups": ["citizens"]},
]
ROLE_MAP = 'dispatch = "dispatcher", staff = "viewer"'
SETTINGS = """
issuer = "{issuer}"
client_id = "kota"
client_secret = "a secret of a test"
role_claim = "groups"
role_map = {{ {role_map} }}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockServer]:
    made = MockServer(tmp_path_factory.mktemp("provider"), USERS)
    with running_server(made):
        yield made


@pytest.fixture
def stage(tmp_path: Path, server: MockServer) -> Iterator[Stage]:
    made = stage_of_today(tmp_path)
    write_settings(made, server.issuer)
    made.open_id = open_id_of(made)
    yield made
    made.codecs.close()
    made.people.close()


def stage_of_today(folder: Path) -> Stage:
    """A provider's tokens are of today, so our clock has to be right."""
    made = Stage(folder)
    made.people.close()
    made.people = open_people(folder, "", made.secrets)
    return made


def write_settings(stage: Stage, issuer: str, role_map: str = ROLE_MAP) -> None:
    path = stage.folder / "openid.toml"
    path.write_text(SETTINGS.format(issuer=issuer, role_map=role_map))
    path.chmod(0o600)


def open_id_of(stage: Stage) -> OpenIdSignIn:
    found = stage.people.open_id(stage.folder)
    assert found is not None
    return found


def sign_in(client: TestClient, server: MockServer, subject: str) -> Response:
    """The whole way of a browser; the answer of our callback."""
    began = client.get("/login/openid")
    assert began.status_code == 303
    callback = server.submit(began.headers["location"], {"sub": subject})
    return client.get(f"/login/openid/callback?{urlencode(callback)}")


def me(client: TestClient) -> Any:
    return client.get("/api/v1/me")


def test_a_person_of_the_provider_gets_an_account_with_the_mapped_role(stage: Stage, server: MockServer) -> None:
    client = stage.client(demo=False)
    assert 'href="/login/openid"' in client.get("/login").text
    answer = sign_in(client, server, "maria")
    assert (answer.status_code, 'content="0; url=/"' in answer.text) == (200, True)
    assert "samesite=strict" in answer.headers["set-cookie"].lower()
    assert me(client).json()["name"] == "maria.tey"
    (account,) = stage.people.accounts()
    assert (account.role, account.shown_name, account.has_password) == ("dispatcher", "Maria Tey", False)
    sign_in(stage.client(demo=False), server, "maria")
    assert len(stage.people.accounts()) == 1
    actions = [entry.action for entry in stage.people.audit.search()]
    assert actions == ["sign_in", "sign_in", "account.add"]


def test_who_has_no_mapped_role_gets_no_account(stage: Stage, server: MockServer) -> None:
    client = stage.client(demo=False)
    answer = sign_in(client, server, "petrus")
    assert (answer.status_code, COOKIE in client.cookies) == (403, False)
    assert stage.people.accounts() == []
    (entry,) = stage.people.audit.search()
    assert (entry.action, entry.detail) == ("sign_in.failed", {"reason": "no_role"})


def test_a_callback_is_of_the_browser_that_began_and_counts_once(stage: Stage, server: MockServer) -> None:
    mine, other = stage.client(demo=False), stage.client(demo=False)
    began = mine.get("/login/openid")
    callback = server.submit(began.headers["location"], {"sub": "maria"})
    path = f"/login/openid/callback?{urlencode(callback)}"
    assert other.get(path).status_code == 403, "it has begun nothing"
    other.get("/login/openid")
    assert other.get(path).status_code == 403, "it has begun something else"
    key = mine.cookies[ATTEMPT_COOKIE]
    assert mine.get(path).status_code == 200
    again = stage.client(demo=False)
    again.cookies[ATTEMPT_COOKIE] = key
    assert again.get(path).status_code == 403, "it was ended"


def test_a_disabled_account_stays_out(stage: Stage, server: MockServer) -> None:
    sign_in(stage.client(demo=False), server, "maria")
    stage.people.disable(TESTER, stage.people.find("maria.tey").id, disabled=True)
    client = stage.client(demo=False)
    assert sign_in(client, server, "maria").status_code == 403
    assert me(client).status_code == 401


def test_a_role_that_the_provider_takes_back_is_lost(stage: Stage, server: MockServer) -> None:
    client = stage.client(demo=False)
    sign_in(client, server, "maria")
    write_settings(stage, server.issuer, 'drivers = "dispatcher", staff = "viewer"')
    stage.open_id = open_id_of(stage)
    sign_in(stage.client(demo=False), server, "maria")
    assert stage.people.find("maria.tey").role == "viewer"
    assert "cases.review" not in me(client).json()["rights"], "in the sessions that are open too"


def test_who_was_known_gets_in_while_the_provider_is_away(tmp_path: Path) -> None:
    server = MockServer(tmp_path, USERS)
    stage = stage_of_today(tmp_path)
    with running_server(server):
        write_settings(stage, server.issuer)
        stage.open_id = open_id_of(stage)
        known, stranger = stage.client(demo=False), stage.client(demo=False)
        sign_in(known, server, "maria")
    stage.open_id = open_id_of(stage)
    known.app.state.context = stage.context(demo=False)  # type: ignore[attr-defined]
    del known.cookies[COOKIE]
    assert known.get("/login/openid").status_code == 200
    assert me(known).json()["name"] == "maria.tey"
    entries = stage.people.audit.search(limit=2)
    assert [(entry.action, entry.detail.get("method")) for entry in entries] == [
        ("sign_in", "known"),
        ("provider.away", None),
    ]
    stranger.app.state.context = stage.context(demo=False)  # type: ignore[attr-defined]
    answer = stranger.get("/login/openid")
    assert (answer.status_code, "Coba lagi nanti" in answer.text) == (503, True)
    stage.people.end_sessions(TESTER, stage.people.find("maria.tey").id)
    del known.cookies[COOKIE]
    assert known.get("/login/openid").status_code == 503, "ending all sessions ends this way too"
    stage.codecs.close()
    stage.people.close()


def test_a_known_browser_is_forgotten_after_some_days(stage: Stage, server: MockServer) -> None:
    client = stage.client(demo=False)
    sign_in(client, server, "maria")
    known = client.cookies[KNOWN_COOKIE]
    now = [stage.people.accounts()[0].created_at]
    later = open_people(stage.folder, "", stage.secrets, lambda: now[0])
    sign = later.open_id(stage.folder)
    assert sign is not None
    now[0] += KNOWN_LASTS
    assert sign.enter_known(known, "10.0.0.1").method == "known"
    now[0] += timedelta(seconds=1)
    with pytest.raises(PeopleError):
        sign.enter_known(known, "10.0.0.1")
    later.close()


def test_settings_with_a_role_that_is_none_are_refused(stage: Stage, server: MockServer) -> None:
    write_settings(stage, server.issuer, 'dispatch = "emperor"')
    with pytest.raises(ConfigError, match="emperor"):
        stage.people.open_id(stage.folder)


def test_without_a_provider_there_is_no_way_to_it(tmp_path: Path) -> None:
    made = Stage(tmp_path)
    client = made.client(demo=False)
    assert "/login/openid" not in client.get("/login").text
    assert client.get("/login/openid").status_code == 404
    assert client.get("/login/openid/callback").status_code == 404
    made.codecs.close()
    made.people.close()
