"""The supervisor: children that end or hang are started again, and nothing that the disk refuses ends it."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from city.cli.progress import FIRST_SIGN_S
from city.runtime.child_logs import LogKeeper
from city.runtime.heartbeats import HEARTBEAT_VARIABLE, PATIENCE_S, HeartbeatRegistry, HeartbeatWriter, read_heartbeat
from city.runtime.supervise import GRACE_S, Child, Supervisor
from tests.support.disks import no_file_grows
from tests.support.waiting import wait_for

SLEEPS = "import time; time.sleep(600)"


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[LogKeeper]:
    made = LogKeeper(tmp_path / "logs")
    yield made
    made.close()


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        """Begin at some time."""
        self.now_s = 1_000.0

    def __call__(self) -> float:
        """The time; some passes with every look, as in life."""
        self.now_s += 0.05
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def supervisor(logs: LogKeeper, clock: Clock) -> Iterator[Supervisor]:
    made = Supervisor({}, logs, command=(sys.executable, "-c"), clock=clock)
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
    assert child.life is not None
    assert child.life.process.returncode == -signal.SIGKILL


def on_signal(ready: Path, work: str) -> str:
    """A child that does some work when it gets SIGTERM, and ends."""
    return f"""
import pathlib, signal, sys, time
def end(*_):
    {work}
    sys.exit()
signal.signal(signal.SIGTERM, end)
pathlib.Path({str(ready)!r}).touch()
{SLEEPS}
"""


def test_the_broker_is_stopped_after_the_others_have_ended(supervisor: Supervisor, tmp_path: Path) -> None:
    last, seen = tmp_path / "last", tmp_path / "seen"
    ready = [tmp_path / name for name in ("broker", "ingest")]
    copy = f"pathlib.Path({str(seen)!r}).write_text(str(pathlib.Path({str(last)!r}).exists()))"
    supervisor.start("broker", [on_signal(ready[0], copy), "broker"])
    supervisor.start("ingest", [on_signal(ready[1], f"time.sleep(0.5); pathlib.Path({str(last)!r}).touch()")])
    wait_for(lambda: all(path.exists() for path in ready), "both children")
    supervisor.stop()
    assert seen.read_text() == "True"


SIGNS = """
import pathlib, sys, threading, time
from city.runtime.heartbeats import HeartbeatRegistry, HeartbeatWriter
beats = HeartbeatRegistry()
writer = HeartbeatWriter(pathlib.Path({data!r}), beats)
stuck = pathlib.Path({data!r}) / "stuck"
{more}
while True:
    beats.beat("ingest")
    if not stuck.exists():
        beats.beat("ingest-drain", "storing")
    writer.write("ingest")
    time.sleep(0.01)
