"""`kota backup` of a running city, and `kota restore` after everything was lost: nothing is missing up to it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.cities import RunningCity
from tests.support.waiting import wait_for

pytestmark = pytest.mark.xdist_group("up")
PASSPHRASE = "satu dua tiga empat"  # noqa: S105 - of no city


@pytest.fixture(autouse=True)
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOTA_BACKUP_PASSPHRASE", PASSPHRASE)


def balance(city: RunningCity) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(city.verb("reconcile", "--json").stdout or "{}")
    return found


def test_a_city_that_was_lost_is_restored_from_a_backup_made_while_it_ran(tmp_path: Path) -> None:
    city = RunningCity(tmp_path / "data", "--no-vision", "--speed", "300")
    file = tmp_path / "city.backup"
    try:
        city.wait_ready()
        before = wait_for(lambda: (found := balance(city)).get("stored", 0) > 500 and found, "readings")
        made = city.verb("backup", str(file), "--data", str(city.data))
        assert made.returncode == 0, made.stdout + made.stderr
        wait_for(lambda: balance(city)["stored"] > before["stored"] + 100, "a city that goes on")
        assert not list((city.data / "backup").glob("*/*"))
        for pid in [city.process.pid, *city.pids().values()]:
            os.kill(pid, signal.SIGKILL)
    finally:
        city.stop()
        print(city.log())
    restored = tmp_path / "elsewhere" / "data"
    done = city.verb("restore", str(file), "--data", str(restored))
    assert done.returncode == 0, done.stdout + done.stderr
    again = RunningCity(restored, "--no-vision", "--no-simulator")
    try:
        again.wait_ready()
        wait_for(lambda: again.get("/api/v1/system")["ingest"]["journal_depth"] == 0, "an empty journal")
        found = balance(again)
        assert (found["missing"], found["duplicates"]) == (0, 0), found
        assert found["stored"] >= before["stored"]
        # Some lie in both, store and outbox: their receipt was on its way.
        assert found["published"] <= found["stored"] + found["dead"] + found["waiting"]
    finally:
        again.stop()
        print(again.log())
    # And the simulated devices go on where their outbox was, with numbers that nobody has used.
    lively = RunningCity(restored, "--no-vision", "--speed", "300")
    try:
        lively.wait_ready()
        wait_for(lambda: balance(lively).get("stored", 0) > found["stored"] + 200, "new readings")
        wait_for(lambda: balance(lively).get("missing") == 0, "a ledger that agrees")
        assert balance(lively)["duplicates"] == 0
    finally:
        lively.stop()
        print(lively.log())
