"""Polled sensors: one measurement per interval."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from city.errors import RetryLaterError
from edge.outbox import Entry
from edge.sensors.driver_status import DriverStatus

STOP_CHECK_S: Final = 0.2


class Probe(Protocol):
    """Measures once."""

    def measure(self) -> Mapping[str, Any]:
        """Contract fields to values, without unknown ones; may block, with a timeout on every wait.

        Raises:
            RetryLaterError: The device is absent or answers wrongly; says why, without secrets.
        """


class PolledSensor:
    """Polls a probe once an interval, less often while it fails.

    Args:
        probe: Measures, on a thread of its own, so that a stop does not wait for it.
        status: The driver's status.
        interval_s: Seconds between measurements.
    """

    def __init__(self, probe: Probe, status: DriverStatus, *, interval_s: float) -> None:
        self._probe = probe
        self._status = status
        self._interval_s = interval_s

    def readings(self, stop: threading.Event) -> Iterator[Entry]:
        """One reading an interval; none while nothing can be measured."""
        while not stop.is_set():
            started_s = time.monotonic()
            try:
                values = run_until_stop(self._probe.measure, stop)
            except RetryLaterError as exc:
                self._status.report_absent(str(exc))
            else:
                entry = None if stop.is_set() else self._status.to_entry(values)
                if entry:
                    yield entry
            spent_s = time.monotonic() - started_s
            stop.wait(max(self._interval_s, self._status.backoff_s) - min(spent_s, self._interval_s))


def run_until_stop(ask: Callable[[], Mapping[str, Any]], stop: threading.Event) -> Mapping[str, Any]:
    """The result of a blocking call; empty at once on `stop`, while the call ends by itself."""
    answer: queue.SimpleQueue[Mapping[str, Any] | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answer.put(ask())
        except Exception as exc:  # noqa: BLE001 - raised again by whom it was asked for
            answer.put(exc)

    threading.Thread(target=run, name="edge-probe", daemon=True).start()
    while not stop.is_set():
        try:
            got = answer.get(timeout=STOP_CHECK_S)
        except queue.Empty:
            continue
        if isinstance(got, Exception):
            raise got
        return got
    return {}
