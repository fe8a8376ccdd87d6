"""Whatever InfluxDB answers, a real one or one that answers as told: nothing lost, nothing good refused."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from city.errors import PayloadError, RetryLaterError, RowsRejectedError
from city.inventory.additions import InventoryAdditions
from city.inventory.adoption import Adoption, adopt, unadopt
from city.inventory.loader import builtin_city, load_city
from city.inventory.provider import LiveInventory
from ingest.store.influx.checkpoint import Checkpoint
from ingest.store.influx.http import UNQUOTABLE, InfluxAddress, InfluxHttp, RefusedError, quote_value
from ingest.store.influx.setup import apply_steps, steps_of
from ingest.store.influx.setup_plan import ACCOUNTS, Plan
from ingest.store.influx.store import InfluxStore
from ingest.store.port import EventQuery, SeriesQuery
from ingest.store.records import Reading, RecordOrigin
from ingest.store.schema import EVENTS, RAW, ROLLUP
from tests.support.influx import PASSWORD, RunningInflux, token_paths

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CITY = load_city(builtin_city("kupang"))
TIMEOUT_S = 0.5


class ToldServer(ThreadingHTTPServer):
    """Answers writes as `answers` says (then with 204) and queries with nothing; keeps the lines that it took."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, str, dict[str, str]] | str] = []
        self.bad = b""
        self.too_many = 1 << 30
        self.lines: list[bytes] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections are cut on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: ToldServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/query"):
            self._answer(200, '{"results":[]}', {})
            return
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        lines = body.splitlines()
        match self.server.answers.pop(0) if self.server.answers else None:
            case "cut":
                self.connection.close()
            case "stall":
                time.sleep(4 * TIMEOUT_S)
            case (status, text, headers):
                self._answer(status, text, headers)
            case _ if len(lines) > self.server.too_many:
                self._answer(413, "too large", {})
            case _ if self.server.bad and any(self.server.bad in line for line in lines):
                self._answer(400, "unable to parse", {})
            case _:
                self.server.lines += lines
                self._answer(204, "", {})

    def _answer(self, status: int, text: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[ToldServer]:
    made = ToldServer()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(params=["1.x", "2.x"])
def store(request: pytest.FixtureRequest, server: ToldServer, tmp_path: Path) -> Iterator[InfluxStore]:
    org = "kota" if request.param == "2.x" else ""
    address = InfluxAddress(f"http://127.0.0.1:{server.server_port}", "kota", org, "t")
    made = InfluxStore(InfluxHttp(address, timeout_s=TIMEOUT_S), CITY, Checkpoint(tmp_path / "progress.sqlite"))
    yield made
    made.close()


def readings(count: int, first: int = 0, device: str = "bin-0001") -> list[Reading]:
    return [
        Reading(RecordOrigin("bin", device, "b", first + n, NOW, NOW), {"battery_pct": float(first + n)})
        for n in range(count)
    ]


def test_a_device_that_is_forgotten_and_adopted_elsewhere_has_its_new_place_from_the_next_reading_on(
    server: ToldServer, tmp_path: Path
) -> None:
    inventory = LiveInventory(CITY)
    adopted = InventoryAdditions(tmp_path, inventory)
    address = InfluxAddress(f"http://127.0.0.1:{server.server_port}", "kota", "", "t")
    heard = {"adapter": "tts", "address": "24E124AA", "profile": "milesight-em310-udl"}
    row = {**heard, "model": "plastic-240l", "waste_kind": "organic", "color": "yellow"}
    with closing(InfluxStore(InfluxHttp(address), inventory, Checkpoint(tmp_path / "progress.sqlite"))) as store:
        for number, site in enumerate(("tps-liliba", "tps-oebobo")):
            adopt(tmp_path, inventory.current(), Adoption("bin-9001", "bin", {**row, "site": site}))
            adopted.refresh()
            store.write(readings(1, number, "bin-9001"), ((1, number + 1),))
            unadopt(tmp_path, "bin-9001")
            adopted.refresh()
        store.write(readings(1, 2, "bin-9001"), ((1, 3),))
    tags = [line.split(b" ")[0].decode().split(",") for line in server.lines]
    places = [{tag for tag in line if tag.startswith(("kelurahan=", "site="))} for line in tags]
    assert places == [
        {f"kelurahan={CITY.sites['tps-liliba'].kelurahan}", "site=tps-liliba"},
        {f"kelurahan={CITY.sites['tps-oebobo'].kelurahan}", "site=tps-oebobo"},
        set(),
    ]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((401, "unauthorized", {}), "does not accept our token"),
        ((403, "forbidden", {}), "does not allow our token"),
        ((404, "database not found", {}), "does not know the database"),
        ((500, "internal", {}), "answers 500"),
        ((503, "busy", {}), "answers 503"),
        ("cut", "influxdb"),
        ("stall", "influxdb"),
    ],
)
def test_what_may_pass_keeps_the_batch_and_the_next_try_stores_it(
    store: InfluxStore, server: ToldServer, answer: Any, reason: str
) -> None:
    server.answers = [answer]
    with pytest.raises(RetryLaterError, match=reason):
        store.write(readings(3), ((1, 3),))
    assert store.committed_offsets() == ()
    assert store.write(readings(3), ((1, 3),)).stored == 3
    assert len(server.lines) == 3
    assert store.committed_offsets() == ((1, 3),)


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_was_asked_for_is_kept(store: InfluxStore, server: ToldServer, status: int) -> None:
    server.answers = [(status, "busy", {"Retry-After": "17"})]
    with pytest.raises(RetryLaterError) as caught:
        store.write(readings(1), ((1, 1),))
    assert caught.value.retry_after_s == 17


