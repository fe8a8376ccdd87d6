"""Names and addresses of people are in no file of the data folder, at no time; what is deleted is in no log either."""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.contract.payloads import Receipt
from city.inventory.model import AccessPoint, Binding, City, Profile
from city.runtime.secrets import Secrets
from city.runtime.settings import load_settings
from edge.outbox import Outbox, TelemetryEntry
from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from ingest.pipeline.drain import Drain
from ingest.pipeline.journal import Journal, JournalRetention
from ingest.pipeline.journal_params import open_journal
from ingest.pipeline.seal import Seal
from ingest.store.factory import open_store
from ingest.store.parked.dead_letters import DeadLetter, DeadLetterQueue
from ingest.store.parked.quarantine import Quarantine, QuarantinedMessage

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BIN = "kota/v1/kupang/bin/bin-1/telemetry"
CLIENT = "40:d3:ae:04:32:0c"
PERSON = "Maria Lobo"
USER = "maria.lobo"
SECRETS = [CLIENT.encode(), b"40d3ae04320c", PERSON.encode(), USER.encode(), CLIENT.upper().encode()]
STATION = {"mac": CLIENT, "ap_mac": "80:2a:a8:00:01:02", "essid": "City", "hostname": PERSON, "signal": -60}
FOREIGN = [
    ("unifi/default/sta", json.dumps([STATION]).encode()),
    ("unifi/default/sta", json.dumps([{**STATION, "ap_mac": "80:2a:a8:00:01:09"}]).encode()),
    (f"owntracks/{USER}/phone", json.dumps({"_type": "location", "tid": "ml", "lat": 1, "lon": 2, "tst": 1}).encode()),
    ("unifi/default/sta", f'[{{"mac": "{CLIENT}", "hostname": "{PERSON}"'.encode()),
]


ROWS_OF_VERSION_2 = """
PRAGMA user_version=2;
CREATE TABLE arrivals (position INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, payload BLOB NOT NULL,
    received_at REAL NOT NULL, checksum INTEGER NOT NULL);
"""


def found_in(folder: Path, texts: list[bytes]) -> list[tuple[str, bytes]]:
    """Which of these stand in which file below a folder."""
    files = [(path, path.read_bytes()) for path in folder.rglob("*") if path.is_file()]
    return [(path.name, text) for path, content in files for text in texts if text in content]


@pytest.fixture
def hotspots(city: City) -> City:
    profile = next(iter(city.profiles.values()))
    known = Profile("unifi", "ap", dict(profile.fields), adapters=("unifi",))
    access_point = AccessPoint(id="ap-1", model="m", ssids=(), binding=Binding("unifi", "80:2a:a8:00:01:02", "unifi"))
    return replace(city, profiles={**city.profiles, "unifi": known}, devices={**city.devices, "ap-1": access_point})


def test_no_name_and_no_address_of_a_person_is_ever_on_the_disk(hotspots: City, tmp_path: Path) -> None:
    secrets = Secrets.make(tmp_path)
    settings = load_settings(data=tmp_path)
    opened = open_store(settings, hotspots)
    journal = open_journal(settings)
    decoder = Decoder(hotspots, late_after=timedelta(minutes=15), pseudonym_key=secrets.pseudonym_key())
    parts = (opened.store, opened.dead_letters, opened.quarantine)
    drain = Drain(journal, decoder, *parts, manifest=opened.manifest, clock=lambda: NOW)
    journal.append([Arrival(topic, payload, NOW) for topic, payload in FOREIGN])
    assert found_in(tmp_path / "ingest", SECRETS) == [], "while it waits"
    stop = threading.Event()
    stop.set()
    drain.run(stop)
    assert drain.depth() == 0
    assert drain.totals.dead_letters + drain.totals.quarantined >= 2, "some of it lies in the other files"
    kept = journal.read(after=0, limit=9)
    assert [(entry.arrival.topic, entry.arrival.payload) for entry in kept] == FOREIGN, "kept behind the store"
    in_clear = [(name, text) for name, text in found_in(tmp_path, SECRETS) if text != USER.encode()]
    assert in_clear == []
    assert found_in(tmp_path / "ingest", SECRETS) == []
    journal.close()
    opened.close()
    assert found_in(tmp_path / "ingest", SECRETS) == []


