"""`kota up` on a full disk, with a stdout that takes nothing, with a process that hangs: it brings everything back."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.cities import RunningCity
from tests.support.disks import fill, small_disk
from tests.support.waiting import wait_for

pytestmark = pytest.mark.xdist_group("up")
LEAN = ("--no-vision", "--no-simulator")


def test_children_that_die_on_a_full_disk_are_brought_back_when_there_is_space(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", 64 << 10) as disk:
        city = RunningCity(disk, *LEAN)
        try:
            city.wait_ready()
            filler = fill(disk)
            (disk / "logs" / "server.log").rename(disk / "logs" / "elsewhere")
            for pid in city.pids().values():
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: "server ended" in _said(city), "the supervisor's word that it has ended")
            wait_for(lambda: _said(city).count("server ended (exit 1)") >= 2, "a server that cannot start", within_s=90)
            assert city.process.poll() is None
            filler.unlink()
            city.wait_ready()
            assert set(city.pids()) == {"broker", "server"}
        finally:
            city.stop()


def _said(city: RunningCity) -> str:
    return city.output.read_text()


@pytest.mark.parametrize("reader", ["gone", "asleep"])
def test_a_stdout_that_takes_nothing_ends_nothing(tmp_path: Path, reader: str) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    if reader == "gone":
        os.close(read)
    else:
        while _put(write):
            pass
    os.set_blocking(write, True)
    city = RunningCity(tmp_path / "data", *LEAN, out=write)
    try:
        city.wait_ready()
        city.kill("server")
        city.wait_ready()
        assert city.stop() == 0
    finally:
        city.stop()
        os.close(write)
        if reader != "gone":
            os.close(read)


def _put(pipe: int) -> bool:
    try:
        return os.write(pipe, b"x" * 4_096) > 0
    except BlockingIOError:
        return False


def test_a_frozen_process_is_killed_and_the_status_agrees(tmp_path: Path) -> None:
    """With the patience of a real city: a minute without a beat, then SIGTERM, then SIGKILL."""
    city = RunningCity(tmp_path / "data", *LEAN)
    try:
        city.wait_ready()
        assert status(city)["problems"] == []
        broker, server = (city.pids()[name] for name in ("broker", "server"))
        os.kill(server, signal.SIGSTOP)
        wait_for(lambda: "process_silent" in keys(city), "a status that knows", within_s=60)
        assert status(city)["well"] is False
        wait_for(lambda: city.pids().get("server", server) != server, "another server", within_s=120)
        city.wait_ready()
        wait_for(lambda: keys(city) == [], "a city that is well")
        processes = {process["name"]: process for process in status(city)["processes"]}
        assert (processes["server"]["hangs"], processes["server"]["restarts"]) == (1, 1)
        assert processes["broker"]["pid"] == broker
        log = (city.data / "logs" / "supervisor.log").read_text()
        assert "server hangs" in log
        assert "server does not end, killing it" in log
        parts = {beat["part"] for beat in processes["server"]["beats"]}
        assert {"ingest", "ingest-drain", "api"} <= parts
        os.kill(processes["server"]["pid"], signal.SIGSTOP)  # it does not withdraw its heartbeats, whatever the load
    finally:
        city.stop()
    assert keys(city) == ["not_running"]


def status(city: RunningCity) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(city.verb("status", "--json").stdout)
    return found


def keys(city: RunningCity) -> list[str]:
    return [problem["key"] for problem in status(city)["problems"]]
