"""Verdicts enter by the API alone: what comes from the bus and says `review` is a dead letter, on every way."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from broker.access import rights_table
from broker.contract.topics import (
    UP_CHANNELS,
    covers,
    is_platforms,
    parse_review_topic,
    review_topic,
    subscription,
    topic_from_bus,
)
from city.errors import TopicError
from city.inventory.loader import builtin_city, load_city
from city.inventory.problems import InventoryProblem
from city.inventory.profiles import read_profiles
from city.inventory.provider import LiveInventory
from ingest.decoding.decoder import Decoder
from ingest.decoding.formats.registry import FILTERS
from ingest.messages import Arrival
from ingest.pipeline.drain import Drain
from ingest.pipeline.http_intake import accept
from ingest.pipeline.journal import Journal
from ingest.pipeline.replay import replay
from ingest.store.memory import MemoryStore
from ingest.store.parked.dead_letters import DeadLetterQueue
from ingest.store.parked.quarantine import Quarantine
from ingest.store.port import EventQuery
from ingest.store.records import EventRecord
from ingest.store.views.cases import TYPES, fold

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CITY = load_city(builtin_city("kupang"))
EVENTS = "kota/v1/kupang/camera/cam-01/event"
OURS = review_topic("kupang", "cam-01")


def said(type_: str, seq: int, **detail: Any) -> dict[str, Any]:
    stamp = {"ts": NOW.isoformat(), "boot": "b", "seq": seq}
    return {**stamp, "type": type_, "state": "noted" if type_ == "review" else "raised", "detail": detail}


FORGED = said("review", 2, case="c-1", verdict="rejected", reason="shadow", by="admin")
DUMPED = said("dumping", 1, case="c-1")


class World:
    """A journal, a decoder and a store, as ingest has them."""

    def __init__(self, folder: Path) -> None:
        """Open them."""
        self.journal = Journal(folder / "journal.sqlite", max_bytes=1 << 20)
        self.box = DeadLetterQueue(folder / "dead.sqlite")
        self.store = MemoryStore()
        self.inventory = LiveInventory(CITY)
        decoder = Decoder(self.inventory, late_after=timedelta(minutes=15))
        unknown = Quarantine(folder / "strangers.sqlite")
        self._drain = Drain(self.journal, decoder, self.store, self.box, unknown, clock=lambda: NOW)

    def hears(self, topic: str, body: object, *, retained: bool = False) -> None:
        """A message of the bus, as any reader of a broker journals it, and what becomes of it."""
        self.journal.append([Arrival(topic_from_bus(topic), json.dumps(body).encode(), NOW, retained)])
        self.drain()

    def drain(self) -> None:
        """Store what is journaled."""
        stop = threading.Event()
        stop.set()
        self._drain.run(stop)

    def events(self) -> list[EventRecord]:
        """All that is stored."""
        return self.store.events(EventQuery(NOW - timedelta(days=1), NOW + timedelta(days=1)))

    def verdicts(self) -> list[str]:
        """Of every case."""
        events = [event for event in self.events() if event.type in TYPES]
        return [case.verdict for case in fold(events, CITY, simulated=False)]

    def reasons(self) -> list[str]:
        """Of every dead letter."""
        return [letter.reason for letter in self.box.find(limit=99)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("retained", [False, True])
def test_a_camera_that_says_review_is_a_dead_letter_with_a_reason(world: World, *, retained: bool) -> None:
    world.hears(EVENTS, DUMPED)
    world.hears(EVENTS, FORGED, retained=retained)
    assert world.verdicts() == ["none"]
    assert world.reasons() == ["'review' is said by people at the API; no message may bring it"]


def test_in_a_batch_only_the_review_dies(world: World) -> None:
    world.hears(EVENTS, [FORGED, DUMPED, said("blind", 3)])
    assert sorted(event.type for event in world.events()) == ["blind", "dumping"]
    (letter,) = world.box.find(limit=9)
    assert json.loads(letter.payload) == FORGED


@pytest.mark.parametrize("topic", [EVENTS, OURS, "$kota/v1/kupang/camera/cam-01/event", "$kota"])
def test_a_forged_review_stays_dead_when_it_is_replayed(world: World, topic: str) -> None:
    world.hears(EVENTS, DUMPED)
    world.hears(topic, FORGED)
    for _ in range(2):
        letters = world.box.find(limit=9)
        assert len(letters) == 1
        assert replay(world.box, world.journal, [letter.id for letter in letters]) == 1
        world.drain()
        assert world.verdicts() == ["none"]
    assert [letter.times for letter in world.box.find(limit=9)] == [3]


def test_what_the_api_journals_counts_and_survives_a_replay(world: World) -> None:
    world.hears(EVENTS, DUMPED)
    word = Arrival(OURS, json.dumps({**FORGED, "boot": "desk", "seq": 0}).encode(), NOW)
    world.journal.append([word, word])
    world.drain()
    assert world.verdicts() == ["rejected"]
    assert [event.type for event in world.events()].count("review") == 1
    assert world.box.count() == 0


def test_a_review_of_a_camera_that_is_gone_waits_as_a_dead_letter_until_the_camera_is_back(world: World) -> None:
    world.inventory.publish({id_: device for id_, device in CITY.devices.items() if id_ != "cam-01"})
    world.journal.append([Arrival(OURS, json.dumps(FORGED).encode(), NOW)])
    world.drain()
    assert world.reasons() == ["device 'cam-01' is not in the inventory of kupang"]
    world.inventory.publish(CITY.devices)
    replay(world.box, world.journal, [letter.id for letter in world.box.find(limit=9)])
    world.drain()
    assert [event.type for event in world.events()] == ["review"]


def test_our_own_topic_carries_reviews_and_nothing_else(world: World) -> None:
    for topic, body in [(OURS, DUMPED), (OURS, [FORGED]), (OURS, {}), (review_topic("bima", "cam-01"), FORGED)]:
        world.journal.append([Arrival(topic, json.dumps(body).encode(), NOW)])
    world.drain()
    assert (world.events(), world.box.count()) == ([], 4)


@pytest.mark.parametrize(
    "topic",
    [
        "$kota",
        "$kota/",
        "$kota/v1/kupang/camera/cam-01",
        "$kota/v1/kupang/bin/cam-01/review",
        "$kota/v1/kupang/camera/cam-01/event",
        "$kota/v1/kupang/camera/cam-01/review/x",
        "$kota/v2/kupang/camera/cam-01/review",
        "$kota/v1/kupang/camera/../review",
        "kota/v1/kupang/camera/cam-01/review",
        "",
    ],
)
def test_near_misses_of_our_topic_are_none(topic: str) -> None:
    with pytest.raises(TopicError):
        parse_review_topic(topic)


@pytest.mark.parametrize(
    "topic", [EVENTS, "zigbee/x", "", "/key/x/attrs", "kota", "$SYS/broker", "x/$kota/v1", "kota$"]
)
def test_topics_of_others_are_journaled_as_they_are(topic: str) -> None:
    assert topic_from_bus(topic) == topic


@pytest.mark.parametrize("topic", [OURS, "$kota", "$kota/", "$kota//"])
def test_no_topic_of_ours_is_journaled_from_the_bus(topic: str) -> None:
    assert is_platforms(topic)
    assert not is_platforms(topic_from_bus(topic))
    assert topic_from_bus(topic_from_bus(topic)) == topic_from_bus(topic)


def test_no_account_may_publish_to_our_topic_and_ingest_does_not_listen_there() -> None:
    kinds = {id_: device.KIND for id_, device in CITY.devices.items()}
    table = rights_table(
        CITY.id, kinds, demo=True, gateways={"sly": ["$kota/#", "#", "+/data", "$kota/+/+/+/+/review"]}
    )
    assert [
        user for user, rights in table.items() if any(covers(topic_filter, OURS) for topic_filter in rights.writes)
    ] == []
    heard = [*(subscription(channel, city=CITY.id) for channel in UP_CHANNELS), *FILTERS]
    assert [topic_filter for topic_filter in heard if covers(topic_filter, OURS)] == []


@pytest.mark.parametrize("topic", [OURS, "$kota/tele/x", "$kota/356307042441013/data"])
def test_what_is_posted_is_none_of_ours_either(world: World, topic: str) -> None:
    with pytest.raises(TopicError, match="platform's own"):
        accept(world.journal, topic, json.dumps(FORGED).encode(), NOW)
    assert world.journal.last() == 0


def test_no_profile_of_another_makers_camera_may_name_reviews(tmp_path: Path) -> None:
    (tmp_path / "sly.toml").write_text(
        'name = "Sly"\nkind = "camera"\nadapters = ["json"]\n[events.review]\nsource = ["x"]\nwhen = ["y"]\n'
    )
    problems: list[InventoryProblem] = []
    read_profiles(tmp_path, problems)
    assert len(problems) == 1
    assert "a camera has no such event" in problems[0].message
