"""Topics go both ways, and what only looks like one is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.topics import (
    CHANNELS,
    ID_PATTERN,
    KINDS,
    Topic,
    covers,
    parse_topic,
)
from city.errors import TopicError

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


@pytest.mark.parametrize(
    ("outer", "inner", "covered"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/c", False),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("+/b", "a/b", True),
        ("a/+", "a/+", True),
        ("a/b", "a/+", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/#", "a/+/c", True),
        ("a/#", "#", False),
        ("a/+", "a/#", False),
        ("#", "#", True),
        ("#", "$SYS/broker", False),
        ("+/broker", "$SYS/broker", False),
        ("$SYS/#", "$SYS/broker", True),
        ("#", "$share/all/a", False),
    ],
)
def test_a_filter_covers_what_mqtt_says(outer: str, inner: str, *, covered: bool) -> None:
    assert covers(outer, inner) is covered
