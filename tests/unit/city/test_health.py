"""Signs of life: fresh ones count, old ones, none and nonsense do not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from city.cli.main import main
from city.runtime.health import SERVICES as ASKED
from city.runtime.heartbeats import HeartbeatRegistry, HeartbeatWriter, heartbeat_path, read_heartbeat
from city.runtime.serve import SERVICES
from city.runtime.status import FRESH_S
from ingest.store.views.health import IngestHealth, health_path, write_health
from tests.support.disks import fill, small_disk

LONG_AGO = timedelta(seconds=2 * FRESH_S)


def alive(service: str, data: Path, *options: str) -> bool:
    return main(["health", service, "--data", str(data), *options]) == 0


@pytest.mark.parametrize("service", ["vision", "simulator"])
def test_a_process_lives_as_long_as_it_leaves_signs(tmp_path: Path, service: str) -> None:
    assert not alive(service, tmp_path)
    writer = HeartbeatWriter(tmp_path, HeartbeatRegistry(), {})
    writer.write(service)
    assert alive(service, tmp_path)
    path = heartbeat_path(tmp_path, service)
    old = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**old, "at": old["at"] - LONG_AGO.total_seconds()}))
    assert not alive(service, tmp_path)
    path.write_text("nonsense")
    assert not alive(service, tmp_path)
    writer.write(service)
    assert alive(service, tmp_path)


def test_a_process_whose_part_hangs_is_not_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    beats = HeartbeatRegistry(lambda: now[0])
    beats.beat("vision-worker", "somebody else's")
    beats.beat("vision", "8 cameras")
    beats.beat("vision-disk", "copying", patience_s=600)
    writer = HeartbeatWriter(tmp_path, beats, {})
    writer.write("vision")
    assert alive("vision", tmp_path)
    now[0] = 61.0
    beats.beat("vision-worker")
    writer.write("vision")
    assert not alive("vision", tmp_path)
    assert "vision has made no progress for 61 s" in capsys.readouterr().err
    beats.beat("vision")
    writer.write("vision")
    assert alive("vision", tmp_path)


def test_a_disk_that_refuses_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "alive").write_text("a file where a folder should be")
    HeartbeatWriter(tmp_path, HeartbeatRegistry(), {}).write("vision")


def test_a_full_disk_takes_the_next_sign(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        writer = HeartbeatWriter(disk, HeartbeatRegistry(), {})
        first = writer.write("vision")
        fill(disk)
        second = writer.write("vision")
        assert second.number == first.number + 1
        assert read_heartbeat(disk, "vision") == second


def test_ingest_lives_by_what_it_says_of_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not alive("ingest", tmp_path)
    health_path(tmp_path).parent.mkdir(parents=True)
    write_health(tmp_path, IngestHealth(at=datetime.now(UTC), connected=True))
    assert alive("ingest", tmp_path)
    write_health(tmp_path, IngestHealth(at=datetime.now(UTC), connected=False, store="away"))
    assert alive("ingest", tmp_path), "without a broker it waits; to be started again would not help it"
    assert "no connection to the broker" in capsys.readouterr().out
    write_health(tmp_path, IngestHealth(at=datetime.now(UTC) - LONG_AGO, connected=True))
    assert not alive("ingest", tmp_path)
    write_health(tmp_path, IngestHealth(at=datetime.now(UTC) + LONG_AGO, connected=True))
    assert not alive("ingest", tmp_path), "a time to come is no sign of now"
    health_path(tmp_path).write_text("nonsense")
    assert not alive("ingest", tmp_path)


class Answering(BaseHTTPRequestHandler):
    """Answers as the API does, or as one that is broken."""

    status = 200

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

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


def test_the_api_lives_when_it_answers_also_where_it_listens_on_every_address(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--host", "0.0.0.0", "--port", str(port))  # noqa: S104 - as in a container
    assert alive("api", tmp_path, *options)
    monkeypatch.setattr(Answering, "status", 500)
    assert not alive("api", tmp_path, *options)
    assert not alive("api", tmp_path, "--port", "1")


def test_every_service_but_the_broker_can_be_asked() -> None:
    assert set(ASKED) == set(SERVICES) - {"broker", "vision-worker"}
