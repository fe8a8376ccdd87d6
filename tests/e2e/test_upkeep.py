"""`kota up` where the machine refuses: a full disk, a stdout that takes nothing; it stays and brings everything back."""

from __future__ import annotations

import os
import signal
from pathlib import Path

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
