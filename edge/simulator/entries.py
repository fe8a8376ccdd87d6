"""From what the simulated city says to what the agent sends."""

from __future__ import annotations

from datetime import datetime

from broker.contract.payloads import Offline, Online, Sleeping, Status
from broker.contract.topics import Kind
from edge.outbox import Entry, Measured, Occurred
from edge.simulator.emission import Happened, Stated, Telemetered

SLEEP_S = 3_600.0


def to_entry(emission: Telemetered | Happened, kind: Kind, at: datetime) -> Entry:
    """An outbox entry at a real time."""
    if isinstance(emission, Telemetered):
        return Measured(emission.device, kind, at, emission.values)
    return Occurred(emission.device, kind, at, emission.type, emission.state, emission.detail)


def to_status(emission: Stated, boot: str, at: datetime) -> Status:
    """A state as the device, or for `lost` the broker, would say it at a real time."""
    if emission.state == "online":
        return Online(ts=at, boot=boot, fw="simulator")
    if emission.state == "sleeping":
        return Sleeping(next_s=SLEEP_S, ts=at)
    return Offline(reason="stop", ts=at) if emission.reason == "stop" else Offline(reason="lost")
