"""A data folder of the version before schemas had numbers is opened, brought up and goes on where it was."""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from city.errors import ConfigError
from city.inventory.model import City
from city.runtime.secrets import Secrets
from city.runtime.settings import Settings, load_settings
from edge.outbox import Outbox
from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from ingest.pipeline.drain import Drain
from ingest.pipeline.journal import Journal
from ingest.pipeline.journal_params import open_journal
from ingest.store.duckdb.store import DuckStore
from ingest.store.factory import open_store
from ingest.store.influx.checkpoint import Checkpoint
from ingest.store.parked.dead_letters import DeadLetterQueue
from ingest.store.parked.quarantine import Quarantine
from ingest.store.records import Reading, RecordOrigin

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BIN = "kota/v1/kupang/bin/bin-1/telemetry"

JOURNAL = """
CREATE TABLE arrivals (position INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, payload BLOB NOT NULL,
    received_at REAL NOT NULL, checksum INTEGER NOT NULL);
"""
LETTERS = """
CREATE TABLE letters (id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL UNIQUE, position INTEGER NOT NULL,
    topic TEXT NOT NULL, payload BLOB NOT NULL, received_at REAL NOT NULL, reason TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'dead', times INTEGER NOT NULL DEFAULT 1, last_at REAL NOT NULL);
CREATE INDEX letters_by_state ON letters (state, id);
CREATE TABLE owners (digest BLOB PRIMARY KEY, device TEXT NOT NULL);
CREATE INDEX owners_by_device ON owners (device);
CREATE TABLE dropped (letters INTEGER NOT NULL);
INSERT INTO letters (digest, position, topic, payload, received_at, reason, last_at)
VALUES (x'01', 3, 'kota/v1/kupang/bin/bin-1/telemetry', x'7b', 1772366400.0, 'not JSON', 1772366400.0);
"""
QUARANTINE = """
CREATE TABLE strangers (id INTEGER PRIMARY KEY AUTOINCREMENT, adapter TEXT NOT NULL, address TEXT NOT NULL,
    names TEXT NOT NULL, model TEXT NOT NULL, label TEXT NOT NULL, lat_deg REAL, lon_deg REAL, port INTEGER,
    state TEXT NOT NULL DEFAULT 'waiting', first_at REAL NOT NULL, last_at REAL NOT NULL,
    messages INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0, UNIQUE (adapter, address));
CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, stranger INTEGER NOT NULL REFERENCES strangers (id),
    digest BLOB NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL, received_at REAL NOT NULL,
    retained INTEGER NOT NULL, UNIQUE (stranger, digest));
INSERT INTO strangers (adapter, address, names, model, label, first_at, last_at, messages)
VALUES ('tts', 'eui-1', '["eui-1"]', '', '', 1772366400.0, 1772366400.0, 1);
"""
OUTBOX = """
CREATE TABLE life (boot TEXT NOT NULL);
CREATE TABLE given_way (device TEXT PRIMARY KEY, readings INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE issued (device TEXT PRIMARY KEY, next_seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, seq INTEGER NOT NULL,
    kind TEXT NOT NULL, channel TEXT NOT NULL, payload BLOB NOT NULL, UNIQUE (device, seq));
INSERT INTO life VALUES ('abc12'); INSERT INTO issued VALUES ('bin-1', 5);
INSERT INTO outbox (device, seq, kind, channel, payload) VALUES ('bin-1', 4, 'bin', 'telemetry', x'7b7d');
"""
PROGRESS = """
CREATE TABLE seen (device TEXT NOT NULL, boot TEXT NOT NULL, ranges TEXT NOT NULL, PRIMARY KEY (device, boot))
    WITHOUT ROWID;
CREATE TABLE drained (first_position INTEGER NOT NULL, last_position INTEGER NOT NULL);
CREATE TABLE stale (mark INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, start_s INTEGER NOT NULL,
    UNIQUE (kind, start_s));
CREATE TABLE covered (since_s INTEGER NOT NULL);
INSERT INTO drained VALUES (1, 4);
"""
STORE = """
CREATE TABLE bin_telemetry (device VARCHAR, boot VARCHAR, seq BIGINT, measured_at TIMESTAMP, received_at TIMESTAMP,
    device_at TIMESTAMP, quality VARCHAR, battery_pct DOUBLE);
CREATE TABLE seen (device VARCHAR, boot VARCHAR, ranges VARCHAR);
CREATE TABLE drained (first_position BIGINT, last_position BIGINT);
INSERT INTO bin_telemetry VALUES ('bin-1', 'b1', 1, '2026-03-01 12:00:00', '2026-03-01 12:00:01', NULL, '', 5);
INSERT INTO seen VALUES ('bin-1', 'b1', '[[1,1]]');
INSERT INTO drained VALUES (1, 1);
"""


