"""Accounts: devices speak for themselves only, services do their one thing, nobody is anonymous."""

from __future__ import annotations

import msgspec
import pytest

from broker.access import Accounts, rights_table
from broker.service import CurrentRights
from city.inventory import builtin_city, load_city

DEVICES = {"bin-1": "bin", "truck-1": "truck"}


def accounts(*, demo: bool = False) -> Accounts:
    return Accounts(lambda: rights_table("kupang", DEVICES, demo=demo), lambda user: f"secret-{user}")


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("", ""),
        (None, None),
        ("bin-1", ""),
        ("bin-1", "secret-truck-1"),
        ("bin-9", "secret-bin-9"),
        ("simulator", "secret-simulator"),
    ],
)
def test_nobody_else_gets_in(user: str | None, password: str | None) -> None:
    assert not accounts().authenticate(user, password)


def test_devices_and_services_get_in_with_their_own_password() -> None:
    for user in ("bin-1", "ingest", "gateway"):
        assert accounts().authenticate(user, f"secret-{user}")
    assert accounts(demo=True).authenticate("simulator", "secret-simulator")


def test_who_is_taken_in_or_forgotten_while_the_city_runs_has_an_account_or_none() -> None:
    city = load_city(builtin_city("kupang"))
    current = Accounts(CurrentRights(city, demo=False), lambda user: f"secret-{user}")
    assert not current.authenticate("bin-9001", "secret-bin-9001")
    before = dict(city.devices)
    city.hold({**before, "bin-9001": msgspec.structs.replace(city.bins["bin-0001"], id="bin-9001")})
    assert current.authenticate("bin-9001", "secret-bin-9001")
    assert current.may_publish("bin-9001", "kota/v1/kupang/bin/bin-9001/telemetry")
    city.hold(before)
    assert not current.authenticate("bin-9001", "secret-bin-9001")
    assert not current.may_publish("bin-9001", "kota/v1/kupang/bin/bin-9001/telemetry")


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
        ("bin-1", "$SYS/broker", False),
        ("bin-1", "v3/a@t/devices/d/up", False),
        ("gateway", "v3/a@t/devices/d/up", True),
        ("gateway", "kota/v1/kupang/bin/bin-1/telemetry", False),
        ("gateway", "kota", False),
        ("gateway", "$SYS/x", False),
        ("gateway", "v3/+/devices", False),
        ("gateway", "#", False),
        ("ingest", "kota/v1/kupang/bin/bin-1/receipt", True),
        ("ingest", "kota/v1/kupang/bin/bin-1/telemetry", False),
        ("ingest", "kota/v1/atambua/bin/bin-1/receipt", False),
    ],
)
def test_publishing(user: str, topic: str, *, allowed: bool) -> None:
    assert accounts().may_publish(user, topic) is allowed


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
        ("gateway", "#", False),
        ("ingest", "kota/v1/kupang/+/+/telemetry", True),
        ("ingest", "owntracks/+/+", True),
        ("ingest", "kota/v1/atambua/+/+/event", True),
        ("ingest", "$SYS/#", False),
        ("nobody", "kota/v1/kupang/bin/bin-1/receipt", False),
    ],
)
def test_subscribing(user: str, topic_filter: str, *, allowed: bool) -> None:
    assert accounts().may_subscribe(user, topic_filter) is allowed


def test_the_simulator_of_a_demo_speaks_for_every_device_of_its_city_and_for_nobody_else() -> None:
    simulator = accounts(demo=True)
    assert simulator.may_publish("simulator", "kota/v1/kupang/truck/truck-1/status")
    assert simulator.may_subscribe("simulator", "kota/v1/kupang/+/+/receipt")
    assert not simulator.may_publish("simulator", "kota/v1/kupang/truck/truck-1/receipt")
    assert not simulator.may_publish("simulator", "kota/v1/atambua/truck/truck-1/status")
    assert not simulator.may_subscribe("simulator", "kota/v1/kupang/+/+/telemetry")


def test_who_may_never_write_something_reads_nothing() -> None:
    assert all(not (rights.never and rights.reads) for rights in accounts(demo=True).rights().values())