def test_what_an_older_version_has_kept_in_clear_is_sealed_when_it_is_opened(tmp_path: Path) -> None:
    path, at = tmp_path / "journal.sqlite", NOW.timestamp()
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(ROWS_OF_VERSION_2)
        for topic, payload in FOREIGN:
            checksum = zlib.crc32(payload, zlib.crc32(f"{topic} {at!r}".encode()))
            old.execute("INSERT INTO arrivals VALUES (NULL, ?, ?, ?, ?)", (topic, payload, at, checksum))
    assert found_in(tmp_path, SECRETS)
    journal = Journal(
        path, max_bytes=1 << 20, seal=Seal(b"k" * 32), retention=JournalRetention(1 << 20, timedelta(hours=24))
    )
    journal.tidy()
    assert found_in(tmp_path, SECRETS) == []
    assert [(entry.arrival.topic, entry.arrival.payload) for entry in journal.read(after=0, limit=9)] == FOREIGN
    journal.close()


def test_a_message_sealed_with_another_key_is_damaged_and_its_neighbours_are_not(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path, max_bytes=1 << 20, seal=Seal(b"k" * 32))
    journal.append([Arrival("unifi/default/sta", b"[]", NOW), Arrival(BIN, b"{}", NOW)])
    journal.close()
    other = Journal(path, max_bytes=1 << 20, seal=Seal(b"x" * 32))
    assert [entry.damaged for entry in other.read(after=0, limit=9)] == [True, False]
    other.close()


def keeping(path: Path, *, max_bytes: int = 1 << 20, retention: JournalRetention) -> Journal:
    return Journal(path, max_bytes=max_bytes, seal=Seal(b"k" * 32), retention=retention)


def test_the_journal_keeps_what_is_stored_up_to_an_age_and_never_what_waits_less(tmp_path: Path) -> None:
    journal = keeping(tmp_path / "j.sqlite", retention=JournalRetention(1 << 20, timedelta(hours=24)))
    for hour in range(48):
        journal.append([Arrival(BIN, b"{}", NOW + timedelta(hours=hour))])
    journal.trim(40, NOW + timedelta(hours=48))
    assert (journal.first(), journal.last(), journal.stored_offset()) == (25, 48, 40)
    journal.close()
    again = keeping(tmp_path / "j.sqlite", retention=JournalRetention(1 << 20, timedelta(hours=24)))
    assert again.stored_offset() == 40
    again.close()


def test_what_is_kept_gives_way_by_size_and_before_the_journal_is_full(tmp_path: Path) -> None:
    journal = keeping(
        tmp_path / "j.sqlite", max_bytes=1_000_000, retention=JournalRetention(400_000, timedelta(hours=24))
    )
    many = [Arrival(BIN, b"x" * 500, NOW)] * 500
    for round_ in range(1, 9):
        journal.append(many)
        journal.trim(round_ * 500, NOW)
    assert 0 < journal.bytes() < 450_000
    kept = journal.bytes()
    journal.append([Arrival(BIN, b"x" * 500, NOW)] * 1_500)
    assert journal.bytes() <= 1_050_000
    assert len(journal.read(after=4_000, limit=9_999)) == 1_500, "none of what waits has given way"
    assert kept > 0
    journal.close()


def test_a_reader_puts_off_the_emptying_of_a_log_and_forbids_nothing(tmp_path: Path) -> None:
    box = DeadLetterQueue(tmp_path / "dead.sqlite")
    box.add([DeadLetter(1, "t", CLIENT.encode(), NOW, "bad")])
    with closing(sqlite3.connect(tmp_path / "dead.sqlite")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM letters").fetchall()
        box.forget_before(NOW + timedelta(days=1))
        box.tidy()
        assert found_in(tmp_path, SECRETS)
        box.add([DeadLetter(2, "t", b"{", NOW, "bad")])
    box.tidy()
    assert found_in(tmp_path, SECRETS) == []
    assert box.count() == 1
    box.close()


def test_a_stranger_that_is_forgotten_is_in_no_log(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "q.sqlite")
    quarantine.add([QuarantinedMessage("unifi", ("ap",), "unifi/s/sta", CLIENT.encode(), NOW)])
    quarantine.forget(quarantine.find()[0].id)
    quarantine.tidy()
    assert found_in(tmp_path, SECRETS) == []
    quarantine.close()


def test_a_trimmed_journal_is_in_no_log(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", max_bytes=1 << 20)
    journal.append([Arrival(topic, payload, NOW) for topic, payload in FOREIGN])
    journal.trim(len(FOREIGN), NOW)
    assert (tmp_path / "j.sqlite-wal").stat().st_size == 0
    assert found_in(tmp_path, SECRETS) == []
    journal.close()


def test_a_delivered_reading_is_in_no_log(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "out.sqlite", max_bytes=1 << 20)
    outbox.append([TelemetryEntry("bin-1", "bin", NOW, {"battery_pct": 77.25})])
    assert found_in(tmp_path, [b"77.25"])
    outbox.forget([("bin-1", Receipt(epoch=outbox.epoch, seqs=[(0, 0)]))])
    assert found_in(tmp_path, [b"77.25"]) == []
    outbox.close()
