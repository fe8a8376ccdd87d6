"""What stands before every route: a demo's door, other sites, sound headers, bounds of streams and pages."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from api.auth.access import COOKIE, client_key
from api.http.hosts import is_same, parse_authority, parse_origin
from api.http.limiter import ConcurrencyLimiter, TooManyError
from api.http.middleware import CROSS_ORIGIN_PATH, OriginCheckMiddleware
from api.routes.stream import STREAMS_EACH, STREAMS_MAX
from city.runtime.ports import is_loopback
from tests.unit.api.conftest import Stage

HERE = {"host": "127.0.0.1:8080"}
PATHS = ("/", "/login", "/api/v1/devices", "/metrics", "/console/x", "/api/v1/changes", CROSS_ORIGIN_PATH)


async def let_in(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that says it was reached."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await PlainTextResponse("in")(scope, receive, send)


def scope_of(path: str = "/", type_: str = "http", **more: Any) -> Scope:
    headers = {**HERE, **more.pop("headers", {})}
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items() if value is not None]
    found = {"type": type_, "path": path, "headers": pairs, "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8080)}
    return {**found, "method": "GET", "query_string": b"", "root_path": "", **more}


def passed(app: Any, scope: Scope) -> Message:
    """The first message of an answer."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    if len(sent) > 1:
        sent[0]["body"] = sent[1].get("body", b"")
    return sent[0]


def status(app: Any, scope: Scope) -> int:
    """Of the answer; of a websocket 101, or 403 when it was closed before it began."""
    first = passed(app, scope)
    if scope["type"] == "websocket":
        return 101 if first["type"] == "websocket.accept" else 403
    return int(first["status"])


@pytest.mark.parametrize("path", PATHS)
def test_a_demo_answers_this_machine(stage: Stage, path: str) -> None:
    door = OriginCheckMiddleware(let_in, stage.context(demo=True))
    assert status(door, scope_of(path)) == 200
    for host in ("localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.2", "[::1]:8080"):
        assert status(door, scope_of(path, headers={"host": host})) == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "more",
    [
        {"client": ("10.0.0.7", 5)},
        {"client": ("::ffff:10.0.0.7", 5)},
        {"client": None},
        {"server": ("10.0.0.1", 8080)},
        {"server": ("0.0.0.0", 8080)},  # noqa: S104 - what is refused
        {"server": None},
        *({"headers": {"host": host}} for host in ("evil.example", "localhost.evil.example", "10.0.0.1", "0.0.0.0:80")),
        *({"headers": {"host": host}} for host in ("127.0.0.1.evil.example", "localhost.", "[::]", None)),
        *({"headers": {name: "10.0.0.7"}} for name in ("forwarded", "via", "x-real-ip", "x-forwarded-for")),
        *({"headers": {name: "x"}} for name in ("x-forwarded-host", "x-forwarded-proto", "cf-ray", "cf-connecting-ip")),
        *(
            {"headers": {name: "x"}}
            for name in ("true-client-ip", "x-envoy-external-address", "x-forwarded", "cf-ipcountry")
        ),
    ],
    ids=str,
)
def test_a_demo_answers_nobody_else(stage: Stage, path: str, more: dict[str, Any]) -> None:
    """Whether they have a token or not; a proxy on the same machine looks like the machine itself."""
    door = OriginCheckMiddleware(let_in, stage.context(demo=True))
    assert status(door, scope_of(path, **more)) == 403
    token = {"authorization": f"Bearer {stage.token('administrator')}"}
    assert status(door, scope_of(path, **{**more, "headers": {**more.get("headers", {}), **token}})) == 403
    assert status(door, scope_of(path, "websocket", **more)) == 403
    assert status(OriginCheckMiddleware(let_in, stage.context(demo=False)), scope_of(path, **more)) == 200


def test_signs_of_life_are_answered_to_whoever_watches_a_container(stage: Stage) -> None:
    door = OriginCheckMiddleware(let_in, stage.context(demo=True))
    for path in ("/healthz", "/readyz"):
        assert (
            status(door, scope_of(path, client=("10.0.0.7", 5), headers={"host": "kota-api:8080", "via": "x"})) == 200
        )
        assert status(door, scope_of(path, headers={"host": "["})) == 400
    assert status(door, scope_of("/healthz/../api/v1/devices", client=("10.0.0.7", 5))) == 403


def test_a_refusal_says_what_to_do_in_both_languages_and_is_logged_once(stage: Stage) -> None:
    door = OriginCheckMiddleware(let_in, stage.context(demo=True))
    proxied = {"x-forwarded-for": "10.0.0.7"}
    with capture_logs() as logs:
        page = passed(door, scope_of(headers={**proxied, "accept": "text/html"}))
        problem = passed(door, scope_of("/api/v1/devices", headers={**proxied, "accept": "text/html"}))
    assert [entry["event"] for entry in logs] == ["api.demo_refused"]
    assert "10.0.0.7" not in str(logs)
    for answer, kind in ((page, b"text/html; charset=utf-8"), (problem, b"application/problem+json")):
        assert (b"content-type", kind) in answer["headers"]
        for words in (b"--no-demo", b"serves only the machine", b"hanya melayani komputer"):
            assert words in answer["body"]


FOREIGN = (
    "http://evil.example",
    "null",
    "https://127.0.0.1.evil.example",
    "http://127.0.0.1:81",
    "chrome-extension://abc",
)


