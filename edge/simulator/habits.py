"""Daily rhythms: when people bring waste and go online, and when a device reports or fails."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from city.inventory.windows import DumpingHours

DAY_S: Final = 86_400.0
_SLOT_S: Final = 900.0
_SLOTS_A_DAY: Final = 96
_WEEK_DAYS: Final = 7
_MONDAY_S: Final = 4 * DAY_S
"""The first Monday after the start of 1970, in local seconds."""
_BRINGING: Final = (1, 1, 1, 2, 6, 9, 7, 5, 4, 3, 3, 4, 3, 3, 3, 4, 6, 10, 14, 14, 11, 7, 4, 2)
"""Relative number of people who bring waste in each hour of the day, without restrictions."""


class DumpingCurve:
    """Cumulative share of a week's waste by a time of the week; dated exceptions are ignored.

    Args:
        hours: When waste may be put out.
        zone: The city's time zone.
        discipline: The share (0 to 1) of the waste that comes within the hours.
    """

    def __init__(self, hours: DumpingHours, zone: ZoneInfo, discipline: float) -> None:
        self._zone = zone
        monday = datetime(2026, 3, 2, tzinfo=zone)
        slots = range(_WEEK_DAYS * _SLOTS_A_DAY)
        allowed = [hours.allows(monday + timedelta(seconds=slot * _SLOT_S), zone) for slot in slots]
        weights = [float(_BRINGING[slot % _SLOTS_A_DAY * 24 // _SLOTS_A_DAY]) for slot in slots]
        inside = sum(weight for weight, ok in zip(weights, allowed, strict=True) if ok)
        outside = sum(weights) - inside
        share_inside = discipline if inside and outside else float(inside > 0)
        days = [
            _WEEK_DAYS * weight * (share_inside / inside if ok else (1 - share_inside) / outside)
            for weight, ok in zip(weights, allowed, strict=True)
        ]
        self._table = (0.0, *accumulate(days))

    def progress(self, at_s: float) -> float:
        """A number that grows by 1 a day, faster when more waste comes; only differences have a meaning."""
        offset = datetime.fromtimestamp(at_s, self._zone).utcoffset() or timedelta()
        week, second = divmod(at_s + offset.total_seconds() - _MONDAY_S, _WEEK_DAYS * DAY_S)
        slot, rest_s = divmod(second, _SLOT_S)
        before, after = self._table[int(slot)], self._table[int(slot) + 1]
        return week * _WEEK_DAYS + before + (after - before) * rest_s / _SLOT_S


class ReportSchedule:
    """When a device reports: once at the start, then at every interval with a phase of its own."""

    def __init__(self, start_s: float, interval_s: float, random: Random) -> None:
        self.next_s = start_s
        self._interval_s = max(interval_s, 1.0)
        self._phase_s = start_s + round(random.uniform(0.05, 1.0) * self._interval_s, 3)

    def after(self, at_s: float) -> None:
        """Advance to the first report later than `at_s`."""
        beats = (at_s - self._phase_s) // self._interval_s + 1
        self.next_s = self._phase_s + max(beats, 0.0) * self._interval_s


class Spells:
    """Two alternating conditions of a device, such as up and down: `on` during a spell, changing at `next_s`.

    Args:
        share: The share of time (0 to 1, exclusive) that spells take.
        lasts_s: The shortest and the longest spell.
        start_s: When virtual time starts.
        on: Whether a spell is on at the start.
        random: The device's own.
    """

    def __init__(
        self, share: float, lasts_s: tuple[float, float], start_s: float, random: Random, *, on: bool = False
    ) -> None:
        self._lasts_s = lasts_s
        self._pause_s = (lasts_s[0] + lasts_s[1]) / 2 * (1 - share) / share
        self._random = random
        self.on = on
        self.next_s = start_s + (random.uniform(60.0, lasts_s[1]) if on else random.expovariate(1 / self._pause_s))

    def change(self) -> None:
        """Switch to the other condition at `next_s`."""
        self.on = not self.on
        self.next_s += self._random.uniform(*self._lasts_s) if self.on else self._random.expovariate(1 / self._pause_s)


def by_hour(table: Sequence[float], hour: float) -> float:
    """A table of 24 hours, interpolated linearly at any time of day."""
    index = int(hour) % 24
    return table[index] + (table[(index + 1) % 24] - table[index]) * (hour - int(hour))