def test_a_batch_that_is_too_large_is_sent_in_parts(store: InfluxStore, server: ToldServer) -> None:
    server.too_many = 7
    assert store.write(readings(40), ((1, 40),)).stored == 40
    assert len(set(server.lines)) == 40


def test_a_line_that_is_refused_is_found_and_the_others_are_stored(store: InfluxStore, server: ToldServer) -> None:
    server.bad = b"battery_pct=13.0"
    batch = readings(30)
    with pytest.raises(RowsRejectedError) as caught:
        store.write(batch, ((1, 30),))
    assert caught.value.rejected == {13: "unable to parse"}
    assert store.write([record for n, record in enumerate(batch) if n != 13], ((1, 30),)).stored == 29
    assert len(set(server.lines)) == 29


def test_a_type_conflict_in_a_real_server_costs_only_its_own_row(influx: RunningInflux, tmp_path: Path) -> None:
    address = influx.database("conflict")
    http = InfluxHttp(address)
    # Types are fixed per shard, so it must be of the same week.
    http.write(b'bin,city=kupang,device=bin-0001 battery_pct="text" %d' % (NOW.timestamp() * 1e9))
    store = InfluxStore(http, CITY, Checkpoint(tmp_path / "progress.sqlite"))
    other = Reading(RecordOrigin("bin", "bin-0002", "b", 1, NOW, NOW), {"temperature_c": 20.0})
    with pytest.raises(RowsRejectedError) as caught:
        store.write([*readings(1), other], ((1, 2),))
    assert list(caught.value.rejected) == [0]
    assert "conflict" in caught.value.rejected[0]
    assert store.write([other], ((1, 2),)).stored == 1
    store.close()


def test_a_reading_from_before_retention_costs_only_its_own_row(influx: RunningInflux, tmp_path: Path) -> None:
    address = influx.database("retention")
    days = {RAW: 90, ROLLUP: 730, EVENTS: 1825}
    apply_steps(steps_of(Plan(address, days, dict.fromkeys(ACCOUNTS, PASSWORD), token_paths(tmp_path))))
    store = InfluxStore(InfluxHttp(address), CITY, Checkpoint(tmp_path / "progress.sqlite"))
    now = datetime.now(UTC)
    fresh = [Reading(RecordOrigin("bin", "bin-0001", "b", n, now, now), {"battery_pct": float(n)}) for n in range(3)]
    long_ago = Reading(RecordOrigin("bin", "bin-0001", "b", 9, now - timedelta(days=200), now), {"battery_pct": 1.0})
    with pytest.raises(RowsRejectedError) as caught:
        store.write([fresh[0], long_ago, *fresh[1:]], ((1, 4),))
    assert list(caught.value.rejected) == [1]
    assert store.write(fresh, ((1, 4),)).stored == 3
    assert [life.rows for life in store.stored_sequences()] == [3]
    store.close()


