"""The city on a given InfluxDB: with one command, and each service alone as compose starts them."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from ingest.store.influx.http import InfluxHttp
from tests.support.asking import answer_of, ask
from tests.support.brokers import free_port
from tests.support.cities import RunningCity
from tests.support.influx import RunningInflux
from tests.support.services import Service, running
from tests.support.waiting import wait_for

pytestmark = pytest.mark.xdist_group("up")


def rows_of(http: InfluxHttp, statement: str) -> list[dict[str, Any]]:
    return [row for series in http.query(statement) for row in series.rows()]


def test_one_command_sets_the_database_up_and_fills_it(
    influx: RunningInflux, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    influx.database("other")  # a server that is in use already
    for name, value in influx.settings("upkota").items():
        monkeypatch.setenv(name, value)
    city = RunningCity(tmp_path / "data", "--speed", "60")
    http = InfluxHttp(influx.administrator("upkota"))
    try:
        city.wait_ready()
        assert "has what the city needs" in city.output.read_text()
        states = "SELECT last(severity), \"state\" FROM device_state WHERE kind = 'bin' GROUP BY device"
        wait_for(lambda: len(rows_of(http, states)) > 500, "the states of bins")
        wait_for(lambda: rows_of(http, "SELECT stored FROM platform WHERE stored > 0"), "the platform's figures")
        assert "what the city needs" in city.verb("influx", "check").stdout
        assert city.get("/api/v1/devices/bin-0451/latest")["kind"] == "bin"
    finally:
        city.stop()
    policies = {row["name"]: row["duration"] for row in rows_of(http, 'SHOW RETENTION POLICIES ON "upkota"')}
    assert set(policies) >= {"rollup_5m", "events"}
    http.close()


def test_each_service_runs_alone_and_the_api_says_how_ingest_does(influx_2: RunningInflux, tmp_path: Path) -> None:
    influx_2.database("alone")
    variables = {name.removeprefix("KOTA_").lower(): value for name, value in influx_2.settings("alone").items()}
    settings: dict[str, Any] = {**variables, "mqtt_port": free_port(), "port": free_port(), "speed": 60}
    url = f"http://127.0.0.1:{settings['port']}"
    services = {name: Service([name], tmp_path, **settings) for name in ("broker", "ingest", "api", "simulator")}

    with contextlib.ExitStack() as stack:
        for service in services.values():
            stack.enter_context(running(service))
        wait_for(lambda: (ask(f"{url}/readyz") or {}).get("ready"), "an API that knows how ingest does")
        bins = f"{url}/api/v1/devices?kind=bin&state=online&limit=1"
        wait_for(lambda: answer_of(bins)["total"] > 400, "bins at the API")
        services["ingest"].kill()
        detail = wait_for(lambda: _trouble(url), "the API to notice that ingest is gone", within_s=60)
        assert detail == "ingest has said nothing for a while"


def _trouble(url: str) -> str | None:
    """What `/readyz` says while it is not."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10):  # noqa: S310 - our own http address
            return None
    except urllib.error.HTTPError as exc:
        return str(json.load(exc)["detail"])