@pytest.mark.parametrize("demo", [True, False])
@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_pages_of_other_sites_are_refused(stage: Stage, origin: str, method: str, *, demo: bool) -> None:
    door = OriginCheckMiddleware(let_in, stage.context(demo=demo))
    for path in PATHS:
        is_public = path == CROSS_ORIGIN_PATH and method != "POST"
        wanted = 200 if is_public else 403
        assert status(door, scope_of(path, method=method, headers={"origin": origin})) == wanted
        assert status(door, scope_of(path, method=method, headers={"origin": "http://127.0.0.1:8080"})) == 200
    assert status(door, scope_of("/", "websocket", headers={"origin": origin})) == 403


def test_a_program_with_a_token_may_have_any_origin(stage: Stage) -> None:
    door = OriginCheckMiddleware(let_in, stage.context(demo=False))
    assert status(door, scope_of(headers={"origin": "http://evil.example", "authorization": "Bearer x"})) == 200


@pytest.mark.parametrize(("mode", "wanted"), [("no-cors", 403), ("cors", 403), ("websocket", 403), ("navigate", 200)])
def test_a_demo_gives_other_sites_no_pictures_either(stage: Stage, mode: str, wanted: int) -> None:
    fetched = {"sec-fetch-site": "cross-site", "sec-fetch-mode": mode}
    assert (
        status(OriginCheckMiddleware(let_in, stage.context(demo=True)), scope_of("/api/v1/devices", headers=fetched))
        == wanted
    )
    assert (
        status(OriginCheckMiddleware(let_in, stage.context(demo=False)), scope_of("/api/v1/devices", headers=fetched))
        == 200
    )


@pytest.mark.parametrize("name", ["host", "origin"])
def test_a_header_that_comes_twice_is_malformed(stage: Stage, name: str) -> None:
    scope = scope_of(headers={"origin": "http://127.0.0.1:8080"})
    scope["headers"].append((name.encode(), b"127.0.0.1:8080"))
    assert status(OriginCheckMiddleware(let_in, stage.context()), scope) == 400


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=60))
def test_no_header_breaks_the_door(text: str) -> None:
    for parse in (parse_authority, parse_origin):
        for parsed in (parse(text), parse(f"http://{text}"), parse(f"[{text}]"), parse(f"a:{text}")):
            assert parsed is None or isinstance(parsed, tuple)
    is_loopback(text)


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://a", "a", True),
        ("http://a:80", "a", True),
        ("https://a", "a:443", True),
        ("https://a", "a:80", False),
        ("https://A.example", "a.EXAMPLE", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("http://a", "b", False),
        ("http://a:81", "a", False),
        ("null", "null", False),
    ],
)
def test_an_origin_is_ours_by_host_and_port(origin: str, host: str, *, same: bool) -> None:
    assert is_same(parse_origin(origin), parse_authority(host)) is same


def test_limiter_bounds_each_client_and_all_and_frees_what_ends() -> None:
    limiter = ConcurrencyLimiter("streams", per_client=2, total=3)
    with ExitStack() as stack:
        stack.enter_context(limiter.acquire("a"))
        stack.enter_context(limiter.acquire("a"))
        with pytest.raises(TooManyError, match="you have 2 streams open"), limiter.acquire("a"):
            pass
        stack.enter_context(limiter.acquire("b"))
        with pytest.raises(TooManyError, match="3 streams are open already"), limiter.acquire("c"):
            pass
    assert limiter.in_use == 0
    with pytest.raises(ZeroDivisionError), limiter.acquire("a"):
        raise ZeroDivisionError
    assert limiter.in_use == 0


def test_a_person_is_an_account_or_a_token_and_nobody_an_address(stage: Stage) -> None:
    def person(client: str = "127.0.0.1", **headers: str) -> str:
        return client_key(HTTPConnection(scope_of(client=(client, 5), headers=headers)), stage.context())

    admin, other = stage.cookie("administrator"), stage.cookie("viewer")
    people = [
        person(),
        person("127.0.0.2"),
        person(authorization=f"Bearer {stage.token('viewer')}"),
        person(cookie=f"{COOKIE}={admin}"),
        person(cookie=f"{COOKIE}={other}"),
    ]
    assert len(set(people)) == len(people)
    again = person("10.0.0.7", cookie=f"{COOKIE}={stage.cookie('administrator')}")
    assert again == people[3], "one person, with whatever session, from everywhere"
    assert person(authorization="Bearer wrong") == people[0], "nobody is an address"
    assert admin not in " ".join(people)


def test_streams_of_one_person_are_bounded_and_so_are_all(stage: Stage) -> None:
    client = stage.client()
    limiter: ConcurrencyLimiter = client.app.state.stream_limiter  # type: ignore[attr-defined]
    with ExitStack() as stack:
        for _ in range(STREAMS_EACH):
            stack.enter_context(limiter.acquire("address 127.0.0.1"))
        answer = client.get("/api/v1/stream")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
        assert answer.json()["detail"] == f"you have {STREAMS_EACH} streams open already; close one first"
        for number in range(STREAMS_MAX - STREAMS_EACH):
            stack.enter_context(limiter.acquire(f"token {number}"))
        token = {"Authorization": f"Bearer {stage.token('viewer')}"}
        assert "of all people together" in client.get("/api/v1/stream", headers=token).json()["detail"]
    assert limiter.in_use == 0
    assert stage.client().app.state.stream_limiter is not limiter, "each app has its own"  # type: ignore[attr-defined]
