"""Tours that the trucks of a simulated city follow: the API writes them, the simulator reads them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from city.storage.atomic_files import replace_file

FILE: Final = "planning/tours.json"
READ_EVERY_S: Final = 2.0

Tours = Mapping[str, Sequence[str]]
"""Truck to the containers of its tour that are open, in order."""


class DemoTours:
    """The file of a data folder. One that cannot be read is empty: trucks drive as they like.

    Args:
        data: The data folder.
        clock: Monotonic seconds.
    """

    def __init__(self, data: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = data / FILE
        self._clock = clock
        self._read_s = float("-inf")
        self._current: dict[str, list[str]] = {}
        self._written: dict[str, list[str]] | None = None

    def write(self, tours: Tours) -> None:
        """Replace the tours, if they differ from those written last.

        Raises:
            StorageError: The disk refuses.
        """
        listed = {truck: list(containers) for truck, containers in tours.items()}
        if listed != self._written:
            replace_file(self._path, msgspec.json.encode(listed), parents=True)
            self._written = listed

    def current(self) -> Tours:
        """The tours; read anew every `READ_EVERY_S`."""
        now_s = self._clock()
        if now_s - self._read_s >= READ_EVERY_S:
            self._read_s = now_s
            self._current = self._read()
        return self._current

    def _read(self) -> dict[str, list[str]]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, list[str]])
        except (OSError, msgspec.MsgspecError):
            return {}