def test_a_malformed_line_is_refused_by_name(influx: RunningInflux) -> None:
    http = InfluxHttp(influx.database("malformed"))
    with pytest.raises(RefusedError, match="unable to parse"):
        http.write(b"bin,device=a battery_pct=1.0\nno line at all")
    http.close()


HOSTILE = [
    "x' OR '1'='1",
    "x'; DROP MEASUREMENT bin; --",
    "x\\' OR 1=1 --",
    "\\",
    "'",
    '"',
    "a\nb",
    "$1",
    "/.*/",
    "\u2019 OR 1=1",
]


@given(text=st.text(min_size=1, max_size=30) | st.sampled_from(HOSTILE))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_leaves_its_quotes(influx: RunningInflux, text: str) -> None:
    http = InfluxHttp(influx.database("quotes"))
    http.write(b"bin,device=innocent battery_pct=1.0 1")
    if not UNQUOTABLE.isdisjoint(text):
        with pytest.raises(PayloadError):
            quote_value(text)
        return
    found = http.query(f"SELECT battery_pct FROM bin WHERE device = {quote_value(text)}")  # noqa: S608
    assert found == [] or text == "innocent"
    assert len(http.query("SELECT battery_pct FROM bin WHERE device = 'innocent'")) == 1
    http.close()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_reach_the_store_s_own_queries_and_find_nothing(
    influx: RunningInflux, tmp_path: Path, text: str
) -> None:
    store = InfluxStore(InfluxHttp(influx.database("hostile")), CITY, Checkpoint(tmp_path / "progress.sqlite"))
    store.write(readings(3), ((1, 3),))
    day = (NOW - timedelta(hours=24), NOW + timedelta(hours=1))
    assert store.events(EventQuery(*day, device=text, types=(text,))) == []
    assert store.series(SeriesQuery(text, "battery_pct", *day)) == []
    assert store.events_since((text,), day[0]) == []
    with pytest.raises(PayloadError):
        store.series(SeriesQuery("bin-0001", text, *day))
    assert [life.rows for life in store.stored_sequences()] == [3]
    store.close()


def test_a_server_killed_in_the_middle_is_waited_for_and_has_everything_once(
    influx: RunningInflux, tmp_path: Path
) -> None:
    store = InfluxStore(InfluxHttp(influx.database("killed")), CITY, Checkpoint(tmp_path / "progress.sqlite"))
    store.write(readings(50), ((1, 50),))
    influx.kill()
    with pytest.raises(RetryLaterError):
        store.write(readings(50, 50), ((1, 100),))
    influx.start()
    store.write(readings(50, 50), ((1, 100),))
    store.write(readings(60, 40), ((1, 110),))
    (life,) = store.stored_sequences()
    assert (life.seqs, life.rows, life.duplicates) == (((0, 99),), 100, 0)
    store.close()


def test_a_crash_between_write_and_note_stores_nothing_twice(influx: RunningInflux, tmp_path: Path) -> None:
    address = influx.database("crash")
    store = InfluxStore(InfluxHttp(address), CITY, Checkpoint(tmp_path / "first.sqlite"))
    wrong_clock = Reading(
        RecordOrigin("bin", "bin-0001", "b", 900, NOW, NOW, NOW - timedelta(days=9_000), ("clock",)),
        {"battery_pct": 1.0},
    )
    store.write([*readings(20), wrong_clock], ((1, 21),))
    store.close()
    again = InfluxStore(InfluxHttp(address), CITY, Checkpoint(tmp_path / "second.sqlite"))
    again.write([*readings(20), wrong_clock], ((1, 21),))
    assert [(life.rows, life.duplicates) for life in again.stored_sequences()] == [(21, 0)]
    again.close()
