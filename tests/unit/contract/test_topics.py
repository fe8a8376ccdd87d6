"""Topics go both ways, and what only looks like one is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.errors import TopicError
from broker.contract.topics import (
    CHANNELS,
    ID_PATTERN,
    KINDS,
    Topic,
    may_publish,
    may_subscribe,
    parse_topic,
    subscription,
)

ids = st.from_regex(ID_PATTERN, fullmatch=True)


@given(city=ids, kind=st.sampled_from(KINDS), device=ids, channel=st.sampled_from(CHANNELS))
def test_what_is_built_is_parsed_back(city: str, kind: str, device: str, channel: str) -> None:
    topic = Topic(city, kind, device, channel)
    assert parse_topic(str(topic)) == topic


@given(st.text())
def test_any_text_is_a_topic_of_ours_or_a_topic_error(text: str) -> None:
    with contextlib.suppress(TopicError):
        assert str(parse_topic(text)) == text


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "kota",
        "kota/v1/kupang/bin/bin-0451",
        "kota/v1/kupang/bin/bin-0451/telemetry/",
        "/kota/v1/kupang/bin/bin-0451/telemetry",
        "kota/v2/kupang/bin/bin-0451/telemetry",
        "kota/v1/Kupang/bin/bin-0451/telemetry",
        "kota/v1/kupang/bus/bin-0451/telemetry",
        "kota/v1/kupang/bin/-451/telemetry",
        "kota/v1/kupang/bin/bin_0451/telemetry",
        "kota/v1/kupang/bin/bin-0451/Telemetry",
        "kota/v1/kupang/bin/+/telemetry",
        "kota/v1/kupang/bin/#",
        "kota/v1/kupang/bin/bin-0451/telemetry\n",
        "kota/v1/kupang/bin/" + "b" * 64 + "/telemetry",
        "v3/app@tenant/devices/bin-0451/up",
    ],
)
def test_near_misses_are_refused(topic: str) -> None:
    with pytest.raises(TopicError):
        parse_topic(topic)


@pytest.mark.parametrize("channel", ["telemetry", "event", "status"])
def test_a_device_publishes_its_own_up_channels(channel: str) -> None:
    assert may_publish("bin-0451", f"kota/v1/kupang/bin/bin-0451/{channel}")


@pytest.mark.parametrize(
    "topic",
    [
        "kota/v1/kupang/bin/bin-0452/telemetry",
        "kota/v1/kupang/bin/bin-0451/receipt",
        "kota/v1/kupang/bin/bin-0451/command",
        "kota/v1/kupang/bin/bin-0451",
        "$SYS/broker",
    ],
)
def test_a_device_publishes_nothing_else(topic: str) -> None:
    assert not may_publish("bin-0451", topic)


def test_a_device_subscribes_its_own_down_channels_only() -> None:
    assert may_subscribe("bin-0451", subscription("receipt", city="kupang", kind="bin", device="bin-0451"))
    assert may_subscribe("bin-0451", subscription("command", city="kupang", kind="bin", device="bin-0451"))
    assert not may_subscribe("bin-0451", subscription("receipt", city="kupang"))
    assert not may_subscribe("bin-0451", subscription("telemetry", city="kupang", kind="bin", device="bin-0451"))
    assert not may_subscribe("bin-0451", "#")
