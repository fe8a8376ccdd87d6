"""Flags of devices for alert rules: few series, zeros that end alarms, and one series that is always there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from city.inventory.loader import builtin_city, load_city
from ingest.derive.alarm_flags import FLAGS, ZERO_FOR, AlarmFlags
from ingest.store.port import FieldValue, Latest
from ingest.store.views.device_state import DeviceState, evaluate

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CITY = load_city(builtin_city("kupang"))
BIN, TRUCK, AP = "bin-0001", "truck-01", next(iter(CITY.access_points))
LONG_AGO = NOW - timedelta(hours=9)


def states(at: datetime = NOW, **latest: dict[str, Any]) -> list[DeviceState]:
    """The states of all devices at a time; of those in `latest` by name, values that were measured then."""
    names = {"bin": BIN, "truck": TRUCK, "ap": AP}
    known = {
        names[kind]: Latest(
            CITY.devices[names[kind]].KIND,
            names[kind],
            {name: FieldValue(value, at) for name, value in values.items()},
            at,
            at,
        )
        for kind, values in latest.items()
    }
    return evaluate(CITY.devices.values(), known, {}, max(at, NOW), timedelta(0))


def flags(lines: list[bytes]) -> set[tuple[str, str, str]]:
    """Device, flag and value of every line."""
    found = set()
    for line in lines:
        head, value, _ = line.decode().replace("\\ ", "_").replace("\\,", ";").split(" ")
        tags = dict(part.split("=") for part in head.split(",")[1:])
        found.add((tags.get("device", ""), tags["flag"], value))
    return found


NOBODY = {("", flag, "value=0i") for flag in FLAGS}


def test_only_troubled_devices_have_a_series_and_each_flag_one_of_nobody() -> None:
    lines = AlarmFlags(CITY).points(states(bin={"fill_pct": 99.0}, truck={"fault_codes": '["P0217"]'}), NOW)
    assert flags(lines) == NOBODY | {(BIN, "overflow", "value=1i"), (TRUCK, "breakdown", "value=1i")}
    (line,) = (line for line in lines if b"overflow" in line and b"device" in line)
    assert b"label=bin-0001\\,\\ Alak" in line


def test_a_recovered_device_is_zero_for_longer_than_a_rule_looks_back() -> None:
    alarm_flags = AlarmFlags(CITY)
    alarm_flags.points(states(bin={"fill_pct": 99.0}), NOW)
    well = states(bin={"fill_pct": 3.0})
    assert flags(alarm_flags.points(well, NOW + timedelta(seconds=5))) == {(BIN, "overflow", "value=0i")}
    assert (BIN, "overflow", "value=0i") in flags(alarm_flags.points(well, NOW + timedelta(minutes=16)))
    assert flags(alarm_flags.points(well, NOW + ZERO_FOR + timedelta(minutes=5))) == NOBODY


def test_one_fault_is_one_flag() -> None:
    """A hotspot that is silent is down; a device that was never heard of is neither."""
    lines = AlarmFlags(CITY).points(states(LONG_AGO, ap={"clients": 3}, truck={"ignition": True}), NOW)
    assert flags(lines) == NOBODY | {(AP, "hotspot", "value=1i"), (TRUCK, "silent", "value=1i")}


def test_what_was_not_stored_is_written_again() -> None:
    alarm_flags, troubled = AlarmFlags(CITY), states(bin={"fill_pct": 99.0})
    alarm_flags.points(troubled, NOW)
    assert alarm_flags.points(troubled, NOW + timedelta(seconds=5)) == []
    alarm_flags.forget_written()
    assert len(alarm_flags.points(troubled, NOW + timedelta(seconds=10))) == len(FLAGS) + 1
