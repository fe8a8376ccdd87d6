"""Every route and page, asked by everybody and with every sort of nonsense: rights hold, nothing breaks."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from fastapi.routing import APIRoute
from httpx import Client, Response

from api.app import create_app
from api.auth.access import COOKIE, SAFE_METHODS, each_route, rights_of
from api.console.parts.layout import asset
from ingest.store.duckdb.store import DuckStore
from ingest.store.parked.quarantine import QuarantinedMessage
from people.rights import DEMO, GRANTABLE, RIGHTS, RIGHTS_OF, ROLES, Right
from tests.support.access import PASSWORD, TESTER
from tests.support.api_requests import PHOTO
from tests.support.dispatching import fill_dispatch
from tests.support.raw_http import served
from tests.unit.api.conftest import NOW, Stage, contract_of
from tests.unit.api.test_messages import gateway_password

OPEN_TO_EVERYBODY: Final = {
    *(("GET", path) for path in ("/healthz", "/readyz", "/login", "/link", "/favicon.ico")),
    ("GET", "/.well-known/jwks.json"),
    *(("GET", path) for path in ("/login/openid", "/login/openid/callback", "/api/v1/map/places.geojson")),
    *(("POST", path) for path in ("/login", "/logout", "/link", "/login/passkey", "/login/passkey/options")),
    ("GET", "/login/passkey.js"),
    *(("GET", path) for path in ("/crew/", "/crew/{name}")),
    ("POST", "/crew/api/sign-in"),
}
ACCOUNTS: Final = {
    "gateway": "/api/v1/messages/{topic:path}",
    "device": "/api/v1/monitoring/device/{device}/",
    "crew": "/crew/api/photos",
}
"""What is no person's and no service's, and the last route for each."""
ENDLESS: Final = ("/api/v1/stream", "/api/v1/changes")
IN_GRAFANA: Final = "dashboards.write"
"""No route asks for it: it makes an editor of somebody in Grafana."""
PERSONAL: Final = ("account.own", "people.write", "audit.read")
"""Rights of which a demo has none."""
VALID: Final[dict[str, str]] = {
    "device": "bin-0451",
    "camera": "cam-01",
    "kind": "bin",
    "case": "c-1",
    "name": "app.js",
    "photo": PHOTO,
    "file": "before.jpg",
    "unknown_device": "1",
    "entity": "urn:ngsi-ld:Device:kupang:bin-0451",
    "topic": "unifi/default/device",
    "field": "fill_pct",
    "profile": "milesight-em310-udl",
    "type": "Device",
    "account": "0123456789abcdef",
    "session": "999999",
    "token": "999999",
    "passkey": "999999",
    **dict.fromkeys(("plan", "shift", "stop", "order", "change"), "1"),
}
BODIES: Final[dict[str, dict[str, Any]]] = {
    "/crew/api/sign-in": {"code": "000000"},
    "/crew/api/events": {"events": [{"boot": "b", "seq": 1}]},
    "/api/v1/me/password": {"old": PASSWORD, "new": PASSWORD},
    "/api/v1/me/tokens": {"name": "a script", "rights": ["telemetry.read"], "days": 1},
    "/api/v1/me/passkeys/options": {"password": PASSWORD},
    "/api/v1/me/passkeys": {"name": "a telephone", "credential": {}},
    "/api/v1/tokens": {"name": "a script", "rights": ["telemetry.read"], "days": 1},
    "/api/v1/accounts": {"name": "maria.seran", "shown_name": "Maria Seran", "role": "viewer", "areas": []},
    "/api/v1/accounts/{account}": {"shown_name": "", "role": "viewer", "areas": ["kelurahan:Oesapa"]},
    "/api/v1/dead-letters/replay": {"ids": [1]},
    "/api/v1/dumping/cases/{case}/review": {"verdict": "confirmed", "note": "", "reason": None, "into": None},
    "/api/v1/dumping/cases/{case}/erase": {"reason": "a reason in whole words"},
    "/api/v1/dumping/cases/{case}/clear/{file}": {"reason": "a reason in whole words"},
    "/api/v1/cameras/{camera}/zones": {
        "zones": [{"kind": "watch", "name": "w", "polygon": [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]}],
        "person_height": [[0.2, 0.1], [0.9, 0.5]],
        "version": "",
    },
    "/api/v1/strangers/{unknown_device}/adopt": {
        "id": "bin-9001",
        "profile": "milesight-em310-udl",
        "lat_deg": -10.1,
        "lon_deg": 123.6,
        "interval_s": 600,
        "capacity_kg": None,
        "kelurahan": "oesapa",
    },
    "/api/v1/plans": {"day": "2026-03-03"},
    "/api/v1/plans/replan": {"day": "2026-03-01", "trucks_out": ["truck-01"], "blocked": []},
    "/api/v1/shifts/{shift}/messages": {"text": "come back"},
    "/api/v1/shifts/{shift}/crew": {"crew": "3"},
    "/api/v1/stops/{stop}/assign": {"shift": 2},
    "/api/v1/stops/{stop}/rule": {"state": "verified", "reason": "seen"},
    "/api/v1/orders/{order}/assign": {"shift": 1},
    "/api/v1/orders/{order}/close": {"reason": "gone"},
    "/api/v1/orders/{order}/reopen": {"reason": "back"},
    "/api/v1/codecs": {"name": "acme-tank", "source": "function decodeUplink(i) { return { data: { n: 1 } }; }"},
    "/api/v1/strangers/{unknown_device}/draft": {"kind": "bin", "mapping": [], "container": ""},
    "/api/v1/profiles": {
        "name": "acme-tank",
        "kind": "bin",
        "unknown_device": 1,
        "mapping": [{"key": "distance", "field": "distance_mm", "unit": "mm"}],
    },
}


@dataclass(frozen=True)
class Asked:
    """One method of one route, with its declared right; `anybody` where there is none."""

    method: str
    path: str
    right: str
    is_page: bool
    params: tuple[str, ...]

    def address(self, **values: str) -> str:
        """The path with its parts filled in, and the query."""
        path = self.path.replace(":path}", "}")
        inner = [name for name in {**VALID, **values} if f"{{{name}}}" in path]
        for name in inner:
            path = path.replace(f"{{{name}}}", values.get(name, VALID[name]))
        return path


def asked_of(route: APIRoute) -> Iterator[Asked]:
    rights = rights_of(route)
    query = tuple(field.alias for field in route.dependant.query_params)
    inner = tuple(field.alias for dependency in route.dependant.dependencies for field in dependency.query_params)
    for method in sorted((route.methods or set()) - {"HEAD"}):
        right = rights[0].right if rights else "anybody"
        yield Asked(method, route.path, right, not route.include_in_schema, query + inner)


def fill(stage: Stage) -> None:
    stage.happen("cam-01", "dumping", at=NOW - timedelta(minutes=5), case="c-1", evidence={"before": "before.jpg"})
    stage.keep("c-1", {"before.jpg": b"\xff\xd8"})
    stage.measure("bin-0451", fill_pct=41.0)
    stage.measure("truck-01", lat_deg=-10.1, lon_deg=123.6)
    fill_dispatch(stage.dispatch, stage.inventory.current())
    stage.bury("nonsense")
    uplink = json.dumps({"uplink_message": {"f_port": 85, "frm_payload": "A3VkA2cZAQSCRAEFAAE="}}).encode()
    stage.quarantine.add(
        [QuarantinedMessage("tts", ("app/x",), "v3/a@t/devices/x/up", uplink, NOW, model="em310-udl", port=85)]
    )


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.codecs.close()
    made.people.close()


@pytest.fixture(params=["memory", "duckdb"])
def filled(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Stage]:
    """A small city in each embedded store."""
    if request.param == "duckdb":
        stage.store = DuckStore(stage.folder / "city.duckdb")  # type: ignore[assignment]
    fill(stage)
    yield stage
    if isinstance(stage.store, DuckStore):
        stage.store.close()


@contextmanager
def asking(stage: Stage, *, demo: bool = False) -> Iterator[Client]:
    """Who asks the server of the service, with a sign-in or as a demo."""
    app = create_app(stage.context(demo=demo))
    with served(app) as port, Client(base_url=f"http://127.0.0.1:{port}") as client:
        client.event_hooks = {"response": [contract_of(app).check]}
        client.headers["Origin"] = str(client.base_url).rstrip("/")
        yield client


def everything(stage: Stage) -> list[Asked]:
    routes = [route for route in each_route(create_app(stage.context()).routes) if isinstance(route, APIRoute)]
    return [operation for route in routes for operation in asked_of(route)]


@dataclass(frozen=True)
class Identity:
    """What somebody sends, and the rights that it should stand for."""

    name: str
    headers: dict[str, str]
    rights: frozenset[Right] | None = None
    account: str = ""


def identities(stage: Stage) -> list[Identity]:
    def basic(user: str, password: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}

    def cookie(value: str) -> dict[str, str]:
        return {"Cookie": f"{COOKIE}={value}"}

    admin = stage.cookie("administrator")
    ended, expired = stage.cookie("administrator"), stage.cookie("supervisor")
    stage.people.sign_out(stage.people.by_session(ended) or DEMO, "")
    stage.expire(expired)
    revoked, token = stage.people.make_token(TESTER, "revoked", ["telemetry.read"], timedelta(days=1))
    stage.people.revoke_token(TESTER, revoked)
    found = [
        Identity("nobody", {}),
        Identity("a wrong token", {"Authorization": f"Bearer kota_{0:043}"}),
        Identity("an empty token", {"Authorization": "Bearer"}),
        Identity("no scheme", {"Authorization": stage.token("administrator")}),
        Identity("a token as a password", basic("admin", stage.token("administrator"))),
        Identity("a wrong password", basic("controllers", "wrong")),
        Identity("the gateway", basic("controllers", gateway_password(stage)), account="gateway"),
        Identity("a session as a token", {"Authorization": f"Bearer {admin}"}),
        Identity("a token as a session", cookie(stage.token("administrator"))),
        Identity("a revoked token", {"Authorization": f"Bearer {token}"}),
        Identity("a token of an earlier version", {"Authorization": f"Bearer admin-{0:040}"}),
        Identity("an ended session", cookie(ended)),
        Identity("an expired session", cookie(expired)),
        Identity("a session cut short", cookie(admin[:-1])),
        Identity("a session of nonsense", cookie("\xe9.\xff..")),
        Identity("an empty session", cookie("")),
        Identity("a long session", cookie("admin." * 1_000)),
    ]
    for role in ROLES:
        rights = RIGHTS_OF[role]
        token = {"Authorization": f"Bearer {stage.token(role)}"}
        found.append(Identity(f"{role}'s token", token, rights & set(GRANTABLE)))
        found.append(Identity(f"{role}'s session", cookie(stage.cookie(role)), rights))
    return found


def expected(operation: Asked, who: Identity) -> set[str]:
    """What may happen: `through`, or the ways to be refused."""
    if operation.right == "anybody":
        return {"through"}
    if operation.right in ACCOUNTS:
        return {"through"} if who.account == operation.right else {"401", "404"}
    if who.rights is None:
        return {"sign in", "401"} if operation.is_page else {"401"}
    return {"through"} if operation.right in who.rights else {"403"}


def outcome(answer: Response) -> str:
    if answer.status_code == 303 and answer.headers["location"] == "/login":
        return "sign in"
    return str(answer.status_code) if answer.status_code in (401, 403) else "through"


def ask(client: Client, operation: Asked, headers: dict[str, str]) -> Response:
    body = None if operation.method in SAFE_METHODS else BODIES.get(operation.path)
    return client.request(operation.method, operation.address(), headers=as_bytes(headers), json=body)


def as_bytes(headers: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode("latin-1") for name, value in headers.items()}


def test_no_route_is_without_a_right(stage: Stage) -> None:
    found = everything(stage)
    assert {
        (operation.method, operation.path) for operation in found if operation.right == "anybody"
    } == OPEN_TO_EVERYBODY
    assert {operation.right for operation in found} == {"anybody", *RIGHTS, *ACCOUNTS} - {IN_GRAFANA}
    assert {operation.right: operation.path for operation in found if operation.right in ACCOUNTS} == ACCOUNTS
    described = {
        (method.upper(), path)
        for path, methods in create_app(stage.context()).openapi()["paths"].items()
        for method in methods
    }
    walked = {(operation.method, operation.path.replace(":path}", "}")) for operation in found}
    assert described - walked == set()
    assert {
        operation.path
        for operation in found
        if operation.method not in SAFE_METHODS and operation.right == "telemetry.read"
    } == set()


def test_everybody_gets_what_the_rights_say_and_no_more(stage: Stage) -> None:
    fill(stage)
    wrong = []
    with asking(stage) as client:
        for who, operation in product(identities(stage), everything(stage)):
            may = expected(operation, who)
            if operation.path in (*ENDLESS, "/logout") and "through" in may:
                continue
            answer = ask(client, operation, who.headers)
            client.cookies.clear()
            got = {outcome(answer), str(answer.status_code)}
            # The sign-in answers a wrong token with 401 of its own.
            is_right = bool(got & may) or operation.right == "anybody"
            if not is_right or answer.status_code >= 500:
                wrong.append((who.name, operation.method, operation.path, answer.status_code, may))
    assert wrong == [], "\n".join(map(str, wrong))


def test_a_session_writes_from_our_own_pages_only(stage: Stage) -> None:
    fill(stage)
    with asking(stage) as client:
        del client.headers["Origin"]
        sessions = {role: {"Cookie": f"{COOKIE}={stage.cookie(role)}"} for role in ROLES}
        for (_, session), operation in product(sessions.items(), everything(stage)):
            if operation.method in SAFE_METHODS or operation.right not in RIGHTS:
                continue
            for origin in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}):
                assert ask(client, operation, {**session, **origin}).status_code == 403, (operation, origin)
    assert (stage.replayed, stage.journaled, stage.room.records()["c-1"].deleted) == ([], [], "")


def test_files_of_the_console_and_unknown_paths_say_nothing_to_strangers(stage: Stage) -> None:
    with asking(stage) as client:
        for who in identities(stage):
            if who.rights is None:
                for path in (asset("console.css"), "/nothing", "/console/"):
                    assert client.get(path, headers=as_bytes(who.headers)).status_code in (303, 401), (who.name, path)


TIMES: Final = (
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00-14:00", "9999-12-31T23:59:59Z"),
    *("9999-12-31T23:59:59.999999-14:00", "9999-12-31T23:59:59+14:00", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"),
    *("1970-01-01T00:00:00+14:00", "2199-12-31T23:59:59Z", "2026-03-01T12:00:00", "2026-03-01T12:00:00+23:59"),
    *("10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-03-01", "-62135596800"),
    *("253402300799", "253402300800", "0001-01-01", "9999-12-31", "1969-12-31"),
)
NUMBERS: Final = (
    *("0", "-1", "1", "2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    *("18446744073709551616", "9" * 40, "9" * 5_000, "1e3", "1e308", "1e400", "-1e400", "nan", "inf", "-inf", "0x10"),
    *(
        "",
        " ",
        "\u0661",
        "\ufffd",
        "a" * 5_000,
        "\x00",
        "%",
        "[[[[",
        "999999999999999d",
        "9" * 400 + "h",
        "0s",
        "1_000",
    ),
)


def is_sound(answer: Response) -> bool:
    """Whether an answer is one, or says clearly why not."""
    if answer.status_code >= 500:
        return False
    if answer.status_code < 400 or "text/html" in answer.headers["content-type"]:
        return True
    return bool(answer.json()["detail"]) and answer.json()["status"] == answer.status_code


def test_no_number_and_no_time_in_an_address_breaks_a_route(filled: Stage) -> None:
    wrong = []
    with asking(filled, demo=True) as client:
        for operation in everything(filled):
            if operation.method != "GET" or operation.path in ENDLESS:
                continue
            needed = {name: VALID[name] for name in operation.params if name in VALID}
            questions = [{name: value} for name, value in product(operation.params, (*TIMES, *NUMBERS))]
            if {"from", "to"} <= set(operation.params):
                questions += [{"from": start, "to": end} for start, end in product(TIMES[:10], TIMES[:10])]
            for question in questions:
                answer = client.get(operation.address(), params={**needed, **question})
                if not is_sound(answer):
                    wrong.append((operation.path, question, answer.status_code))
    assert wrong == [], "\n".join(map(str, wrong))


def test_no_number_in_a_path_breaks_a_route(filled: Stage) -> None:
    wrong = []
    parts = [quote(value, safe="") for value in (*NUMBERS, *TIMES[:4], "..", "../", "bin-0451\x00") if value.strip()]
    with asking(filled, demo=True) as client:
        for operation, name, part in product(everything(filled), VALID, (*parts, "%ff", "%ED%A0%80")):
            if f"{{{name}" not in operation.path or operation.path in ENDLESS:
                continue
            body = None if operation.method in SAFE_METHODS else BODIES.get(operation.path)
            answer = client.request(operation.method, operation.address(**{name: part}), json=body)
            if not is_sound(answer):
                wrong.append((operation.method, operation.path, name, part[:40], answer.status_code))
    assert wrong == [], "\n".join(map(str, wrong))


RAW: Final = (
    *(b"[" * 200_000, b'{"a":' * 100_000, b"[" * 900 + b"]" * 900, b'{"ids":' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    *(
        b"",
        b"null",
        b"0",
        b"nul",
        b"{",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'"\\ud800"',
        b'{"\\u0000":1}',
        b"[]",
        b"{}" * 9,
    ),
    b"9" * 100_000,
    b'{"ids":[' + b"9" * 5_000 + b"]}",
)
VALUES: Final = (
    *("-1", "0", "2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1" + "0" * 400),
    *(
        "1e400",
        "-1e400",
        "1e308",
        "NaN",
        "Infinity",
        "-Infinity",
        "1.5",
        "true",
        "null",
        '""',
        '"\\ud800"',
        '"\\u0000"',
    ),
    *('"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-14:00"', "[]", "{}", "[[]]", "[[NaN, Infinity]]", "[1e400]"),
    *("[9223372036854775808]", "[-9223372036854775809]", "[" * 500 + "]" * 500, '"' + "x" * 100_000 + '"'),
    *("[[1e308, 1e308], [-1e308, 1e308], [0, 0]]", "[[1e-320, 0], [0, 1e-320], [0, 0]]"),
    '[{"kind": "watch", "name": "w", "polygon": [[NaN, 0], [1, 1], [0, 1]]}]',
    '[{"kind": "watch", "name": "\\ud800", "polygon": [[1e308, 0], [1, 1e308], [0, 1]]}]',
)


def hostile_bodies(template: dict[str, Any]) -> Iterator[bytes]:
    """Whole bodies of nonsense, and good ones in which one value is."""
    yield from RAW
    for name, value in product(template, VALUES):
        members = [f"{json.dumps(key)}: {json.dumps(other)}" for key, other in template.items() if key != name]
        yield ("{" + ", ".join([*members, f"{json.dumps(name)}: {value}"]) + "}").encode()


def test_no_body_breaks_a_route(filled: Stage) -> None:
    wrong = []
    gateway = base64.b64encode(f"controllers:{gateway_password(filled)}".encode()).decode()
    administrator = filled.session("administrator")
    with asking(filled, demo=True) as client:
        for operation in everything(filled):
            if operation.method in SAFE_METHODS:
                continue
            account = {"Authorization": f"Basic {gateway}"} if operation.right in ACCOUNTS else {}
            if operation.right in PERSONAL:
                account = {"Cookie": f"{COOKIE}={administrator}"}
            kinds = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")
            for kind in kinds if operation.right == "anybody" else kinds[:1]:
                for body in hostile_bodies(BODIES.get(operation.path, {})):
                    headers = {"Content-Type": kind, **account}
                    answer = client.request(operation.method, operation.address(), content=body, headers=headers)
                    if not is_sound(answer):
                        wrong.append((operation.path, kind, body[:60], answer.status_code))
    assert wrong == [], "\n".join(map(str, wrong))
