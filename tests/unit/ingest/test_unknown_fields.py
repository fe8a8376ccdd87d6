"""Fields that the contract does not know are listed by device, counted once, and bounded."""

from __future__ import annotations

import io
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from city.inventory.model import Bin, City
from edge.sensors.stdin import StdinSensor
from ingest.cli.ingest import run as run_deadletters
from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from ingest.pipeline.drain import Drain
from ingest.pipeline.journal import Journal
from ingest.store.memory import MemoryStore
from ingest.store.parked.dead_letters import DeadLetterQueue
from ingest.store.parked.quarantine import Quarantine
from ingest.store.parked.unknown_fields import NAME_MAX, OF_DEVICE_MAX, UnknownField

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def unknown(offset: int, device: str = "bin-1", field: str = "distance", minutes: int = 0) -> UnknownField:
    return UnknownField(offset, device, "bin", field, NOW + timedelta(minutes=minutes))


@pytest.fixture
def box(tmp_path: Path) -> DeadLetterQueue:
    return DeadLetterQueue(tmp_path / "store" / "dead_letters.sqlite")


def test_messages_are_counted_and_the_last_time_stays(box: DeadLetterQueue) -> None:
    box.note_unknown_fields([unknown(1), unknown(2, minutes=5), unknown(3, minutes=1)])
    (found,) = box.unknown_fields()
    assert (found.times, found.offset, found.received_at) == (3, 3, NOW + timedelta(minutes=5))


def test_a_batch_that_is_repeated_after_a_crash_counts_nothing_twice(box: DeadLetterQueue) -> None:
    batch = [unknown(1), unknown(2)]
    box.note_unknown_fields(batch)
    box.note_unknown_fields(batch)
    assert box.unknown_fields()[0].times == 2


def test_a_device_that_makes_up_names_is_bounded_and_hides_no_other(box: DeadLetterQueue) -> None:
    box.note_unknown_fields([unknown(1, "bin-quiet")])
    box.note_unknown_fields([unknown(n, "bin-loud", f"x{n}" * 90, minutes=n) for n in range(2, 300)])
    found = box.unknown_fields(limit=1_000)
    assert [row.device for row in found] == ["bin-loud"] * OF_DEVICE_MAX + ["bin-quiet"]
    assert max(len(row.field) for row in found) == NAME_MAX
    assert found[0].received_at == NOW + timedelta(minutes=299)


def test_retention_forgets_them(box: DeadLetterQueue) -> None:
    box.note_unknown_fields([unknown(1), unknown(2, field="new", minutes=90)])
    box.forget_before(NOW + timedelta(hours=1))
    assert [row.field for row in box.unknown_fields()] == ["new"]


def drain_of(folder: Path, city: City, box: DeadLetterQueue, *bodies: Any) -> Drain:
    journal = Journal(folder / "journal.sqlite", max_bytes=1 << 23)
    journal.append([Arrival("kota/v1/kupang/bin/bin-1/telemetry", json.dumps(body).encode(), NOW) for body in bodies])
    decoder = Decoder(city, late_after=timedelta(minutes=15))
    drain = Drain(journal, decoder, MemoryStore(), box, Quarantine(folder / "unknown.sqlite"), clock=lambda: NOW)
    stop = threading.Event()
    stop.set()
    drain.run(stop)
    return drain


def reading(seq: int, **fields: object) -> dict[str, object]:
    return {"ts": NOW.isoformat(), "boot": "b1", "seq": seq, **fields}


def test_a_misspelt_field_is_stored_nowhere_and_listed(
    tmp_path: Path, city: City, box: DeadLetterQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    drain = drain_of(
        tmp_path, city, box, reading(1, distance=480), [reading(2, distance=470, battery_pct=5), reading(3, distance=1)]
    )
    assert (drain.totals.stored, drain.totals.unknown_fields, box.count()) == (3, 3, 0)
    (found,) = box.unknown_fields()
    assert (found.device, found.field, found.times) == ("bin-1", "distance", 2)
    box.close()
    assert run_deadletters(["fields", "--data", str(tmp_path)]) == 0
    assert "bin-1: 'distance' 2 times" in (shown := capsys.readouterr().out)
    assert "perhaps distance_mm" in shown
    assert run_deadletters(["fields", "--json", "--data", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)[0]["similar"] == "distance_mm"


def test_a_message_without_unknown_fields_leaves_no_row(tmp_path: Path, city: City, box: DeadLetterQueue) -> None:
    drain_of(tmp_path, city, box, reading(1, battery_pct=5), {"nonsense": 1})
    assert box.unknown_fields() == []


def test_the_agent_says_once_which_field_nobody_will_read() -> None:
    lines = '{"distance": 1}\n{"distance": 2, "fill_pct": 3}\n{"type": "collected", "detail": {}}\n'
    sensor = StdinSensor(Bin(id="bin-1", model="", waste_kind="organic", color="grey"), stream=io.StringIO(lines))
    with capture_logs() as logs:
        entries = list(sensor.readings(threading.Event()))
    assert len(entries) == 3
    assert [(line["field"], line["perhaps"]) for line in logs] == [("distance", "distance_mm")]


def test_the_agent_names_a_bounded_number_of_fields() -> None:
    lines = "".join(f'{{"made_up_{n}": 1}}\n' for n in range(500))
    sensor = StdinSensor(Bin(id="bin-1", model="", waste_kind="organic", color="grey"), stream=io.StringIO(lines))
    with capture_logs() as logs:
        assert len(list(sensor.readings(threading.Event()))) == 500
    assert len(logs) == 100
