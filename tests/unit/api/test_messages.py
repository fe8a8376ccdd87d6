"""Messages by HTTP: kept before the answer, from those who have an account, and nothing else."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from broker.contract.payloads import GATEWAY_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES
from broker.quota import BURST_BYTES
from city.inventory.model import Binding
from city.runtime.gateways import Gateways
from city.runtime.password_changes import PasswordChanges
from ingest.decoding.formats.registry import filters_by_format
from tests.unit.api.conftest import CITY, Stage

TOPIC = "unifi/default/device"
BODY = b'{"data":[]}'


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def gateway(stage: Stage) -> dict[str, str]:
    return basic("controllers", gateway_password(stage))


def gateway_password(stage: Stage) -> str:
    gateways = Gateways(stage.folder)
    formats = ["unifi", "fiware", "owntracks", "netjson"]
    filters = [topic_filter for format_ in formats for topic_filter in filters_by_format()[format_]]
    found = gateways.current().get("controllers") or gateways.make("controllers", formats, filters, ())
    return stage.secrets.gateway_password(found.name, found.nonce)


def test_a_gateway_leaves_a_message_as_on_the_bus(stage: Stage) -> None:
    answer = stage.client(demo=False).post(f"/api/v1/messages/{TOPIC}", content=BODY, headers=gateway(stage))
    assert (answer.status_code, answer.json()) == (200, {"kept": True})
    assert [(arrival.topic, arrival.payload, arrival.retained) for arrival in stage.journaled] == [(TOPIC, BODY, False)]


def test_a_topic_that_begins_with_a_slash_keeps_it(stage: Stage) -> None:
    stage.client().post("/api/v1/messages//key/bin7/attrs", content=b'{"f":85}', headers=gateway(stage))
    assert [arrival.topic for arrival in stage.journaled] == ["/key/bin7/attrs"]


@pytest.mark.parametrize("demo", [True, False])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("controllers", "wrong"),
        basic("controllers", ""),
        basic("gateway", "x"),
        basic("bin-0001", "x"),
        {"Authorization": "Basic %%%"},
        {"Authorization": "Bearer operator-x"},
    ],
)
def test_nobody_else_leaves_any_even_in_a_demo(stage: Stage, headers: dict[str, str], *, demo: bool) -> None:
    gateway(stage)
    answer = stage.client(demo=demo).post(f"/api/v1/messages/{TOPIC}", content=BODY, headers=headers)
    assert answer.status_code == 401
    assert stage.journaled == []


def test_an_operators_token_is_no_gateways(stage: Stage) -> None:
    client = stage.client(demo=False, token=stage.token("administrator"))
    assert client.post(f"/api/v1/messages/{TOPIC}", content=BODY).status_code == 401


@pytest.mark.parametrize(
    ("topic", "status"),
    [
        ("kota/v1/kupang/bin/bin-0001/telemetry", 403),
        ("kota/v1/kupang/bin/bin-0001/attrs", 403),
        ("nobody/reads/this", 403),
        ("v3/app/devices/of-another-format/up", 403),
        ("owntracks/+/x", 422),
        ("owntracks/%00/x", 400),
        ("x" * 500, 403),
    ],
)
def test_topics_that_are_not_for_this_are_refused(stage: Stage, topic: str, status: int) -> None:
    answer = stage.client().post(f"/api/v1/messages/{topic}", content=BODY, headers=gateway(stage))
    assert answer.status_code == status
    assert stage.journaled == []


def test_too_long_a_message_is_refused_and_a_full_journal_asks_for_patience(stage: Stage) -> None:
    client, headers = stage.client(), gateway(stage)
    long = b"x" * (GATEWAY_PAYLOAD_BYTES + 1)
    assert client.post(f"/api/v1/messages/{TOPIC}", content=long, headers=headers).status_code == 413
    stage.journal_full = True
    answer = client.post(f"/api/v1/messages/{TOPIC}", content=BODY, headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert stage.journaled == []


@pytest.fixture
def router(stage: Stage) -> Stage:
    """One access point that OpenWISP knows by a UUID."""
    access_point = replace(CITY.access_points["ap-alak"], binding=Binding("netjson", "3F2B-UUID", "openwrt-ap"))
    stage.inventory.publish({**CITY.devices, access_point.id: access_point})
    return stage


NETJSON = json.dumps({"type": "DeviceMonitoring"}).encode()


def test_an_openwisp_agent_posts_as_it_is_used_to(router: Stage) -> None:
    key = router.secrets.password("ap-alak")
    asked = f"/api/v1/monitoring/device/3f2b-uuid/?key={key}&time=01-03-2026_11:59:00.000000&current=true"
    assert router.client(demo=False).post(asked, content=NETJSON).status_code == 200, "it deletes its copy at 200 alone"
    assert [arrival.topic for arrival in router.journaled] == ["netjson/3f2b-uuid/01-03-2026_11:59:00.000000"]


@pytest.mark.parametrize("key", ["", "wrong", "key-of-another"])
def test_a_wrong_key_is_answered_like_an_unknown_device(router: Stage, key: str) -> None:
    key = router.secrets.password("ap-batuplat") if key == "key-of-another" else key
    answers = [
        router.client().post(f"/api/v1/monitoring/device/{name}/?key={key}", content=NETJSON)
        for name in ("3f2b-uuid", "nobody")
    ]
    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {
        (404, "no device of that name has that key"),
    }
    assert router.journaled == []


def test_a_renewed_key_counts_at_once_beside_the_old_one_and_a_revoked_one_never(router: Stage) -> None:
    client, changes = router.client(demo=False), PasswordChanges(router.folder)
    old = router.secrets.password("ap-alak")

    def is_accepted(key: str, device: str = "3f2b-uuid") -> bool:
        answer = client.post(f"/api/v1/monitoring/device/{device}/?key={key}", content=NETJSON)
        assert answer.status_code in (200, 404)
        return answer.status_code == 200

    assert is_accepted(old)
    new, _ = changes.renew("ap-alak", old, timedelta(days=1), datetime.now(UTC))
    assert is_accepted(old)
    assert is_accepted(new)
    assert not is_accepted(new, "ap-batuplat")
    newest, _ = changes.renew("ap-alak", old, timedelta(0), datetime.now(UTC))
    assert [is_accepted(key) for key in (old, new, newest)] == [False, False, True]
    changes.revoke("ap-alak", datetime.now(UTC))
    assert not any(is_accepted(key) for key in (old, new, newest, ""))
    assert is_accepted(router.secrets.password("ap-batuplat"), "ap-batuplat")


def test_a_damaged_file_of_a_password_lets_nobody_in(router: Stage) -> None:
    old = router.secrets.password("ap-alak")
    new, _ = PasswordChanges(router.folder).renew("ap-alak", old, timedelta(days=1), datetime.now(UTC))
    (router.folder / "passwords" / "ap-alak.json").write_text('{"user": "ap-alak"')
    for key in (old, new):
        answer = router.client().post(f"/api/v1/monitoring/device/ap-alak/?key={key}", content=NETJSON)
        assert answer.status_code == 404
    assert router.journaled == []


def test_a_new_router_comes_with_the_gateways_key_and_becomes_an_unknown_device(stage: Stage) -> None:
    key = gateway_password(stage)
    assert stage.client().post(f"/api/v1/monitoring/device/new-one/?key={key}", content=NETJSON).status_code == 200
    assert [arrival.topic for arrival in stage.journaled] == ["netjson/new-one"]


def test_a_revoked_gateway_leaves_none(stage: Stage) -> None:
    client, headers = stage.client(), gateway(stage)
    assert client.post(f"/api/v1/messages/{TOPIC}", content=BODY, headers=headers).status_code == 200
    Gateways(stage.folder).revoke("controllers")
    assert client.post(f"/api/v1/messages/{TOPIC}", content=BODY, headers=headers).status_code == 401
    gateway(stage)
    assert client.post(f"/api/v1/messages/{TOPIC}", content=BODY, headers=headers).status_code == 401, "a new password"


def test_a_gateway_that_has_sent_too_much_has_to_wait_and_no_other(stage: Stage) -> None:
    context = stage.context(demo=False)
    client = TestClient(create_app(context), base_url="http://127.0.0.1", client=("127.0.0.1", 50_000))
    headers = gateway(stage)
    context.quota.add("controllers", BURST_BYTES - len(BODY), time.monotonic())
    assert client.post(f"/api/v1/messages/{TOPIC}", content=BODY, headers=headers).status_code == 200
    context.quota.add("controllers", BURST_BYTES // 100, time.monotonic())
    answer = client.post(f"/api/v1/messages/{TOPIC}", content=BODY, headers=headers)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "controllers has sent more than 256 MiB" in answer.json()["detail"]
    key = gateway_password(stage)
    assert client.post(f"/api/v1/monitoring/device/new-one/?key={key}", content=NETJSON).status_code == 429
    other = Gateways(stage.folder).make("other", ["unifi"], filters_by_format()["unifi"], ())
    password = stage.secrets.gateway_password(other.name, other.nonce)
    answer = client.post(f"/api/v1/messages/{TOPIC}", content=BODY, headers=basic("other", password))
    assert answer.status_code == 200


def test_a_device_has_its_own_bound_and_a_gateway_the_larger_one(router: Stage) -> None:
    client = router.client(demo=False)
    own, gateways = router.secrets.password("ap-alak"), gateway_password(router)
    for key, bound in ((own, MAX_PAYLOAD_BYTES), (gateways, GATEWAY_PAYLOAD_BYTES)):
        asked = f"/api/v1/monitoring/device/3f2b-uuid/?key={key}"
        assert client.post(asked, content=NETJSON.ljust(bound)).status_code == 200
        assert client.post(asked, content=NETJSON.ljust(bound + 1)).status_code == 413
