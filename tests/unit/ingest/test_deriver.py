"""The deriver writes through the port of derived points; any store that has the port will do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from city.errors import RetryLaterError
from city.inventory.loader import builtin_city, load_city
from ingest.derive.deriver import AREAS_EVERY, STATES_EVERY, Deriver
from ingest.derive.states import to_ms
from ingest.store.memory import MemoryStore
from ingest.store.port import EventQuery
from ingest.store.records import EventRecord, Reading, RecordOrigin
from ingest.store.schema import Policy
from ingest.store.views.health import HealthSnapshotFile, IngestHealth

CITY = load_city(builtin_city("kupang"))
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class DerivingStore(MemoryStore):
    """A store in memory with the port of derived points."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.is_away = False

    def write_derived(self, lines: Sequence[bytes], policy: Policy) -> None:
        del policy
        if self.is_away:
            raise RetryLaterError("away")
        self.lines += [line.decode() for line in lines]

    def last_states(self, now: datetime) -> list[dict[str, Any]]:
        del now
        return []

    def events_since(self, types: Sequence[str], start: datetime) -> list[EventRecord]:
        return self.events(EventQuery(start, NOW + timedelta(days=1), types=tuple(types), limit=1_000))[::-1]

    def roll_up(self, now: datetime) -> int:
        del now
        return 0

    def rollups_waiting(self) -> int:
        return 7


@pytest.fixture
def store() -> DerivingStore:
    made = DerivingStore()
    origin = RecordOrigin("bin", "bin-0001", "b", 1, NOW, NOW)
    made.write([Reading(origin, {"fill_pct": 93.0})], ())
    return made


@pytest.fixture
def deriver(store: DerivingStore, tmp_path: Path) -> Deriver:
    health = HealthSnapshotFile(tmp_path)
    health.publish(IngestHealth(NOW, connected=True))
    return Deriver(store, CITY, health, lambda: 3, "http://localhost", demo=True)


def measurements(store: DerivingStore) -> set[str]:
    return {line.partition(",")[0] for line in store.lines}


def test_states_areas_and_figures_are_written_through_the_port(store: DerivingStore, deriver: Deriver) -> None:
    deriver.step(NOW)
    assert measurements(store) == {"device_state", "area_state", "alarm_flag", "platform"}
    (state,) = [line for line in store.lines if line.startswith("device_state") and "device=bin-0001," in line]
    assert 'state="full"' in state
    (platform,) = [line for line in store.lines if line.startswith("platform")]
    assert "rollup_waiting=7i" in platform
    assert "dead_letters_waiting=3i" in platform
    assert f"newest_at={to_ms(max(known.received_at for known in store.latest()))}i" in platform


def test_what_is_not_due_is_not_written_again(store: DerivingStore, deriver: Deriver) -> None:
    deriver.step(NOW)
    written = len(store.lines)
    deriver.step(NOW + timedelta(seconds=1))
    assert len(store.lines) == written
    deriver.step(NOW + AREAS_EVERY)
    assert len(store.lines) > written


def test_nothing_is_lost_while_the_store_is_away(store: DerivingStore, deriver: Deriver) -> None:
    origin = RecordOrigin("camera", "cam-01", "b", 1, NOW, NOW)
    store.write([EventRecord(origin, "dumping", "raised", {"case": "cam-01-1", "box": [1, 2, 3, 4]})], ())
    store.is_away = True
    with pytest.raises(RetryLaterError):
        deriver.step(NOW)
    assert measurements(store) == set()
    store.is_away = False
    deriver.step(NOW + STATES_EVERY)
    assert measurements(store) >= {"device_state", "dumping_case"}, "what was not stored is written again"
