"""Where a camera's words go in tests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from city.errors import RetryLaterError
from vision.camera.sink import Health


class Words:
    """Takes note of events and health; refuses events while `refuses`."""

    def __init__(self) -> None:
        """Nothing was said."""
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self.reports: list[Health] = []
        self.refuses = False

    def event(self, type_: str, state: str, detail: dict[str, Any], at: datetime) -> None:  # noqa: ARG002 - the port
        """Note an event."""
        if self.refuses:
            raise RetryLaterError("disk full")
        self.events.append((type_, state, detail))

    def health(self, values: Health, at: datetime) -> None:  # noqa: ARG002 - the port
        """Note a report."""
        self.reports.append(values)

    @property
    def scene(self) -> str:
        """The scene that was reported last."""
        return str(self.reports[-1]["scene"]) if self.reports else ""
