"""Starts intake in a process of its own, follows what it reports, and starts it again when it ends or hangs.

intake's process: broker -> journal -> PUBACK and receipts; this process: journal -> store

The journal is the queue between both. A report says that it has grown.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from city.backoff import Backoff
from city.runtime.child_path import child_python_path
from city.storage.sqlite import SetAside
from ingest.pipeline.intake import COMMITS_REPORTED, IntakeCounts, IntakeState, add_counts
from ingest.pipeline.intake_wire import IntakeOrder, IntakeReport, make_link, receive, send

log = structlog.get_logger("ingest")

COMMAND: Final[Sequence[str]] = (sys.executable, "-m", "ingest.pipeline.intake_child")
RESTART_MIN_S: Final = 0.2
RESTART_MAX_S: Final = 10.0
POLL_S: Final = 1.0
SILENT_MAX_S: Final = 30.0
"""A process that reports nothing for so long hangs: it reports five times a second, also while a disk is full."""
STEADY_AFTER_S: Final = 30.0
END_WITHIN_S: Final = 3.0


class IntakeProcess:
    """Owns intake's process; `run` blocks.

    Args:
        order: What intake needs.
        on_journaled: Called when the journal has grown.
        command: Starts the process; None for `COMMAND`.
    """

    def __init__(
        self, order: IntakeOrder, *, on_journaled: Callable[[], None], command: Sequence[str] | None = None
    ) -> None:
        self._order = order
        self._on_journaled = on_journaled
        self._command = command or COMMAND
        self._state = IntakeState()
        self._earlier = IntakeCounts()
        self._commit_s: deque[float] = deque(maxlen=COMMITS_REPORTED)
        self.set_aside: SetAside | None = None
        """The damaged journal that intake has replaced."""
        self.pid: int | None = None
        """Of the process; None while there is none."""
        self.on_iteration: Callable[[], None] = lambda: None
        """Called with each report."""

    def state(self) -> IntakeState:
        """What intake has reported last, with the counts of all its processes; the durations of commits are said once.

        It is not connected while it does not run.
        """
        commit_s = [self._commit_s.popleft() for _ in range(len(self._commit_s))]
        return msgspec.structs.replace(
            self._state, counts=add_counts(self._earlier, self._state.counts), commit_s=commit_s
        )

    def run(self, stop: threading.Event) -> None:
        """Keep intake running until `stop`."""
        backoff = Backoff(RESTART_MIN_S, RESTART_MAX_S)
        while not stop.is_set():
            began_s = time.monotonic()
            try:
                code = self._run_process(stop)
            except OSError as exc:  # no memory or descriptors for a process
                log.error("ingest.intake_not_started", reason=str(exc))
            else:
                if not stop.is_set():
                    log.error("ingest.intake_ended", code=code)
            if time.monotonic() - began_s > STEADY_AFTER_S:
                backoff.reset()
            stop.wait(backoff.next_s())

    def _run_process(self, stop: threading.Event) -> int:
        """One process from start to end; returns its exit code, which is negative for a signal.

        Raises:
            OSError: It cannot be started.
        """
        link, theirs = make_link()
        with link:
            with theirs:
                process = subprocess.Popen(self._command, stdin=theirs.fileno(), env=_environment())  # noqa: S603 - ours
            self.pid = process.pid
            try:
                send(link, self._order)
                self._follow(link, stop)
            finally:
                link.close()
                code = _await_end(process)
                self.pid = None
                self._earlier = add_counts(self._earlier, self._state.counts)
                self._state = IntakeState()
        return code

    def _follow(self, link: socket.socket, stop: threading.Event) -> None:
        """Take reports until the process ends or hangs, or `stop`."""
        link.settimeout(POLL_S)
        heard_s = time.monotonic()
        while not stop.is_set():
            try:
                report = receive(link, IntakeReport)
            except TimeoutError:
                if time.monotonic() - heard_s > SILENT_MAX_S:
                    log.error("ingest.intake_hangs", silent_s=round(time.monotonic() - heard_s, 1))
                    return
            except (OSError, EOFError, msgspec.MsgspecError):
                return
            else:
                heard_s = time.monotonic()
                self._take(report)

    def _take(self, report: IntakeReport) -> None:
        has_grown = report.state.counts.commits != self._state.counts.commits
        self._state = report.state
        self._commit_s += report.state.commit_s
        self.set_aside = report.set_aside or self.set_aside
        if has_grown:
            self._on_journaled()
        self.on_iteration()


def _await_end(process: subprocess.Popen[bytes]) -> int:
    """Wait until a process ends whose link has ended; kill it if it does not."""
    try:
        return process.wait(END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _environment() -> dict[str, str]:
    """Ours, with the path of our packages."""
    return {**os.environ, "PYTHONPATH": child_python_path()}