"""


def pass_time(supervisor: Supervisor, clock: Clock, seconds: float) -> list[str]:
    """Let the supervisor look every second for so long."""
    said = []
    for _ in range(round(seconds)):
        clock.now_s += 0.95
        time.sleep(0.02)  # for the child's next sign to arrive, which needs no particular time
        said += supervisor.watch()
    return said


def signing(supervisor: Supervisor, tmp_path: Path, more: str = "") -> Child:
    supervisor.start("server", [SIGNS.format(data=str(tmp_path), more=more)])
    (child,) = supervisor.children
    wait_for(lambda: read_heartbeat(tmp_path, "ingest"), "a first sign")
    supervisor.watch()
    return child


def test_a_child_that_goes_on_is_left_alone(supervisor: Supervisor, clock: Clock, tmp_path: Path) -> None:
    signing(supervisor, tmp_path)
    assert pass_time(supervisor, clock, 200) == []


def test_a_child_whose_part_hangs_is_ended_and_started_again(
    supervisor: Supervisor, clock: Clock, tmp_path: Path
) -> None:
    """Its process lives and gives signs of life; its drain does nothing."""
    child = signing(supervisor, tmp_path)
    (tmp_path / "stuck").touch()
    before = child.pid
    assert pass_time(supervisor, clock, PATIENCE_S - 2) == []
    (said,) = pass_time(supervisor, clock, 4)[:1]
    assert said.startswith("server hangs (ingest-drain (storing): no progress for 6")
    (tmp_path / "stuck").unlink()
    wait_for(comes_back(supervisor, child), "another process")
    assert child.pid != before
    assert (child.hangs, child.restarts, child.last_exit) == (1, 1, -signal.SIGTERM)
    assert pass_time(supervisor, clock, PATIENCE_S + 20) == []


@pytest.mark.parametrize("how", ["frozen", "deaf"])
def test_a_child_that_does_not_listen_is_killed(supervisor: Supervisor, clock: Clock, tmp_path: Path, how: str) -> None:
    deaf = "import signal; signal.signal(15, signal.SIG_IGN)" if how == "deaf" else ""
    child = signing(supervisor, tmp_path, deaf)
    before = child.pid
    assert before
    if how == "frozen":
        os.kill(before, signal.SIGSTOP)
    else:
        (tmp_path / "stuck").touch()
    said = pass_time(supervisor, clock, PATIENCE_S + GRACE_S + 5)
    assert [line.split(" (")[0] for line in said] == [
        "server hangs",
        "server does not end, killing it",
        "server ended",
    ]
    assert (child.hangs, child.last_exit) == (1, -signal.SIGKILL)
    wait_for(lambda: supervisor.watch() or child.pid not in (None, before), "another process")


def test_a_machine_that_was_suspended_kills_nobody(supervisor: Supervisor, clock: Clock, tmp_path: Path) -> None:
    """Everything stood still together, the supervisor too: hours are no reason."""
    child = signing(supervisor, tmp_path)
    assert child.pid
    os.kill(child.pid, signal.SIGSTOP)
    clock.now_s += 8 * 3600.0
    assert supervisor.watch() == []
    os.kill(child.pid, signal.SIGCONT)
    assert pass_time(supervisor, clock, 100) == []
    assert child.hangs == 0


def test_a_child_that_never_says_anything_is_ended(supervisor: Supervisor, clock: Clock) -> None:
    supervisor.start("server", [SLEEPS])
    assert pass_time(supervisor, clock, FIRST_SIGN_S - 2) == []
    (said, *_) = pass_time(supervisor, clock, 4)
    assert said.startswith("server hangs (no sign of life for 12")


def test_what_may_take_longer_says_so(supervisor: Supervisor, clock: Clock, tmp_path: Path) -> None:
    more = "beats.beat('ingest-journal', 'checking', patience_s=150)"
    signing(supervisor, tmp_path, more)
    assert pass_time(supervisor, clock, 140) == []
    (said, *_) = pass_time(supervisor, clock, 20)
    assert "ingest-journal (checking): no progress for 15" in said


def test_a_childs_own_children_do_not_get_the_pipe_of_signs(tmp_path: Path) -> None:
    """Its number would be another file there."""
    read, write = os.pipe()
    variables = {HEARTBEAT_VARIABLE: str(write)}
    writer = HeartbeatWriter(tmp_path, HeartbeatRegistry(), variables)
    assert writer.supervised
    assert variables == {}
    assert not os.get_inheritable(write)
    with (tmp_path / "a file").open("w") as file:
        assert not HeartbeatWriter(tmp_path, HeartbeatRegistry(), {HEARTBEAT_VARIABLE: str(file.fileno())}).supervised
    for pipe in (read, write):
        os.close(pipe)


def test_a_supervisor_that_is_frozen_stops_no_sign(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    writer = HeartbeatWriter(tmp_path, HeartbeatRegistry(), {HEARTBEAT_VARIABLE: str(write)})
    for _ in range(2_000):
        last = writer.write("ingest")
    assert read_heartbeat(tmp_path, "ingest") == last
    for pipe in (read, write):
        os.close(pipe)
