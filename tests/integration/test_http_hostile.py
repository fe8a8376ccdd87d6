"""Slow, endless, malformed and too large HTTP against the server as the service starts it."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from api.app import create_app
from api.http.connections import Limits
from api.http.middleware import BODY_MAX_BYTES, LARGE_BODIES_EACH
from api.routes.changes import LISTENERS_EACH
from api.routes.stream import STREAMS_EACH
from broker.contract.payloads import GATEWAY_PAYLOAD_BYTES
from tests.support.brokers import free_port
from tests.support.raw_http import Answer, Line, ask_raw, served
from tests.support.services import Service, running
from tests.support.waiting import wait_for
from tests.unit.api.conftest import Stage
from tests.unit.api.test_messages import gateway_password

HURRY = Limits(request_s=1.0, stalled_s=1.0, linger_s=0.3, open_max=60, address_max=40)
CLOSE = b"Connection: close\r\n"
ZONES = b"/api/v1/cameras/cam-01/zones"
HUGE = 30_000_000


def request(method: bytes, path: bytes, *headers: bytes, body: bytes = b"", host: bytes = b"127.0.0.1") -> bytes:
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: " + host, *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.codecs.close()


@pytest.fixture
def port(stage: Stage) -> Iterator[int]:
    """A city that asks for a sign-in, with little patience."""
    with served(create_app(stage.context(demo=False)), HURRY) as found:
        yield found


def bearer(stage: Stage, role: str) -> bytes:
    return b"Authorization: Bearer " + stage.token(role).encode()  # type: ignore[arg-type]


def is_alive(port: int) -> bool:
    return ask_raw(port, request(b"GET", b"/healthz", b"Connection: close")).status == 200


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def pushed(port: int, head: bytes, part: bytes, times: int) -> tuple[int, Answer]:
    """Send a head and then parts for as long as they are taken; how many bytes were, and the answer."""
    line = Line(port)
    sent = 0
    with closing(line.socket):
        line.send(head)
        for _ in range(times):
            if not line.send(part):
                break
            sent += len(part)
        return sent, line.answer()


NOBODY, WRONG = b"X-Nothing: 1", b"Authorization: Bearer admin-" + b"0" * 40


@pytest.mark.parametrize("who", [NOBODY, WRONG])
@pytest.mark.parametrize(
    "how",
    [b"Content-Length: 30000000", b"Transfer-Encoding: chunked", b"Content-Length: 30000000\r\nExpect: 100-continue"],
)
@pytest.mark.parametrize("path", [ZONES, b"/api/v1/messages/unifi/default/device", b"/login", b"/nothing"])
def test_thirty_megabytes_of_nobody_are_refused_and_not_read(port: int, path: bytes, how: bytes, who: bytes) -> None:
    method = b"PUT" if path == ZONES else b"POST"
    part = b"[" * 1_000_000
    form = FORM if path == b"/login" else b"Content-Type: application/json"
    head = request(method, path, who, how, form, b"Origin: http://127.0.0.1")
    sent, answer = pushed(port, head, chunk(part) if b"chunked" in how else part, 30)
    assert answer.status in (401, 404, 413), answer
    assert sent < HUGE, "the server went on reading what it had refused"
    assert is_alive(port)


def test_a_viewer_is_refused_before_the_body_of_an_operators_route_is_read(port: int, stage: Stage) -> None:
    head = request(b"PUT", ZONES, bearer(stage, "viewer"), b"Content-Length: 500", b"Content-Type: application/json")
    line = Line(port)
    line.send(head)  # and nothing of the body
    answer = line.answer()
    line.close()
    assert (answer.status, answer.detail) == (403, "this needs the right zones.write")


@pytest.mark.parametrize("how", ["length", "chunked", "lies"])
def test_an_operator_too_has_a_bound(port: int, stage: Stage, how: str) -> None:
    part = b" " * 500_000
    said = {"length": b"Content-Length: 30000000", "lies": b"Content-Length: 99999999999999999999"}
    head = request(b"PUT", ZONES, bearer(stage, "supervisor"), said.get(how, b"Transfer-Encoding: chunked"))
    sent, answer = pushed(port, head, chunk(part) if how == "chunked" else part, 60)
    assert (answer.status, answer.detail) == (413, f"a body has at most {BODY_MAX_BYTES} bytes here")
    assert sent < HUGE


@pytest.mark.parametrize("how", ["length", "chunked"])
def test_messages_of_other_makers_have_the_contracts_bound(port: int, stage: Stage, how: str) -> None:
    basic = base64.b64encode(f"controllers:{gateway_password(stage)}".encode())
    for size, status in ((GATEWAY_PAYLOAD_BYTES, 200), (GATEWAY_PAYLOAD_BYTES + 1, 413)):
        body = b" " * size
        head = [b"Authorization: Basic " + basic, b"Connection: close"]
        head.append(f"Content-Length: {size}".encode() if how == "length" else b"Transfer-Encoding: chunked")
        sent = body if how == "length" else chunk(body) + b"0\r\n\r\n"
        answer = ask_raw(port, request(b"POST", b"/api/v1/messages/unifi/default/device", *head, body=sent))
        assert answer.status == status
    assert [len(arrival.payload) for arrival in stage.journaled] == [GATEWAY_PAYLOAD_BYTES]


def test_large_messages_at_once_are_bounded_and_small_ones_pass(port: int, stage: Stage) -> None:
    basic = b"Authorization: Basic " + base64.b64encode(f"controllers:{gateway_password(stage)}".encode())
    path = b"/api/v1/messages/unifi/default/device"
    large = request(b"POST", path, basic, b"Content-Length: %d" % GATEWAY_PAYLOAD_BYTES, CLOSE.strip())
    with ExitStack() as stack:
        lines = [Line(port) for _ in range(LARGE_BODIES_EACH)]
        for line in lines:
            stack.callback(line.close)
            line.send(large + b" " * 1_000_000)

        def refusal() -> Answer | None:
            extra = Line(port)
            try:
                extra.send(large)
                answer = extra.answer()
            finally:
                extra.close()
            return answer if answer.status == 503 else None

        refused = wait_for(refusal, "the others to be counted")
        assert refused.headers["retry-after"] == "1"
        assert refused.detail == f"you have {LARGE_BODIES_EACH} large messages open already; close one first"
        small = request(b"POST", path, basic, b"Content-Length: 2", CLOSE.strip(), body=b"[]")
        assert ask_raw(port, small).status == 200


def test_a_large_body_has_the_time_that_its_bytes_take(stage: Stage) -> None:
    with served(create_app(stage.context(demo=False)), Limits(request_s=0.3, request_bytes_per_s=100.0)) as port:
        basic = b"Authorization: Basic " + base64.b64encode(f"controllers:{gateway_password(stage)}".encode())
        path = b"/api/v1/messages/unifi/default/device"
        steady, silent = Line(port), Line(port)
        steady.send(request(b"POST", path, basic, b"Content-Length: 20000", CLOSE.strip(), body=b" " * 19_999))
        silent.send(b"G")
        assert silent.answer().status == 408
        steady.send(b" ")
        assert steady.answer().status == 200
        steady.close()
        silent.close()


@pytest.mark.parametrize(
    "said",
    [b"-1", b"1e3", b"0x10", b" ", b"1, 2", b"1\r\nContent-Length: 2", "\N{ARABIC-INDIC DIGIT ONE}".encode()],
    ids=repr,
)
def test_a_length_that_is_none_is_a_bad_request(port: int, stage: Stage, said: bytes) -> None:
    answer = ask_raw(port, request(b"PUT", ZONES, bearer(stage, "supervisor"), b"Content-Length: " + said, body=b"{}"))
    assert answer.status == 400
    assert answer.detail


def test_a_length_that_is_too_small_makes_the_rest_a_bad_request(port: int, stage: Stage) -> None:
    head = request(b"PUT", ZONES, bearer(stage, "supervisor"), b"Content-Length: 2", b"Content-Type: application/json")
    line = Line(port)
    line.send(head + b'{} "and": "more"}')
    found = line.read_all()
    line.close()
    assert found.startswith(b"HTTP/1.1 422 ")
    assert b"HTTP/1.1 400 " in found


FORM = b"Content-Type: application/x-www-form-urlencoded"
HALVES = {
    "nothing": b"",
    "half a head": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-",
    "half a body": request(
        b"POST", b"/login", FORM, b"Content-Length: 99", b"Origin: http://127.0.0.1", body=b"token="
    ),
    "half a chunk": request(
        b"POST", b"/login", FORM, b"Transfer-Encoding: chunked", b"Origin: http://127.0.0.1", body=b"40\r\ntoken"
    ),
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_a_request_that_is_never_finished_is_closed(port: int, half: bytes) -> None:
    line = Line(port)
    line.send(half)
    assert line.answer().status == 408
    line.close()


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_a_byte_now_and_then_gains_no_time(port: int, half: bytes) -> None:
    line = Line(port)
    line.send(half)
    done = threading.Event()

    def drip() -> None:
        while not done.wait(0.1) and line.send(b"x"):
            pass

    dripping = threading.Thread(target=drip)
    dripping.start()
    assert line.answer().status in (0, 400, 408)  # 0: a reset has taken the answer with it
    done.set()
    dripping.join(10)
    line.close()


def test_a_connection_that_is_used_again_has_no_more_time_for_its_second_request(port: int) -> None:
    line = Line(port)
    line.send(request(b"GET", b"/healthz") + HALVES["half a head"])
    found = line.read_all()
    line.close()
    assert found.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in found


def test_hundreds_of_half_requests_stop_nobody_else(port: int) -> None:
    with ExitStack() as stack:
        lines = []
        for _ in range(300):
            line = Line(port)
            stack.callback(line.close)
            line.send(HALVES["half a head"])
            lines.append(line)
            if len(lines) % 50 == 0:
                assert is_alive(port)
        wait_for(lambda: all(line.closed() for line in lines), "every half request to be closed")
    assert is_alive(port)


def test_a_page_that_waits_for_its_next_request_gives_way_too(port: int) -> None:
    idle = []
    for _ in range(HURRY.address_max * 2):
        line = Line(port)
        line.send(request(b"GET", b"/healthz"))
        idle.append(line)
    assert is_alive(port)
    for line in idle:
        line.close()


def test_connections_that_are_being_answered_are_not_cut_for_new_ones() -> None:
    release = threading.Event()
    begun = threading.Semaphore(0)

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await receive()
        if scope["path"] == "/slow":
            begun.release()
            await asyncio.to_thread(release.wait, 60)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    with served(slow, Limits(open_max=3, address_max=3, request_s=30)) as port:
        busy = [Line(port) for _ in range(3)]
        for line in busy:
            line.send(request(b"GET", b"/slow", b"Connection: close"))
        assert all(begun.acquire(timeout=30) for _ in busy)  # one that has asked nothing yet would be cut
        refused = wait_for(lambda: (found := ask_raw(port, request(b"GET", b"/"))).status == 503 and found, "a refusal")
        assert refused.detail == "too many connections are open"
        assert refused.headers["retry-after"] == "5"
        release.set()
        assert [line.answer().status for line in busy] == [200, 200, 200]
        for line in busy:
            line.close()
        assert wait_for(lambda: ask_raw(port, request(b"GET", b"/", b"Connection: close")).status == 200, "room again")


def test_an_answer_that_nobody_takes_is_not_kept_for_ever() -> None:
    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1_000):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})

    with served(endless, Limits(stalled_s=0.5)) as port:
        line = Line(port)
        line.send(request(b"GET", b"/"))
        # Nothing is read, until the server has given up: then its last bytes are followed by the end.
        wait_for(lambda: not line.send(b"GET / HTTP/1.1\r\n\r\n"), "the connection to be cut")
        line.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\n" * 50 + b"HELO\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000,
        b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=lambda data: repr(data[:30]),
)
def test_what_is_no_http_is_a_bad_request_with_a_problem(port: int, garbage: bytes) -> None:
    answer = ask_raw(port, garbage)
    assert 400 <= answer.status < 500 or answer.status == 501, answer
    assert answer.detail
    assert is_alive(port)


TEN_KB = b"a" * 10_240
HOSTS = [
    *(
        b"",
        b" ",
        b"[",
        b"]",
        b"[::1",
        b"::1",
        b"a b",
        b"a/b",
        b"a@b",
        b"a?b",
        b"a#b",
        b"\xff\xfe",
        TEN_KB,
        b"a:" + TEN_KB,
    ),
    *(
        b"a:",
        b"a:x",
        b"a:0",
        b"a:65536",
        b"a:-1",
        b"a:1:2",
        b"[::1]:99999",
        b"[zz]",
        b"[1.2.3.4]",
        b"a,b",
        b"..",
        b"%00",
    ),
    *(b"[" * 1000, "é.example".encode()),
]
ORIGINS = [b"http://" + host for host in HOSTS] + [
    b"",
    b"x",
    b"://",
    b"http:",
    b"null null",
    b"//a",
    TEN_KB,
    b"\xff://a",
]
PATHS = [
    b"/healthz",
    b"/",
    b"/login",
    b"/api/v1/devices",
    b"/ngsi-ld/v1/types",
    b"/nothing",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_malformed_host_or_origin_is_a_bad_request(port: int, stage: Stage, path: bytes) -> None:
    for who in (NOBODY, bearer(stage, "administrator")):
        for host in HOSTS:
            answer = ask_raw(port, request(b"GET", path, who, b"Connection: close", host=host))
            assert (answer.status, answer.detail) == (400, "the header Host is malformed"), host[:40]
        for origin in ORIGINS:
            answer = ask_raw(port, request(b"GET", path, who, b"Origin: " + origin, b"Connection: close"))
            assert (answer.status, answer.detail) == (400, "the header Origin is malformed"), origin[:40]


@pytest.mark.parametrize("target", [b"http://evil.example/", b"*", b"//", b"/%00", b"/%0a", b"/console/%00"])
def test_a_target_that_is_no_path_of_ours_is_refused(port: int, target: bytes) -> None:
    answer = ask_raw(port, request(b"GET", target, b"Connection: close"))
    assert answer.status in (303, 400, 404), answer


def test_the_service_itself_keeps_these_bounds(tmp_path: Path) -> None:
    """`kota serve api` as the supervisor starts it; its demo refuses what a proxy sends and goes on living."""
    port = free_port()
    service = Service(["api"], tmp_path, port=port, demo="true")
    with running(service):
        wait_for(lambda: is_alive(port), "the service")
        sent, answer = pushed(
            port,
            request(b"POST", b"/api/v1/dead-letters/replay", WRONG, b"Transfer-Encoding: chunked"),
            chunk(b"[" * 10**6),
            30,
        )
        assert (answer.status, sent < HUGE) == (401, True)
        with ExitStack() as stack:
            lines = [Line(port) for _ in range(300)]
            for line in lines:
                stack.callback(line.close)
                line.send(HALVES["half a head"])
            assert is_alive(port)
            wait_for(lambda: all(line.closed() for line in lines), "every half request to be closed")
        for _ in range(2):
            refused = ask_raw(
                port, request(b"GET", b"/api/v1/devices", b"X-Forwarded-For: 10.0.0.7", b"Connection: close")
            )
            assert refused.status == 403
            assert "--no-demo" in json.loads(refused.body)["detail"]
        assert ask_raw(port, request(b"GET", b"/api/v1/devices", b"Connection: close")).status == 200
        assert service.log().count("api.demo_refused") == 1


def test_streams_of_one_token_are_bounded_and_given_back_when_their_listeners_go(stage: Stage) -> None:
    with served(create_app(stage.context(demo=False))) as port:
        head = request(b"GET", b"/api/v1/stream", bearer(stage, "viewer"), b"Connection: close")
        lines = [Line(port) for _ in range(STREAMS_EACH)]
        for line in lines:
            line.send(head)
            assert line.socket.recv(12) == b"HTTP/1.1 200"
        answer = ask_raw(port, head)
        assert (answer.status, answer.headers["retry-after"]) == (429, "10")
        assert answer.detail.startswith(f"you have {STREAMS_EACH} streams open already")
        other = Line(port)
        other.send(request(b"GET", b"/api/v1/stream", bearer(stage, "supervisor"), b"Connection: close"))
        assert other.socket.recv(12) == b"HTTP/1.1 200", "another person's are counted apart"
        other.close()
        for line in lines:
            line.close()

        def is_free() -> bool:
            again = Line(port)
            again.send(head)
            try:
                return again.socket.recv(12) == b"HTTP/1.1 200"
            finally:
                again.close()

        assert wait_for(is_free, "a stream again")


def test_a_websocket_is_not_opened_and_asked_for_in_vain_by_anybody(stage: Stage) -> None:
    with served(create_app(stage.context(demo=True))) as port:
        upgrade = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
        key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        for path in (b"/", b"/api/v1/changes/x", b"/nothing"):
            answer = ask_raw(port, request(b"GET", path, *upgrade, key))
            assert answer.status in (200, 404), path
        assert is_alive(port)


def test_listeners_of_one_person_are_bounded(stage: Stage) -> None:
    with served(create_app(stage.context(demo=False))) as port:
        head = request(b"GET", b"/api/v1/changes", bearer(stage, "viewer"), b"Connection: close")
        lines = [Line(port) for _ in range(LISTENERS_EACH)]
        for line in lines:
            line.send(head)
            assert line.socket.recv(12) == b"HTTP/1.1 200"
        answer = ask_raw(port, head)
        assert (answer.status, answer.headers["retry-after"]) == (429, "10")
        for line in lines:
            line.close()
