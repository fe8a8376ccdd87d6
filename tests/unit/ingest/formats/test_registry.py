"""The registry: it finds every format, refuses incomplete ones, and asks them in one order."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import pytest

from broker.contract.payloads import EVENT_TYPES
from broker.contract.topics import KINDS
from city.errors import PayloadError
from city.inventory.model import EventRule, Profile
from city.inventory.profiles import FORMATS
from ingest.decoding.formats.port import Adapter, DeviceReport
from ingest.decoding.formats.registry import (
    ADAPTERS,
    DECODERS,
    FILTERS,
    adapter_for,
    checked_adapter,
    decode_frame,
    filters_by_format,
    level_events,
    lists_clients,
    personal_keys,
)
from tests.support.decoding import BASE

IMEI = "359632104100200"
LEVELS = ("x", IMEI, "tele", "data", "attrs", "devices", "event")
FIRST = {
    "loriot/tele/x": "loriot",
    "milesight/tele/x": "milesight",
    "owntracks/tele/x": "owntracks",
    f"loriot/{IMEI}/data": "loriot",
    f"owntracks/{IMEI}/data": "owntracks",
    f"application/x/device/{IMEI}/data": "chirpstack",
    f"v3/x/devices/{IMEI}/data": "tts",
    f"tele/{IMEI}/data": "teltonika",
    f"json/{IMEI}/data": "teltonika",
    f"collectd/x/{IMEI}/data": "teltonika",
    "json/tele/x": "tasmota",
    "netjson/tele/x": "tasmota",
    "unifi/tele/event": "tasmota",
    "omada/tele/devices": "tasmota",
    "frigate/tele/x": "tasmota",
    "onvif/tele/x": "tasmota",
    "axis/tele/x": "tasmota",
}
"""Topics that two formats claim, and which one reads them."""


class Complete:
    """An adapter of a format that somebody adds."""

    name = "added"
    filters = ("added/+",)
    precedence = 3
    personal_keys: tuple[str, ...] = ()
    lists_clients = False
    level_events: frozenset[str] = frozenset()

    def claims(self, levels: Any) -> bool:
        return bool(levels[0] == "added")

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        return [DeviceReport(names=(topic,), at=None, key=payload)]


@pytest.mark.parametrize(
    "attribute",
    ["name", "filters", "precedence", "personal_keys", "lists_clients", "level_events", "claims", "decode"],
)
def test_an_adapter_that_lacks_an_attribute_is_refused(attribute: str) -> None:
    assert checked_adapter("added", Complete()).name == "added"
    lacking = {name: value for name, value in vars(Complete).items() if name != attribute}
    with pytest.raises(TypeError, match=f"the adapter of 'added' lacks {attribute}$"):
        checked_adapter("added", type("Lacking", (), lacking)())


def test_an_adapter_of_another_name_than_its_folder_is_refused() -> None:
    with pytest.raises(TypeError, match="the adapter of 'other' is named 'added'"):
        checked_adapter("other", Complete())


def test_mypy_holds_every_adapter_and_decoder_against_the_port() -> None:
    for path in FORMATS.glob("*/adapter.py"):
        assert "\nADAPTER: Final[Adapter] = " in path.read_text(encoding="utf-8"), path
    for path in FORMATS.glob("*/frames.py"):
        assert "\nDECODERS: Final[Mapping[str, FrameDecoder]] = " in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
def test_an_adapter_that_finds_people_says_which_keys_name_them(adapter: Adapter) -> None:
    source = (FORMATS / adapter.name / "adapter.py").read_text(encoding="utf-8")
    assert adapter.personal_keys or "Personal(" not in source
    assert adapter.personal_keys or not adapter.lists_clients


def test_every_folder_with_an_adapter_or_frames_is_found() -> None:
    assert {adapter.name for adapter in ADAPTERS} == {path.parent.name for path in FORMATS.glob("*/adapter.py")}
    assert len(ADAPTERS) == 18
    assert {decoder.__module__.split(".")[-2] for decoder in DECODERS.values()} == {  # type: ignore[attr-defined]
        path.parent.name for path in FORMATS.glob("*/frames.py")
    }
    assert filters_by_format().keys() == {adapter.name for adapter in ADAPTERS}


def claimed_by(levels: list[str]) -> list[Adapter]:
    return [adapter for adapter in ADAPTERS if adapter.claims(levels)]


def test_formats_that_claim_the_same_topic_say_which_one_reads_it() -> None:
    heads = {topic_filter.split("/")[0] for topic_filter in FILTERS} - {"+"}
    pairs = set()
    for count in range(5):
        for levels in product(sorted({*heads, *LEVELS}), *[sorted({*LEVELS, "json", "device"})] * count):
            for first, second in combinations(claimed_by(list(levels)), 2):
                assert first.precedence < second.precedence, (levels, first.name, second.name)
                pairs.add((first.name, second.name))
    assert pairs, "there are such topics"


@pytest.mark.parametrize("topic", FIRST)
def test_a_topic_that_two_formats_claim_is_read_by_the_one_that_always_read_it(topic: str) -> None:
    assert len(claimed_by(topic.split("/"))) > 1
    assert adapter_for(topic).name == FIRST[topic]


def test_a_topic_without_adapter_may_name_anybody() -> None:
    every_key = {key for adapter in ADAPTERS for key in adapter.personal_keys}
    assert set(personal_keys("whatever/nobody/reads")) == every_key
    assert {"driverName", "User-Name", "hostname", "sub_label", "PlateNumber"} <= every_key
    assert lists_clients("whatever/nobody/reads")
    assert personal_keys("tele/a/SENSOR") == ()


def test_levels_are_those_of_the_formats_and_of_the_profiles_rules() -> None:
    rules = {"door": EventRule(("d",)), "panic": EventRule(("p",), noted=True)}
    own = level_events([Profile("own", "truck", events=rules)])
    assert own - level_events([]) == {"door"}
    known = {type_ for types in EVENT_TYPES.values() for type_ in types}
    assert level_events(BASE.profiles.values()) <= known
    assert {"fire", "tilt", "power_cut", "motion", "blind"} <= level_events(BASE.profiles.values())


def test_every_topic_is_claimed_by_one_adapter_and_subscribed() -> None:
    assert len(set(FILTERS)) == len(FILTERS)
    assert len({adapter.name for adapter in ADAPTERS}) == len(ADAPTERS)
    assert all(adapter.name.isalnum() and len(adapter.name) <= 13 for adapter in ADAPTERS), "part of a boot"


def test_adapters_serve_every_kind() -> None:
    reached = {profile.kind for profile in BASE.profiles.values() if profile.adapters}
    assert reached == set(KINDS)


@pytest.mark.parametrize(
    ("name", "frame_hex", "reason"),
    [
        ("", "00", "names no frame decoder"),
        ("nobody", "00", "there is no frame decoder 'nobody'"),
    ],
)
def test_what_is_no_frame_is_refused_with_a_reason(name: str, frame_hex: str, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason):
        decode_frame(name, 2, bytes.fromhex(frame_hex))
