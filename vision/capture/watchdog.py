"""Reads a camera in a thread of its own, and replaces a thread that hangs or whose stream was lost.

OpenCV may block without limit in opening, reading and closing. So a thread that hangs is told to stop, abandoned and
replaced; nothing waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from city.backoff import Backoff
from city.errors import ConfigError
from vision.capture.port import Frame, FrameSource, PictureTooLargeError, StreamLostError
from vision.capture.queue import DroppingQueue

log = structlog.get_logger("vision")

QUEUE_SIZE: Final = 8
BACKOFF_S: Final = (1.0, 30.0)
"""Minimum and maximum backoff before a lost stream is tried again; chance takes off up to a half."""
STABLE_AFTER_S: Final = 30.0
"""A connection that held so long resets the backoff."""
HUNG_MAX: Final = 2
"""Threads of a camera that may hang at once; with so many, no thread is started until one of them ends."""


@dataclass(frozen=True)
class FrameTimeouts:
    """Timeouts of a source: until its first picture, and between two pictures."""

    first_s: float = float("inf")
    next_s: float = float("inf")


STREAMED: Final = FrameTimeouts(first_s=20.0, next_s=6.0)
RECORDED: Final = FrameTimeouts()
"""A recording has no timeout."""


@dataclass
class _ReaderThread:
    """State of one thread: the thread sets `end`, the watchdog everything else."""

    began_s: float
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    picture_s: float | None = None
    cpu_s: float = 0.0
    end: Exception | None = None

    @property
    def is_over(self) -> bool:
        """Whether the thread has ended."""
        return self.thread is not None and not self.thread.is_alive()


class Watchdog:
    """Owns the reader threads of one camera: at most one active, and up to `HUNG_MAX` that hang.

    `too_large` is whether the last connection was refused for the size of its pictures.

    Args:
        name: The camera's id, for the log.
        source: Source of its frames.
        timeouts: After which time without a picture it hangs.
        monotonic: Monotonic clock, seconds.
    """

    def __init__(
        self,
        name: str,
        source: FrameSource,
        timeouts: FrameTimeouts = RECORDED,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._source = source
        self._timeouts = timeouts
        self._monotonic = monotonic
        self._backoff = Backoff(*BACKOFF_S, sure_share=0.5)
        self._lock = threading.Lock()
        self._reading: _ReaderThread | None = None
        self._hung: list[_ReaderThread] = []
        self._due_s = monotonic()
        self._at_s = float("-inf")
        self._lost = False
        self._cpu_s = 0.0
        self.queue: DroppingQueue[Frame] = DroppingQueue(QUEUE_SIZE)
        self.ended = False
        self.too_large = False
        self.reconnects = 0
        self.stalls = 0

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all reader threads."""
        return self._cpu_s + (self._reading.cpu_s if self._reading else 0.0)

    def tick(self) -> None:
        """Start a reader, replace one that hangs, or reconnect after the backoff. Called every second; never blocks.

        Raises:
            Exception: The reader failed unexpectedly.
        """
        now_s, reading = self._monotonic(), self._reading
        if reading is None:
            self._hung = [hung for hung in self._hung if not hung.is_over]
            if not self.ended and now_s >= self._due_s and len(self._hung) < HUNG_MAX:
                self._begin(now_s)
        elif reading.is_over:
            self._reading = None
            self._cpu_s += reading.cpu_s
            self._conclude(reading, now_s)
        elif self._hangs(reading, now_s):
            self._abandon(reading)
            self._lose(reading, now_s, "no picture")

    def stop(self, timeout_s: float) -> None:
        """Stop the active reader and wait for it, at most `timeout_s`."""
        if self._reading is None or self._reading.thread is None:
            return
        self._reading.stop.set()
        self._reading.thread.join(timeout_s)

    def _begin(self, now_s: float) -> None:
        reading = _ReaderThread(now_s)
        reading.thread = threading.Thread(target=self._read, args=(reading,), name=f"{self._name}-capture", daemon=True)
        self._reading = reading
        reading.thread.start()

    def _read(self, reading: _ReaderThread) -> None:
        try:
            for frame in self._source.frames(reading.stop):
                if not self._accept(reading, frame):
                    return
        except Exception as exc:  # noqa: BLE001 - raised again by the next tick
            reading.end = exc

    def _accept(self, reading: _ReaderThread, frame: Frame) -> bool:
        """Queue a frame, its time raised to that of the last one if it is earlier; False if the reader was stopped."""
        with self._lock:
            if reading.stop.is_set():
                return False
            self._at_s = max(self._at_s, frame.at_s)
            self.queue.put(frame if frame.at_s == self._at_s else replace(frame, at_s=self._at_s))
            if reading.picture_s is None and self._lost:
                self._lost = False
                self.reconnects += 1
                log.info("vision.stream_back", camera=self._name, reconnects=self.reconnects)
            self.too_large = False
            reading.picture_s = self._monotonic()
            reading.cpu_s = time.thread_time()
        return True

    def _hangs(self, reading: _ReaderThread, now_s: float) -> bool:
        if reading.picture_s is None:
            return now_s - reading.began_s > self._timeouts.first_s
        return now_s - reading.picture_s > self._timeouts.next_s

    def _abandon(self, reading: _ReaderThread) -> None:
        with self._lock:
            reading.stop.set()
        self._reading = None
        self._cpu_s += reading.cpu_s
        self._hung.append(reading)
        self.stalls += 1

    def _conclude(self, reading: _ReaderThread, now_s: float) -> None:
        match reading.end:
            case PictureTooLargeError() as exc:
                self.too_large = True
                if self._timeouts is RECORDED:
                    # A recording stays as it is.
                    self.ended = True
                    log.error("vision.source_unusable", camera=self._name, reason=str(exc))
                else:
                    self._lose(reading, now_s, str(exc))
            case StreamLostError() as exc:
                self._lose(reading, now_s, str(exc))
            case None:
                self.ended = True
                log.info("vision.source_ended", camera=self._name)
            case ConfigError() as exc:
                # One camera's mistake blinds that camera alone.
                self.ended = True
                log.error("vision.source_unusable", camera=self._name, reason=str(exc))
            case exc:
                raise exc

    def _lose(self, reading: _ReaderThread, now_s: float, reason: str) -> None:
        held_s = (reading.picture_s or reading.began_s) - reading.began_s
        if held_s >= STABLE_AFTER_S:
            self._backoff.reset()
        self._due_s = now_s + self._backoff.next_s()
        if not self._lost:
            self._lost = True
            log.warning("vision.stream_lost", camera=self._name, reason=reason, stalls=self.stalls)
