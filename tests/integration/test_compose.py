"""docker-compose.yml by hand: its commands in its order with its variables, on the real Mosquitto and InfluxDB 2."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from city.runtime.local_access import local_token
from city.runtime.settings import load_settings
from tests.support.asking import answer_of, ask
from tests.support.outside import ComposeOutside
from tests.support.waiting import wait_for


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[ComposeOutside]:
    made = ComposeOutside(tmp_path, "demo")
    yield made
    made.close()


@pytest.fixture
def production(tmp_path: Path) -> Iterator[ComposeOutside]:
    made = ComposeOutside(tmp_path)
    yield made
    made.close()


def bring_up(city: ComposeOutside, *names: str) -> None:
    """In the order of `depends_on`, each when those before it are healthy or done."""
    for name in names:
        for other in city.services[name].get("depends_on", {}):
            if "healthcheck" in city.services[other]:
                wait_for(lambda other=other: city.is_healthy(other), f"{other} to be healthy\n{city.log(other)}")  # type: ignore[misc]
        if "healthcheck" in city.services[name]:
            city.start(name)
        else:
            city.run_once(name)


def address(city: ComposeOutside, path: str) -> tuple[str, str]:
    """Of the API, and a viewer's token."""
    return f"http://127.0.0.1:{city.port}{path}", local_token(load_settings(data=city.data), ["telemetry.read"])


def devices(city: ComposeOutside) -> list[dict[str, Any]]:
    """Of the inventory, with what is newest of each."""
    found: list[dict[str, Any]] = answer_of(*address(city, "/api/v1/devices?limit=1000"))["devices"]
    return found


def query(url: str, database: str, account: str, question: str) -> Any:
    """InfluxQL with a user and a password, as Grafana asks."""
    asked = urllib.parse.urlencode({"db": database, "q": question})
    headers = {"Authorization": f"Basic {base64.b64encode(account.encode()).decode()}"}
    request = urllib.request.Request(f"{url}/query?{asked}", headers=headers)  # noqa: S310 - our own http address
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
        return json.load(answer)


def test_a_reading_of_the_demo_arrives_at_the_api(demo: ComposeOutside) -> None:
    staying = ("ingest", "api", "vision", "simulator")
    bring_up(demo, "mosquitto-setup", "mosquitto", "influxdb", "influxdb-setup", *staying)
    for name in staying:
        wait_for(lambda name=name: demo.is_healthy(name), f"{name} to be healthy\n{demo.log(name)}")  # type: ignore[misc]
    wait_for(
        lambda: (ask(*address(demo, "/readyz")) or {}).get("ready"), f"readings\n{demo.log('ingest')}{demo.log('api')}"
    )
    wait_for(lambda: [device for device in devices(demo) if device["values"]], "a device's latest reading")
    grafana = demo.variables("grafana")
    account = f"{grafana['KOTA_GRAFANA_INFLUX_USER']}:{grafana['KOTA_GRAFANA_INFLUX_PASSWORD']}"
    asked = (grafana["KOTA_INFLUX_URL"], grafana["KOTA_INFLUX_DATABASE"], account, "SELECT last(seq) FROM bin")
    wait_for(lambda: query(*asked)["results"][0].get("series"), "Grafana to see the readings of bins")
    assert demo.run_once("influxdb-setup").count("made ") == 0, "setting up twice changes nothing"
    assert "written" not in demo.run_once("mosquitto-setup")
    assert {name: demo.stop(name) for name in staying} == dict.fromkeys(staying, 0)


def test_without_a_demo_nobody_simulates_and_nobody_enters_without_a_token(production: ComposeOutside) -> None:
    bring_up(production, "mosquitto-setup", "mosquitto", "influxdb", "influxdb-setup", "ingest", "api", "vision")
    wait_for(lambda: production.is_healthy("api"), "the API")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://127.0.0.1:{production.port}/api/v1/devices", timeout=10)
    assert devices(production)
    assert "user simulator" not in (production.data.parent / "mosquitto" / "config" / "acl").read_text()
    wait_for(lambda: production.is_healthy("vision"), "the camera worker, which has nothing to watch")
