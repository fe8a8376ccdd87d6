"""Outages over HTTP: periods, availability, files, and what is refused."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from tests.unit.api.conftest import CITY, NOW, Stage

HOUR = timedelta(hours=1)
AP, OTHER = sorted(device.id for device in CITY.devices.values() if device.KIND == "ap")[:2]


@pytest.fixture
def filled(stage: Stage) -> Stage:
    """Two hotspots over six hours: one was silent from the fourth to the second hour before now."""
    for minute in range(361):
        at = NOW - timedelta(minutes=minute)
        stage.measure(OTHER, at, clients=3)
        if not 120 < minute < 240:
            stage.measure(AP, at, clients=3)
    return stage


def test_an_outage_is_a_period(filled: Stage) -> None:
    answer = filled.client().get("/api/v1/outages", params={"kind": "ap"}).json()
    (outage,) = answer["outages"]
    assert (outage["device"], outage["outage"], outage["cause"]) == (AP, "offline", "silent")
    assert (outage["start"], outage["end"]) == ("2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z")
    assert answer["to"].startswith("2026-03-01T12:00:01")


def test_the_worst_is_first_and_the_unknown_last(filled: Stage) -> None:
    devices = (
        filled.client().get("/api/v1/outages/availability", params={"kind": "ap", "unit": "day"}).json()["devices"]
    )
    assert [device["device"] for device in devices[:2]] == [AP, OTHER]
    assert devices[0]["total"]["share"] == pytest.approx(4 / 6, abs=0.001)
    assert devices[1]["total"]["share"] == 1.0
    assert all(device["total"]["share"] is None for device in devices[2:])
    assert devices[2]["known_since"] is None
    today = devices[0]["periods"][-1]
    assert (today["start"], today["out_s"]) == ("2026-03-01T00:00:00+08:00", 7_200.0)


def test_filters_narrow_the_answer(filled: Stage) -> None:
    client, place = filled.client(), CITY.devices[AP].kelurahan

    def devices(**wanted: str) -> set[str]:
        answer = client.get("/api/v1/outages", params=wanted).json()
        return {outage["device"] for outage in answer["outages"]}

    assert devices(device=AP) == devices(kelurahan=place) == devices(outage="offline") == {AP}
    assert (
        devices(device=OTHER)
        == devices(kind="camera")
        == devices(kelurahan="nowhere")
        == devices(outage="blind")
        == set()
    )
    early = {"from": (NOW - 6 * HOUR).isoformat(), "to": (NOW - 5 * HOUR).isoformat()}
    assert devices(**early) == set()
    within = {"from": (NOW - 3 * HOUR).isoformat(), "to": NOW.isoformat()}
    assert devices(**within) == {AP}


def test_weeks_begin_on_monday_and_months_on_the_first(filled: Stage) -> None:
    client = filled.client()

    def starts(unit: str) -> list[str]:
        wanted = {"device": AP, "unit": unit, "from": "2026-02-20T00:00:00+08:00", "to": NOW.isoformat()}
        (device,) = client.get("/api/v1/outages/availability", params=wanted).json()["devices"]
        return [period["start"][:10] for period in device["periods"]]

    assert starts("week") == ["2026-02-16", "2026-02-23"]
    assert starts("month") == ["2026-02-01", "2026-03-01"]
    assert len(starts("day")) == 10


def test_files_have_a_row_each(filled: Stage) -> None:
    text = filled.client().get("/api/v1/export/outages.csv", params={"kind": "ap"}).text
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["device"], row["from"], row["length_s"]) == (AP, "2026-03-01T16:00:00.000+08:00", "7200.0")
    text = filled.client().get("/api/v1/export/availability.csv", params={"kind": "ap", "unit": "week"}).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[1]["device"] == AP
    assert (rows[1]["out_s"], rows[1]["times"]) == ("7200.0", "1")
    assert rows[-1]["share"] == ""


def test_what_lasts_has_no_end(stage: Stage) -> None:
    stage.measure(AP, NOW - 2 * HOUR, clients=1)
    for minute in range(121):
        stage.measure(OTHER, NOW - timedelta(minutes=minute), clients=1)
    (outage,) = stage.client().get("/api/v1/outages").json()["outages"]
    assert (outage["device"], outage["end"]) == (AP, None)
    (row,) = csv.DictReader(io.StringIO(stage.client().get("/api/v1/export/outages.csv").text))
    assert (row["to"], row["length_s"]) == ("", "7201.0")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "before"),
        ({"from": "2025-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "93 days"),
        ({"from": "2026-03-01T00:00:00"}, "timezone"),
        ({"kind": "bin"}, "kind"),
        ({"unit": "year"}, "unit"),
        ({"outage": "strike"}, "outage"),
        ({"device": "UPPER"}, "device"),
    ],
)
def test_what_cannot_be_answered_is_refused(stage: Stage, wanted: dict[str, str], words: str) -> None:
    answer = stage.client().get("/api/v1/outages/availability", params=wanted)
    assert answer.status_code == 422
    assert words in answer.text


def test_who_may_not_read_is_refused(stage: Stage) -> None:
    client = stage.client(demo=False)
    for path in ("outages", "outages/availability", "export/outages.csv", "export/availability.csv"):
        assert client.get(f"/api/v1/{path}").status_code == 401
