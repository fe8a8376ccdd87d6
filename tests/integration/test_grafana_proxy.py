"""nginx and Caddy, with the configuration of docs/grafana.md, let people through to Grafana by the city's rights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from httpx import Client

from api.app import create_app
from api.auth.access import COOKIE
from city.cli.main import main
from people.rights import Role
from tests.support.access import TESTER
from tests.support.grafana_jwt import compose_settings, sign_in
from tests.support.proxies import GrafanaRequest, RecordingGrafana, running_proxy
from tests.support.raw_http import served
from tests.unit.api.conftest import NOW, Stage

FORGED = "eyJhbGciOiJub25lIn0.eyJyb2xlIjoiRWRpdG9yIn0."
HEADER = "x-jwt-assertion"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    made.issuer = "http://localhost:8080"
    yield made
    made.codecs.close()
    made.people.close()


@dataclass(frozen=True)
class Proxy:
    """A proxy, what comes through it, and a browser in front of it."""

    name: str
    stage: Stage
    grafana: RecordingGrafana
    browser: Client

    def sign_in(self, role: Role) -> None:
        self.browser.cookies[COOKIE] = self.stage.cookie(role)

    def last(self) -> GrafanaRequest:
        return self.grafana.requests[-1]


@pytest.fixture(params=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest, stage: Stage, tmp_path: Path) -> Iterator[Proxy]:
    name, grafana, folder = request.param, RecordingGrafana(), tmp_path / "proxy"
    folder.mkdir()
    with (
        served(create_app(stage.context(demo=False))) as api_port,
        grafana.serving(),
        running_proxy(name, folder, api_port, grafana.port) as port,
        Client(base_url=f"http://127.0.0.1:{port}") as browser,
    ):
        yield Proxy(name, stage, grafana, browser)


@pytest.mark.parametrize(("role", "expected"), [("viewer", "Viewer"), ("supervisor", "Editor")])
def test_who_has_signed_in_is_signed_in_to_grafana(proxy: Proxy, tmp_path: Path, role: Role, expected: str) -> None:
    proxy.sign_in(role)
    headers = {"X-JWT-Assertion": FORGED, "Authorization": "Basic YWRtaW46YWRtaW4="}
    assert proxy.browser.get("/grafana/d/kota-command-id/?orgId=1", headers={HEADER: FORGED}).status_code == 200
    key_set = tmp_path / "jwks.json"
    assert main(["grafana", "jwks", "--data", str(proxy.stage.folder), "--out", str(key_set)]) == 0
    got = proxy.last()
    assert (got.method, got.path) == ("GET", "/d/kota-command-id/?orgId=1")
    user = sign_in(got.headers[HEADER], key_set, compose_settings(tmp_path), NOW)
    assert (user.login, user.role) == (f"kota:{role}", expected)
    assert not {"cookie", "authorization"} & got.headers.keys()
    # A wrong sign-in is not replaced by the session.
    assert proxy.browser.get("/grafana/", headers=headers).status_code in (303, 401)
    assert len(proxy.grafana.requests) == 1


@pytest.mark.parametrize("body", [b"", b'{"a": 1}', b"x" * 300_000], ids=["none", "small", "large"])
def test_what_a_page_of_grafana_sends_arrives_whole(proxy: Proxy, body: bytes) -> None:
    proxy.sign_in("supervisor")
    origin = str(proxy.browser.base_url).rstrip("/")
    assert proxy.browser.post("/grafana/api/x", content=body, headers={"Origin": origin}).status_code == 200
    assert (proxy.last().method, proxy.last().path, proxy.last().body) == ("POST", "/api/x", body)


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-JWT-Assertion": FORGED}, {"x_jwt_assertion": FORGED}, {"Cookie": f"{COOKIE}=x"}],
    ids=["nobody", "forged", "underscores", "no session"],
)
def test_nobody_else_comes_through(proxy: Proxy, headers: dict[str, str]) -> None:
    answer = proxy.browser.get("/grafana/", headers=headers)
    assert (answer.status_code, answer.headers.get("location", "").endswith("/login")) in ((303, True), (401, False))
    assert proxy.grafana.requests == []


def test_who_signs_out_is_out_at_the_next_request(proxy: Proxy) -> None:
    proxy.sign_in("viewer")
    assert proxy.browser.get("/grafana/").status_code == 200
    proxy.stage.people.end_sessions(TESTER, proxy.stage.account("viewer").id)
    assert proxy.browser.get("/grafana/").status_code in (303, 401)
    assert len(proxy.grafana.requests) == 1


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_a_page_of_another_site_does_nothing_in_grafana(proxy: Proxy, origin: str) -> None:
    proxy.sign_in("supervisor")
    answer = proxy.browser.post("/grafana/api/dashboards/db", json={}, headers={"Origin": origin})
    assert (answer.status_code, proxy.grafana.requests) == (403, [])


def test_the_link_of_the_console_leads_there_without_a_token(proxy: Proxy) -> None:
    proxy.sign_in("viewer")
    answer = proxy.browser.get("/grafana")
    assert answer.status_code == 303
    assert answer.headers["location"].removeprefix(str(proxy.browser.base_url).rstrip("/")) == "/grafana/"


def test_the_console_is_there_too_and_the_inner_path_is_not(proxy: Proxy) -> None:
    assert proxy.browser.get("/healthz").status_code == 200
    assert "x-jwt-assertion" not in proxy.browser.get("/grafana-authorize").headers
