"""Whatever becomes of the store's file, ingest journals on, fills the store again, and says what it cannot fill."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.client import ConnectionParams
from broker.health import StorageDamage, note_damage
from city.errors import ConfigError, RetryLaterError
from city.inventory.model import City
from city.runtime.secrets import Secrets
from city.runtime.settings import Settings, load_settings
from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from ingest.pipeline.drain import Drain
from ingest.pipeline.journal import Journal
from ingest.pipeline.journal_params import open_journal
from ingest.service import Ingest
from ingest.store.dedup import SeenSequences
from ingest.store.duckdb.store import DuckStore
from ingest.store.factory import StoreHandle, open_store, register_file
from ingest.store.memory import MemoryStore
from ingest.store.port import Ranges, WriteResult
from ingest.store.records import Record
from ingest.store.reopening import ReopeningStore, StoreBrokenError, StoreChangedError
from ingest.store.views.health import Damage, LostRange
from tests.support.waiting import wait_for

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BIN = "kota/v1/kupang/bin/bin-1/telemetry"


def arrival(seq: int, topic: str = BIN) -> Arrival:
    body = {"ts": NOW.isoformat(), "boot": "b1", "seq": seq, "battery_pct": 5}
    return Arrival(topic, json.dumps(body).encode(), NOW)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    Secrets.make(tmp_path)
    return load_settings(data=tmp_path)


class Running:
    """Ingest's way from journal to store, without a broker."""

    def __init__(self, settings: Settings, city: City) -> None:
        self.opened: StoreHandle = open_store(settings, city)
        self.journal: Journal = open_journal(settings)
        register_file(self.opened.manifest, "journal", self.journal.file)
        self.drain = Drain(
            self.journal,
            Decoder(city, late_after=timedelta(minutes=15)),
            self.opened.store,
            self.opened.dead_letters,
            self.opened.quarantine,
            manifest=self.opened.manifest,
            clock=lambda: NOW,
        )

    def apply(self) -> None:
        """Store what waits."""
        self.drain._sync_with_store()
        self.drain._drain(threading.Event())
        self.drain._report_lost()
        self.drain._trim()

    def seqs(self) -> list[tuple[int, int]]:
        """What is in the store."""
        lives = self.opened.store.stored_sequences()
        assert all(life.duplicates == 0 for life in lives)
        return [range_ for life in lives for range_ in life.seqs]


@contextmanager
def running(settings: Settings, city: City) -> Iterator[Running]:
    run = Running(settings, city)
    try:
        yield run
    finally:
        run.journal.close()
        run.opened.close()


def filled(settings: Settings, city: City, count: int = 300) -> Path:
    """A data folder whose store has so many readings and is closed; the path of its file."""
    with running(settings, city) as run:
        run.journal.append([arrival(seq) for seq in range(count)])
        run.apply()
        assert run.seqs() == [(0, count - 1)]
    return settings.data / "store" / "city.duckdb"


def zeroed(path: Path) -> None:
    os.truncate(path, 0)


def halved(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def without_head(path: Path) -> None:
    with path.open("rb+") as file:
        file.write(os.urandom(4_096))


def overwritten(path: Path) -> None:
    with path.open("rb+") as file:
        file.seek(12_288)
        file.write(os.urandom(path.stat().st_size - 12_288))


def of_another_city(path: Path) -> None:
    path.unlink()
    with closing(DuckStore(path, city="kupang")):
        pass


def deleted(path: Path) -> None:
    path.unlink()


def with_a_log_only(path: Path) -> None:
    path.unlink()
    path.with_name("city.duckdb.wal").write_bytes(os.urandom(5_000))


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (zeroed, "damaged"),
        (halved, "damaged"),
        (without_head, "damaged"),
        (overwritten, "damaged"),
        (of_another_city, "foreign"),
        (deleted, "deleted"),
        (with_a_log_only, "deleted"),
    ],
)
def test_a_damaged_store_is_set_aside_filled_again_and_said(
    settings: Settings, city: City, harm: Callable[[Path], None], what: str
) -> None:
    path = filled(settings, city)
    harm(path)
    with running(settings, city) as run:
        run.journal.append([arrival(300)])
        run.apply()
        assert run.seqs() == [(0, 300)]
        assert [(damage.file, damage.what) for damage in run.opened.manifest.damages()] == [("store/city.duckdb", what)]
        assert run.opened.manifest.lost_ranges() == ()
    if what != "deleted":
        assert list(path.parent.glob(f"city.duckdb.{what}-*"))


