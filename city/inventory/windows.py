"""Dumping hours: weekly windows with dated exceptions, in the city's local time.

Windows are wall-clock times, without a zone of their own. Where daylight saving exists, the clock on the wall decides:
an hour that the clock skips does not happen, an hour that it repeats counts both times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from city.inventory.field_types import freeze, show

DAY_NAMES: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY: Final = timedelta(days=1)
_HORIZON_DAYS: Final = 8
_QUARTER: Final = timedelta(minutes=15)
_WINDOW: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")


@dataclass(frozen=True, slots=True)
class Window:
    """A window of local time, start inclusive, end exclusive; an end at or before the start is on the next day."""

    start: time
    end: time

    @property
    def crosses_midnight(self) -> bool:
        """Whether some of it may lie on the day after the one it starts on."""
        return self.end <= self.start

    def __str__(self) -> str:
        """The notation of people: `17:00-05:00`."""
        return "all day" if self == ALL_DAY else f"{self.start:%H:%M}-{self.end:%H:%M}"


ALL_DAY: Final = Window(time(0, 0), time(0, 0))
Windows = tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class DumpingHours:
    """The dumping windows of a place.

    A window belongs to the day it starts on. An exception on a date replaces the windows that start on that date,
    nothing else: the night that began the evening before still ends at its own time.

    Args:
        id: Name in the inventory, `default` for the city's own.
        name: For people.
        weekly: Seven entries, Monday first, each the windows that start on that day.
        exceptions: The windows that start on a date instead of the weekly ones; empty means nothing is allowed.
    """

    id: str
    name: str
    weekly: tuple[Windows, Windows, Windows, Windows, Windows, Windows, Windows]
    exceptions: Mapping[date, Windows] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make `exceptions` read-only."""
        freeze(self, "exceptions")

    def starting_on(self, day: date) -> Windows:
        """The windows that start on a local date."""
        return self.exceptions.get(day, self.weekly[day.weekday()])

    def allows(self, at: datetime, zone: ZoneInfo) -> bool:
        """Whether waste may be put out at a moment, judged by the wall clock of `zone`.

        Raises:
            ValueError: `at` is naive.
        """
        local = _to_local(at, zone)
        today, clock = local.date(), local.time()
        return any(w.start <= clock and (w.crosses_midnight or clock < w.end) for w in self.starting_on(today)) or any(
            w.crosses_midnight and clock < w.end for w in self.starting_on(today - _DAY)
        )

    def next_change(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """The first moment after `at`, in local time, from which the answer of `allows` is another.

        None when nothing changes within the eight days that follow.

        Raises:
            ValueError: `at` is naive.
        """
        local, now = _to_local(at, zone), self.allows(at, zone)
        days = [local.date() + timedelta(days=n) for n in range(-1, _HORIZON_DAYS + 1)]
        changes = {change for day in days for change in self._changes(day, zone)}
        later = sorted(change for change in changes if change > at)
        return next((m.astimezone(zone) for m in later if self.allows(m, zone) != now), None)

    def describe(self) -> str:
        """The weekly windows for people: `17:00-05:00`, or `Mon-Fri 17:00-05:00, Sat-Sun closed`."""
        texts = [" and ".join(map(str, windows)) or "closed" for windows in self.weekly]
        if len(set(texts)) == 1:
            return texts[0]
        starts = [n for n in range(len(texts)) if n == 0 or texts[n] != texts[n - 1]]
        ends = [*(n - 1 for n in starts[1:]), len(texts) - 1]
        return ", ".join(f"{_days(a, b)} {texts[a]}" for a, b in zip(starts, ends, strict=True))

    def _changes(self, day: date, zone: ZoneInfo) -> set[datetime]:
        """All times of a day, UTC, at which the answer of `allows` may change."""
        walls = {datetime.combine(day, w.start) for w in self.starting_on(day)} | {
            datetime.combine(day + _DAY if w.crosses_midnight else day, w.end) for w in self.starting_on(day)
        }
        both = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for wall in walls for fold in (0, 1)}
        return both | _clock_shifts(day, zone)


def parse_window(text: str) -> Window:
    """Parse `17:00-05:00`; `24:00` is allowed as an end, `all_day` is the whole day.

    Raises:
        ValueError: It is neither.
    """
    if text == "all_day":
        return ALL_DAY
    match = _WINDOW.fullmatch(text)
    if not match:
        raise ValueError(f"{show(text)} is not a window like '17:00-05:00' or 'all_day'")
    start_h, start_min, end_h, end_min = match.groups(default="0")
    return Window(time(int(start_h), int(start_min)), time(int(end_h), int(end_min)))


def _to_local(at: datetime, zone: ZoneInfo) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    return at.astimezone(zone)


def _days(first: int, last: int) -> str:
    names = [DAY_NAMES[n][:3].title() for n in (first, last)]
    return names[0] if first == last else "-".join(names)


def _clock_shifts(day: date, zone: ZoneInfo) -> set[datetime]:
    """Quarters of an hour of a day on which the clock is shifted: zones shift theirs on such a quarter."""
    midnight = datetime.combine(day, time(), zone)
    if midnight.utcoffset() == (midnight + _DAY).utcoffset():
        return set()
    start = midnight.astimezone(UTC)
    return {start + n * _QUARTER for n in range(-4, 108)}
