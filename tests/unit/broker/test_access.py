"""The table of rights: devices speak for themselves only, services do their one thing, other makers' servers theirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from broker.access import SIMULATORS, Rights, rights_table
from broker.accounts import CurrentRights, password_of
from broker.contract.topics import covers
from city.inventory.loader import builtin_city, load_city
from city.inventory.provider import LiveInventory
from city.runtime.gateways import Gateways
from city.runtime.secrets import Secrets

DEVICES = {"bin-1": "bin", "truck-1": "truck"}


def table(*, demo: bool = False) -> dict[str, Rights]:
    return rights_table("kupang", DEVICES, demo=demo, gateways={"ttn": ["v3/+/devices/+/up", "kota/#", "+/data"]})


def may(user: str, topic: str, *, demo: bool = False, read: bool = False) -> bool:
    rights = table(demo=demo).get(user, Rights())
    return any(covers(topic_filter, topic) for topic_filter in (rights.reads if read else rights.writes))


@pytest.mark.parametrize(
    ("user", "topic", "allowed"),
    [
        ("bin-1", "kota/v1/kupang/bin/bin-1/telemetry", True),
        ("bin-1", "kota/v1/kupang/truck/truck-1/telemetry", False),
        ("bin-1", "kota/v1/kupang/truck/bin-1/telemetry", False),
        ("bin-1", "kota/v1/kupang/bin/bin-1/event", True),
        ("bin-1", "kota/v1/kupang/bin/bin-1/status", True),
        ("bin-1", "kota/v1/atambua/bin/bin-1/telemetry", False),
        ("bin-1", "kota/v1/kupang/bin/bin-1/receipt", False),
        ("bin-1", "kota/v1/kupang/bin/bin-1/command", False),
        ("bin-1", "kota/v1/kupang/bin/bin-1", False),
        ("bin-1", "kota/canary/kupang", False),
        ("bin-1", "$SYS/broker", False),
        ("bin-1", "v3/a@t/devices/d/up", False),
        ("ttn", "v3/a@t/devices/d/up", True),
        ("ttn", "v3/a@t/devices/d/down", False),
        ("ttn", "owntracks/u/d", False),
        ("ttn", "kota/v1/kupang/bin/bin-1/telemetry", False),
        ("ttn", "kota", False),
        ("ttn", "$SYS/data", False),
        ("gateway", "v3/a@t/devices/d/up", False),
        ("ingest", "kota/v1/kupang/bin/bin-1/receipt", True),
        ("ingest", "kota/canary/kupang", True),
        ("ingest", "kota/v1/kupang/bin/bin-1/telemetry", False),
        ("ingest", "kota/v1/atambua/bin/bin-1/receipt", False),
    ],
)
def test_publishing(user: str, topic: str, *, allowed: bool) -> None:
    assert may(user, topic) is allowed


@pytest.mark.parametrize(
    ("user", "topic_filter", "allowed"),
    [
        ("bin-1", "kota/v1/kupang/bin/bin-1/receipt", True),
        ("bin-1", "kota/v1/kupang/bin/bin-1/command", True),
        ("bin-1", "kota/v1/kupang/bin/bin-1/telemetry", False),
        ("bin-1", "kota/v1/kupang/truck/truck-1/receipt", False),
        ("bin-1", "kota/v1/+/bin/bin-1/receipt", False),
        ("bin-1", "kota/v1/kupang/bin/+/receipt", False),
        ("bin-1", "#", False),
        ("ttn", "#", False),
        ("ttn", "v3/+/devices/+/up", False),
        ("ingest", "kota/v1/kupang/+/+/telemetry", True),
        ("ingest", "owntracks/+/+", True),
        ("ingest", "$SYS/#", False),
        ("nobody", "kota/v1/kupang/bin/bin-1/receipt", False),
    ],
)
def test_subscribing(user: str, topic_filter: str, *, allowed: bool) -> None:
    assert may(user, topic_filter, read=True) is allowed


def test_simulators_of_a_demo_speak_for_every_device_of_their_city_and_for_nobody_else() -> None:
    assert not set(SIMULATORS) & set(table())
    for user in SIMULATORS:
        assert may(user, "kota/v1/kupang/truck/truck-1/status", demo=True)
        assert may(user, "kota/v1/kupang/+/+/receipt", demo=True, read=True)
        assert not may(user, "kota/v1/kupang/truck/truck-1/receipt", demo=True)
        assert not may(user, "kota/v1/atambua/truck/truck-1/status", demo=True)
        assert not may(user, "kota/v1/kupang/+/+/telemetry", demo=True, read=True)


def test_only_a_gateway_may_call_itself_otherwise() -> None:
    assert {user for user, rights in table(demo=True).items() if rights.is_gateway} == {"ttn"}


def test_who_is_taken_in_or_forgotten_while_the_city_runs_has_an_account_or_none(tmp_path: Path) -> None:
    city = load_city(builtin_city("kupang"))
    inventory = LiveInventory(city)
    current = CurrentRights(inventory, Gateways(tmp_path), demo=False)
    assert "bin-9001" not in current()
    inventory.publish({**city.devices, "bin-9001": replace(city.bins["bin-0001"], id="bin-9001")})
    assert current()["bin-9001"].writes[0] == "kota/v1/kupang/bin/bin-9001/telemetry"
    inventory.publish(city.devices)
    assert "bin-9001" not in current()


def test_a_gateway_has_an_account_from_its_making_to_its_revocation_and_never_the_same_password(tmp_path: Path) -> None:
    city, gateways, secrets = load_city(builtin_city("kupang")), Gateways(tmp_path), Secrets.make(tmp_path)
    current = CurrentRights(city, Gateways(tmp_path), demo=False)
    assert "ttn" not in current()
    gateways.make("ttn", ["tts"], ["v3/+/devices/+/up"], city.devices)
    assert current()["ttn"].writes == ("v3/+/devices/+/up",)
    first = password_of(secrets, gateways, "ttn")
    gateways.revoke("ttn")
    assert "ttn" not in current()
    gateways.make("ttn", ["tts"], ["v3/+/devices/+/up"], city.devices)
    assert password_of(secrets, gateways, "ttn") not in (first, secrets.password("ttn"))


def test_an_account_that_a_newer_version_has_written_is_not_used_and_the_others_are(tmp_path: Path) -> None:
    gateways = Gateways(tmp_path)
    for name in ("newer", "ours"):
        gateways.make(name, ("tts",), ("v3/#",), ())
    path = tmp_path / "gateways" / "newer.json"
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 2'))
    with capture_logs() as logs:
        assert gateways.current().keys() == {"ours"}
    assert [(entry["event"], entry["file"]) for entry in logs] == [("gateways.unreadable", "newer.json")]
    assert b'"version": 2' in path.read_bytes()


def test_a_device_wins_over_a_gateway_of_its_name() -> None:
    rights = rights_table("kupang", DEVICES, demo=False, gateways={"bin-1": ["v3/#"], "ingest": ["v3/#"]})
    assert not rights["bin-1"].is_gateway
    assert rights["ingest"].reads == ("#",)
