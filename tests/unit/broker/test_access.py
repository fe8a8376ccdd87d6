"""Accounts: devices speak for themselves only, services do their one thing, nobody is anonymous."""

from __future__ import annotations

import pytest

from broker.access import Accounts, rights_table

DEVICES = {"bin-1": "bin", "truck-1": "truck"}


def accounts(*, demo: bool = False) -> Accounts:
    return Accounts(rights_table("kupang", DEVICES, demo=demo), lambda user: f"secret-{user}")


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
    assert all(not (rights.never and rights.reads) for rights in accounts(demo=True).rights.values())
