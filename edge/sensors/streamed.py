"""Streaming sensors: decodes bytes as they arrive, one reading per interval."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from city.errors import RetryLaterError
from edge.outbox import Entry, TelemetryEntry
from edge.sensors.driver_status import DriverStatus

SILENCE_S: Final = 10.0
"""A silent stream is reopened after this time, because a USB adapter that was plugged in again is another file."""
FIRST_S: Final = 3.0
"""Wait for the first reading after opening, and for the next attempt after a failed one, instead of an interval."""


class ByteStream(Protocol):
    """An open byte stream."""

    def read(self) -> bytes:
        """Bytes that arrived within half a second; empty when none did.

        Raises:
            OSError: The stream is gone.
        """

    def write(self, request: bytes) -> None:
        """Send a request.

        Raises:
            OSError: The stream is gone.
        """

    def close(self) -> None:
        """Close the stream."""


class Sample(msgspec.Struct, frozen=True):
    """Contract fields to values, and the device's own time where it reports one."""

    values: Mapping[str, Any]
    at: datetime | None = None


class StreamDecoder(Protocol):
    """Decodes bytes, split anywhere, into samples. `unreadable` counts invalid frames."""

    unreadable: int

    def feed(self, chunk: bytes) -> None:
        """Add the next bytes of the stream."""

    def take_sample(self) -> Sample:
        """The newest measurement since the last call.

        Raises:
            RetryLaterError: There was none; says why.
        """

    def reset(self) -> None:
        """Discard incomplete input: the stream is a new one."""


class StreamedSensor:
    """Reads a stream, and reopens it when it fails.

    Args:
        open_stream: Opens it; raises OSError while it is absent.
        decoder: Decodes its bytes.
        status: The driver's status.
        interval_s: Seconds between readings.
        request: Sent after every opening.
        ask_every_s: Seconds until it is sent again, for devices that must be polled; None never.
        silence_s: A stream that is silent for so long is reopened.
    """

    def __init__(
        self,
        open_stream: Callable[[], ByteStream],
        decoder: StreamDecoder,
        status: DriverStatus,
        *,
        interval_s: float,
        request: bytes = b"",
        ask_every_s: float | None = None,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._open_stream = open_stream
        self._decoder = decoder
        self._status = status
        self._interval_s = interval_s
        self._request = request
        self._silence_s = silence_s
        self._ask_every_s = ask_every_s if ask_every_s is not None else float("inf")

    def readings(self, stop: threading.Event) -> Iterator[Entry]:
        """One reading an interval; none while nothing can be measured."""
        while not stop.is_set():
            try:
                with closing(self._open_stream()) as stream:
                    self._decoder.reset()
                    yield from self._of(stream, stop)
            except (OSError, RetryLaterError) as exc:
                self._status.report_absent(str(exc))
            stop.wait(self._status.backoff_s)

    def _of(self, stream: ByteStream, stop: threading.Event) -> Iterator[Entry]:
        """The readings of an open stream.

        Raises:
            OSError: It is gone.
            RetryLaterError: It is silent.
        """
        received_s = time.monotonic()
        due_s = received_s + min(self._interval_s, FIRST_S)
        ask_s = received_s if self._request else float("inf")
        while not stop.is_set():
            now_s = time.monotonic()
            if now_s >= ask_s:
                stream.write(self._request)
                ask_s = now_s + self._ask_every_s
            chunk = stream.read()
            now_s = time.monotonic()
            if chunk:
                received_s = now_s
                self._decoder.feed(chunk)
                self._status.report_noise(self._decoder.unreadable)
            elif now_s - received_s >= self._silence_s:
                raise RetryLaterError(f"nothing came for {self._silence_s:g} s")
            if now_s >= due_s:
                entry = self._take_entry()
                due_s = now_s + (self._interval_s if entry else min(self._interval_s, FIRST_S))
                if entry:
                    yield entry

    def _take_entry(self) -> TelemetryEntry | None:
        try:
            sample = self._decoder.take_sample()
        except RetryLaterError as exc:
            self._status.report_absent(str(exc))
            return None
        return self._status.to_entry(sample.values, sample.at)
