"""Every route asks for a right; anonymity exists in a demo on this machine only."""

from __future__ import annotations

import asyncio

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount
from starlette.websockets import WebSocketDisconnect

from api.app import create_app
from api.auth.access import COOKIE, each_route, rights_of
from api.console.parts.layout import asset
from api.routes.stream import Stream
from city.database.engine import FILE_NAME
from people.attempts import FREE
from tests.support.access import PASSWORD, TESTER
from tests.support.waiting import wait_for
from tests.unit.api.conftest import NOW, Stage

OPEN_TO_EVERYBODY = {
    *("/api/v1/map/places.geojson", "/healthz", "/readyz", "/favicon.ico", "/.well-known/jwks.json"),
    *("/login", "/login/openid", "/login/openid/callback", "/logout", "/link"),
    *("/login/passkey", "/login/passkey/options", "/login/passkey.js"),
    *("/crew/", "/crew/{name}", "/crew/api/sign-in"),
}
SAME_SITE = {"Origin": "http://127.0.0.1"}
RIGHT = {"name": "viewer", "password": PASSWORD}


def test_every_route_has_a_right(stage: Stage) -> None:
    found = list(each_route(create_app(stage.context()).routes))
    routes = [route for route in found if isinstance(route, APIRoute)]
    assert len(routes) > 20
    without = {route.path for route in routes if not rights_of(route)}
    assert without == OPEN_TO_EVERYBODY
    # What is no route of ours: the console's files, those of Leaflet and of Swagger UI, all behind the guard.
    mounts = [route.path.split("/") for route in found if isinstance(route, Mount)]
    assert [path[1] for path in mounts] == ["console"] * 3


@pytest.mark.parametrize(
    "path", ["/api/v1/devices", "/api/v1/stream", "/api/v1/dumping/cases", "/metrics", "/api/v1/openapi.json"]
)
def test_outside_a_demo_nobody_is_anonymous(stage: Stage, path: str) -> None:
    assert stage.client(demo=False).get(path).status_code == 401
    assert stage.client(demo=False, token=f"kota_{0:043}").get(path).status_code == 401


@pytest.mark.parametrize("path", ["/", "/devices/bin", "/device/bin-0451", "/dumping", "/system", "/nothing"])
def test_pages_lead_to_the_way_in(stage: Stage, path: str) -> None:
    answer = stage.client(demo=False).get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_the_console_s_files_are_behind_the_guard(stage: Stage) -> None:
    client = stage.client(demo=False)
    for name in ("console.css", "live.js", "lib/leaflet.js"):
        assert client.get(asset(name)).status_code == 303
        assert stage.client().get(asset(name)).status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/v1/changes", "/nothing"])
def test_there_are_no_websockets(stage: Stage, path: str) -> None:
    with pytest.raises(WebSocketDisconnect), stage.client().websocket_connect(path, headers=SAME_SITE):
        pass


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
def test_a_page_of_another_site_cannot_post_to_a_page(stage: Stage, origin: str) -> None:
    posted = stage.client().post("/devices/bin", headers={"Origin": origin} if origin else {})
    assert posted.status_code == 403


def test_signs_of_life_are_open(stage: Stage) -> None:
    for path in ("/healthz", "/readyz", "/login"):
        assert stage.client(demo=False).get(path).status_code == 200


def test_a_viewer_reads_and_does_not_write(stage: Stage) -> None:
    client = stage.client(demo=False, token=stage.token("viewer"))
    assert client.get("/api/v1/devices").status_code == 200
    assert client.get("/api/v1/ledger").status_code == 403
    answer = client.post("/api/v1/dead-letters/replay", json={"ids": [1]})
    assert (answer.status_code, stage.replayed) == (403, [])


def test_an_operator_writes(stage: Stage) -> None:
    client = stage.client(demo=False, token=stage.token("supervisor"))
    assert client.post("/api/v1/dead-letters/replay", json={"ids": [1]}).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Bearer wrong"}, {"Authorization": "Bearer \u00e9".encode("latin-1")}], ids=str
)
def test_a_wrong_token_is_nobody_in_a_demo_too(stage: Stage, headers: dict[str, str]) -> None:
    assert stage.client().get("/api/v1/devices", headers=headers).status_code == 401


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {}])
def test_another_site_cannot_write_through_a_browser(stage: Stage, headers: dict[str, str]) -> None:
    answer = stage.client().post("/api/v1/dead-letters/replay", json={"ids": [1]}, headers=headers)
    assert (answer.status_code, stage.replayed) == (403, [])
    assert stage.client().post("/login", data={"name": "x", "password": "y"}, headers=headers).status_code == 403


def test_signing_in_sets_a_session_that_scripts_cannot_read(stage: Stage) -> None:
    client = stage.client(demo=False)
    stage.account("viewer")
    wrong = {"name": "viewer", "password": "nonsense"}
    assert client.post("/login", data=wrong, headers=SAME_SITE).status_code == 401
    answer = client.post("/login", data=RIGHT, headers=SAME_SITE)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert COOKIE in cookie
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/api/v1/devices").status_code == 200
    assert client.get("/api/v1/ledger").status_code == 403
    kept = dict(client.cookies)
    client.post("/logout", headers=SAME_SITE)
    assert client.get("/api/v1/devices").status_code == 401
    client.cookies.update(kept)
    assert client.get("/api/v1/devices").status_code == 401, "the session itself has ended, not only the cookie"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_behind_a_proxy_with_tls_the_session_never_goes_without_it(stage: Stage, scheme: str) -> None:
    stage.account("viewer")
    answer = stage.client(demo=False).post("/login", data=RIGHT, headers={"Origin": f"{scheme}://127.0.0.1"})
    assert answer.status_code == 303
    assert ("secure" in answer.headers["set-cookie"].lower()) is (scheme == "https")


