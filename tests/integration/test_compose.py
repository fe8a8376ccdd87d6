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

import psycopg
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
    return f"http://127.0.0.1:{city.port}{path}", local_token(
        load_settings(data=city.data, database_url=city.database_url), ["telemetry.read"]
    )


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
    bring_up(demo, "secrets-setup", "mosquitto-setup", "mosquitto", "database", "influxdb", "influxdb-setup", *staying)
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
    assert demo.run_once("secrets-setup") == "", "so does it"
    for name in staying:
        assert "Read-only file system" not in demo.log(name)
        assert "Permission denied" not in demo.log(name)
    no_service_sees_more_than_its_own(demo, *staying)
    assert {name: demo.stop(name) for name in staying} == dict.fromkeys(staying, 0)


def no_service_sees_more_than_its_own(city: ComposeOutside, *names: str) -> None:
    key = (city.data / "secret.key").read_bytes().hex()
    files = {path.name for path in (city.data / "secrets").rglob("*.*")}
    assert {"secrets.json", "influx.token"} <= files
    for name in names:
        listed = city.look(name, "find $DATA $SECRETS -type f").stdout
        assert listed.count("secrets.json") == 1, name
        assert "secret.key" not in listed, name
        assert "city.sqlite" not in listed, name
        seen = city.look(
            name, "find $DATA $SECRETS -type f | xargs -d '\\n' cat | od -An -tx1 -v | tr -d ' \\n'"
        ).stdout
        assert key not in seen, name
        refused = city.look(name, "echo x > $SECRETS/secrets.json; touch $DATA/new; mkdir $SECRETS/api")
        assert refused.stderr.count("Read-only file system") == 3, refused.stderr
    for folder in ("audit", "ingest", "store", "gateways", "passwords.new"):
        assert city.look("vision", f"ls $DATA/{folder}").returncode != 0, folder
    assert "influx.token" not in city.look("vision", "ls $SECRETS").stdout
    assert "influx.token" in city.look("ingest", "ls $SECRETS").stdout


def test_the_operator_s_verbs_have_the_key_and_the_accounts(production: ComposeOutside) -> None:
    bring_up(production, "secrets-setup", "database")
    words = ("credentials", "bin-0451", "--renew", "--json")
    assert len(json.loads(production.run_once("operator", *words))["password"]) > 30
    link = production.run_once("operator", "people", "first-link")
    assert "/link?key=" in link
    assert "is whole" in production.run_once("operator", "audit", "verify")
    number, _ = (production.data / "audit" / "audit.head").read_text().split()
    assert int(number) >= 2, "the password and the link"
    assert not (production.data / "city.sqlite").exists()


def test_the_api_s_user_of_the_database_owns_that_one_and_nothing_else(production: ComposeOutside) -> None:
    production.start("database")
    wait_for(lambda: production.is_healthy("database"), "the database")
    with psycopg.connect(production.database_url, autocommit=True) as connection:
        (role,) = connection.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles "
            "WHERE rolname = current_user"
        ).fetchall()
        assert role == (False,) * 5
        for statement in ("CREATE DATABASE other", "CREATE ROLE other", "COPY (SELECT 1) TO PROGRAM 'id'"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(production.database_url.removesuffix("kota") + "postgres")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(production.database_url.replace("kota:", "kota:x"))


def test_without_a_demo_nobody_simulates_and_nobody_enters_without_a_token(production: ComposeOutside) -> None:
    bring_up(production, "secrets-setup", "mosquitto-setup", "mosquitto", "database")
    bring_up(production, "influxdb", "influxdb-setup", "ingest", "api", "vision")
    wait_for(lambda: production.is_healthy("api"), "the API")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://127.0.0.1:{production.port}/api/v1/devices", timeout=10)
    assert devices(production)
    assert "user simulator" not in (production.data.parent / "mosquitto" / "config" / "acl").read_text()
    wait_for(lambda: production.is_healthy("vision"), "the camera worker, which has nothing to watch")
