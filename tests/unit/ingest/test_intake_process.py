"""Intake in a process of its own: started again when it dies or hangs, its counts added up, ended with its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from broker.client import ConnectionParams
from city.storage.sqlite import SetAside
from ingest.pipeline import intake_process
from ingest.pipeline.bus import BusParams
from ingest.pipeline.intake import IntakeCounts, IntakeState, add_counts
from ingest.pipeline.intake_process import IntakeProcess
from ingest.pipeline.intake_wire import IntakeOrder, IntakeReport, make_link, receive, send
from ingest.pipeline.journal import JournalParams
from ingest.pipeline.metrics import RECEIVED, IntakeMetrics
from tests.support.waiting import wait_for

FAKE = """
import os, signal, socket, sys, time
from ingest.pipeline.intake import IntakeCounts, IntakeState
from ingest.pipeline.intake_wire import IntakeOrder, IntakeReport, receive, send
signal.signal(signal.SIGTERM, signal.SIG_IGN)
link = socket.socket(fileno=os.dup(0))
order = receive(link, IntakeOrder)
{body}
"""
REPORTS = """
for number in range(1, 4):
    send(link, IntakeReport(IntakeState(IntakeCounts(received=number, commits=number), True, commit_s=[0.1])))
"""


def order_of(folder: Path, ca: Path | None = None) -> IntakeOrder:
    login = ConnectionParams("127.0.0.1", 1, "ingest", "secret", "ingest", ca=ca)
    journal = JournalParams(folder / "ingest" / "journal.sqlite", 1 << 20, bytes(32), 1 << 10, 60.0)
    return IntakeOrder("kupang", ("a/#", "b/+"), BusParams("paho", login, folder / "endpoint"), journal)


@contextmanager
def running(folder: Path, body: str) -> Iterator[tuple[IntakeProcess, threading.Event]]:
    wakes = threading.Event()
    command = (sys.executable, "-c", FAKE.format(body=body))
    process = IntakeProcess(order_of(folder), on_journaled=wakes.set, command=command)
    stop = threading.Event()
    thread = threading.Thread(target=process.run, args=(stop,))
    thread.start()
    try:
        yield process, wakes
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()
        assert process.pid is None


def test_an_order_arrives_as_it_was_sent_and_the_end_of_the_link_is_told(tmp_path: Path) -> None:
    ours, theirs = make_link()
    order = order_of(tmp_path, ca=tmp_path / "ca.pem")
    with theirs:
        with ours:
            send(ours, order)
            assert receive(theirs, IntakeOrder) == order
        with pytest.raises(EOFError):
            receive(theirs, IntakeReport)


def test_reports_wake_the_drain_and_are_the_state(tmp_path: Path) -> None:
    beats: list[int] = []
    with running(tmp_path, REPORTS + "link.recv(1)") as (process, wakes):
        process.on_iteration = lambda: beats.append(1)
        wait_for(lambda: process.state().counts.received == 3, "the last report")
        assert wakes.is_set()
        assert process.state().is_connected
    assert not process.state().is_connected


def test_durations_of_commits_are_told_once(tmp_path: Path) -> None:
    with running(tmp_path, REPORTS + "link.recv(1)") as (process, _):
        told: list[float] = []

        def all_told() -> bool:
            told.extend(process.state().commit_s)
            return len(told) == 3

        wait_for(all_told, "the durations of three commits")
        assert process.state().commit_s == []


def test_one_that_dies_is_started_again_and_its_counts_stay(tmp_path: Path) -> None:
    once = "os.path.exists('died') or (open('died', 'w').close(), os.kill(os.getpid(), signal.SIGKILL))\nlink.recv(1)"
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        with running(tmp_path, REPORTS + once) as (process, _):
            wait_for(lambda: process.state().counts.received == 6, "the reports of two processes")
            assert process.state().is_connected
    finally:
        os.chdir(before)


def test_one_that_reports_nothing_is_ended_and_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_process, "SILENT_MAX_S", 0.5)
    monkeypatch.setattr(intake_process, "POLL_S", 0.1)
    monkeypatch.setattr(intake_process, "END_WITHIN_S", 0.2)
    with running(tmp_path, "while True: time.sleep(1)") as (process, _):
        wait_for(lambda: process.pid is not None, "the first process")
        first = process.pid
        wait_for(lambda: process.pid not in (None, first), "the next process")


def test_a_word_that_is_no_report_ends_it(tmp_path: Path) -> None:
    with running(tmp_path, "link.send(b'nonsense')\nlink.recv(1)") as (process, _):
        wait_for(lambda: process.pid is not None, "the first process")
        first = process.pid
        wait_for(lambda: process.pid not in (None, first), "the next process")


def test_a_command_that_cannot_be_started_is_tried_again_and_ends_with_stop(tmp_path: Path) -> None:
    process = IntakeProcess(order_of(tmp_path), on_journaled=lambda: None, command=(str(tmp_path / "absent"),))
    stop = threading.Event()
    thread = threading.Thread(target=process.run, args=(stop,))
    thread.start()
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


def test_a_damaged_journal_that_it_replaced_stays_known(tmp_path: Path) -> None:
    body = (
        "from city.storage.sqlite import SetAside\n"
        "send(link, IntakeReport(IntakeState(), SetAside('journal', 'torn', 'aside', 3)))\n"
        "send(link, IntakeReport(IntakeState(IntakeCounts(received=1))))\nlink.recv(1)"
    )
    with running(tmp_path, body) as (process, _):
        wait_for(lambda: process.state().counts.received == 1, "the second report")
        assert process.set_aside == SetAside("journal", "torn", "aside", 3)


def test_the_real_one_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    owner = f"""
import sys, threading
from pathlib import Path
from ingest.pipeline.intake_process import IntakeProcess
from tests.unit.ingest.test_intake_process import order_of
process = IntakeProcess(order_of(Path({str(tmp_path)!r})), on_journaled=lambda: None)
process.on_iteration = lambda: print(process.pid, flush=True)
process.run(threading.Event())
"""
    started = subprocess.Popen([sys.executable, "-c", owner], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    with started:
        lines = (line.strip() for line in started.stdout)
        pid = int(next(line for line in lines if line.isdigit()))
        os.kill(started.pid, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the end of intake's process")


def test_the_real_one_says_why_it_cannot_begin(tmp_path: Path) -> None:
    ours, theirs = make_link()
    with ours:
        with theirs:
            command = [sys.executable, "-m", "ingest.pipeline.intake_child"]
            child = subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        send(ours, order_of(tmp_path, ca=tmp_path / "absent.pem"))
        output, errors = child.communicate(timeout=60)
    assert child.returncode == 1
    assert b"ingest.intake_failed" in output
    assert b"absent.pem" in output
    assert b"Traceback" not in output + errors


def test_a_report_that_nobody_reads_does_not_stop_it() -> None:
    ours, theirs = make_link()
    report = IntakeReport(IntakeState())
    with ours, theirs, pytest.raises(BlockingIOError):
        deque((send(ours, report) for _ in range(100_000)), maxlen=0)


def test_metrics_grow_by_what_is_new() -> None:
    before = RECEIVED._value.get()
    metrics = IntakeMetrics()
    for received in (3, 3, 10):
        metrics.add(IntakeState(IntakeCounts(received=received)))
    assert RECEIVED._value.get() == before + 10


def test_counts_of_two_processes_are_added_field_by_field() -> None:
    one, other = IntakeCounts(1, 2, 3, 4, 5, 6), IntakeCounts(10, 20, 30, 40, 50, 60)
    assert add_counts(one, other) == IntakeCounts(11, 22, 33, 44, 55, 66)