def test_signing_in_again_replaces_the_session_that_the_browser_had(stage: Stage) -> None:
    stage.account("viewer")
    client = stage.client(demo=False)
    client.post("/login", data=RIGHT, headers=SAME_SITE)
    planted = client.cookies[COOKIE]
    client.post("/login", data=RIGHT, headers=SAME_SITE)
    assert client.cookies[COOKIE] != planted
    assert stage.people.by_session(planted) is None


def test_guesses_are_slowed_and_say_how_long_to_wait(stage: Stage) -> None:
    stage.account("viewer")
    client = stage.client(demo=False)
    wrong = {"name": "viewer", "password": "nonsense"}
    statuses = [client.post("/login", data=wrong, headers=SAME_SITE).status_code for _ in range(50)]
    assert statuses.count(401) == FREE["pair"]
    answer = client.post("/login", data=RIGHT, headers=SAME_SITE)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "6")
    assert "Coba lagi 6 detik lagi" in answer.text
    elsewhere = stage.client(demo=False, peer="10.9.9.9")
    assert elsewhere.post("/login", data=RIGHT, headers=SAME_SITE).status_code == 303, "nobody locks others out"


def test_a_link_sets_a_password_once(stage: Stage) -> None:
    account, key = stage.people.add(TESTER, "maria.seran", "Maria Seran", "dispatcher")
    client = stage.client(demo=False)
    page = client.get("/link", params={"key": key})
    assert (page.status_code, "maria.seran" in page.text) == (200, True)
    # The address is the key. A stricter policy would make browsers send the form without an origin.
    assert page.headers["referrer-policy"] == "same-origin"
    short = client.post("/link", data={"key": key, "password": "pendek"}, headers=SAME_SITE)
    assert (short.status_code, "maria.seran" in short.text) == (422, True)
    other_site = client.post(
        "/link", data={"key": key, "password": PASSWORD}, headers={"Origin": "http://evil.example"}
    )
    assert other_site.status_code == 403
    assert client.post("/link", data={"key": key, "password": PASSWORD}, headers=SAME_SITE).status_code == 303
    assert client.get("/api/v1/me").json()["id"] == account.id
    assert client.get("/link", params={"key": key}).status_code == 410
    assert client.post("/link", data={"key": key, "password": PASSWORD}, headers=SAME_SITE).status_code == 410


def test_every_answer_carries_the_security_headers(stage: Stage) -> None:
    for path in ("/healthz", "/api/v1/devices", "/api/v1/nothing", "/dumping"):
        headers = stage.client(demo=path != "/dumping").get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_without_its_accounts_the_api_says_so_and_lives(stage: Stage) -> None:
    cookie = {"Cookie": f"{COOKIE}={stage.session('viewer')}"}
    client = stage.client(demo=False)
    assert client.get("/api/v1/devices", headers=cookie).status_code == 200
    path = stage.folder / FILE_NAME
    stage.people.close()
    kept = path.read_bytes()
    for part in stage.folder.glob(f"{FILE_NAME}-*"):
        part.unlink()
    path.write_bytes(b"no database at all" * 1_000)
    for page in ("/api/v1/devices", "/", "/dumping"):
        answer = client.get(page, headers=cookie)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), page
    replay = client.post("/api/v1/dead-letters/replay", json={"ids": [1]}, headers={**cookie, **SAME_SITE})
    assert (replay.status_code, stage.replayed) == (503, [])
    assert client.post("/login", data=RIGHT, headers=SAME_SITE).status_code == 503
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    path.write_bytes(kept)
    stage.people.close()
    again = stage.client(demo=False)
    wait_for(lambda: again.get("/api/v1/devices", headers=cookie).status_code == 200, "the accounts to be read again")


def test_areas_bound_what_is_shown_and_done(stage: Stage) -> None:
    camera = stage.inventory.current().cameras["cam-01"]
    kelurahan = stage.inventory.current().sites[camera.site].kelurahan
    stage.happen("cam-01", "dumping", case="c-1", evidence={"before": "before.jpg"})
    stage.keep("c-1", {"before.jpg": b"x"})
    review = {"json": {"verdict": "confirmed"}, "headers": SAME_SITE}
    for area, status in ((f"kelurahan:{kelurahan}", 200), ("camera:cam-01", 200), ("kelurahan:elsewhere", 403)):
        account = stage.account("camera_verifier")
        stage.people.change(TESTER, account.id, role="camera_verifier", areas=(area,))
        client = stage.client(demo=False)
        client.cookies[COOKIE] = stage.session("camera_verifier")
        got = [
            client.get("/api/v1/dumping/cases/c-1/evidence/before.jpg").status_code,
            client.get("/api/v1/dumping/cases/c-1/custody").status_code,
            client.get("/api/v1/cameras/cam-01/zones").status_code,
            client.post("/api/v1/dumping/cases/c-1/export", headers=SAME_SITE).status_code,
            client.post("/api/v1/dumping/cases/c-1/review", **review).status_code,
        ]
        assert set(got) == {status}, (area, got)
        assert client.get("/api/v1/devices").status_code == 200


def test_an_event_stream_ends_with_its_session(stage: Stage) -> None:
    allowed = [True]

    async def blocks() -> int:
        stream = Stream(stage.context(), None, NOW, lambda: allowed[0])
        count = 0
        async for _ in stream.events():
            count += 1
            allowed[0] = False
        return count

    assert asyncio.run(blocks()) == 1
