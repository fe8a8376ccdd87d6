"""One suite for every store: what the port promises, shown on each implementation."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from api.queries.fill_history import containers_of, newest_levels, read_histories
from city.errors import PayloadError
from city.inventory.loader import builtin_city, load_city
from dispatch.forecast.growth import Emptying
from ingest.cli.store import copy, missing_in
from ingest.store.duckdb.store import DuckStore
from ingest.store.influx.checkpoint import Checkpoint
from ingest.store.influx.http import InfluxHttp
from ingest.store.influx.store import InfluxStore
from ingest.store.memory import MemoryStore
from ingest.store.port import EventQuery, RunsQuery, SeriesQuery, StatusQuery, Store
from ingest.store.records import EventRecord, Reading, Record, RecordOrigin, StatusRecord, Value, device_of, time_of
from tests.support.influx import RunningInflux

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


CITY = load_city(builtin_city("kupang"))


def make_influx(server: RunningInflux, folder: Path) -> InfluxStore:
    address = server.database(f"city-{folder.name}")
    return InfluxStore(InfluxHttp(address), CITY, Checkpoint(folder / "progress.sqlite"))


@pytest.fixture(params=["memory", "duck", "influx-1", "influx-2"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store
    match request.param:
        case "memory":
            made = MemoryStore()
        case "duck":
            made = DuckStore(tmp_path / "city.duckdb")
        case version:
            made = make_influx(request.getfixturevalue(version.replace("-", "_")), tmp_path)
    yield made
    made.close()


def origin(
    seq: int, *, device: str = "bin-0001", epoch: str = "b1", minutes: float = 0, late_s: float = 1
) -> RecordOrigin:
    at = T0 + timedelta(minutes=minutes)
    kind = "truck" if device.startswith("truck") else "bin"
    return RecordOrigin(kind, device, epoch, seq, at, at + timedelta(seconds=late_s))  # type: ignore[arg-type]


def reading(seq: int, *, minutes: float = 0, device: str = "bin-0001", epoch: str = "b1", **values: Value) -> Reading:
    return Reading(origin(seq, device=device, epoch=epoch, minutes=minutes), dict(values))


def window(field: str, every_s: float | None = None, aggregate: str = "mean", hours: float = 24) -> SeriesQuery:
    return SeriesQuery("bin-0001", field, T0, T0 + timedelta(hours=hours), every_s, aggregate)  # type: ignore[arg-type]


def test_position_comes_back_as_written(store: Store) -> None:
    assert store.committed_offsets() == ()
    store.write([reading(1, fill_pct=10.0)], ((1, 17),))
    assert store.committed_offsets() == ((1, 17),)


def test_same_reading_is_stored_once(store: Store) -> None:
    first = store.write([reading(1, fill_pct=10.0), reading(1, fill_pct=10.0), reading(2, fill_pct=11.0)], ((1, 1),))
    again = store.write([reading(2, fill_pct=11.0)], ((1, 2),))
    assert (first.stored, first.duplicates, again.stored, again.duplicates) == (2, 1, 0, 1)
    assert [entry.rows for entry in store.stored_sequences()] == [2]


def test_same_seq_of_another_boot_is_another_reading(store: Store) -> None:
    store.write([reading(1, fill_pct=10.0), reading(1, epoch="b2", minutes=1, fill_pct=12.0)], ((1, 1),))
    assert [(e.epoch, e.seqs, e.duplicates) for e in store.stored_sequences()] == [
        ("b1", ((1, 1),), 0),
        ("b2", ((1, 1),), 0),
    ]


def test_ledger_shows_gaps(store: Store) -> None:
    store.write([reading(n, minutes=n, fill_pct=1.0) for n in (0, 1, 2, 5, 6, 9)], ((1, 1),))
    assert store.stored_sequences()[0].seqs == ((0, 2), (5, 6), (9, 9))


def test_latest_merges_fields_and_ignores_late_arrivals(store: Store) -> None:
    store.write(
        [reading(1, minutes=0, fill_pct=10.0, battery_pct=90.0), reading(2, minutes=10, fill_pct=20.0)], ((1, 1),)
    )
    store.write([reading(3, minutes=5, fill_pct=15.0, temperature_c=30.0)], ((1, 2),))
    (latest,) = store.latest(device="bin-0001")
    assert {name: field.value for name, field in latest.values.items()} == {
        "fill_pct": 20.0,
        "battery_pct": 90.0,
        "temperature_c": 30.0,
    }
    assert latest.measured_at == T0 + timedelta(minutes=10)


def test_words_come_back_as_they_were_said(store: Store) -> None:
    said: dict[str, Value] = {"scene": "no_stream", "scene_ok": False, "blind_s": 95, "reconnects": 3}
    store.write([Reading(RecordOrigin("camera", "cam-01", "b1", 1, T0, T0), said)], ((1, 1),))
    (latest,) = store.latest(kind="camera")
    assert {name: field.value for name, field in latest.values.items()} == said
    hour = SeriesQuery("cam-01", "blind_s", T0, T0 + timedelta(hours=1), None, "mean")
    assert [point.value for point in store.series(hour)] == [95]
    with pytest.raises(PayloadError, match="not a field with a series"):
        store.series(msgspec.structs.replace(hour, field="scene"))


def test_a_file_from_before_a_field_gains_its_column(tmp_path: Path) -> None:
    path = tmp_path / "city.duckdb"
    before: dict[str, Value] = {"scene_ok": True, "fps": 5.0}
    old = DuckStore(path)
    old.write([Reading(RecordOrigin("camera", "cam-01", "b1", 1, T0, T0), before)], ((1, 1),))
    for column in ("scene", "blind_s", "reconnects"):
        old._db.execute(f"ALTER TABLE camera_telemetry DROP COLUMN {column}")
    old.close()
    later = T0 + timedelta(minutes=1)
    with closing(DuckStore(path)) as store:
        assert store.latest(device="cam-01")[0].values.keys() == before.keys()
        store.write([Reading(RecordOrigin("camera", "cam-01", "b1", 2, later, later), {"scene": "armed"})], ((2, 2),))
        assert store.latest(device="cam-01")[0].values["scene"].value == "armed"
        assert [life.seqs for life in store.stored_sequences()] == [((1, 2),)]


def test_latest_is_the_same_under_any_order_of_arrival(store: Store) -> None:
    readings = [
        reading(n, minutes=n % 7, fill_pct=float(n), **({"battery_pct": 50.0 + n} if n % 3 else {})) for n in range(20)
    ]
    expected = MemoryStore()
    expected.write(readings, ((1, 1),))
    shuffled = readings[:]
    random.Random(7).shuffle(shuffled)
    for position, shuffled_reading in enumerate(shuffled):
        store.write([shuffled_reading], ((1, position),))
    assert store.latest()[0].values == expected.latest()[0].values


def test_latest_filters_by_kind_and_change(store: Store) -> None:
    store.write([reading(1, fill_pct=1.0), reading(1, device="truck-01", minutes=5, speed_kmh=20.0)], ((1, 1),))
    assert [entry.device for entry in store.latest(kind="truck")] == ["truck-01"]
    assert [entry.device for entry in store.latest(changed_since=T0 + timedelta(minutes=1))] == ["truck-01"]


def test_series_as_measured_is_in_order_of_time(store: Store) -> None:
    store.write([reading(n, minutes=m, fill_pct=float(m)) for n, m in enumerate((30, 0, 10))], ((1, 1),))
    assert [(p.at - T0, p.value) for p in store.series(window("fill_pct"))] == [
        (timedelta(0), 0.0),
        (timedelta(minutes=10), 10.0),
        (timedelta(minutes=30), 30.0),
    ]


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [("mean", 2.0), ("min", 0.0), ("max", 4.0), ("last", 4.0), ("sum", 10.0), ("count", 5.0)],
)
def test_series_buckets(store: Store, aggregate: str, expected: float) -> None:
    store.write([reading(n, minutes=n, fill_pct=float(n)) for n in range(10)], ((1, 1),))
    points = store.series(window("fill_pct", 300, aggregate))
    assert (points[0].at, float(points[0].value)) == (T0, expected)
    assert len(points) == 2


def test_flags_average_to_a_share(store: Store) -> None:
    store.write([reading(n, minutes=n, lid_open=n == 0) for n in range(4)], ((1, 1),))
    assert [float(p.value) for p in store.series(window("lid_open", 3600))] == [0.25]


def test_the_history_that_forecasts_read_is_the_same_from_every_store(store: Store) -> None:
    """Hourly levels without the hour that is not complete, and what crews found, from trucks and from containers."""
    truck = origin(1, device="truck-01", minutes=70)
    detail = {"bin": "bin-0001", "from_pct": 31.5, "to_pct": 2.0}
    unknown = {"bin": "bin-0001", "from_pct": "full"}
    store.write(
        [
            *(reading(n, minutes=25 * n, fill_pct=10.0 + n) for n in range(8)),
            EventRecord(truck, "collected", "noted", detail),
            EventRecord(origin(2, device="truck-01", minutes=80), "collected", "noted", unknown),
            EventRecord(origin(90, device="bin-0002", minutes=5), "collected", "noted", {}),
            EventRecord(origin(91, device="bin-0009", minutes=6), "collected", "noted", {}),
        ],
        ((1, 1),),
    )
    now = T0 + timedelta(minutes=170)
    levels = newest_levels(store.latest(kind="bin"))
    listed = [known for known in containers_of(CITY, levels, now) if known.id in ("bin-0001", "bin-0002")]
    assert [container.has_sensor for container in listed] == [True, False]
    histories = read_histories(store, listed, T0 - timedelta(days=1), now, lambda: None)
    hours = [(at_s - T0.timestamp()) / 3600 for at_s in histories["bin-0001"].times_s]
    assert (hours, histories["bin-0001"].fill_pct.tolist()) == ([1.0, 2.0], [12.0, 14.0])
    at = T0 + timedelta(minutes=70)
    expected = [Emptying(at, 31.5, 2.0), Emptying(T0 + timedelta(minutes=80), None)]
    assert list(histories["bin-0001"].visits) == expected
    assert list(histories["bin-0002"].visits) == [Emptying(T0 + timedelta(minutes=5), None)]
    assert histories["bin-0002"].times_s.tolist() == []


@pytest.mark.parametrize("field", ["password", "fill_pct; DROP TABLE events", "fault_codes", ""])
def test_series_refuses_what_is_no_field(store: Store, field: str) -> None:
    with pytest.raises(PayloadError, match="is not a field"):
        store.series(window(field))


def test_series_refuses_too_many_points(store: Store) -> None:
    with pytest.raises(PayloadError, match="wider bucket"):
        store.series(window("fill_pct", 1, hours=10))


def test_unknown_device_has_no_series(store: Store) -> None:
    assert store.series(window("fill_pct")) == []


def event(seq: int, type_: str, minutes: float, device: str = "bin-0001") -> EventRecord:
    return EventRecord(origin(seq, device=device, minutes=minutes), type_, "raised", {"from_pct": 80, "by": ["a"]})


def test_events_newest_first_with_filters(store: Store) -> None:
    store.write([event(1, "fire", 1), event(2, "tilt", 2), event(1, "breakdown", 3, "truck-01")], ((1, 1),))
    all_of_them = EventQuery(T0, T0 + timedelta(hours=1))
    assert [e.type for e in store.events(all_of_them)] == ["breakdown", "tilt", "fire"]
    assert [e.type for e in store.events(EventQuery(T0, T0 + timedelta(hours=1), kind="bin", types=("fire",)))] == [
        "fire"
    ]
    assert [e.type for e in store.events(EventQuery(T0, T0 + timedelta(hours=1), device="truck-01"))] == ["breakdown"]
    assert [e.type for e in store.events(EventQuery(T0, T0 + timedelta(hours=1), limit=1))] == ["breakdown"]
    assert store.events(all_of_them)[-1].detail == {"from_pct": 80, "by": ["a"]}


def test_events_and_readings_share_one_count_of_seqs(store: Store) -> None:
    store.write([reading(1, fill_pct=1.0), event(2, "tilt", 1)], ((1, 1),))
    assert store.stored_sequences()[0].seqs == ((1, 2),)


def status(state: str, seconds: float, at: datetime | None = T0, reason: str = "") -> StatusRecord:
    return StatusRecord("bin", "bin-0001", state, at, T0 + timedelta(seconds=seconds), reason)  # type: ignore[arg-type]


def test_state_follows_arrival_and_repeats_are_no_news(store: Store) -> None:
    assert store.write([status("online", 1)], ((1, 1),)).stored == 1
    assert store.write([status("online", 60)], ((1, 2),)).stored == 0
    assert store.write([status("offline", 90, None, "lost")], ((1, 3),)).stored == 1
    assert store.write([status("offline", 120, None, "lost")], ((1, 4),)).stored == 0
    (latest,) = store.latest()
    assert (latest.state, latest.state_reason, latest.state_at) == ("offline", "lost", T0 + timedelta(seconds=90))


def test_retention_deletes_the_old_only(store: Store) -> None:
    store.write([reading(1, minutes=0, fill_pct=1.0), reading(2, minutes=60, fill_pct=2.0)], ((1, 1),))
    gone = store.forget_before(readings=T0 + timedelta(minutes=30), events=T0)
    if isinstance(store, InfluxStore):
        assert gone == 0, "retention is the database's"
        return
    assert gone == 1
    assert [p.value for p in store.series(window("fill_pct"))] == [2.0]


@pytest.fixture(params=["duck", "influx-1", "influx-2"])
def reopened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    if request.param == "duck":
        return lambda: DuckStore(tmp_path / "reopened.duckdb")
    server = request.getfixturevalue(request.param.replace("-", "_"))
    return lambda: make_influx(server, tmp_path)


def test_a_store_knows_everything_again_after_reopening(reopened: Callable[[], Store]) -> None:
    store = reopened()
    records = [reading(1, fill_pct=10.0), reading(2, minutes=1, battery_pct=50.0, lid_open=True), status("online", 5)]
    store.write(records, ((1, 42), (50, 60)))
    before = store.latest()
    store.close()
    again = reopened()
    assert again.committed_offsets() == ((1, 42), (50, 60))
    assert again.latest() == before
    assert again.write([reading(2, minutes=1, battery_pct=50.0), status("online", 9)], ((1, 43),)).stored == 0
    again.close()


def everything() -> list[Record]:
    """Records of every kind, with all that a record can carry."""
    flags = reading(1, fill_pct=10.0, lid_open=True, battery_pct=50.0)
    truck = Reading(origin(2, device="truck-01", minutes=1), {"fault_codes": '["P0217"]', "pto": False})
    clock = msgspec.structs.replace(
        origin(3, minutes=2), device_at=T0 - timedelta(days=9_000), quality=("clock", "late")
    )
    fire = EventRecord(origin(4, minutes=3), "fire", "raised", {"by": "heat", "t": [1, 2.5, None]})
    elsewhere = EventRecord(origin(5, minutes=60 * 30), "tilt", "noted", {})
    born = StatusRecord("bin", "bin-0001", "online", T0, T0 + timedelta(seconds=1), firmware="1", outbox_waiting=3)
    lost = StatusRecord("bin", "bin-0001", "offline", None, T0 + timedelta(hours=2), "lost")
    asleep = StatusRecord("truck", "truck-01", "sleeping", T0, T0 + timedelta(hours=3), next_s=600.0)
    return [flags, truck, Reading(clock, {}), fire, elsewhere, born, lost, asleep]


def as_written(records: Iterable[Record]) -> list[Record]:
    """Records in a fixed order; a store without counts says 0 where nothing was said."""
    told = (
        msgspec.structs.replace(record, outbox_dropped=record.outbox_dropped or None)
        if isinstance(record, StatusRecord)
        else record
        for record in records
    )
    return sorted(told, key=lambda record: (time_of(record), repr(record)))


def test_everything_comes_out_as_it_went_in(store: Store) -> None:
    assert store.span() is None
    store.write(everything(), ((1, 8),))
    assert store.span() == (T0, T0 + timedelta(hours=30))
    out = list(store.export(T0, T0 + timedelta(hours=31)))
    assert [time_of(record) for record in out] == sorted(time_of(record) for record in out)
    assert as_written(out) == as_written(everything())
    assert list(store.export(T0 + timedelta(minutes=3), T0 + timedelta(minutes=4))) == [everything()[3]]
    assert list(store.export(T0 - timedelta(hours=1), T0)) == []
    of_one = store.export(T0, T0 + timedelta(hours=31), device="truck-01")
    assert as_written(of_one) == as_written(record for record in everything() if device_of(record) == "truck-01")
    assert list(store.export(T0, T0 + timedelta(hours=31), device="bin-9999")) == []


def test_a_copy_has_everything_of_any_store_and_a_second_copy_adds_nothing(store: Store, tmp_path: Path) -> None:
    store.write(everything(), ((1, 8), (10, 12)))
    target = DuckStore(tmp_path / "copy" / "city.duckdb")
    shares: list[float] = []
    assert copy(store, target, on_window=lambda share, *_: shares.append(share)) == 8
    assert as_written(target.export(*whole(target))) == as_written(everything())
    assert (missing_in(store, target), target.committed_offsets(), shares[-1]) == (0, ((1, 8), (10, 12)), 1.0)
    assert copy(store, target) == 0
    back = MemoryStore()
    copy(target, back)
    assert as_written(back.export(*whole(back))) == as_written(everything())
    target.close()


def whole(store: Store) -> tuple[datetime, datetime]:
    span = store.span()
    assert span is not None
    return span[0], span[1] + timedelta(seconds=1)


def test_a_store_takes_a_copy_and_what_it_lacks_is_counted(store: Store) -> None:
    source = MemoryStore()
    source.write([*everything(), *(reading(n, minutes=n, fill_pct=float(n)) for n in range(20, 60))], ((1, 48),))
    store.write([reading(n, minutes=n, fill_pct=float(n)) for n in range(20, 30)], ())
    assert missing_in(source, store) == 35
    copy(source, store)
    assert missing_in(source, store) == 0
    assert [(life.device, life.rows, life.duplicates) for life in store.stored_sequences()] == [
        (life.device, life.rows, life.duplicates) for life in source.stored_sequences()
    ]


def test_a_copy_that_was_cut_off_goes_on(store: Store) -> None:
    class CutOffError(Exception):
        """Somebody pulled the plug."""

    def pull(_share: float, until: datetime, _stored: int) -> None:
        marks.append(until)
        if len(marks) == 3:
            raise CutOffError

    marks: list[datetime] = []
    source = MemoryStore()
    source.write([reading(n, minutes=n * 30, fill_pct=float(n)) for n in range(100)], ())
    with pytest.raises(CutOffError):
        copy(source, store, on_window=pull)
    assert 0 < missing_in(source, store) < 100
    copy(source, store, since=marks[-1])
    assert missing_in(source, store) == 0


def said(state: str, minutes: float, device: str = "truck-01", reason: str = "") -> StatusRecord:
    return StatusRecord("truck", device, state, None, T0 + timedelta(minutes=minutes), reason)  # type: ignore[arg-type]


def runs_of(store: Store, start_min: float, end_min: float, pause_s: float, device: str | None = None) -> list[object]:
    """Device, and minutes of the first and the last measurement, of each run of the trucks."""
    start, end = T0 + timedelta(minutes=start_min), T0 + timedelta(minutes=end_min)
    runs = store.measured_runs(RunsQuery("truck", start, end, pause_s, device))
    return [
        (run.device, (run.first_at - T0) / timedelta(minutes=1), (run.last_at - T0) / timedelta(minutes=1))
        for run in runs
    ]


def test_runs_are_parted_by_pauses(store: Store) -> None:
    """A pause of exactly `pause_s` parts nothing; what is outside the range, or of another kind, does not count."""
    minutes = {1: (0, 1, 2, 5, 5, 6, 20), 2: (3, 30)}
    readings: list[Record] = [
        reading(seq, minutes=at, device=f"truck-{number:02}", speed_kmh=1.0)
        for number, times in minutes.items()
        for seq, at in enumerate(times)
    ]
    store.write([*readings, reading(1, minutes=4, fill_pct=1.0)], ((1, 1),))
    assert runs_of(store, 0, 30, 120) == [
        *(("truck-01", 0, 2), ("truck-01", 5, 6), ("truck-01", 20, 20)),
        ("truck-02", 3, 3),
    ]
    assert runs_of(store, 0, 31, 180, "truck-01") == [("truck-01", 0, 6), ("truck-01", 20, 20)]
    assert runs_of(store, 1, 6, 60) == [("truck-01", 1, 2), ("truck-01", 5, 5), ("truck-02", 3, 3)]
    assert runs_of(store, 40, 50, 60) == []


def test_first_and_last_measurement_before_a_time(store: Store) -> None:
    store.write([reading(n, minutes=n, device="truck-01", speed_kmh=1.0) for n in range(5)], ((1, 1),))
    store.write([reading(1, minutes=3, device="truck-02", speed_kmh=1.0)], ((1, 2),))
    before = T0 + timedelta(minutes=3)
    assert [(run.device, run.first_at, run.last_at) for run in store.measured_before("truck", before)] == [
        ("truck-01", T0, T0 + timedelta(minutes=2))
    ]
    later = store.measured_before("truck", before + timedelta(minutes=9), device="truck-02")
    assert [run.device for run in later] == ["truck-02"]
    assert store.measured_before("ap", before) == []


def test_statuses_come_back_by_arrival(store: Store) -> None:
    store.write([said("offline", 5, reason="lost"), said("online", 1, "truck-02"), said("online", 9)], ((1, 1),))
    store.write([StatusRecord("ap", "ap-oesapa", "online", None, T0)], ((1, 2),))
    query = StatusQuery("truck", T0, T0 + timedelta(minutes=9))
    assert [(status.device, status.state, status.reason) for status in store.statuses(query)] == [
        ("truck-02", "online", ""),
        ("truck-01", "offline", "lost"),
    ]
    of_one = msgspec.structs.replace(query, device="truck-01", end=T0 + timedelta(minutes=10))
    assert [status.state for status in store.statuses(of_one)] == ["offline", "online"]


def test_answer_is_a_later_arrival_of_a_later_measurement(store: Store) -> None:
    """Readings that were measured before a device went away, and arrive after it, are no answer."""
    late = Reading(origin(1, device="truck-01", minutes=-5, late_s=600), {"speed_kmh": 1.0})
    kept = Reading(origin(2, device="truck-01", minutes=2, late_s=1_200), {"speed_kmh": 1.0})
    store.write([late, kept, reading(3, minutes=30, device="truck-01", speed_kmh=1.0)], ((1, 1),))
    assert store.answered_at("truck", "truck-01", measured_after=T0, after=T0) == T0 + timedelta(minutes=22)
    after = T0 + timedelta(minutes=22)
    assert store.answered_at("truck", "truck-01", measured_after=T0, after=after) == T0 + timedelta(
        minutes=30, seconds=1
    )
    assert store.answered_at("truck", "truck-01", measured_after=T0 + timedelta(hours=1), after=T0) is None
    assert store.answered_at("truck", "truck-02", measured_after=T0, after=T0) is None
