"""The live stream: what changed, where a listener goes on, and its bounds."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

from api.routes.stream import LOOK_BACK, Stream, start_after
from tests.unit.api.conftest import NOW, Stage


def data_of(block: bytes) -> list[dict[str, object]]:
    return list(json.loads(next(line for line in block.splitlines() if line.startswith(b"data: "))[6:]))


def test_the_first_event_holds_what_changed_and_an_id_to_go_on_from(stage: Stage) -> None:
    stage.measure("bin-0451", fill_pct=41.0)
    stage.measure("bin-0452", NOW - timedelta(minutes=1), fill_pct=1.0)

    async def first_two() -> list[bytes]:
        listener = Stream(stage.context(), None, NOW - timedelta(seconds=1), lambda: True)
        events = listener.events()
        blocks = [await anext(events), await anext(events)]
        await events.aclose()  # type: ignore[attr-defined]
        return blocks

    retry, block = asyncio.run(first_two())
    assert retry == b"retry: 2000\n\n"
    assert block.startswith(f"id: {NOW.isoformat()}\nevent: devices\n".encode())
    assert block.endswith(b"\n\n")
    assert [(device["id"], device["fillingLevel"]) for device in data_of(block)] == [("bin-0451", 0.41)]


def test_only_changes_follow(stage: Stage) -> None:
    stage.measure("bin-0451", fill_pct=41.0)
    listener = Stream(stage.context(), None, NOW - timedelta(seconds=1), lambda: True)
    assert listener.changes()
    assert listener.changes() == b""
    stage.measure("truck-01", NOW + timedelta(seconds=1), speed_kmh=20.0)
    assert [device["id"] for device in data_of(listener.changes())] == ["truck-01"]


def test_a_listener_may_want_one_kind_only(stage: Stage) -> None:
    stage.measure("bin-0451", fill_pct=41.0)
    stage.measure("truck-01", speed_kmh=20.0)
    listener = Stream(stage.context(), "truck", NOW - timedelta(seconds=1), lambda: True)
    assert [device["id"] for device in data_of(listener.changes())] == ["truck-01"]


def test_a_listener_goes_on_where_it_was_within_bounds() -> None:
    assert start_after((NOW - timedelta(minutes=5)).isoformat(), NOW) == NOW - timedelta(minutes=5)
    assert start_after("2001-01-01T00:00:00+00:00", NOW) == NOW - LOOK_BACK
    assert start_after("9999-12-31T23:59:59-14:00", NOW) == NOW
    assert start_after("0001-01-01T00:00:00+14:00", NOW) == NOW - LOOK_BACK
    assert start_after(None, NOW) == start_after("nonsense", NOW) == NOW - timedelta(seconds=1)
