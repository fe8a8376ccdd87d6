"""Identities of third-party events: the same for ever, whatever event types are added where."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from broker.contract.payloads import EVENT_TYPES
from broker.contract.topics import KINDS, Kind
from city.inventory.model import EventRule, Profile
from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from ingest.store.memory import MemoryStore
from ingest.store.records import EventRecord, Record
from tests.support.decoding import NOW, city_of, device

PROFILES: dict[Kind, str] = {
    "bin": "esp32-fill-hcsr04",
    "truck": "drvr-truck",
    "ap": "openwrt-ap",
    "camera": "axis-camera",
}
EPOCHS: dict[Kind, dict[str, str]] = {
    "bin": {
        "fire": "json0",
        "tilt": "json1",
        "lid_open": "json2",
        "collected": "json3",
        "moved": "json4",
        "low_battery": "json5",
        "tamper": "json6",
    },
    "truck": {
        "breakdown": "json0",
        "panic": "json1",
        "collected": "json2",
        "harsh_braking": "json3",
        "power_cut": "json4",
        "tamper": "json5",
        "harsh_acceleration": "json6",
        "harsh_cornering": "json7",
        "overspeed": "json8",
        "tow": "json9",
        "jamming": "json10",
        "low_battery": "json11",
        "accident": "json12",
        "fuel_leak": "json13",
        "door": "json14",
        "geofence_enter": "json15",
        "geofence_exit": "json16",
    },
    "ap": {
        "rogue_ap": "json0",
        "quota_exceeded": "json1",
        "reboot": "json2",
        "tamper": "json3",
        "session": "json4",
    },
    "camera": {
        "dumping": "json0",
        "deposit": "json1",
        "blind": "json2",
        "covered": "json3",
        "moved": "json4",
        "tamper": "json5",
        "motion": "json7",
        "object": "json8",
        "intrusion": "json9",
        "line_crossed": "json10",
        "activity": "json11",
    },
}
"""Kind to event type to epoch, as databases have them. No line ever changes; a new type is a new line."""
BODY = b'{"all": 1}'
SEQ = 3463159639109218
"""Of the message `BODY`, received at `NOW`, as databases have it."""
NEW_TYPE = "smoke_detected"


def records_of(kind: Kind, *types: str) -> list[Record]:
    """What is stored of a message of a device whose profile reads each of these events out of it."""
    profile = Profile(PROFILES[kind], kind, events={type_: EventRule(("all",), noted=True) for type_ in types})
    city = city_of(device("json", "it", profile.id))
    city = replace(city, profiles={**city.profiles, profile.id: profile})
    result = Decoder(city, late_after=timedelta(minutes=15)).decode(Arrival("json/it", BODY, NOW))
    assert not result.rejected
    return result.records


def epochs_of(records: list[Record]) -> dict[str, str]:
    return {record.type: record.origin.epoch for record in records if isinstance(record, EventRecord)}


@pytest.mark.parametrize("kind", KINDS)
def test_the_identity_of_an_event_of_each_type_of_each_kind_of_device_is_frozen(kind: Kind) -> None:
    records = records_of(kind, *EVENT_TYPES[kind])
    assert epochs_of(records) == EPOCHS[kind]
    assert {record.origin.seq for record in records if isinstance(record, EventRecord)} == {SEQ}


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_type_that_is_added_in_the_middle_does_not_store_an_event_twice(
    kind: Kind, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    known = EVENT_TYPES[kind]
    records = records_of(kind, *known)
    assert store.write(records, ()).stored == len(records) == len(EPOCHS[kind]) + 1, "the events and their reading"
    monkeypatch.setitem(EVENT_TYPES, kind, (*known[:place], NEW_TYPE, *known[place:]))
    again = store.write(records_of(kind, *known), ())
    assert (again.stored, again.duplicates) == (0, len(records))


def test_a_type_that_is_added_has_its_name_as_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EVENT_TYPES, "bin", (NEW_TYPE, *EVENT_TYPES["bin"]))
    assert epochs_of(records_of("bin", NEW_TYPE, "fire")) == {NEW_TYPE: f"json-{NEW_TYPE}", "fire": "json0"}
