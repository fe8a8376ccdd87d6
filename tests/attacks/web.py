"""Attempts on the HTTP server: slow, large, deep and malformed requests, and every route by everybody."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from city.runtime.local_access import local_token
from city.runtime.settings import load_settings
from people.rights import GRANTABLE, RIGHTS_OF, ROLES, Role
from tests.attacks.target import Attempt, Target, allow_connections
from tests.support.api_requests import ENDLESS

CLOSED_WITHIN_S: Final = 40.0
ANSWER_WITHIN_S: Final = 20.0
_SERVER_ERROR: Final = 500
_REFUSALS: Final = (400, 401, 403, 404)
"""Answers to who lacks the right; a path of nonsense may lead to no route."""
_SENDERS: Final = frozenset({"gateway", "device"})
"""Of routes that take messages from accounts at the broker, which are no roles."""
_NONSENSE: Final = (
    "9" * 40, "-1", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "NaN", "\x00", "../../etc/passwd", "%",
)  # fmt: skip


def _open(target: Target) -> socket.socket:
    return socket.create_connection((target.host, target.http_port), ANSWER_WITHIN_S)


def ask(target: Target, method: str, path: str, body: bytes = b"", **headers: str) -> int:
    """The status of an answer, 0 when the server hung up without one."""
    link = http.client.HTTPConnection(target.host, target.http_port, timeout=ANSWER_WITHIN_S)
    try:
        link.request(method, path, body or None, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = link.getresponse()
        answer.read(1 << 16)
    except (http.client.HTTPException, ConnectionError, BrokenPipeError):
        return 0
    else:
        return answer.status
    finally:
        link.close()


def raw(target: Target, request: bytes) -> bytes:
    """The beginning of the answer to some bytes."""
    with _open(target) as link:
        with contextlib.suppress(OSError):
            link.sendall(request)
        with contextlib.suppress(OSError):
            return link.recv(4096)
    return b""


def large_bodies(target: Target) -> str:
    """Refuse 30 MB of a stranger from its headers, before they are read."""
    sent = []
    for framing in ("Content-Length: 30000000", "Transfer-Encoding: chunked"):
        with _open(target) as link:
            head = (
                f"POST /api/v1/messages/json/x HTTP/1.1\r\nHost: {target.host}:{target.http_port}\r\n{framing}\r\n\r\n"
            )
            link.sendall(head.encode())
            piece = b"10000\r\n" + b" " * 65_536 + b"\r\n" if "chunked" in framing else b" " * 65_536
            size = 0
            with contextlib.suppress(OSError):
                while size < 30_000_000:
                    link.sendall(piece)
                    size += len(piece)
            sent.append(size)
        began_s = time.monotonic()
        assert ask(target, "GET", "/healthz") < _SERVER_ERROR, "/healthz is not answered"
        assert time.monotonic() - began_s < ANSWER_WITHIN_S, "/healthz waits for a stranger's body"
    assert max(sent) < 30_000_000, "30 MB of a stranger were read"
    return f"cut off after {max(sent) >> 10} KiB"


def slow_requests(target: Target, count: int = 300) -> str:
    """Close requests that never end, and serve others meanwhile."""
    allow_connections(count + 200)
    with contextlib.ExitStack() as stack:
        links = []
        for number in range(count):
            with contextlib.suppress(OSError):
                link = stack.enter_context(_open(target))
                link.sendall(b"GET /healthz HTTP/1.1\r\nHost: " if number % 2 else b"P")
                links.append(link)
        assert ask(target, "GET", "/healthz") not in (0, *range(_SERVER_ERROR, 600)), "/healthz is not answered"
        until_s = time.monotonic() + CLOSED_WITHIN_S
        for link in links:
            link.settimeout(max(0.1, until_s - time.monotonic()))
            with contextlib.suppress(ConnectionError):
                try:
                    while link.recv(4096):
                        pass
                except TimeoutError:
                    raise AssertionError("half a request stays open") from None
    return f"{len(links)} half requests closed, others served meanwhile"


def malformed_requests(target: Target) -> str:
    """Answer what is no request with 4xx, or not at all; never with 5xx."""
    name = f"{target.host}:{target.http_port}"
    requests = [
        *(
            f"GET /api/v1/system HTTP/1.1\r\nHost: {host}\r\n\r\n"
            for host in ("", " ", "[", "[::1", "a b", "x" * 9_999)
        ),
        *(
            f"GET / HTTP/1.1\r\nHost: {name}\r\nOrigin: {origin}\r\n\r\n"
            for origin in ("null", "http://[", "\xe9", "x:")
        ),
        f"GET / HTTP/1.1\r\nHost: {name}\r\nHost: {name}\r\n\r\n",
        f"GET / HTTP/9.9\r\nHost: {name}\r\n\r\n",
        f"GET {'/a' * 40_000} HTTP/1.1\r\nHost: {name}\r\n\r\n",
        f"POST /api/v1/sign-in HTTP/1.1\r\nHost: {name}\r\nContent-Length: -1\r\n\r\n",
        f"POST /api/v1/sign-in HTTP/1.1\r\nHost: {name}\r\nContent-Length: {'9' * 30}\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "\x00" * 400,
    ]
    for request in requests:
        answer = raw(target, request.encode("latin-1"))
        assert b" 5" not in answer[:12].replace(b"HTTP/1.1 5", b" 5"), f"{request[:60]!r}: {answer[:40]!r}"
    return f"{len(requests)} malformed requests, none answered with 5xx"


def every_route_by_everybody(target: Target) -> str:
    """Answer no route with 5xx, whoever asks with whatever; answer nobody without the route's right."""
    tokens = {role: f"Bearer {token_with(target.data, role)}" for role in ROLES}
    link = http.client.HTTPConnection(target.host, target.http_port, timeout=ANSWER_WITHIN_S)
    link.request("GET", "/api/v1/openapi.json", headers={"Authorization": tokens["administrator"]})
    answer = link.getresponse()
    paths = json.loads(answer.read())["paths"]
    link.close()
    strangers = {"nobody": "", "wrong": "Bearer wrong", "odd": "Bearer \xe9", "basic": "Basic %%%"}
    is_open = ask(target, "GET", "/api/v1/devices") == http.HTTPStatus.OK
    asked, wrong = 0, []
    for method, path, rights in _questions(paths):
        for who, header in (strangers | tokens).items():
            if path in ENDLESS:
                continue
            status = ask(target, method, path, b"{}" if method != "GET" else b"", **_authorised(header))
            asked += 1
            if status >= _SERVER_ERROR or not (_may(who, rights) or status in _REFUSALS or (is_open and not header)):
                wrong.append(f"{status} {method} {path} as {who}")
    assert not wrong, "; ".join(wrong[:5])
    identities = len(strangers | tokens)
    return f"{asked} requests over {len(paths)} routes by {identities} identities: no 5xx, nothing without its right"


