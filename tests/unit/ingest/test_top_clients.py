"""Users of the Wi-Fi with the most traffic of the day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from city.inventory.loader import builtin_city, load_city
from ingest.derive.clients import RANKS, top_client_points
from ingest.store.records import EventRecord, RecordOrigin

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CITY = load_city(builtin_city("kupang"))
AP = next(iter(CITY.access_points))


def event(type_: str, state: Literal["raised", "cleared", "noted"], **detail: Any) -> EventRecord:
    return EventRecord(RecordOrigin("ap", AP, "b", 1, NOW, NOW), type_, state, detail)


def lines(*events: EventRecord) -> list[str]:
    return [line.decode().rsplit(" ", 1)[0] for line in top_client_points(CITY, events, NOW)]


def test_sessions_count_when_they_have_ended() -> None:
    """Each end of a session adds its bytes, in whichever way a device reports them."""
    assert lines(
        event("session", "raised", client="aa", bytes=7_000),
        event("session", "cleared", client="aa", bytes=1_000),
        event("session", "cleared", client="aa", upload_bytes=200, download_bytes=300),
        event("session", "cleared", client="bb", bytes=9_000),
    ) == [
        f'top_client,city=kupang,rank=01 client="bb",bytes=9000i,sessions=1i,hotspot="{AP}"',
        f'top_client,city=kupang,rank=02 client="aa",bytes=1500i,sessions=2i,hotspot="{AP}"',
    ]


def test_a_quota_counts_the_same_traffic_once() -> None:
    (line,) = lines(
        event("session", "cleared", client="aa", bytes=1_000),
        event("quota_exceeded", "noted", client="aa", bytes=5_000),
    )
    assert "bytes=5000i" in line


def test_nobody_without_a_code_or_traffic_and_no_more_than_the_ranks() -> None:
    assert lines(event("session", "cleared", bytes=5), event("session", "cleared", client="aa")) == []
    many = [event("session", "cleared", client=f"c{number}", bytes=number + 1) for number in range(RANKS + 5)]
    assert len(lines(*many)) == RANKS
