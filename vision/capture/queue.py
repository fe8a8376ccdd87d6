"""The bounded queue between capture and detection: drops the oldest picture when full, and counts it."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class DroppingQueue(Generic[T]):
    """A queue of at most `size` items that never blocks the producer: when full, it drops and counts the oldest."""

    def __init__(self, size: int) -> None:
        self._items: deque[T] = deque()
        self._size = size
        self._changed = threading.Condition()
        self.dropped = 0

    def put(self, item: T) -> None:
        """Add an item; drop the oldest when full."""
        with self._changed:
            if len(self._items) >= self._size:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify()

    def get(self, timeout_s: float) -> T | None:
        """Take the oldest item; waits for one, None after `timeout_s`."""
        with self._changed:
            if not self._items:
                self._changed.wait(timeout_s)
            return self._items.popleft() if self._items else None