def arrived(topic: str, payload: bytes) -> tuple[str, bytes, float, int]:
    at = NOW.timestamp()
    return topic, payload, at, zlib.crc32(payload, zlib.crc32(f"{topic} {at!r}".encode()))


def reading(seq: int) -> bytes:
    return json.dumps({"ts": NOW.isoformat(), "boot": "b1", "seq": seq, "battery_pct": 5}).encode()


def made(path: Path, script: str) -> Path:
    """A file with the settings that files had."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; {script}")
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a folder in which two messages wait, one of them of another maker's device."""
    Secrets.make(tmp_path)
    (tmp_path / "secret.fingerprint").unlink()
    journal = made(tmp_path / "ingest" / "journal.sqlite", JOURNAL)
    with closing(sqlite3.connect(journal)) as db, db:
        rows = [
            arrived(BIN, reading(1)),
            arrived(BIN, reading(2)),
            arrived("unifi/s/sta", b'[{"mac": "40:d3:ae:04:32:0c"'),
        ]
        db.executemany("INSERT INTO arrivals (topic, payload, received_at, checksum) VALUES (?, ?, ?, ?)", rows)
    made(tmp_path / "store" / "dead_letters.sqlite", LETTERS)
    made(tmp_path / "store" / "quarantine.sqlite", QUARANTINE)
    with duckdb.connect(str(tmp_path / "store" / "city.duckdb")) as store:
        store.execute(STORE)
    return load_settings(data=tmp_path)


def test_an_older_data_folder_goes_on_where_it_was(settings: Settings, city: City) -> None:
    opened = open_store(settings, city)
    journal = open_journal(settings)
    decoder = Decoder(city, late_after=timedelta(minutes=15), pseudonym_key=b"k" * 32)
    parts = (opened.store, opened.dead_letters, opened.quarantine)
    drain = Drain(journal, decoder, *parts, manifest=opened.manifest, clock=lambda: NOW)
    assert opened.dead_letters.find()[0].reason == "not JSON"
    assert opened.quarantine.find()[0].address == "eui-1"
    stop = threading.Event()
    stop.set()
    drain.run(stop)
    assert [(life.seqs, life.duplicates) for life in opened.store.stored_sequences()] == [(((1, 2),), 0)]
    assert (drain.depth(), drain.totals.stored, drain.totals.dead_letters) == (0, 1, 1)
    assert opened.manifest.damages() == ()
    journal.tidy()
    journal.close()
    opened.close()
    files = [path for path in settings.data.rglob("*") if path.is_file()]
    assert not [path.name for path in files if b"40:d3:ae:04:32:0c" in path.read_bytes()]
    assert not [path.name for path in files if "damaged" in path.name or "foreign" in path.name]


