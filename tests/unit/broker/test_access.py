"""Accounts: devices speak for themselves only, services do their one thing, nobody is anonymous."""

from __future__ import annotations

import pytest

from broker.access import Accounts

DEVICES = {"bin-1": "bin", "truck-1": "truck"}


def accounts(*, demo: bool = False) -> Accounts:
    return Accounts("kupang", DEVICES, lambda user: f"secret-{user}", demo=demo)


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
        ("bin-1", "kota/v1/kupang/bin/bin-1/receipt", False),
        ("bin-1", "v3/a@t/devices/d/up", False),
        ("gateway", "v3/a@t/devices/d/up", True),
        ("gateway", "kota/v1/kupang/bin/bin-1/telemetry", False),
        ("gateway", "$SYS/x", False),
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
        ("bin-1", "kota/v1/kupang/bin/+/receipt", False),
        ("bin-1", "#", False),
        ("gateway", "#", False),
        ("ingest", "kota/v1/kupang/+/+/telemetry", True),
        ("ingest", "owntracks/+/+", True),
        ("ingest", "kota/#", False),
        ("nobody", "kota/v1/kupang/bin/bin-1/receipt", False),
    ],
)
def test_subscribing(user: str, topic_filter: str, *, allowed: bool) -> None:
    assert accounts().may_subscribe(user, topic_filter) is allowed
