"""Every route has a role; anonymity exists in a demo on this machine only."""

from __future__ import annotations

import pytest
from fastapi.routing import APIRoute

from api.access import COOKIE, RoleDependency
from tests.unit.api.conftest import Stage

OPEN_TO_EVERYBODY = {"/healthz", "/readyz", "/login", "/logout"}


def test_every_route_of_ours_has_a_role(stage: Stage) -> None:
    without = {
        route.path
        for route in stage.client().app.routes  # type: ignore[attr-defined]
        if isinstance(route, APIRoute)
        and not route.path.startswith("/_nicegui")
        and (route.path.startswith("/api/") or route.endpoint.__module__.startswith("api."))
        and not any(isinstance(dependency, RoleDependency) for dependency in route.dependencies)
    }
    assert {path for path in without if path.startswith("/api/") or path == "/metrics"} == set()


@pytest.mark.parametrize(
    "path", ["/api/v1/devices", "/api/v1/stream", "/api/v1/dumping/cases", "/metrics", "/api/v1/openapi.json"]
)
def test_outside_a_demo_nobody_is_anonymous(stage: Stage, path: str) -> None:
    assert stage.client(demo=False).get(path).status_code == 401
    assert stage.client(demo=False, token=f"viewer-{0:040}").get(path).status_code == 401


def test_pages_lead_to_the_way_in(stage: Stage) -> None:
    answer = stage.client(demo=False).get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_signs_of_life_are_open(stage: Stage) -> None:
    for path in ("/healthz", "/readyz", "/login"):
        assert stage.client(demo=False).get(path).status_code == 200


def test_a_viewer_reads_and_does_not_write(stage: Stage) -> None:
    client = stage.client(demo=False, token=stage.secrets.token("viewer"))
    assert client.get("/api/v1/devices").status_code == 200
    assert client.get("/api/v1/ledger").status_code == 403
    answer = client.post("/api/v1/dead-letters/replay", json={"ids": [1]})
    assert (answer.status_code, stage.replayed) == (403, [])


def test_an_operator_writes(stage: Stage) -> None:
    client = stage.client(demo=False, token=stage.secrets.token("operator"))
    assert client.post("/api/v1/dead-letters/replay", json={"ids": [1]}).status_code == 200


@pytest.mark.parametrize(
    ("host", "peer", "headers"),
    [
        ("127.0.0.1", "10.0.0.7", {}),
        ("kota.example", "127.0.0.1", {}),
        ("127.0.0.1", "127.0.0.1", {"X-Forwarded-For": "10.0.0.7"}),
        ("127.0.0.1", "127.0.0.1", {"Forwarded": "for=10.0.0.7"}),
        ("127.0.0.1", "127.0.0.1", {"Authorization": "Bearer wrong"}),
    ],
)
def test_a_demo_is_open_on_this_machine_only(stage: Stage, host: str, peer: str, headers: dict[str, str]) -> None:
    assert stage.client(host=host, peer=peer).get("/api/v1/devices", headers=headers).status_code == 401


def test_another_site_cannot_write_through_a_browser(stage: Stage) -> None:
    headers = {"Origin": "http://evil.example"}
    answer = stage.client().post("/api/v1/dead-letters/replay", json={"ids": [1]}, headers=headers)
    assert (answer.status_code, stage.replayed) == (403, [])


def test_signing_in_sets_a_session_that_scripts_cannot_read(stage: Stage) -> None:
    client = stage.client(demo=False)
    assert client.post("/login", data={"token": "nonsense"}).status_code == 401
    answer = client.post("/login", data={"token": stage.secrets.token("viewer")})
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert COOKIE in cookie
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/api/v1/devices").status_code == 200


def test_every_answer_carries_the_security_headers(stage: Stage) -> None:
    for path in ("/healthz", "/api/v1/devices", "/api/v1/nothing"):
        headers = stage.client().get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
