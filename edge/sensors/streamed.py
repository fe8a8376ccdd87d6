"""Sensors that talk by themselves: bytes of a line, decoded as they come, one reading an interval."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from broker.contract.errors import RetryLaterError
from edge.outbox import Entry, Measured
from edge.sensors.presence import Presence

SILENCE_S: Final = 10.0
"""A USB adapter that was plugged in again is another file: a line that says nothing any more is opened anew."""
FIRST_S: Final = 3.0
"""The first reading after an opening, and the next try after one in vain, do not wait for a whole interval."""


class Line(Protocol):
    """An open line."""

    def read(self) -> bytes:
        """What came within half a second, empty when nothing did.

        Raises:
            OSError: The line is gone.
        """

    def write(self, request: bytes) -> None:
        """Ask.

        Raises:
            OSError: The line is gone.
        """

    def close(self) -> None:
        """Let go of it."""


class Sample(msgspec.Struct, frozen=True):
    """What was measured: contract fields to values, and when, where the device says so itself."""

    values: Mapping[str, Any]
    at: datetime | None = None


class Decoder(Protocol):
    """Makes samples of bytes, whatever these are and wherever they are cut. `unreadable` counts frames in vain."""

    unreadable: int

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of a line."""

    def taken(self) -> Sample:
        """The newest measurement since the last time.

        Raises:
            RetryLaterError: There was none; says why.
        """

    def reset(self) -> None:
        """Forget what is half read: the line is a new one."""


class StreamedSensor:
    """Reads a line for as long as it is there, and opens it again when it is not.

    Args:
        open_line: Opens it; raises OSError while it is not there.
        decoder: Reads its bytes.
        presence: Speaks for it.
        interval_s: Seconds from reading to reading.
        request: Sent at every opening.
        ask_every_s: Seconds until it is sent again, for devices that answer only when asked; None never.
        silence_s: A line on which nothing comes for so long is opened anew.
    """

    def __init__(
        self,
        open_line: Callable[[], Line],
        decoder: Decoder,
        presence: Presence,
        *,
        interval_s: float,
        request: bytes = b"",
        ask_every_s: float | None = None,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._open_line = open_line
        self._decoder = decoder
        self._presence = presence
        self._interval_s = interval_s
        self._request = request
        self._silence_s = silence_s
        self._ask_every_s = ask_every_s if ask_every_s is not None else float("inf")

    def readings(self, stop: threading.Event) -> Iterator[Entry]:
        """One reading an interval, none while nothing can be measured."""
        while not stop.is_set():
            try:
                with closing(self._open_line()) as line:
                    self._decoder.reset()
                    yield from self._of(line, stop)
            except (OSError, RetryLaterError) as exc:
                self._presence.gone(str(exc))
            stop.wait(self._presence.backoff_s)

    def _of(self, line: Line, stop: threading.Event) -> Iterator[Entry]:
        """The readings of an open line.

        Raises:
            OSError: It is gone.
            RetryLaterError: Nothing comes any more.
        """
        heard_s = time.monotonic()
        due_s = heard_s + min(self._interval_s, FIRST_S)
        ask_s = heard_s if self._request else float("inf")
        while not stop.is_set():
            now_s = time.monotonic()
            if now_s >= ask_s:
                line.write(self._request)
                ask_s = now_s + self._ask_every_s
            chunk = line.read()
            now_s = time.monotonic()
            if chunk:
                heard_s = now_s
                self._decoder.feed(chunk)
                self._presence.noise(self._decoder.unreadable)
            elif now_s - heard_s >= self._silence_s:
                raise RetryLaterError(f"nothing came for {self._silence_s:g} s")
            if now_s >= due_s:
                entry = self._taken()
                due_s = now_s + (self._interval_s if entry else min(self._interval_s, FIRST_S))
                if entry:
                    yield entry

    def _taken(self) -> Measured | None:
        try:
            sample = self._decoder.taken()
        except RetryLaterError as exc:
            self._presence.gone(str(exc))
            return None
        return self._presence.measured(sample.values, sample.at)
