"""What a driver says in the log: once that what it reads has gone, once that it is back, and how noisy a line is."""

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
from city.model import Device
from edge.outbox import Measured

log = structlog.get_logger("edge")

NOISE_EVERY_S: Final = 3600.0
BACKOFF_MAX_S: Final = 30.0
_STAMP: Final = {"ts": datetime(1970, 1, 1, tzinfo=UTC), "boot": "0", "seq": 0}


class Presence:
    """Speaks for one driver at one device, and makes its measurements entries.

    Args:
        driver: Its name.
        device: Whose readings they are.
        clock: The time of a measurement without one of its own, UTC.
        backoff_max_s: The longest wait between two tries.
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
        self._backoff_max_s = backoff_max_s
        self._gone = False
        self._failures = 0
        self._left_out: set[str] = set()
        self._noise_said = 0
        self._noise_due = 0.0

    @property
    def backoff_s(self) -> float:
        """How long to wait before the next try: longer after every failure, nothing after a success."""
        return min(self._backoff_max_s, 2.0**self._failures - 1)

    def gone(self, reason: str) -> None:
        """Nothing can be measured; logged on leaving only, for it may last for days."""
        self._failures = min(self._failures + 1, 10)
        if not self._gone:
            log.warning("edge.sensor_gone", sensor=self._driver, device=self._device.id, reason=reason)
        self._gone = True

    def measured(self, values: Mapping[str, Any], at: datetime | None = None) -> Measured | None:
        """An entry of what the contract takes, None when there is nothing of that."""
        if not values:
            self.gone("it says nothing that is stored")
            return None
        self._failures = 0
        if self._gone:
            log.info("edge.sensor_back", sensor=self._driver, device=self._device.id)
        self._gone = False
        kept = fitting(self._device.KIND, values)
        for field in {name for name, value in values.items() if value is not None} - {*kept, *self._left_out}:
            self._left_out.add(field)
            log.warning("edge.value_left_out", sensor=self._driver, device=self._device.id, field=field)
        return Measured(self._device.id, self._device.KIND, at or self._clock(), kept) if kept else None

    def noise(self, count: int) -> None:
        """How many frames of a line were unreadable in all; said at most once an hour."""
        now_s = time.monotonic()
        if count > self._noise_said and now_s >= self._noise_due:
            log.warning("edge.line_noise", sensor=self._driver, device=self._device.id, unreadable=count)
            self._noise_said = count
            self._noise_due = now_s + NOISE_EVERY_S


def fitting(kind: Kind, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those values that the contract has a field for and takes: one bad value does not spoil its neighbours."""
    known = fields_of(kind)
    return {name: value for name, value in values.items() if name in known and _fits(kind, name, value)}


def _fits(kind: Kind, name: str, value: object) -> bool:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return False
    try:
        msgspec.convert({**_STAMP, name: value}, TELEMETRY[kind])
    except msgspec.ValidationError:
        return False
    return True
