"""Readings from standard input: one JSON object of contract fields per line, so that any program can be a sensor.

`{"distance_mm": 840, "battery_pct": 87}` is a reading measured now; `"ts"` gives another time. An object with
`"type"` is an event.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import msgspec
import structlog

from broker.contract.payloads import fields_of, similar_field
from city.inventory.model import Device
from edge.outbox import Entry, EventEntry, TelemetryEntry
from edge.sensors.port import Assignment, Sensor

log = structlog.get_logger("edge")

NAMES_NOTED: Final = 100
"""Unknown fields that are named in the log; a program that makes up names writes no log without end."""


class StdinSensor:
    """Reads lines until the end of the input.

    Args:
        device: The device.
        stream: The lines.
        clock: Time of a line without one, UTC.
    """

    def __init__(
        self,
        device: Device,
        *,
        stream: TextIO = sys.stdin,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._device = device
        self._stream = stream
        self._clock = clock
        self._unknown_fields: set[str] = set()

    def readings(self, stop: threading.Event) -> Iterator[Entry]:
        """One entry per line; an invalid line is logged and skipped."""
        for line in self._stream:
            if stop.is_set():
                return
            if line.strip():
                try:
                    yield self._entry(line)
                except (msgspec.DecodeError, ValueError) as exc:
                    log.error("edge.line_unreadable", reason=str(exc))

    def _entry(self, line: str) -> Entry:
        fields = msgspec.json.decode(line, type=dict[str, Any])
        ts = fields.pop("ts", None)
        at = msgspec.convert(ts, datetime) if ts else self._clock()
        if at.tzinfo is None:
            raise ValueError(f"ts {ts!r} has no time zone")
        if "type" in fields:
            state = fields.get("state", "noted")
            return EventEntry(self._device.id, self._device.KIND, at, fields["type"], state, fields.get("detail", {}))
        self._note_unknown(fields.keys())
        return TelemetryEntry(self._device.id, self._device.KIND, at, fields)

    def _note_unknown(self, names: Iterable[str]) -> None:
        """Say once of each field that nobody will read it, and which one may be meant."""
        kind = self._device.KIND
        for name in sorted(set(names) - {*fields_of(kind)} - self._unknown_fields):
            if len(self._unknown_fields) < NAMES_NOTED:
                self._unknown_fields.add(name)
                log.warning("edge.unknown_field", field=name, kind=kind, perhaps=similar_field(name, kind) or None)


def open_sensor(assignment: Assignment) -> Sensor:
    """The program that writes to this process."""
    return StdinSensor(assignment.device)
