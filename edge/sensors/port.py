"""The sensor port: whatever measures at a device."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Protocol

from edge.outbox import Entry


class Sensor(Protocol):
    """One source of readings and events of one device."""

    def readings(self, stop: threading.Event) -> Iterator[Entry]:
        """Yield entries as they are measured, until `stop` or until there will be no more; may block in between."""
