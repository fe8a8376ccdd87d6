"""A device's account opens the topics of its format that name it, and no other device's."""

from __future__ import annotations

import pytest

from broker.access import rights_table
from broker.contract.topics import covers
from city.inventory.device_topics import OWN_TOPICS, own_topics
from city.inventory.model import Binding
from ingest.decoding.formats.registry import adapter_for, filters_by_format

ADDRESSES = {
    "axis": "ACCC8E000001",
    "collectd": "router-7",
    "fiware": "key/bin7",
    "json": "bin7",
    "netjson": "router-7",
    "owntracks": "dlhk/truck-31",
    "tasmota": "bin7-sensor",
    "teltonika": "352093081429150",
}


@pytest.mark.parametrize("name", sorted(OWN_TOPICS))
def test_they_are_topics_of_its_format_and_name_the_device(name: str) -> None:
    address = ADDRESSES[name]
    for topic_filter in own_topics(Binding(name, address, "p")):
        topic = topic_filter.replace("#", "a/b").replace("+", "x")
        assert adapter_for(topic).name == name
        assert any(covers(subscription, topic) for subscription in filters_by_format()[name]), "ingest subscribes it"
        assert address in topic


@pytest.mark.parametrize("address", ["+", "#", "a/#", "+/b", "kota/v1", "$kota/v1", "", "/", "a\0"])
@pytest.mark.parametrize("name", sorted(OWN_TOPICS))
def test_an_address_that_would_widen_a_filter_opens_nothing(name: str, address: str) -> None:
    assert own_topics(Binding(name, address, "p")) == ()


def test_who_is_spoken_for_by_a_server_has_the_contracts_topics_alone() -> None:
    assert own_topics(Binding("tts", "em310-0001", "p")) == ()
    assert own_topics(None) == ()


def test_the_account_of_one_device_does_not_open_the_topics_of_another() -> None:
    own = {device: own_topics(Binding("tasmota", device, "p")) for device in ("bin-1", "bin-2")}
    rights = rights_table("kupang", {"bin-1": "bin", "bin-2": "bin"}, demo=False, own_foreign=own)
    assert any(covers(topic_filter, "tele/bin-1/SENSOR") for topic_filter in rights["bin-1"].writes)
    assert not any(covers(topic_filter, "tele/bin-2/SENSOR") for topic_filter in rights["bin-1"].writes)
    assert not rights["bin-1"].is_gateway
