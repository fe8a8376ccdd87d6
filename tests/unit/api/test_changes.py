"""Names of what changed, and live sections of pages: one reader for all, nothing is sent that is known already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from api.console.parts.layout import VERSION
from api.queries.changes import ChangeFeed, ChangeReader, Topic
from api.routes.changes import blocks_of
from city.errors import RetryLaterError
from dispatch.alarms.conditions import AlarmCondition
from dispatch.alarms.engine import AlarmChanges
from dispatch.alarms.rules import load_rules
from ingest.store.memory import MemoryStore
from ingest.store.views.health import IngestHealth
from tests.support.pages import read_page
from tests.unit.api.conftest import CITY, NOW, Stage

LATER = NOW + timedelta(seconds=1)


@pytest.fixture
def reader(stage: Stage) -> ChangeReader:
    """A reader that has looked once."""
    made = ChangeReader(stage.context())
    made.look()
    return made


def test_a_reading_changes_its_kind_once(stage: Stage, reader: ChangeReader) -> None:
    assert reader.look() == set()
    stage.measure("bin-0451", LATER, fill_pct=41.0)
    assert reader.look() == {"bin"}
    assert reader.look() == set()
    stage.say("truck-01", "online", LATER)
    stage.measure("ap-liliba", NOW - timedelta(seconds=5), clients=1)
    assert reader.look() == {"truck", "ap"}, "what was received earlier may be stored later"


def test_events_cases_alarms_and_unknown_devices_have_names(stage: Stage, reader: ChangeReader) -> None:
    stage.happen("truck-01", "panic")
    assert reader.look() == {"events"}
    stage.happen("cam-01", "dumping", case="c-1")
    assert reader.look() == {"events", "cases"}
    condition = AlarmCondition("fire", "bin-0451", "bin", "", "", NOW)
    stage.alarms.apply(load_rules(stage.folder), AlarmChanges((condition,)))
    stage.alarm_board.listed = stage.alarms.current()
    assert reader.look() == {"alarms"}
    stage.alarm_board.failure = "away"
    assert reader.look() == {"alarms"}


def test_the_health_of_ingest_changes_warnings_only_when_pages_warn_of_something_else(
    stage: Stage, reader: ChangeReader
) -> None:
    stage.board.publish(IngestHealth(LATER, connected=True, lag_s=2.0))
    assert reader.look() == {"system"}
    stage.board.publish(IngestHealth(LATER, connected=True, lag_s=7_200.0))
    assert reader.look() == {"warnings"}
    stage.board.publish(IngestHealth(LATER, connected=True, lag_s=7_201.0, unknown_devices=1))
    assert reader.look() == {"new_devices"}


class AwayStore(MemoryStore):
    """A store that does not answer."""

    def latest(self, **_asked: object) -> list[object]:  # type: ignore[override]
        raise RetryLaterError("away")


def test_a_store_that_is_away_changes_nothing_and_hides_no_alarm(stage: Stage) -> None:
    stage.store = AwayStore()
    reader = ChangeReader(stage.context())
    assert reader.look() == set()
    stage.alarm_board.failure = "away"
    assert reader.look() == {"alarms"}


class Looks:
    """Scripted looks, and how many there were."""

    def __init__(self, *found: set[Topic]) -> None:
        self.found = list(found)
        self.number = 0

    def __call__(self) -> frozenset[Topic]:
        self.number += 1
        return frozenset(self.found.pop(0) if self.found else ())


def test_fifty_listeners_cost_one_look(stage: Stage) -> None:
    del stage
    looks = Looks({"bin"})

    async def story() -> list[frozenset[Topic]]:
        feed = ChangeFeed(looks, every_s=3_600)
        listeners = [feed.changes() for _ in range(50)]
        found = await asyncio.gather(*(anext(listener) for listener in listeners))
        for listener in listeners:
            await listener.aclose()  # type: ignore[attr-defined]
        assert feed.revision == 1
        return list(found)

    assert asyncio.run(story()) == [frozenset({"bin"})] * 50
    assert looks.number == 1


def test_a_slow_listener_gets_everything_at_once_and_nobody_looks_for_nobody() -> None:
    looks = Looks({"bin"}, {"truck"}, set(), {"ap"})

    async def story() -> tuple[frozenset[Topic], frozenset[Topic]]:
        feed = ChangeFeed(looks, every_s=0.0)
        slow, quick = feed.changes(), feed.changes()
        begun = await anext(slow)
        while looks.found:
            await anext(quick)
        rest = await anext(slow)
        for listener in (slow, quick):
            await listener.aclose()  # type: ignore[attr-defined]
        assert feed._looking
        await asyncio.wait_for(feed._looking, 30)
        return begun, rest

    begun, rest = asyncio.run(story())
    assert begun | rest == {"bin", "truck", "ap"}


def test_a_look_that_fails_is_told_and_done_again() -> None:
    looks = Looks({"bin"})

    def look() -> frozenset[Topic]:
        if not looks.number:
            looks.number = 1
            raise ValueError("a bug")
        return looks()

    async def story() -> list[frozenset[Topic]]:
        return [topics async for topics in first(2, ChangeFeed(look, every_s=3_600).changes(beat_s=0.2))]

    with capture_logs() as logs:
        assert {"bin"} in asyncio.run(story())
    assert [entry["event"] for entry in logs] == ["changes.failed"]


def test_without_a_change_a_listener_hears_that_the_connection_lives() -> None:
    async def story() -> list[frozenset[Topic]]:
        feed = ChangeFeed(Looks(), every_s=3_600)
        return [topics async for topics in first(2, feed.changes(beat_s=0.01))]

    assert asyncio.run(story()) == [frozenset(), frozenset()]


async def first(number: int, found: AsyncIterator[frozenset[Topic]]) -> AsyncIterator[frozenset[Topic]]:
    """The first elements."""
    for _ in range(number):
        yield await anext(found)
    await found.aclose()  # type: ignore[attr-defined]


def test_a_stream_says_names_and_ends_with_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.routes.changes.CHECKED_EVERY_S", 0.0)

    async def story(*, is_allowed: bool) -> list[bytes]:
        feed = ChangeFeed(Looks({"truck", "bin"}), every_s=3_600)
        blocks = blocks_of(feed, lambda: is_allowed)
        found = [await anext(blocks)]
        try:
            found.append(await anext(blocks))
        except StopAsyncIteration:
            return found
        await blocks.aclose()  # type: ignore[attr-defined]
        return found

    hello = b"retry: 2000\nevent: changed\ndata: \n\n"
    assert asyncio.run(story(is_allowed=True)) == [hello, b"event: changed\ndata: bin truck\n\n"]
    assert asyncio.run(story(is_allowed=False)) == [hello]


def test_a_live_section_is_sent_alone_and_only_when_it_is_new(stage: Stage) -> None:
    client = stage.client()
    page = read_page(client.get("/devices/bin?q=0451").text)
    live = {names["id"]: names["data-live"] for _, names in page.tags if "data-live" in names}
    assert live == {"warnings": "alarms warnings", "list": "bin"}
    answer = client.get("/devices/bin?q=0451&part=list")
    assert answer.headers["kota-version"] == VERSION
    assert answer.text.count("<tr data-key") == 1
    assert "<h1" not in answer.text
    known = {"If-None-Match": answer.headers["etag"]}
    assert client.get("/devices/bin?q=0451&part=list", headers=known).status_code == 304
    stage.measure("bin-0451", LATER, fill_pct=41.0)
    client.app.state.change_feed.revision += 1  # type: ignore[attr-defined]
    assert client.get("/devices/bin?q=0451&part=list", headers=known).status_code == 200


@pytest.mark.parametrize("part", ["", "nothing", "content", "%3Cb%3E", "warnings%00"])
def test_a_section_that_a_page_has_not_is_absent(stage: Stage, part: str) -> None:
    answer = stage.client().get(f"/devices/bin?part={part}")
    assert (answer.status_code, answer.text) == (404, "")


def test_sections_that_are_shared_differ_by_rights_and_language(stage: Stage) -> None:
    for device in ("bin-0451", "bin-0452"):
        condition = AlarmCondition("fire", device, "bin", "", CITY.devices[device].kelurahan, NOW)
        stage.alarms.apply(load_rules(stage.folder), AlarmChanges((condition,)))
    stage.alarm_board.listed = stage.alarms.current()
    client = stage.client(demo=False)
    shown = {
        (role, lang): client.get(
            f"/alarms?part=alarms-now&lang={lang}", headers={"Authorization": f"Bearer {stage.token(role)}"}
        ).text
        for role in ("viewer", "dispatcher")
        for lang in ("id", "en")
    }
    assert len(set(shown.values())) == 4
    assert "data-acknowledge" not in shown["viewer", "id"]
    assert "data-acknowledge" in shown["dispatcher", "en"]


def test_without_a_session_there_is_neither_a_section_nor_a_stream(stage: Stage) -> None:
    client = stage.client(demo=False)
    assert client.get("/devices/bin?part=list").headers["location"] == "/login"
    assert client.get("/api/v1/changes").status_code == 401


def test_pages_run_no_script_and_no_style_of_their_own(stage: Stage) -> None:
    answer = stage.client().get("/login")
    policy = dict(rule.strip().partition(" ")[::2] for rule in answer.headers["content-security-policy"].split(";"))
    assert policy["script-src"] == "'self'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert policy["default-src"] == "'none'"


def test_a_page_whose_store_is_away_says_so_to_people(stage: Stage) -> None:
    stage.store = AwayStore()
    answer = stage.client().get("/devices/bin?lang=en", headers={"Accept": "text/html"})
    assert answer.status_code == 503
    assert "tidak dapat dihubungi" in answer.text
    assert "cannot be reached" in answer.text
    assert 'http-equiv="refresh"' in answer.text
