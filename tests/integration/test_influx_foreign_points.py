"""Points that other programs write into the city's measurements cost nothing but themselves."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from city.inventory.loader import builtin_city, load_city
from ingest.store.influx.checkpoint import Checkpoint
from ingest.store.influx.http import InfluxAddress, InfluxHttp
from ingest.store.influx.reader import FOREIGN_POINTS
from ingest.store.influx.store import InfluxStore
from ingest.store.port import EventQuery, SeriesQuery
from ingest.store.records import EventRecord, Reading, RecordOrigin, StatusRecord
from ingest.store.schema import EVENTS, RAW
from tests.support.influx import RunningInflux

CITY = load_city(builtin_city("kupang"))
BIN = next(iter(CITY.bins))
FOREIGN = (
    b"bin,device=old fill_pct=5",
    b'bin fill_pct=6,boot="x",seq=1i',
    b"status,device=old online=1",
    b'status,device=old,kind=bin state="dancing",reason="",firmware="",model=""',
    b"device_state,device=old severity=1i",
)
FOREIGN_EVENTS = (
    b'event,device=old text="restart"',
    b'event,device=old,kind=bin,type=fire boot="x",seq=1i,received_at=1i,state="raised",detail="{"',
    b'event,device=old,kind=bin,type=fire boot="x",seq=2i,received_at=1i,state="raised",detail="[]"',
)


@pytest.fixture
def address(influx: RunningInflux, request: pytest.FixtureRequest) -> InfluxAddress:
    return influx.database(f"foreign-{abs(hash(request.node.name)) % 10**8}")


def open_store(address: InfluxAddress, folder: Path) -> InfluxStore:
    return InfluxStore(InfluxHttp(address), CITY, Checkpoint(folder / "progress.sqlite"))


def test_a_store_with_points_of_others_starts_and_reads_its_own(address: InfluxAddress, tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    store = open_store(address, tmp_path)
    origin = RecordOrigin("bin", BIN, "b", 1, now - timedelta(minutes=1), now)
    own = Reading(origin, {"fill_pct": 40.0, "temperature_c": 30.0})
    at = now - timedelta(minutes=1)
    event = EventRecord(RecordOrigin("bin", BIN, "b", 3, at, now), "fire", "raised", {"at": "lid"})
    status = StatusRecord("bin", BIN, "online", now, now)
    store.write([own, event, status], ((1, 3),))
    http = InfluxHttp(address)
    at_ns = time.time_ns()
    for lines, policy in ((FOREIGN, RAW), (FOREIGN_EVENTS, EVENTS)):
        for number, line in enumerate(lines):
            http.write(line + b" %d" % (at_ns + number), policy)
    store.close()
    before = FOREIGN_POINTS._value.get()
    again = open_store(address, tmp_path / "again")
    (latest,) = again.latest(device=BIN)
    assert (latest.values["fill_pct"].value, latest.state) == (40.0, "online")
    assert {known.device for known in again.latest()} == {BIN}
    events = again.events(EventQuery(now - timedelta(hours=1), now + timedelta(hours=1)))
    assert [(event.origin.device, event.detail) for event in events] == [(BIN, {"at": "lid"})]
    assert [event.origin.device for event in again.events_since(("fire",), now - timedelta(hours=1))] == [BIN]
    records = list(again.export(now - timedelta(hours=1), now + timedelta(hours=1)))
    assert {type(record) for record in records} == {Reading, EventRecord, StatusRecord}
    assert [sequences.device for sequences in again.stored_sequences() if sequences.device == BIN] == [BIN]
    assert again.last_states(now) == []
    query = SeriesQuery(BIN, "temperature_c", now - timedelta(hours=1), now + timedelta(hours=1))
    assert [point.value for point in again.series(query)] == [30.0]
    assert FOREIGN_POINTS._value.get() > before
    fresh = Reading(RecordOrigin("bin", BIN, "b", 2, now, now), {"fill_pct": 41.0})
    assert again.write([fresh], ((1, 4),)).stored == 1
    again.close()
