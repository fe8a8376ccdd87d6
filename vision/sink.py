"""Where a camera's words go: through the agent and the outbox that every device uses."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Protocol

import structlog

from broker.contract.errors import RetryLaterError
from city.model import Camera
from edge.agent import Agent
from edge.outbox import EventEntry, TelemetryEntry

log = structlog.get_logger("vision")

Health = dict[str, float | int | bool | str]


class EventSink(Protocol):
    """Where a camera's words go: kept durably before these return."""

    def event(
        self, type_: str, state: Literal["raised", "cleared", "noted"], detail: dict[str, Any], at: datetime
    ) -> None:
        """Send an event."""

    def health(self, values: Health, at: datetime) -> None:
        """Send camera telemetry."""


class AgentSink:
    """One camera's words."""

    def __init__(self, agent: Agent, camera: Camera) -> None:
        """Keep whose words they are."""
        self._agent = agent
        self._camera = camera

    def event(
        self, type_: str, state: Literal["raised", "cleared", "noted"], detail: dict[str, Any], at: datetime
    ) -> None:
        """Keep an event in the outbox."""
        self._agent.record([EventEntry(self._camera.id, "camera", at, type_, state, detail)])

    def health(self, values: Health, at: datetime) -> None:
        """Keep health in the outbox; health that finds no room is told again soon."""
        try:
            self._agent.record([TelemetryEntry(self._camera.id, "camera", at, values)])
        except RetryLaterError as exc:
            log.error("vision.outbox_refuses", reason=str(exc))