def test_what_is_no_longer_kept_is_lost_and_named_by_device_and_seqs(settings: Settings, city: City) -> None:
    bare = settings.model_copy(update={"journal_keep_mb": 0})
    path = filled(bare, city, 40)
    path.unlink()
    with running(bare, city) as run:
        run.journal.append([arrival(seq) for seq in range(50, 60)])
        run.apply()
        assert run.opened.manifest.lost_ranges() == (LostRange("bin-1", "b1", 0, 39),)
        run.opened.manifest.accept()
        assert run.opened.manifest.damages() == ()
    with running(bare, city) as run:
        run.apply()
        assert run.opened.manifest.lost_ranges() == ()


def test_a_dead_letter_is_not_lost(settings: Settings, city: City) -> None:
    with running(settings, city) as run:
        body = [arrival(1).payload, b'{"ts":"2026-03-01T12:00:00Z","boot":"b1","seq":2,"battery_pct":500}']
        run.journal.append([Arrival(BIN, b"[" + b",".join(body) + b"]", NOW)])
        run.apply()
        assert run.opened.manifest.lost_ranges() == ()


def test_a_store_set_back_to_an_older_copy_is_filled_again(settings: Settings, city: City, tmp_path: Path) -> None:
    path = filled(settings, city, 10)
    shutil.copy(path, tmp_path / "older")
    with running(settings, city) as run:
        run.journal.append([arrival(seq) for seq in range(10, 30)])
        run.apply()
    shutil.copy(tmp_path / "older", path)
    path.with_name("city.duckdb.wal").unlink(missing_ok=True)
    with running(settings, city) as run:
        run.apply()
        assert run.seqs() == [(0, 29)]


@pytest.mark.parametrize("harm", [deleted, of_another_city])
def test_a_store_deleted_or_replaced_while_it_is_open_is_written_anew_with_all_it_had(
    settings: Settings, city: City, harm: Callable[[Path], None]
) -> None:
    bare = settings.model_copy(update={"journal_keep_mb": 0})
    with running(bare, city) as run:
        run.journal.append([arrival(seq) for seq in range(5)])
        run.apply()
        path = bare.data / "store" / "city.duckdb"
        if harm is deleted:
            path.unlink()
        else:
            made = path.with_name("elsewhere")
            of_another_city(shutil.copy(path, made))
            made.replace(path)
        run.journal.append([arrival(5)])
        run.apply()
        assert run.seqs() == [(0, 5)]
        assert [damage.what for damage in run.opened.manifest.damages()] == [
            "deleted" if harm is deleted else "foreign"
        ]
    with running(bare, city) as run:
        assert run.seqs() == [(0, 5)]


