"""What a container's sensor says of a collection: its level fell, stayed, or cannot tell.

Single readings are not believed: sensors err by a few points all the time and by many points now and then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final, Literal

import msgspec

from dispatch.forecast.emptying import (
    EMPTIED_FALL_PCT,
    EMPTIED_FROM_PCT,
    EMPTIED_SHARE,
    SPIKE_LASTS_S,
    SPIKE_NEIGHBOURS_PCT,
    SPIKE_PCT,
)
from dispatch.verification.signals import LevelReading

LevelSays = Literal["fell", "stayed", "unknown"]

CLAIMED_FALL_PCT: Final = 8.0
CLAIMED_SHARE: Final = 0.4
"""A fall of so many points and of this share of the level is an emptying if a crew was there; less is settling."""
SOMETHING_PCT: Final = 15.0
"""A container with less has nothing that could fall visibly."""
NOT_EMPTIED_PCT: Final = 40.0
"""So full right after a collection is a container that was not emptied, whatever it was before."""
BEFORE_MAX: Final = timedelta(hours=12)
"""How old the level before a collection may be."""
AFTER_MAX: Final = timedelta(hours=4)
"""How soon after a collection a level must be measured: later the container may have filled again."""
LATE_MAX: Final = timedelta(hours=12)
"""Where nothing is measured that soon, a level that has fallen still proves the collection; others say nothing."""
SETTLED_AFTER: Final = timedelta(minutes=10)
"""Levels so soon after a collection do not contradict it: the sensor reports the mean of some minutes, or late."""
WAITED: Final = timedelta(hours=2)
"""After this time one reading is enough to contradict; before, two are needed."""
USED: Final = 3
"""Readings whose median counts."""


class LevelChange(msgspec.Struct, frozen=True):
    """The level before and after a collection, percent; None is not known. `at`: of the reading that shows it.

    `happened_at`: of an emptying that nobody claims, the middle between the readings before and after it.
    """

    says: LevelSays
    at: datetime | None = None
    before_pct: float | None = None
    after_pct: float | None = None
    happened_at: datetime | None = None


def in_order(readings: Sequence[LevelReading], now: datetime) -> list[LevelReading]:
    """Readings until now, oldest first, one for each moment; what is no level is left out."""
    known = {
        reading.at: reading
        for reading in readings
        if reading.at <= now and math.isfinite(reading.fill_pct) and reading.fill_pct >= 0
    }
    return [known[at] for at in sorted(known)]


def change_by_claim(levels: Sequence[LevelReading], start: datetime, end: datetime, now: datetime) -> LevelChange:
    """What the sensor says of a collection that began and ended at most at these times.

    Args:
        levels: In order of time.
        start: The container had not been emptied before.
        end: It has been emptied since.
        now: UTC.
    """
    before = [reading for reading in levels if start - BEFORE_MAX <= reading.at <= start][-USED:]
    after = [reading for reading in levels if end < reading.at <= end + AFTER_MAX]
    is_late = not after
    if is_late:
        after = [reading for reading in levels if end + AFTER_MAX < reading.at <= end + LATE_MAX]
    if not after:
        return LevelChange("unknown")
    if not before:
        return LevelChange("unknown", after[-1].at) if is_late else _without_before(after, end, now)
    before_pct = median(reading.fill_pct for reading in before)
    lowest = _lowest(after)
    after_pct = lowest.fill_pct
    if _is_fall(before_pct, after_pct, claimed=True) and not _comes_back(levels, lowest.at, before_pct, after_pct):
        return LevelChange("fell", lowest.at, before_pct, after_pct)
    has_stayed = not is_late and before_pct >= SOMETHING_PCT and _is_enough(after, end, now)
    return LevelChange("stayed" if has_stayed else "unknown", after[-1].at, before_pct, after_pct)


def emptyings(levels: Sequence[LevelReading], since: datetime) -> list[LevelChange]:
    """Emptyings that nobody claims: large falls that the next reading confirms and that do not come back.

    `at` is the first reading after the fall.

    Args:
        levels: In order of time.
        since: Falls that were seen earlier do not count.
    """
    changes: list[LevelChange] = []
    again_at = since
    for number in range(1, len(levels) - 1):
        last, here, confirmed = levels[number - 1 : number + 2]
        if here.at < again_at or here.fill_pct >= last.fill_pct or here.at - last.at > BEFORE_MAX:
            continue
        earlier = [reading for reading in levels[:number] if reading.at >= here.at - BEFORE_MAX][-USED:]
        before_pct = median(reading.fill_pct for reading in earlier)
        after_pct = max(here.fill_pct, confirmed.fill_pct)
        is_fall = _is_fall(before_pct, after_pct, claimed=False)
        if is_fall and not _comes_back(levels, here.at, before_pct, after_pct):
            happened_at = last.at + (here.at - last.at) / 2
            changes.append(LevelChange("fell", here.at, before_pct, after_pct, happened_at))
            again_at = here.at + timedelta(seconds=SPIKE_LASTS_S)
    return changes


def _without_before(after: Sequence[LevelReading], end: datetime, now: datetime) -> LevelChange:
    lowest = _lowest(after)
    stayed = lowest.fill_pct >= NOT_EMPTIED_PCT and _is_enough(after, end, now)
    return LevelChange("stayed" if stayed else "unknown", after[-1].at, None, lowest.fill_pct)


def _lowest(after: Sequence[LevelReading]) -> LevelReading:
    """The lowest level that no single error explains: of up to two readings the higher one, else a median of three."""
    if len(after) < USED:
        return max(after, key=lambda reading: reading.fill_pct)
    triples = [after[number : number + USED] for number in range(len(after) - USED + 1)]
    medians = [sorted(triple, key=lambda reading: reading.fill_pct)[1] for triple in triples]
    return min(medians, key=lambda reading: reading.fill_pct)


def _is_enough(after: Sequence[LevelReading], end: datetime, now: datetime) -> bool:
    """Whether so many readings suffice to say that the level did not fall."""
    settled = [reading for reading in after if reading.at >= end + SETTLED_AFTER]
    return len(settled) > 1 or (len(settled) == 1 and now >= end + WAITED)


def _is_fall(before_pct: float, after_pct: float, *, claimed: bool) -> bool:
    fall_pct = before_pct - after_pct
    if fall_pct >= EMPTIED_FALL_PCT or (before_pct >= EMPTIED_FROM_PCT and fall_pct >= EMPTIED_SHARE * before_pct):
        return True
    return claimed and fall_pct >= max(CLAIMED_FALL_PCT, CLAIMED_SHARE * before_pct)


def _comes_back(levels: Sequence[LevelReading], at: datetime, before_pct: float, after_pct: float) -> bool:
    """Whether the level jumps back at once to what it was: the fall was an error of the sensor."""
    later = [reading for reading in levels if at <= reading.at <= at + timedelta(seconds=SPIKE_LASTS_S)]
    jump_pct = max(SPIKE_PCT, EMPTIED_SHARE * (before_pct - after_pct))
    return any(
        following.fill_pct - reading.fill_pct >= jump_pct
        and following.fill_pct >= before_pct - SPIKE_NEIGHBOURS_PCT
        and all(last.fill_pct >= before_pct - SPIKE_PCT for last in later[number + 2 : number + 3])
        for number, (reading, following) in enumerate(pairwise(later))
    )
