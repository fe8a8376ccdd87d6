"""Sensors that are asked: one look at the device an interval."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from broker.contract.errors import RetryLaterError
from edge.outbox import Entry
from edge.sensors.presence import Presence

STOP_CHECK_S: Final = 0.2


class Probe(Protocol):
    """One look at what is measured."""

    def measure(self) -> Mapping[str, Any]:
        """Contract fields to values, those unknown left out; may block, but every wait inside has a bound.

        Raises:
            RetryLaterError: It is not there, or does not answer as it should; says why, without secrets.
        """


class PolledSensor:
    """Looks once an interval, more rarely while there is nothing to see.

    Args:
        probe: Looks; on a thread of its own, so that a stop does not wait for what does not answer.
        presence: Speaks for it.
        interval_s: Seconds from look to look.
    """

    def __init__(self, probe: Probe, presence: Presence, *, interval_s: float) -> None:
        self._probe = probe
        self._presence = presence
        self._interval_s = interval_s

    def readings(self, stop: threading.Event) -> Iterator[Entry]:
        """One reading an interval, none while nothing can be measured."""
        while not stop.is_set():
            started_s = time.monotonic()
            try:
                values = answered(self._probe.measure, stop)
            except RetryLaterError as exc:
                self._presence.gone(str(exc))
            else:
                entry = None if stop.is_set() else self._presence.measured(values)
                if entry:
                    yield entry
            spent_s = time.monotonic() - started_s
            stop.wait(max(self._interval_s, self._presence.backoff_s) - min(spent_s, self._interval_s))


def answered(ask: Callable[[], Mapping[str, Any]], stop: threading.Event) -> Mapping[str, Any]:
    """What a blocking call answers; empty at once on `stop`, the call then ends by itself."""
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
