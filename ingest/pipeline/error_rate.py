"""Error rates of devices and of all messages together, over the last N messages; no clock is involved."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from broker.contract.topics import is_native
from ingest.store.views.health import ErrorRateAlarm

log = structlog.get_logger("ingest")

DEVICE_WINDOW: Final = 50
DEVICE_MESSAGES_MIN: Final = 10
DEVICE_ERROR_RATE: Final = 0.5
"""A device alarms when at least half of its last 50 messages (10 at least) were rejected."""
ALL_WINDOW: Final = 1_000
ALL_MESSAGES_MIN: Final = 100
ALL_ERROR_RATE: Final = 0.2
"""All messages together alarm when a fifth of the last 1,000 were rejected."""
CLEAR_FACTOR: Final = 0.5
"""Hysteresis: an alarm clears below this fraction of the rate that raised it."""
DEVICES_MAX: Final = 4_096
"""Devices remembered. The one silent longest is evicted, because senders can invent topics."""


class _Window(msgspec.Struct):
    """A sliding window with one bit per message, the newest lowest; 1 is a rejected message."""

    size: int
    messages_min: int
    share: float
    bits: int = 0
    seen: int = 0
    alarming: bool = False

    def push(self, *, bad: bool) -> bool:
        """Add a message; return whether the alarm changed."""
        self.bits = (self.bits << 1 | bad) & ((1 << self.size) - 1)
        self.seen = min(self.size, self.seen + 1)
        share = self.bits.bit_count() / self.seen
        before = self.alarming
        if self.alarming:
            self.alarming = share >= self.share * CLEAR_FACTOR
        else:
            self.alarming = self.seen >= self.messages_min and share >= self.share
        return self.alarming != before


class ErrorRateMonitor:
    """Monitors the share of rejected messages. One thread writes; any thread may read `alarms`."""

    def __init__(self) -> None:
        self._all = _Window(ALL_WINDOW, ALL_MESSAGES_MIN, ALL_ERROR_RATE)
        self._devices: OrderedDict[str, _Window] = OrderedDict()
        self.alarms: tuple[ErrorRateAlarm, ...] = ()

    def observe_all(self, messages: Sequence[tuple[str, bool]]) -> None:
        """Count messages, each a topic and whether it was rejected. A device is tracked from its first one on."""
        if not self._devices and not self._all.bits and not any(bad for _, bad in messages):
            self._all.seen = min(self._all.size, self._all.seen + len(messages))
            return
        for topic, bad in messages:
            self.observe(topic, bad=bad)

    def observe(self, topic: str, *, bad: bool) -> None:
        """Count one message."""
        changed = self._all.push(bad=bad)
        if bad or self._devices:
            subject = topic.rpartition("/")[0] if is_native(topic) else topic
            changed |= self._observe_device(subject, bad=bad)
        if changed:
            self._update_alarms()

    def _observe_device(self, subject: str, *, bad: bool) -> bool:
        window = self._devices.get(subject)
        if window is None:
            if not bad:
                return False
            window = self._devices[subject] = _Window(DEVICE_WINDOW, DEVICE_MESSAGES_MIN, DEVICE_ERROR_RATE)
        self._devices.move_to_end(subject)
        changed = window.push(bad=bad)
        if not window.bits:
            del self._devices[subject]
        if len(self._devices) > DEVICES_MAX:
            changed |= self._devices.popitem(last=False)[1].alarming
        return changed

    def _update_alarms(self) -> None:
        windows = [("*", self._all), *self._devices.items()]
        alarms = [
            ErrorRateAlarm(subject, window.bits.bit_count(), window.seen)
            for subject, window in windows
            if window.alarming
        ]
        before = {alarm.subject for alarm in self.alarms}
        now = {alarm.subject for alarm in alarms}
        for subject in sorted(now - before):
            log.error("messages.bad", subject=subject)
        for subject in sorted(before - now):
            log.info("messages.good_again", subject=subject)
        self.alarms = tuple(alarms)