def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is(settings: Settings, city: City) -> None:
    path = filled(settings, city)
    store = DuckStore(path)
    store._db.execute("UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    store.close()
    with pytest.raises(ConfigError, match="schema version 99"):
        DuckStore(path)
    with running(settings, city) as run:
        run.journal.append([arrival(300)])
        with pytest.raises(RetryLaterError, match="install the version"):
            run.apply()
        assert run.drain.depth() == 1
    assert [file.name for file in path.parent.glob("city.duckdb*")] == ["city.duckdb"]


class Failing(MemoryStore):
    """Raises at its first writes what a test says."""

    def __init__(self, errors: list[Exception]) -> None:
        super().__init__()
        self._errors = errors

    def seen_sequences(self) -> SeenSequences:
        return self._seen

    def write(self, records: Sequence[Record], committed_offsets: Ranges) -> WriteResult:
        if self._errors:
            raise self._errors.pop(0)
        return super().write(records, committed_offsets)


def test_whatever_a_write_raises_the_store_is_opened_anew_and_the_batch_written(settings: Settings, city: City) -> None:
    stores = [Failing([TypeError("a bug")]), Failing([StoreBrokenError("broken", damage="checksum")]), Failing([])]
    told: list[str] = []

    def opener(damage: str) -> Failing:
        told.append(damage)
        return stores[len(told) - 1]

    store = ReopeningStore(opener, clock_s=iter(range(0, 10_000, 60)).__next__)
    opened = open_store(settings, city)
    journal = open_journal(settings)
    decoder = Decoder(city, late_after=timedelta(minutes=15))
    drain = Drain(journal, decoder, store, opened.dead_letters, opened.quarantine, clock=lambda: NOW)
    journal.append([arrival(1), arrival(2)])
    stop = threading.Event()
    thread = threading.Thread(target=drain.run, args=(stop,))
    thread.start()
    wait_for(lambda: drain.depth() == 0, "the batch in the third store")
    stop.set()
    thread.join()
    assert told == ["", "", "checksum"]
    assert [life.seqs for life in stores[2].stored_sequences()] == [((1, 2),)]
    opened.close()


def test_a_write_to_a_store_that_was_opened_anew_is_refused_until_it_is_asked_what_it_has() -> None:
    stores = iter([Failing([TypeError("a bug")]), Failing([])])
    store = ReopeningStore(lambda _: next(stores), clock_s=iter(range(0, 10_000, 60)).__next__)
    store.committed_offsets()
    with pytest.raises(RetryLaterError, match="a bug"):
        store.write([], ((1, 9),))
    with pytest.raises(StoreChangedError):
        store.write([], ((1, 9),))
    assert store.committed_offsets() == ()
    store.write([], ((1, 9),))


def test_who_reads_is_not_held_up_by_a_repair() -> None:
    repaired, opening = threading.Event(), threading.Event()

    def opener(_: str) -> Failing:
        opening.set()
        repaired.wait()
        return Failing([])

    store = ReopeningStore(opener)
    writer = threading.Thread(target=store.committed_offsets)
    writer.start()
    opening.wait()
    with pytest.raises(RetryLaterError, match="repaired"):
        store.latest()
    repaired.set()
    writer.join()
    assert store.latest() == []


def test_a_store_that_cannot_be_opened_leaves_the_intake_running_and_health_says_so(
    settings: Settings, city: City
) -> None:
    path = settings.data / "store" / "city.duckdb"
    path.mkdir(parents=True)
    opened = open_store(settings, city)
    ingest = Ingest(settings, city, ConnectionParams("127.0.0.1", 1, "ingest", "", "x"), opened)
    ingest.journal.append([arrival(1)])
    stop = threading.Event()
    thread = threading.Thread(target=ingest.drain.run, args=(stop,))
    thread.start()
    wait_for(lambda: ingest.health(NOW).store == "away", "a health that says so")
    ingest.journal.append([arrival(2)])
    assert ingest.health(NOW).journal_depth == 2
    path.rmdir()
    wait_for(lambda: ingest.health(NOW).journal_depth == 0, "both stored")
    stop.set()
    thread.join()
    assert ingest.health(NOW).stored_total == 2
    ingest.journal.close()
    opened.close()


def test_a_journal_begun_anew_gives_out_no_position_that_the_store_knows(settings: Settings, city: City) -> None:
    filled(settings, city, 10)
    for part in (settings.data / "ingest").glob("journal.sqlite*"):
        part.unlink()
    opened = open_store(settings, city)
    ingest = Ingest(settings, city, ConnectionParams("127.0.0.1", 1, "ingest", "", "x"), opened)
    ingest.journal.append([arrival(77)])
    assert ingest.drain.depth() == 1
    (damage,) = opened.manifest.damages()
    assert (damage.file, damage.what) == ("ingest/journal.sqlite", "deleted")
    ingest.drain._sync_with_store()
    ingest.drain._drain(threading.Event())
    assert [life.seqs for life in opened.store.stored_sequences()] == [((0, 9), (77, 77))]
    assert ingest.drain.depth() == 0
    ingest.journal.close()
    opened.close()


def test_a_book_that_was_deleted_is_said(settings: Settings, city: City) -> None:
    filled(settings, city, 10)
    for part in (settings.data / "ingest").glob("book.sqlite*"):
        part.unlink()
    opened = open_store(settings, city)
    ingest = Ingest(settings, city, ConnectionParams("127.0.0.1", 1, "ingest", "", "x"), opened)
    damages: tuple[Damage, ...] = ingest.health(NOW).damages
    assert [damage.file for damage in damages] == ["ingest/book.sqlite"]
    ingest.journal.close()
    opened.close()


def test_what_the_broker_could_not_read_is_said_once_and_ends_when_it_is_accepted(
    settings: Settings, city: City
) -> None:
    folder = settings.data / "broker"
    folder.mkdir(parents=True)
    opened = open_store(settings, city)
    ingest = Ingest(settings, city, ConnectionParams("127.0.0.1", 1, "ingest", "", "x"), opened)
    for minutes in (0, 5):
        note_damage(folder, StorageDamage(NOW + timedelta(minutes=minutes), "broker/jetstream", f"after {minutes}"))
        ingest.tidy()
        ingest.tidy()
    damages = [(damage.file, damage.what, damage.detail) for damage in ingest.health(NOW).damages]
    assert damages == [("broker/jetstream", "damaged", f"after {minutes}") for minutes in (0, 5)]
    opened.manifest.accept()
    ingest.tidy()
    assert ingest.health(NOW).damages == ()
    (folder / "damages.json").write_text("{")
    ingest.tidy()
    ingest.journal.close()
    opened.close()


def test_every_file_deleted_while_it_runs_is_written_anew_and_said(settings: Settings, city: City) -> None:
    opened = open_store(settings, city)
    ingest = Ingest(settings, city, ConnectionParams("127.0.0.1", 1, "ingest", "", "x"), opened)
    ingest.journal.append([arrival(1), Arrival(BIN, b"{", NOW)])
    ingest.drain._sync_with_store()
    ingest.drain._drain(threading.Event())
    for part in [*(settings.data / "ingest").iterdir(), *(settings.data / "store").iterdir()]:
        part.unlink()
    ingest.tidy()
    ingest.journal.append([arrival(2)])
    ingest.drain._sync_with_store()
    ingest.drain._drain(threading.Event())
    assert {(damage.file, damage.what) for damage in ingest.health(NOW).damages} == {
        (f"{folder}/{name}", "deleted")
        for folder, name in [
            ("ingest", "journal.sqlite"),
            ("ingest", "book.sqlite"),
            ("store", "dead_letters.sqlite"),
            ("store", "quarantine.sqlite"),
            ("store", "city.duckdb"),
        ]
    }
    ingest.journal.close()
    opened.close()
    with running(settings, city) as run:
        run.apply()
        assert run.seqs() == [(1, 2)]
        assert run.opened.dead_letters.count() == 1
        assert run.opened.manifest.lost_ranges() == ()


def test_dead_letters_deleted_while_ingest_is_stopped_are_said(settings: Settings, city: City) -> None:
    filled(settings, city, 3)
    (settings.data / "store" / "dead_letters.sqlite").unlink()
    with running(settings, city) as run:
        assert [(damage.file, damage.what) for damage in run.opened.manifest.damages()] == [
            ("store/dead_letters.sqlite", "deleted")
        ]


def test_a_journal_whose_log_was_deleted_after_a_kill_is_said(settings: Settings, city: City, tmp_path: Path) -> None:
    copied = tmp_path.with_name("copied")
    with running(settings, city) as run:
        run.journal.append([arrival(seq) for seq in range(50)])
        shutil.copytree(settings.data, copied)
    (copied / "ingest" / "journal.sqlite-wal").unlink()
    with running(settings.model_copy(update={"data": copied}), city) as run:
        (damage,) = run.opened.manifest.damages()
        assert (damage.file, damage.what) == ("ingest/journal.sqlite", "deleted")
        assert "write-ahead log is gone" in damage.detail


def test_a_damaged_journal_is_rescued_said_and_drained(settings: Settings, city: City) -> None:
    filled(settings, city, 300)
    journal = open_journal(settings)
    journal.append([arrival(seq) for seq in range(300, 600)])
    journal.close()
    path = settings.data / "ingest" / "journal.sqlite"
    with path.open("rb+") as file:
        file.seek(path.stat().st_size // 2)
        file.write(os.urandom(8_192))
    with running(settings, city) as run:
        run.apply()
        (damage,) = run.opened.manifest.damages()
        assert (damage.file, damage.what) == ("ingest/journal.sqlite", "damaged")
        assert sum(last - first + 1 for first, last in run.seqs()) > 500
        assert run.drain.depth() == 0
