"""`kota status`: one picture, and every reason why it is not well, in both languages."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from msgspec.structs import replace

from broker.health import BrokerHealth
from city.cli.main import main
from city.cli.status import to_text
from city.i18n.catalogue import LANGS, STATUS_TEXTS
from city.runtime.blind_cameras import RaisedBlind, blind_path, forget_other_cameras, read_blind_cameras
from city.runtime.detector_state import DetectorState, read_detector_state, write_detector_state
from city.runtime.heartbeats import HeartbeatRegistry, HeartbeatWriter, PartHeartbeat
from city.runtime.status import (
    DISK_LOW_BYTES,
    FRESH_S,
    CityStatus,
    IngestStatus,
    NotReadyReason,
    Problem,
    Process,
    Ready,
    ask_ready,
    broker_problems,
    problems_of,
)
from city.storage.atomic_files import replace_file
from city.storage.folder_lock import lock_data_folder

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
SAID = IngestStatus(NOW, connected=True)
RUNS = Process("server", 12, 3_600.0)
WELL = CityStatus(
    supervised=True,
    processes=(RUNS,),
    ingest=SAID,
    ready=Ready(answered=True, ready=True),
    disk_free_bytes=DISK_LOW_BYTES,
    disk_bytes=1 << 40,
)
BROKER = BrokerHealth(NOW.timestamp(), waiting_max_bytes=100 << 20)
LONG_AGO = timedelta(seconds=FRESH_S + 1)
UNWELL: list[tuple[str, CityStatus]] = [
    ("not_running", replace(WELL, processes=())),
    ("process_down", replace(WELL, processes=(RUNS, Process("broker", None)))),
    (
        "process_hangs",
        replace(WELL, processes=(replace(RUNS, beats=(PartHeartbeat("ingest-drain", 7, 61.0, "storing"),)),)),
    ),
    ("process_silent", replace(WELL, processes=(replace(RUNS, silent_s=FRESH_S + 1),))),
    ("not_started", replace(WELL, ingest=None)),
    ("silent", replace(WELL, ingest=replace(SAID, at=NOW - LONG_AGO))),
    ("silent", replace(WELL, ingest=replace(SAID, at=NOW + LONG_AGO))),
    ("no_broker", replace(WELL, ingest=replace(SAID, connected=False))),
    ("journal_full", replace(WELL, ingest=replace(SAID, journal="full"))),
    ("store_away", replace(WELL, ingest=replace(SAID, store="away"))),
    ("api_silent", replace(WELL, ready=Ready())),
    ("not_ready", replace(WELL, ready=Ready(answered=True, detail="the store is away"))),
    ("deaf", replace(WELL, ingest=replace(SAID, connected=False, deaf=True))),
    ("damages", replace(WELL, ingest=replace(SAID, damages=({"file": "store"},)))),
    ("lost_readings", replace(WELL, ingest=replace(SAID, damages=({"file": "store"},), lost_readings=7))),
    ("bad_messages", replace(WELL, ingest=replace(SAID, alarms=({"subject": "bin-1", "bad": 30, "of": 50},)))),
    ("broker_full", replace(WELL, broker=replace(BROKER, waiting_bytes=95 << 20))),
    ("refused_topics", replace(WELL, broker=replace(BROKER, refused_topics_total=3, refused_topic_at=BROKER.at - 60))),
    ("disk_low", replace(WELL, disk_free_bytes=DISK_LOW_BYTES - 1)),
    ("blind_cameras", replace(WELL, blind_cameras={"cam-1": RaisedBlind("dark", NOW)})),
    ("blind_cameras", replace(WELL, blind_cameras={f"cam-{n}": RaisedBlind("no_picture", NOW) for n in range(9)})),
    ("model_unusable", replace(WELL, detector=DetectorState("mine", "mine.toml is missing"))),
]


def test_a_city_that_is_well_has_no_problem() -> None:
    assert problems_of(WELL, NOW) == []
    assert problems_of(replace(WELL, ingest=replace(SAID, canary_age_s=14.0)), NOW) == []
    assert problems_of(replace(WELL, broker=BROKER), NOW) == []


def test_what_the_broker_said_long_ago_is_no_problem_of_now() -> None:
    full = replace(BROKER, waiting_bytes=100 << 20, refused_topics_total=3, refused_topic_at=BROKER.at)
    assert len(broker_problems(full, NOW)) == 2
    assert broker_problems(full, NOW + LONG_AGO) == []
    fresh = replace(full, at=BROKER.at + 3_600, waiting_bytes=0)
    assert broker_problems(fresh, NOW + timedelta(hours=1)) == []


@pytest.mark.parametrize(("key", "picture"), UNWELL, ids=[key for key, _ in UNWELL])
def test_each_reason_is_found_alone_and_said_in_both_languages(key: str, picture: CityStatus) -> None:
    (problem,) = problems_of(picture, NOW)
    assert problem.key == key
    said = {lang: to_text(picture, [problem], lang) for lang in LANGS}
    assert all(problem.text(lang) in said[lang].splitlines()[1] for lang in LANGS)
    assert len({problem.text(lang) for lang in LANGS}) == len(LANGS)
    assert "{" not in "".join(said.values())


def test_cameras_that_cannot_see_are_named_and_many_are_counted(tmp_path: Path) -> None:
    for camera in [f"cam-{number}" for number in range(7)]:
        replace_file(blind_path(tmp_path, camera), msgspec.json.encode(RaisedBlind("dark", NOW)), parents=True)
    write_detector_state(tmp_path, DetectorState("nanodet"))
    (tmp_path / "vision" / "cam-1.waiting.json").write_text("[]")
    (tmp_path / "vision" / "cam-0.json").write_text("{")
    blind = read_blind_cameras(tmp_path)
    assert list(blind) == [f"cam-{number}" for number in range(1, 7)]
    (problem,) = problems_of(replace(WELL, blind_cameras=blind), NOW)
    assert problem.text("en") == "6 cameras cannot see: cam-1, cam-2, cam-3, cam-4, cam-5, ..."
    forget_other_cameras(tmp_path, {"cam-3"})
    assert list(read_blind_cameras(tmp_path)) == ["cam-3"]
    assert read_detector_state(tmp_path) is not None


def test_all_reasons_are_said_at_once() -> None:
    worst = replace(WELL, processes=(Process("broker", None), RUNS), ingest=None, disk_free_bytes=0)
    assert [problem.key for problem in problems_of(worst, NOW)] == ["process_down", "not_started", "disk_low"]


def test_every_reason_has_a_text() -> None:
    assert {code for code in get_args(NotReadyReason) if code} <= set(STATUS_TEXTS)


@pytest.mark.parametrize(
    ("count", "lost", "refused"),
    [
        (1, "1 reading is lost", "cut off 1 connection for a topic with white space; its message is"),
        (2, "2 readings are lost", "cut off 2 connections for a topic with white space; their messages are"),
    ],
)
def test_problems_with_a_count_have_its_plural_form(count: int, lost: str, refused: str) -> None:
    assert Problem("lost_readings", {"count": count}).text("en").startswith(lost)
    assert refused in Problem("refused_topics", {"count": count}).text("en")
    assert Problem("lost_readings", {"count": count}).text("id").startswith(f"{count} pembacaan hilang")


def test_the_picture_shows_what_is_asked_for() -> None:
    beats = (PartHeartbeat("ingest", 3, 0.5), PartHeartbeat("ingest-drain", 3, 0.5, "12 waiting"))
    shown = replace(
        WELL,
        processes=(replace(RUNS, restarts=2, hangs=1, beats=beats), Process("broker", None)),
        ingest=replace(SAID, canary_age_s=4.2, journal_depth=12, lag_s=3.0, store="away", note="no route"),
    )
    said = to_text(shown, problems_of(shown, NOW), "en")
    line = "  server: pid 12, for 1:00:00, restarted 2 times, hung 1 time; ingest, ingest-drain (12 waiting)"
    assert line in said
    for words in (
        "  broker: down",
        "Broker: connected",
        "Last heard: 4 s ago",
        "Store: away (no route)",
        "Journal: 12 messages wait, the oldest 3 s",
        "Disk: 512 MB free of",
    ):
        assert words in said
    assert "Last heard" not in to_text(WELL, [], "en")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (DetectorState("nanodet-m-416"), "Recognition of people and vehicles: nanodet-m-416"),
        (DetectorState(), "Recognition of people and vehicles: without a model; less is recognised"),
        (DetectorState("mine", "broken"), "Recognition of people and vehicles: without a model; less is recognised"),
    ],
)
def test_the_learned_detector_is_told_where_cameras_run(tmp_path: Path, state: DetectorState, words: str) -> None:
    assert read_detector_state(tmp_path) is None
    write_detector_state(tmp_path, state)
    picture = replace(WELL, detector=read_detector_state(tmp_path))
    assert picture.detector == state
    assert words in to_text(picture, [], "en")
    assert "Recognition" not in to_text(WELL, [], "en")


def test_a_disk_that_refuses_the_detectors_state_keeps_nobody_from_watching(tmp_path: Path) -> None:
    (tmp_path / "vision").write_text("no folder")
    write_detector_state(tmp_path, DetectorState("mine"))
    assert read_detector_state(tmp_path) is None


class Answering(BaseHTTPRequestHandler):
    """Answers as `/readyz` does, or as one that is broken."""

    status, body = 200, b'{"ready": true, "detail": ""}'

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_the_api_answers_is_understood(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask_ready("0.0.0.0", port) == Ready(answered=True, ready=True)  # noqa: S104 - as a server may listen
    monkeypatch.setattr(Answering, "status", 503)
    monkeypatch.setattr(Answering, "body", b'{"ready": false, "detail": "the store is away"}')
    assert ask_ready("127.0.0.1", port) == Ready(answered=True, detail="the store is away")
    monkeypatch.setattr(Answering, "body", b"<html>")
    assert ask_ready("127.0.0.1", port) == Ready()
    assert ask_ready("127.0.0.1", 1) == Ready()


@contextmanager
def running(data: Path, **child: Any) -> Iterator[None]:
    """A folder as a `kota up` with one process keeps it; the process is this one."""
    data.mkdir(exist_ok=True)
    began = datetime.now(UTC) - timedelta(minutes=5)
    noted = {"pid": os.getpid(), "services": ["ingest"], "started_at": began.isoformat(), "restarts": 1, "hangs": 0}
    (data / "run.json").write_text(json.dumps({"children": {"server": {**noted, **child}}}))
    with lock_data_folder(data):
        yield


def status(data: Path, capsys: pytest.CaptureFixture[str], port: int = 1) -> dict[str, Any]:
    code = main(["status", "--json", "--data", str(data), "--port", str(port)])
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert said["well"] == (code == 0)
    return {**said, "keys": [problem["key"] for problem in said["problems"]]}


def test_a_running_city_is_read_from_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], port: int) -> None:
    beats = HeartbeatRegistry()
    beats.beat("ingest", "drinking coffee")
    with running(tmp_path):
        HeartbeatWriter(tmp_path, beats, {}).write("ingest")
        (tmp_path / "ingest").mkdir()
        health = {"at": datetime.now(UTC).isoformat(), "connected": True, "unheard_of": 1}
        (tmp_path / "ingest" / "health.json").write_text(json.dumps(health))
        said = status(tmp_path, capsys, port)
        assert said["keys"] == [key for key in said["keys"] if key == "disk_low"], said["problems"]
        (process,) = said["processes"]
        assert process["beats"][0]["doing"] == "drinking coffee"
        assert (process["restarts"], round(process["age_s"] / 60)) == (1, 5)


def test_a_process_that_has_left_no_sign_since_its_start_is_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sign of its predecessor is none of its own."""
    HeartbeatWriter(tmp_path, HeartbeatRegistry(), {}).write("ingest")
    with running(tmp_path, pid=os.getppid()):
        assert "process_silent" in status(tmp_path, capsys)["keys"]


def test_a_city_that_was_killed_is_not_running(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it has noted is still there; whose number its processes' are now, nobody knows."""
    with running(tmp_path):
        assert "not_running" not in status(tmp_path, capsys)["keys"]
    assert status(tmp_path, capsys)["keys"] == ["not_running"]


def test_services_that_run_alone_are_found_by_their_signs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    HeartbeatWriter(tmp_path, HeartbeatRegistry(), {}).write("vision")
    said = status(tmp_path, capsys)
    assert [process["name"] for process in said["processes"]] == ["vision"]
    assert not said["supervised"]


def test_nonsense_in_the_folder_is_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text("{")
    assert status(tmp_path, capsys)["keys"] == ["not_running"]
    assert status(tmp_path / "missing", capsys)["keys"] == ["not_running"]
