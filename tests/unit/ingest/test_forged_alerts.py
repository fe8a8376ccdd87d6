"""Alerts of crews are the API's alone: none comes from a broker or over HTTP, and their topic carries no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from broker.contract.payloads import CREW_EVENT_TYPES, device_event_types
from broker.contract.topics import covers, crew_topic, parse_crew_topic, review_topic, subscription, topic_from_bus
from city.errors import TopicError
from city.inventory.loader import builtin_city, load_city
from city.inventory.provider import LiveInventory
from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from ingest.pipeline.http_intake import accept
from ingest.pipeline.journal import Journal

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OURS = crew_topic("kupang", "truck-01")
DECODER = Decoder(LiveInventory(load_city(builtin_city("kupang"))), late_after=timedelta(minutes=15))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite", max_bytes=1 << 20)
    yield opened
    opened.close()


def said(type_: str = "panic", **fields: Any) -> bytes:
    body = {"ts": NOW.isoformat(), "boot": "c1", "seq": 1, "type": type_, "state": "raised", "detail": {}, **fields}
    return json.dumps(body).encode()


def decoded(topic: str, payload: bytes) -> tuple[list[str], int]:
    """Types of the events, and the number of dead letters."""
    result = DECODER.decode(Arrival(topic, payload, NOW))
    return [record.type for record in result.records], len(result.rejected)  # type: ignore[union-attr]


@pytest.mark.parametrize("type_", sorted(CREW_EVENT_TYPES))
def test_an_alert_of_the_platform_is_an_event_of_the_truck(type_: str) -> None:
    assert decoded(OURS, said(type_)) == ([type_], 0)
    assert type_ in device_event_types("truck"), "the truck's own button says the same"


def test_nothing_from_a_broker_is_an_alert_of_a_crew() -> None:
    assert decoded(topic_from_bus(OURS), said()) == ([], 1)
    for kind in ("bin", "truck", "ap", "camera", "+"):
        assert not covers(subscription("event", kind=kind), OURS)  # type: ignore[arg-type]
    assert not covers("#", OURS)


def test_nothing_over_http_is_an_alert_of_a_crew(journal: Journal) -> None:
    with pytest.raises(TopicError, match="the platform's own"):
        accept(journal, OURS, said(), NOW)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (OURS, said("review")),
        (OURS, said("collected")),
        (OURS, b"[]"),
        (OURS, b"{"),
        (crew_topic("bima", "truck-01"), said()),
        (crew_topic("kupang", "truck-99"), said()),
        (crew_topic("kupang", "bin-0451"), said()),
        (review_topic("kupang", "cam-01"), said()),
    ],
    ids=["review", "collected", "array", "cut", "city", "truck", "bin", "camera"],
)
def test_the_topic_carries_alerts_of_our_trucks_and_nothing_else(topic: str, payload: bytes) -> None:
    assert decoded(topic, payload) == ([], 1)


@pytest.mark.parametrize(
    "topic",
    [
        "$kota/crew",
        "$kota/v1/kupang/truck/truck-01/event",
        "$kota/v1/kupang/bin/truck-01/crew",
        "$kota/v1/kupang/truck/../crew",
        "$kota/v1/kupang/truck/truck-01/x/crew",
        "kota/v1/kupang/truck/truck-01/crew",
        "",
    ],
)
def test_near_misses_of_the_topic_are_none(topic: str) -> None:
    with pytest.raises(TopicError):
        parse_crew_topic(topic)
