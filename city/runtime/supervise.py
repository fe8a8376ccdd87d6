"""Supervises child processes for `kota up`: start, watch, restart with backoff, stop.

A child that ends is started again. A child that is alive and makes no progress (`city/runtime/heartbeats.py`) is ended
with SIGTERM, and with SIGKILL after `GRACE_S`; frozen ones too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from city.backoff import Backoff
from city.cli.progress import ChildProgress, HeartbeatReader, WakingClock
from city.runtime.child_logs import LogKeeper
from city.runtime.heartbeats import HEARTBEAT_VARIABLE

BACKOFF_MIN_S: Final = 0.3
BACKOFF_MAX_S: Final = 30.0
STEADY_AFTER_S: Final = 30.0
"""A child that ran this long restarts without a backoff penalty."""
GRACE_S: Final = 10.0
"""Time between SIGTERM and SIGKILL for a child that hangs; a healthy one needs four seconds to shut down."""
STOP_WITHIN_S: Final = 4.5
BROKER_STOPS_AFTER_S: Final = 2.5
FRUGAL: Final = {"MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Variables of every child: several arenas would make small processes with many threads larger, and no faster."""
KOTA: Final = (sys.executable, "-m", "city")


@dataclass
class ChildProcess:
    """One process of a child; seconds are of the supervisor's waking time."""

    process: subprocess.Popen[bytes]
    heartbeats: HeartbeatReader
    progress: ChildProgress
    started_s: float
    started_at: datetime
    ended_s: float | None = None
    """Time of SIGTERM because it hung; None if it was not sent."""
    killed: bool = False


@dataclass
class Child:
    """One child: its command, its current process, and counts of the earlier ones."""

    name: str
    arguments: list[str]
    life: ChildProcess | None = None
    restarts: int = 0
    hangs: int = 0
    backoff: Backoff = field(default_factory=lambda: Backoff(BACKOFF_MIN_S, BACKOFF_MAX_S))
    due_s: float = 0.0
    last_exit: int | None = None
    last_error: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def pid(self) -> int | None:
        """The running process, None while there is none."""
        return self.life.process.pid if self.life and self.life.process.returncode is None else None

    @property
    def services(self) -> list[str]:
        """Names of its services; its arguments are `serve` and these."""
        return self.arguments[1:]

    @property
    def started_at(self) -> datetime | None:
        """When it was started, UTC; None while there is none."""
        return self.life.started_at if self.life else None


class Supervisor:
    """Owns the children of one `kota up`; neither a refusing disk nor a failed fork ends it.

    Args:
        environment: Variables every child gets on top of ours.
        logs: Takes their output.
        command: Command to which the arguments of a child are appended.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        environment: dict[str, str],
        logs: LogKeeper,
        command: Sequence[str] = KOTA,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment = {**FRUGAL, **os.environ, **environment, "KOTA_SUPERVISOR": str(os.getpid())}
        self._logs = logs
        self._command = command
        self._clock = WakingClock(clock)
        self.children: list[Child] = []

    def start(self, name: str, arguments: list[str], **extra: str) -> None:
        """Start a child and keep it running; `extra` are additional variables."""
        child = Child(name, arguments, extra=extra)
        self.children.append(child)
        self._launch(child, self._clock())

    def watch(self) -> list[str]:
        """End children that hang, reap ended ones, start those whose backoff is over; returns a line for each action.

        Called several times a second.
        """
        now_s = self._clock()
        lines = []
        for child in self.children:
            if child.life is None:
                if now_s >= child.due_s:
                    child.restarts += 1
                    self._launch(child, now_s)
            elif _has_ended(child.life.process):
                lines.append(self._reap(child, child.life, now_s))
            elif words := _end_when_stuck(child, child.life, now_s):
                lines.append(words)
        return lines

    def stop(self) -> None:
        """Send SIGTERM to all children, and SIGKILL to their process groups after `STOP_WITHIN_S`.

        The broker gets its signal when the others have ended, at the latest after `BROKER_STOPS_AFTER_S`: they still
        publish what they have, and that they are offline.
        """
        began_s = time.monotonic()
        brokers = [child.life for child in self.children if child.life and "broker" in child.services]
        others = [child.life for child in self.children if child.life and child.life not in brokers]
        _terminate(others)
        _await_end(others, began_s + BROKER_STOPS_AFTER_S)
        _terminate(brokers)
        _await_end(others + brokers, began_s + STOP_WITHIN_S)
        for life in others + brokers:
            _signal_group(life.process, signal.SIGKILL)
            life.process.wait()

    def _reap(self, child: Child, life: ChildProcess, now_s: float) -> str:
        # Before it is reaped, so that its id is nobody else's: a child's own children hold its ports.
        _signal_group(life.process, signal.SIGKILL)
        code = child.last_exit = life.process.wait()
        life.heartbeats.close()
        child.life = None
        if now_s - life.started_s > STEADY_AFTER_S:
            child.backoff.reset()
        child.due_s = now_s + child.backoff.next_s()
        return f"{child.name} ended ({f'signal {-code}' if code < 0 else f'exit {code}'}), starting again"

    def _launch(self, child: Child, now_s: float) -> None:
        """Start the process; where that is not possible just now (memory, descriptors) it is due again later."""
        try:
            child.life = self._spawn(child, now_s)
        except OSError as exc:
            child.due_s = now_s + child.backoff.next_s()
            if str(exc) != child.last_error:
                self._logs.note(child.name, f"it cannot be started: {exc}")
            child.last_error = str(exc)
        else:
            child.last_error = ""

    def _spawn(self, child: Child, now_s: float) -> ChildProcess:
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            output = self._logs.pipe(child.name)
            theirs.callback(os.close, output)
            heartbeats, write = os.pipe()
            ours.callback(os.close, heartbeats)
            theirs.callback(os.close, write)
            os.set_blocking(write, False)
            process = subprocess.Popen(  # noqa: S603 - our own module and arguments
                [*self._command, *child.arguments],
                env={**self._environment, **child.extra, HEARTBEAT_VARIABLE: str(write)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(write,),
                start_new_session=True,
            )
            ours.pop_all()
        return ChildProcess(process, HeartbeatReader(heartbeats), ChildProgress(now_s), now_s, datetime.now(UTC))


def _terminate(lives: Iterable[ChildProcess]) -> None:
    for life in lives:
        _signal_group(life.process, signal.SIGTERM)


def _await_end(lives: Collection[ChildProcess], until_s: float) -> None:
    while not all(_has_ended(life.process) for life in lives) and time.monotonic() < until_s:
        time.sleep(0.02)


def _end_when_stuck(child: Child, life: ChildProcess, now_s: float) -> str:
    """Read a child's heartbeats and end it if it hangs; returns what was done, empty if nothing."""
    for heartbeat in life.heartbeats.read():
        life.progress.update(heartbeat, now_s)
    if life.ended_s is None:
        stuck = life.progress.stuck_reason(now_s)
        if not stuck:
            return ""
        life.ended_s = now_s
        child.hangs += 1
        _signal_group(life.process, signal.SIGTERM)
        return f"{child.name} hangs ({stuck}), ending it"
    if life.killed or now_s - life.ended_s < GRACE_S:
        return ""
    life.killed = True
    _signal_group(life.process, signal.SIGKILL)
    return f"{child.name} does not end, killing it"


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has, without reaping it."""
    if process.returncode is not None:
        return True
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return True


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it is gone, which is what was wanted
        os.killpg(process.pid, number)
