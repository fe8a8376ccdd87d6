"""Logs of child processes: bounded while these run, whole lines, and a disk or a reader that refuses stops nobody."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from city.cli.terminal import QUEUE_MAX, Terminal
from city.runtime.child_logs import LOG_FILES, LOG_MAX_BYTES, LogKeeper, RotatedLog
from city.runtime.logs import LossyStream
from tests.support.disks import fill, no_file_grows, small_disk
from tests.support.waiting import wait_for

LINE = b"x" * 99 + b"\n"


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[LogKeeper]:
    made = LogKeeper(tmp_path / "logs", max_bytes=10_000, files=3)
    yield made
    made.close()


def put(pipe: int, data: bytes) -> None:
    """Write all of it, as a child that waits would."""
    os.set_blocking(pipe, True)
    while data:
        data = data[os.write(pipe, data) :]


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


def test_a_log_is_bounded_while_its_process_runs(keeper: LogKeeper, tmp_path: Path) -> None:
    """Thirty times what may stay, by one process that never ends; its newest lines are there, whole."""
    pipe = keeper.pipe("server")
    for start in range(0, 20_000, 500):
        put(pipe, b"".join(b"line %06d of a process that goes on and on\n" % n for n in range(start, start + 500)))
    last = b"line 019999"
    path = tmp_path / "logs" / "server.log"
    wait_for(lambda: last in path.read_bytes(), "the last line")
    found = sizes(tmp_path / "logs")
    assert set(found) == {"server.log", "server.log.1", "server.log.2"}
    assert max(found.values()) <= 10_000
    kept = b"".join(path.with_name(name).read_bytes() for name in ("server.log.2", "server.log.1", "server.log"))
    numbers = [int(line[5:11]) for line in kept.splitlines() if line.startswith(b"line ")]
    assert numbers == list(range(numbers[0], 20_000)), "nothing is missing between the oldest line and the newest"
    os.close(pipe)


def test_the_bounds_are_those_the_manual_states() -> None:
    manual = (Path(__file__).parents[3] / "docs" / "production.md").read_text()
    assert f"{LOG_FILES} files of {LOG_MAX_BYTES >> 20} MiB" in manual


def test_a_last_line_without_an_end_and_a_line_without_an_end_are_kept(keeper: LogKeeper, tmp_path: Path) -> None:
    pipe = keeper.pipe("broker")
    put(pipe, b"y" * 70_000)
    put(pipe, b"\npanic: no newline")
    os.close(pipe)
    path = tmp_path / "logs" / "broker.log"
    wait_for(lambda: path.read_bytes().endswith(b"panic: no newline\n"), "what was said last")


def test_a_log_that_somebody_deleted_or_moved_is_begun_anew(keeper: LogKeeper, tmp_path: Path) -> None:
    pipe = keeper.pipe("api")
    path = tmp_path / "logs" / "api.log"
    put(pipe, b"first\n")
    wait_for(lambda: path.read_bytes() == b"first\n", "the first line")
    path.unlink()
    put(pipe, b"second\n")
    wait_for(lambda: path.read_bytes() == b"second\n", "the second line")
    os.close(pipe)


def test_what_a_full_disk_refuses_is_counted_and_said(tmp_path: Path) -> None:
    """By quota: no rights are needed for it."""
    log = RotatedLog(tmp_path / "server.log")
    log.write(b"before\n")
    with no_file_grows():
        for _ in range(3):
            log.write(b"one\ntwo\n")
    assert log.dropped == 6
    log.write(b"after\n")
    lines = (tmp_path / "server.log").read_text().splitlines()
    assert lines[0] == "before"
    assert json.loads(lines[1]) == {"event": "log.dropped", "level": "warning", "lines": 6}
    assert lines[2:] == ["after"]
    log.close()


def test_a_torn_line_of_a_full_disk_does_not_swallow_the_next(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        log = RotatedLog(disk / "server.log")
        while not log.dropped:
            log.write(b"z" * 5_000 + b"\n")
        rest = disk.joinpath("server.log").read_bytes().rpartition(b"\n")[2]
        assert rest, "a part of the last line is on the disk"
        log.close()
        disk.joinpath("server.log").write_bytes(b"torn")
        log = RotatedLog(disk / "server.log")
        log.write(b"whole\n")
        assert disk.joinpath("server.log").read_bytes().endswith(b"\nwhole\n")
        log.close()


def test_a_child_goes_on_while_the_disk_is_full_and_a_line_says_what_was_lost(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8_192) as disk:
        keeper = LogKeeper(disk / "logs")
        pipe = keeper.pipe("server")
        put(pipe, b"before\n")
        path = disk / "logs" / "server.log"
        wait_for(lambda: path.read_bytes() == b"before\n", "the first line")
        filler = fill(disk)
        for _ in range(50):
            put(pipe, LINE * 1_000)
        filler.unlink()

        def counted() -> bool:
            lines = path.read_bytes().splitlines()
            lost = sum(json.loads(line)["lines"] for line in lines if b"log.dropped" in line)
            return 0 < lost == 50_000 - lines.count(LINE.strip())

        wait_for(counted, "every line, kept or counted")
        os.close(pipe)
        keeper.close()


def test_nobody_who_reads_stops_no_child() -> None:
    """The supervisor is frozen: what a child says beyond the pipe is dropped, counted, and said on the next chance."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    end = os.fdopen(write, "w")
    stream = LossyStream(end)
    for number in range(20_000):
        stream.write(f"line {number}\n")
    assert stream.dropped > 10_000
    lost = stream.dropped
    os.set_blocking(read, False)
    said = os.read(read, 1 << 20)
    stream.write("again\n")
    stream.write("and again\n")
    said += os.read(read, 1 << 20)
    lines = said.decode().splitlines()
    (note,) = [json.loads(line) for line in lines if "log.dropped" in line]
    assert note["lines"] == lost + lines[-2:].index("and again") - 1
    whole = [line for line in lines if line.startswith("line ")]
    assert whole == [f"line {number}" for number in range(len(whole))]
    assert len(whole) + lost == 20_000
    os.close(read)
    end.close()


def test_a_log_whose_reader_is_gone_raises_nothing() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as end:
        stream = LossyStream(end)
        stream.write("to nobody\n")
    assert stream.dropped == 1
    nowhere = LossyStream(None)
    nowhere.write("to nowhere\n")


def test_lines_of_several_threads_are_not_mixed(capsys: pytest.CaptureFixture[str]) -> None:
    stream = LossyStream(sys.stdout)

    def speak(letter: str) -> None:
        for _ in range(200):
            for part in (letter, letter, "\n"):
                stream.write(part)

    threads = [threading.Thread(target=speak, args=(letter,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(capsys.readouterr().out.split()) == {"aa", "bb"}


def test_a_terminal_that_nobody_reads_stops_nobody() -> None:
    read, write = os.pipe()
    terminal = Terminal(write)
    for _ in range(2 * QUEUE_MAX):
        terminal.say("x" * 4_096)
    assert os.read(read, 4_096) == b"x" * 4_096
    os.close(read)
    terminal.close()
    os.close(write)


def test_a_terminal_that_is_closed_stops_nobody(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    terminal = Terminal(write)
    terminal.say("to nobody\n")
    terminal.close()
    os.close(write)
    with (tmp_path / "out").open("wb") as out, no_file_grows():
        terminal = Terminal(out.fileno())
        terminal.say("on a full disk\n")
        terminal.close()
    nowhere = Terminal(None)
    nowhere.say("nowhere\n")
    nowhere.close()
