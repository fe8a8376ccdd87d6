"""The supervisor: children that end are started again, with what they have started gone, and no full disk ends it."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from city.child_logs import LogKeeper
from city.supervise import Child, Supervisor
from tests.support.disks import no_file_grows
from tests.support.waiting import wait_for

SLEEPS = "import time; time.sleep(600)"


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[LogKeeper]:
    made = LogKeeper(tmp_path / "logs")
    yield made
    made.close()


@pytest.fixture
def supervisor(logs: LogKeeper) -> Iterator[Supervisor]:
    made = Supervisor({}, logs, command=(sys.executable, "-c"))
    yield made
    made.stop()


def comes_back(supervisor: Supervisor, child: Child) -> Callable[[], bool]:
    old = child.pid

    def done() -> bool:
        supervisor.watch()
        return child.pid not in (None, old)

    return done


def test_a_killed_child_is_started_again(supervisor: Supervisor) -> None:
    supervisor.start("one", [SLEEPS])
    (child,) = supervisor.children
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)
    wait_for(comes_back(supervisor, child), "another process")
    assert (child.restarts, child.last_exit) == (1, -signal.SIGKILL)


def test_what_a_child_has_started_ends_with_it(supervisor: Supervisor, tmp_path: Path) -> None:
    """It may hold the port that the next one needs."""
    note = tmp_path / "pid"
    starts = f"""
import pathlib, subprocess, sys, time
held = subprocess.Popen([sys.executable, "-c", "{SLEEPS}"])
pathlib.Path({str(note)!r}).write_text(str(held.pid))
time.sleep(600)
"""
    supervisor.start("one", [starts])
    (child,) = supervisor.children
    wait_for(lambda: note.exists() and note.read_text(), "its own child")
    held = int(note.read_text())
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)
    wait_for(comes_back(supervisor, child), "another process")
    wait_for(lambda: not runs(held), "its own child's end")


def runs(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_child_that_dies_on_a_full_disk_comes_back(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start("one", [f"print('hello', flush=True); {SLEEPS}"])
    (child,) = supervisor.children
    path = tmp_path / "logs" / "one.log"
    wait_for(lambda: path.read_text() == "hello\n", "its first line")
    path.rename(path.with_suffix(".elsewhere"))
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)
    with no_file_grows():
        wait_for(comes_back(supervisor, child), "another process")
    assert child.pid


def test_a_machine_without_descriptors_ends_nothing(supervisor: Supervisor) -> None:
    """What is missing for a process may be there again later."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        supervisor.start("one", [SLEEPS])
        (child,) = supervisor.children
        assert child.pid is None
        supervisor.watch()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    wait_for(comes_back(supervisor, child), "a process")


def test_stopping_ends_who_does_not_listen(supervisor: Supervisor, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    deaf = f"import pathlib, signal; signal.signal(15, signal.SIG_IGN); pathlib.Path({str(ready)!r}).touch(); {SLEEPS}"
    supervisor.start("one", [deaf])
    (child,) = supervisor.children
    wait_for(ready.exists, "a child that is deaf")
    supervisor.stop()
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL
