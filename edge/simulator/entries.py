"""Converts emissions of the simulated city to the agent's entries."""

from __future__ import annotations

from datetime import datetime

from broker.contract.payloads import Offline, Online, Sleeping, Status
from broker.contract.topics import Kind
from edge.outbox import Entry, EventEntry, TelemetryEntry
from edge.simulator.emission import EventEmission, StatusEmission, TelemetryEmission

SLEEP_S = 3_600.0


def to_entry(emission: TelemetryEmission | EventEmission, kind: Kind, at: datetime) -> Entry:
    """An outbox entry at a real time."""
    if isinstance(emission, TelemetryEmission):
        return TelemetryEntry(emission.device, kind, at, emission.values)
    return EventEntry(emission.device, kind, at, emission.type, emission.state, emission.detail)


def to_status(emission: StatusEmission, epoch: str, at: datetime) -> Status:
    """A status message at a real time, as the device, or for `lost` the broker, sends it."""
    if emission.state == "online":
        return Online(ts=at, epoch=epoch, fw="simulator")
    if emission.state == "sleeping":
        return Sleeping(next_s=SLEEP_S, ts=at)
    return Offline(reason="stop", ts=at) if emission.reason == "stop" else Offline(reason="lost")
