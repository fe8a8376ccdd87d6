"""Output of `kota up` on its own stdout, in a thread of its own: a closed, full or unread stdout blocks nothing."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from typing import Final

QUEUE_MAX: Final = 200
"""Maximum number of waiting texts; further ones are dropped."""
CLOSE_WITHIN_S: Final = 1.0


class Terminal:
    """Owns the thread that writes; `say` never waits and never raises.

    Args:
        file: A descriptor to write to, None for nowhere.
    """

    def __init__(self, file: int | None) -> None:
        self._file = file
        self._queue: queue.Queue[str | None] = queue.Queue(QUEUE_MAX)
        self._thread = threading.Thread(target=self._write, name="terminal", daemon=True)
        self._thread.start()
        self.interactive = file is not None and os.isatty(file)

    @classmethod
    def of_stdout(cls) -> Terminal:
        """The terminal of this process; none if stdout was closed at its start: its descriptor is another file's."""
        return cls(sys.stdout.fileno() if sys.stdout is not None else None)

    def say(self, text: str) -> None:
        """Print some text as it is."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(text)

    def close(self) -> None:
        """Print the waiting texts; waits at most `CLOSE_WITHIN_S`."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
        self._thread.join(CLOSE_WITHIN_S)

    def _write(self) -> None:
        while (text := self._queue.get()) is not None:
            data = text.encode("utf-8", "backslashreplace")
            with contextlib.suppress(OSError):
                while data and self._file is not None:
                    data = data[os.write(self._file, data) :]
