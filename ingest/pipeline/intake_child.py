"""Intake in a process of its own: reads, journals and acknowledges, while another process drains the journal.

`python -m ingest.pipeline.intake_child`, started by `intake_process.py`; the link to it is the standard input. It ends
when the link ends or a signal comes, after what it has read is journaled and acknowledged.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from typing import Final

import structlog

from city.errors import KotaError
from city.runtime.logs import configure_logging
from ingest.pipeline.intake import Intake
from ingest.pipeline.intake_wire import IntakeOrder, IntakeReport, receive, send
from ingest.pipeline.journal import Journal
from ingest.pipeline.tuning import tune_interpreter

log = structlog.get_logger("ingest")

REPORT_EVERY_S: Final = 0.2
"""A report comes after each commit, and at least so often."""


class Reporter:
    """Sends the state of intake to its owner; a report for which there is no room is left out.

    Args:
        link: To the owner.
        journal: The journal that intake writes.
    """

    def __init__(self, link: socket.socket, journal: Journal) -> None:
        self._link = link
        self._journal = journal
        self._sent_s = 0.0
        self._commits = -1

    def report(self, intake: Intake) -> None:
        """Report if something was journaled since the last report, or it is time."""
        now_s = time.monotonic()
        if intake.commits == self._commits and now_s - self._sent_s < REPORT_EVERY_S:
            return
        self._commits, self._sent_s = intake.commits, now_s
        try:
            send(self._link, IntakeReport(intake.state(), self._journal.set_aside))
        except OSError:
            return  # a frozen owner reads nothing; if it is gone, the link's end says so


def main() -> int:
    """Run until the link or a signal says stop; 1 if the journal cannot be opened."""
    configure_logging()
    tune_interpreter()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    link = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    order = receive(link, IntakeOrder)
    try:
        journal = order.journal.open()
        bus = order.bus.connect()
    except (KotaError, OSError) as exc:
        log.error("ingest.intake_failed", reason=str(exc))
        return 1
    intake = Intake(order.city, journal, bus, on_journaled=lambda: None, filters=order.filters)
    reporter = Reporter(link, journal)
    intake.on_iteration = lambda: reporter.report(intake)
    threading.Thread(target=_await_end, args=(link, stop), name="ingest-owner", daemon=True).start()
    intake.run(stop)
    reporter.report(intake)
    journal.close()
    return 0


def _await_end(link: socket.socket, stop: threading.Event) -> None:
    """Wait for the end of the link."""
    with contextlib.suppress(OSError):
        while link.recv(1):
            pass  # nothing comes but the end
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
