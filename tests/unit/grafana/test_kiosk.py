"""The kiosk user in Grafana: made once, given its password again when that has changed."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from city.cli.main import main


class Grafana(HTTPServer):
    """The four calls of Grafana's HTTP interface that are made, as its documentation describes them."""

    def __init__(self) -> None:
        """Start with its administrator."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.passwords = {"admin": "of the admin"}
        self.made: list[dict[str, Any]] = []
        self.changes = 0
        self.status = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Grafana

    def _user(self) -> str:
        credentials = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
        user, _, password = credentials.partition(":")
        return user if self.server.passwords.get(user) == password else ""

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(self.server.status or status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return found

    def do_GET(self) -> None:
        user = self._user()
        if not user:
            self._answer(401, {"message": "Invalid username or password"})
        elif self.path == "/api/user":
            self._answer(200, {"login": user})
        elif self.path == "/api/users/lookup?loginOrEmail=wall" and "wall" in self.server.passwords:
            self._answer(200, {"id": 7, "login": "wall"})
        else:
            self._answer(404, {"message": "user not found"})

    def do_POST(self) -> None:
        assert (self.path, self._user()) == ("/api/admin/users", "admin")
        body = self._body()
        self.server.made.append(body)
        self.server.passwords[body["login"]] = body["password"]
        self._answer(200, {"id": 7})

    def do_PUT(self) -> None:
        assert (self.path, self._user()) == ("/api/admin/users/7/password", "admin")
        self.server.passwords["wall"] = self._body()["password"]
        self.server.changes += 1
        self._answer(200, {"message": "User password updated"})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's
        """Say nothing."""


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    server = Grafana()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch, grafana: Grafana) -> None:
    monkeypatch.setenv("KOTA_GRAFANA_URL", grafana.url)
    monkeypatch.setenv("KOTA_GRAFANA_ADMIN_PASSWORD", "of the admin")
    monkeypatch.setenv("KOTA_GRAFANA_WALL_PASSWORD", "of the kiosk")


def test_it_is_made_once(grafana: Grafana, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kiosk"]) == 0
    assert [user["login"] for user in grafana.made] == ["wall"]
    assert main(["kiosk"]) == 0
    assert (len(grafana.made), grafana.changes) == (1, 0)
    assert "of the kiosk" not in capsys.readouterr().out


def test_it_gets_a_new_password_when_there_is_one(grafana: Grafana, monkeypatch: pytest.MonkeyPatch) -> None:
    main(["kiosk"])
    monkeypatch.setenv("KOTA_GRAFANA_WALL_PASSWORD", "another")
    assert main(["kiosk"]) == 0
    assert (len(grafana.made), grafana.passwords["wall"]) == (1, "another")


def test_a_wrong_password_of_the_administrator_is_a_matter_of_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KOTA_GRAFANA_ADMIN_PASSWORD", "wrong")
    assert main(["kiosk"]) == 2
    assert "admin" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["KOTA_GRAFANA_ADMIN_PASSWORD", "KOTA_GRAFANA_WALL_PASSWORD"])
def test_without_passwords_nothing_is_tried(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    assert main(["kiosk"]) == 2


def test_a_grafana_that_is_away_or_broken_is_a_failure(grafana: Grafana, monkeypatch: pytest.MonkeyPatch) -> None:
    grafana.status = 500
    assert main(["kiosk"]) == 1
    monkeypatch.setenv("KOTA_GRAFANA_URL", "http://127.0.0.1:1")
    assert main(["kiosk"]) == 1
