"""Devices that somebody has connected to a demo are known to every process for a week."""

from __future__ import annotations

import os
from pathlib import Path

from city.runtime.connected_devices import FOLDER, LEFT_ALONE_S, READ_EVERY_S, ConnectedDevices


class Clock:
    """Seconds since 1970, as a test says."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def clock_of(path: Path) -> Clock:
    path.touch()
    return Clock(path.stat().st_mtime)


def test_what_one_process_notes_another_reads(tmp_path: Path) -> None:
    clock = clock_of(tmp_path / "now")
    ingest, simulator = ConnectedDevices(tmp_path, clock), ConnectedDevices(tmp_path, clock)
    assert simulator.current() == frozenset()
    ingest.note("bin-0451")
    ingest.note("truck-07")
    clock.now_s += READ_EVERY_S
    assert simulator.current() == {"bin-0451", "truck-07"}


def test_a_device_that_is_silent_for_a_week_is_simulated_again(tmp_path: Path) -> None:
    clock = clock_of(tmp_path / "now")
    connected = ConnectedDevices(tmp_path, clock)
    connected.note("bin-0451")
    clock.now_s += LEFT_ALONE_S - 60
    assert connected.current() == {"bin-0451"}
    clock.now_s += 120
    assert connected.current() == frozenset()


def test_many_messages_of_a_device_write_once_a_minute(tmp_path: Path) -> None:
    clock = clock_of(tmp_path / "now")
    connected = ConnectedDevices(tmp_path, clock)
    connected.note("bin-0451")
    path = tmp_path / FOLDER / "bin-0451"
    os.utime(path, (1, 1))
    connected.note("bin-0451")
    assert path.stat().st_mtime == 1
    clock.now_s += 61
    connected.note("bin-0451")
    assert path.stat().st_mtime > 1


def test_a_clock_that_was_set_back_hides_nothing(tmp_path: Path) -> None:
    clock = clock_of(tmp_path / "now")
    connected = ConnectedDevices(tmp_path, clock)
    connected.note("bin-0451")
    connected.current()
    clock.now_s -= 86_400
    assert connected.current() == {"bin-0451"}


def test_a_folder_that_cannot_be_written_notes_nothing_and_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file")
    connected = ConnectedDevices(tmp_path)
    connected.note("bin-0451")
    assert connected.current() == frozenset()