def _may(who: str, rights: frozenset[str]) -> bool:
    """Whether the token of a role, or a stranger's, has one of the rights that a route asks for."""
    granted = next((RIGHTS_OF[role] & set(GRANTABLE) for role in ROLES if role == who), frozenset())
    return not rights or bool(rights & (granted | _SENDERS))


def token_with(data: Path, role: Role) -> str:
    """A token with the rights of a role that a token may have."""
    return local_token(load_settings(data=data), sorted(RIGHTS_OF[role] & set(GRANTABLE)))


def _authorised(header: str) -> dict[str, str]:
    return {"Authorization": header, "Content-Type": "application/json"} if header else {}


def _questions(paths: dict[str, Any]) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Each route with nonsense in place of what it names: method, path, and the rights of which one suffices."""
    for path, methods in paths.items():
        for method, operation in methods.items():
            if method not in ("get", "post", "put", "delete"):
                continue
            rights = frozenset(
                right for way in operation.get("security", []) for need in way.values() for right in need
            )
            for nonsense in _NONSENSE if "{" in path else ("",):
                filled = path
                while "{" in filled:
                    before, _, rest = filled.partition("{")
                    filled = before + quote(nonsense, safe="") + rest.partition("}")[2]
                yield method.upper(), filled, rights


WEB: Final = (
    Attempt("large bodies", large_bodies, needs_http=True),
    Attempt("slow requests", slow_requests, needs_http=True),
    Attempt("malformed requests", malformed_requests, needs_http=True),
    Attempt("every route by everybody", every_route_by_everybody, needs_http=True),
)
