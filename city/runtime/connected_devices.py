"""Devices of a demo that somebody has connected: the simulated city leaves them alone.

A file each in `DATA/connected`; its time is that of the last message. Several processes write and read the folder.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

FOLDER: Final = "connected"
NOTE_EVERY_S: Final = 60.0
LEFT_ALONE_S: Final = 7 * 86_400.0
"""Time from a device's last message until it is simulated again."""
READ_EVERY_S: Final = 2.0


class ConnectedDevices:
    """Notes devices, and says which were noted in the last days. A folder that cannot be written notes none.

    Args:
        data: The data folder.
        clock: Seconds since 1970.
    """

    def __init__(self, data: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = data / FOLDER
        self._clock = clock
        self._noted_s: dict[str, float] = {}
        self._read_s = float("-inf")
        self._current: frozenset[str] = frozenset()

    def note(self, device: str) -> None:
        """Note that somebody else than the simulated city sends for a device."""
        now_s = self._clock()
        if abs(now_s - self._noted_s.get(device, float("-inf"))) < NOTE_EVERY_S:
            return
        self._noted_s[device] = now_s
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / device).touch()

    def current(self) -> frozenset[str]:
        """The devices that were noted in the last days; read anew every `READ_EVERY_S`."""
        now_s = self._clock()
        if abs(now_s - self._read_s) >= READ_EVERY_S:
            self._read_s = now_s
            self._current = frozenset(self._read(now_s - LEFT_ALONE_S))
        return self._current

    def _read(self, since_s: float) -> set[str]:
        devices = set()
        with contextlib.suppress(OSError):
            for path in self._folder.iterdir():
                with contextlib.suppress(OSError):  # deleted meanwhile
                    if path.stat().st_mtime >= since_s:
                        devices.add(path.name)
        return devices
