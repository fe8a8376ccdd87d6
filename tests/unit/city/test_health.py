"""Signs of life: fresh ones count, old ones, none and nonsense do not."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from city import health
from city.cli import main
from city.serve import SERVICES
from ingest.store.health import IngestHealth, health_path, write_health

LONG_AGO = timedelta(seconds=2 * health.FRESH_S)


def alive(service: str, data: Path, *options: str) -> bool:
    return main(["health", service, "--data", str(data), *options]) == 0


@pytest.mark.parametrize("service", ["vision", "simulator"])
def test_a_process_lives_as_long_as_it_leaves_signs(tmp_path: Path, service: str) -> None:
    assert not alive(service, tmp_path)
    health.leave_sign(tmp_path, service)
    assert alive(service, tmp_path)
    before = time.time() - LONG_AGO.total_seconds()
    os.utime(tmp_path / "alive" / service, (before, before))
    assert not alive(service, tmp_path)
    health.leave_sign(tmp_path, service)
    assert alive(service, tmp_path)


def test_a_disk_that_refuses_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "alive").write_text("a file where a folder should be")
    health.leave_sign(tmp_path, "vision")


def test_ingest_lives_by_what_it_says_of_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not alive("ingest", tmp_path)
    health_path(tmp_path).parent.mkdir(parents=True)
    write_health(tmp_path, IngestHealth(at=datetime.now(UTC), connected=True))
    assert alive("ingest", tmp_path)
    write_health(tmp_path, IngestHealth(at=datetime.now(UTC), connected=False, store="away"))
    assert alive("ingest", tmp_path), "without a broker it waits; to be started again would not help it"
    assert "broker is away" in capsys.readouterr().out
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
    assert set(health.SERVICES) == set(SERVICES) - {"broker", "vision-worker"}
