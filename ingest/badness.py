"""When too much of what a device, or everybody, sends is bad: counted over messages, so without a clock."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import msgspec
import structlog

from broker.contract.topics import is_native
from ingest.store.health import BadMessages

log = structlog.get_logger("ingest")

DEVICE_WINDOW: Final = 50
DEVICE_LEAST: Final = 10
DEVICE_SHARE: Final = 0.5
"""A device is alarming when at least half of its last 50 messages (10 at least) were bad."""
ALL_WINDOW: Final = 1_000
ALL_LEAST: Final = 100
ALL_SHARE: Final = 0.2
"""All together are when a fifth of the last 1,000 were."""
CLEAR_BELOW: Final = 0.5
"""An alarm ends below so much of the share that raised it, so that it does not flicker."""
DEVICES_MAX: Final = 4_096
"""Devices remembered; the one silent longest makes room, because topics are made up by who sends."""


class _Window(msgspec.Struct):
    """A bit per message, the newest lowest: 1 is bad."""

    size: int
    least: int
    share: float
    bits: int = 0
    seen: int = 0
    alarming: bool = False

    def push(self, *, bad: bool) -> bool:
        """Add a message; whether the alarm has changed."""
        self.bits = (self.bits << 1 | bad) & ((1 << self.size) - 1)
        self.seen = min(self.size, self.seen + 1)
        share = self.bits.bit_count() / self.seen
        before = self.alarming
        if self.alarming:
            self.alarming = share >= self.share * CLEAR_BELOW
        else:
            self.alarming = self.seen >= self.least and share >= self.share
        return self.alarming != before


class BadShare:
    """Counts good and bad messages; written by one thread, `alarms` may be read by any."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._all = _Window(ALL_WINDOW, ALL_LEAST, ALL_SHARE)
        self._devices: OrderedDict[str, _Window] = OrderedDict()
        self.alarms: tuple[BadMessages, ...] = ()

    def observe(self, topic: str, *, bad: bool) -> None:
        """Take in one message. Devices are remembered from their first bad message on."""
        changed = self._all.push(bad=bad)
        if bad or self._devices:
            subject = topic.rpartition("/")[0] if is_native(topic) else topic
            changed |= self._observe_device(subject, bad=bad)
        if changed:
            self._renew()

    def _observe_device(self, subject: str, *, bad: bool) -> bool:
        window = self._devices.get(subject)
        if window is None:
            if not bad:
                return False
            window = self._devices[subject] = _Window(DEVICE_WINDOW, DEVICE_LEAST, DEVICE_SHARE)
        self._devices.move_to_end(subject)
        changed = window.push(bad=bad)
        if not window.bits:
            del self._devices[subject]
        if len(self._devices) > DEVICES_MAX:
            changed |= self._devices.popitem(last=False)[1].alarming
        return changed

    def _renew(self) -> None:
        windows = [("*", self._all), *self._devices.items()]
        found = [BadMessages(subject, one.bits.bit_count(), one.seen) for subject, one in windows if one.alarming]
        before = {alarm.subject for alarm in self.alarms}
        now = {alarm.subject for alarm in found}
        for subject in sorted(now - before):
            log.error("messages.bad", subject=subject)
        for subject in sorted(before - now):
            log.info("messages.good_again", subject=subject)
        self.alarms = tuple(found)