def test_an_older_journal_that_two_processes_open_at_once_is_converted_once(tmp_path: Path) -> None:
    path = made(tmp_path / "journal.sqlite", JOURNAL)
    with closing(sqlite3.connect(path)) as db, db:
        rows = [arrived(BIN, reading(seq)) for seq in range(5_000)]
        db.executemany("INSERT INTO arrivals (topic, payload, received_at, checksum) VALUES (?, ?, ?, ?)", rows)
        db.execute("DELETE FROM arrivals WHERE position BETWEEN 2001 AND 2010")
        db.execute("UPDATE arrivals SET checksum = 0 WHERE position = 7")
    journals = list[Journal]()
    threads = [
        threading.Thread(target=lambda: journals.append(Journal(path, max_bytes=1 << 30)), daemon=True)
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for journal in journals:
        entries = journal.read(after=0, limit=9_999)
        assert [entry.offset for entry in entries] == [*range(1, 2_001), *range(2_011, 5_001)]
        assert [entry.offset for entry in entries if entry.damaged] == [7]
        assert entries[-1].arrival.payload == reading(4_999)
    assert len(journals) == 2
    journals[0].append([Arrival(BIN, reading(9), NOW)])
    assert journals[1].last() == 5_001
    for journal in journals:
        journal.close()


def test_what_an_older_version_has_replaced_is_added_to_and_written_anew_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "city.duckdb"
    with duckdb.connect(str(path)) as old:
        old.execute(STORE)
        old.execute("CREATE TABLE meta (name VARCHAR, value VARCHAR)")
        old.execute("INSERT INTO meta VALUES ('life', 'a1'), ('city', 'kupang'), ('schema_version', '2')")
    monkeypatch.setattr("ingest.store.duckdb.store.SEEN_ROWS_MAX", 40)
    for first in range(2, 40, 10):
        store = DuckStore(path)
        assert store.committed_offsets() == ((1, first - 1),)
        for seq in range(first, first + 10):
            origin = RecordOrigin("bin", "bin-1", "b1", seq, NOW, NOW)
            assert store.write([Reading(origin, {"battery_pct": 5.0})] * 2, ((1, seq),)).stored == 1
        store.close()
    with duckdb.connect(str(path)) as file:
        (rows,) = file.execute("SELECT count(*) FROM seen").fetchone() or (0,)
        assert 2 < rows <= 43
        assert file.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone() == ("3",)
    again = DuckStore(path)
    assert again.committed_offsets() == ((1, 41),)
    assert again.write([Reading(RecordOrigin("bin", "bin-1", "b1", 1, NOW, NOW), {})], ((1, 42),)).duplicates == 1
    assert [life.seqs for life in again.stored_sequences()] == [((1, 41),)]
    again.close()


def test_an_older_outbox_goes_on_with_its_life_and_its_seqs(tmp_path: Path) -> None:
    with closing(Outbox(made(tmp_path / "out.sqlite", OUTBOX), max_bytes=1 << 20)) as outbox:
        assert outbox.epoch == "abc12"
        assert [(life.seqs, life.pending) for life in outbox.stats()] == [(5, 1)]


def test_an_older_note_of_what_influxdb_has_is_taken_over(tmp_path: Path) -> None:
    with closing(Checkpoint(made(tmp_path / "progress.sqlite", PROGRESS))) as progress:
        assert progress.committed_offsets == ((1, 4),)


@pytest.mark.parametrize("kind", ["journal", "letters", "quarantine", "outbox", "progress"])
def test_every_file_of_a_newer_version_is_refused_and_left_as_it_is(settings: Settings, kind: str) -> None:
    openers = {
        "journal": (settings.data / "ingest" / "journal.sqlite", lambda _: open_journal(settings)),
        "letters": (settings.data / "store" / "dead_letters.sqlite", DeadLetterQueue),
        "quarantine": (settings.data / "store" / "quarantine.sqlite", Quarantine),
        "outbox": (made(settings.data / "out.sqlite", OUTBOX), lambda path: Outbox(path, max_bytes=1 << 20)),
        "progress": (made(settings.data / "progress.sqlite", PROGRESS), Checkpoint),
    }
    path, opened = openers[kind]
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=77")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="schema version 77"):
        opened(path)
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*damaged*"))
