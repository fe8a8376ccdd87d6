"""Between capture and detection: a bounded queue that drops the oldest picture and counts it."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class DroppingQueue(Generic[T]):
    """Never makes the camera wait: what a slow consumer does not take in time is dropped and counted."""

    def __init__(self, size: int) -> None:
        """Start empty; `size` is the most that waits."""
        self._items: deque[T] = deque()
        self._size = size
        self._changed = threading.Condition()
        self.dropped = 0

    def put(self, item: T) -> None:
        """Add the newest, dropping the oldest when full."""
        with self._changed:
            if len(self._items) >= self._size:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify()

    def get(self, timeout_s: float) -> T | None:
        """The oldest, waiting for one; None when none came."""
        with self._changed:
            if not self._items:
                self._changed.wait(timeout_s)
            return self._items.popleft() if self._items else None
