"""The sink of a camera's events and telemetry: the agent and the outbox that every device uses."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Protocol

import structlog

from city.errors import RetryLaterError
from city.inventory.model import Camera
from edge.agent import Agent
from edge.outbox import EventEntry, TelemetryEntry

log = structlog.get_logger("vision")

Health = dict[str, float | int | bool | str]


class EventSink(Protocol):
    """Takes a camera's events and telemetry; both are durable when the call returns."""

    def event(
        self, type_: str, state: Literal["raised", "cleared", "noted"], detail: dict[str, Any], at: datetime
    ) -> None:
        """Send an event."""

    def health(self, values: Health, at: datetime) -> None:
        """Send camera telemetry."""


class AgentSink:
    """Puts one camera's events and telemetry into its outbox."""

    def __init__(self, agent: Agent, camera: Camera) -> None:
        self._agent = agent
        self._camera = camera

    def event(
        self, type_: str, state: Literal["raised", "cleared", "noted"], detail: dict[str, Any], at: datetime
    ) -> None:
        """Put an event into the outbox.

        Raises:
            RetryLaterError: The outbox refuses it.
        """
        self._agent.record([EventEntry(self._camera.id, "camera", at, type_, state, detail)])

    def health(self, values: Health, at: datetime) -> None:
        """Put health telemetry into the outbox; if refused it is dropped, because the next report follows soon."""
        try:
            self._agent.record([TelemetryEntry(self._camera.id, "camera", at, values)])
        except RetryLaterError as exc:
            log.error("vision.outbox_refused", reason=str(exc))
