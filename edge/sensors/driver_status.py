"""The status of a driver in the log: when its device is absent and back, and how noisy its line is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog

from broker.contract.payloads import TELEMETRY, fields_of
from broker.contract.topics import Kind
from city.backoff import Backoff
from city.inventory.model import Device
from edge.outbox import TelemetryEntry

log = structlog.get_logger("edge")

NOISE_EVERY_S: Final = 3600.0
BACKOFF_MIN_S: Final = 1.0
BACKOFF_MAX_S: Final = 30.0
_STAMP: Final = {"ts": datetime(1970, 1, 1, tzinfo=UTC), "boot": "0", "seq": 0}


class DriverStatus:
    """Logs for one driver at one device, and makes its measurements entries.

    Args:
        driver: Its name.
        device: The device.
        clock: Time of a measurement without one of its own, UTC.
        backoff_max_s: The longest wait between two attempts.
    """

    def __init__(
        self,
        driver: str,
        device: Device,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        backoff_max_s: float = BACKOFF_MAX_S,
    ) -> None:
        self._driver = driver
        self._device = device
        self._clock = clock
        self._backoff = Backoff(BACKOFF_MIN_S, backoff_max_s, sure_share=0.5)
        self._wait_s = 0.0
        self._gone = False
        self._left_out: set[str] = set()
        self._noise_said = 0
        self._noise_due = 0.0

    @property
    def backoff_s(self) -> float:
        """Wait before the next attempt: longer after every failure, 0 after a success."""
        return self._wait_s

    def report_absent(self, reason: str) -> None:
        """Note that nothing can be measured; logged once, because it may last for days."""
        self._wait_s = self._backoff.next_s()
        if not self._gone:
            log.warning("edge.sensor_gone", sensor=self._driver, device=self._device.id, reason=reason)
        self._gone = True

    def to_entry(self, values: Mapping[str, Any], at: datetime | None = None) -> TelemetryEntry | None:
        """An entry with the valid values; None when there are none."""
        if not values:
            self.report_absent("it says nothing that is stored")
            return None
        self._backoff.reset()
        self._wait_s = 0.0
        if self._gone:
            log.info("edge.sensor_back", sensor=self._driver, device=self._device.id)
        self._gone = False
        kept = valid_values(self._device.KIND, values)
        for field in {name for name, value in values.items() if value is not None} - {*kept, *self._left_out}:
            self._left_out.add(field)
            log.warning("edge.value_left_out", sensor=self._driver, device=self._device.id, field=field)
        return TelemetryEntry(self._device.id, self._device.KIND, at or self._clock(), kept) if kept else None

    def report_noise(self, count: int) -> None:
        """Log the total of unreadable frames, at most once an hour."""
        now_s = time.monotonic()
        if count > self._noise_said and now_s >= self._noise_due:
            log.warning("edge.line_noise", sensor=self._driver, device=self._device.id, unreadable=count)
            self._noise_said = count
            self._noise_due = now_s + NOISE_EVERY_S


def valid_values(kind: Kind, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that the contract has a field for and that are valid; a bad value does not affect the others."""
    known = fields_of(kind)
    return {name: value for name, value in values.items() if name in known and _is_valid(kind, name, value)}


def _is_valid(kind: Kind, name: str, value: object) -> bool:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return False
    try:
        msgspec.convert({**_STAMP, name: value}, TELEMETRY[kind])
    except msgspec.ValidationError:
        return False
    return True
