"""Stays of trucks at a stop: how long one stood within its circle, whether it worked, and how many lifts it made.

Passing by is no stay. Positions err by tens of metres and are missing at times: short excursions from the circle and
silent minutes between two positions within it belong to a stay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final

import msgspec

from city.inventory.geo import distance_km
from dispatch.verification.signals import StopFacts, TruckFix

STILL_KMH: Final = 5.0
"""Slower than this a truck stands, or moves from container to container."""
OUTSIDE_MAX: Final = timedelta(seconds=100)
"""Positions outside the circle for no longer than this are errors."""
SILENT_MAX: Final = timedelta(minutes=15)
"""Between two positions within the circle that are no further apart a truck has stayed."""
LIFT_AGAIN: Final = timedelta(seconds=20)
"""A lift that is raised again so soon shakes the same container."""
NEARER_M: Final = 20.0
"""A stay so much nearer to another stop belongs to that one; positions tell no smaller differences."""


class Stay(msgspec.Struct, frozen=True):
    """A truck within the circle from `start` to `end`, standing for `stood_s`.

    `worked`: its PTO or lift ran; None if the truck has neither signal. `silent_s`: the longest time without a
    position. `away_m`: from the stop to the middle of its positions.
    """

    truck: str
    start: datetime
    end: datetime
    stood_s: float
    silent_s: float
    away_m: float
    worked: bool | None
    lifts: int


def stays_at(stop: StopFacts, fixes: Iterable[TruckFix], now: datetime) -> list[Stay]:
    """Stays of all trucks at a stop, oldest first, that are not nearer to another stop."""
    of_trucks: defaultdict[str, dict[datetime, TruckFix]] = defaultdict(dict)
    for fix in fixes:
        if fix.at <= now:
            of_trucks[fix.truck][fix.at] = fix
    stays = []
    for truck, by_time in of_trucks.items():
        ordered = [by_time[at] for at in sorted(by_time)]
        has_signal = any(fix.working is not None or fix.lifting is not None for fix in ordered)
        within = [fix for fix in ordered if _away_m(stop, fix) <= stop.radius_m]
        stays += [_stay(stop, truck, run, has_signal=has_signal) for run in _runs(within)]
    return sorted((stay for stay in stays if stay is not None), key=lambda stay: stay.start)


def nearest_m(stop: StopFacts, fixes: Iterable[TruckFix], at: datetime, within: timedelta) -> float | None:
    """How near a truck came to a stop around a time, in metres; None if no position is known."""
    return min((_away_m(stop, fix) for fix in fixes if abs(fix.at - at) <= within), default=None)


def is_there(stop: StopFacts, fixes: Iterable[TruckFix], now: datetime, within: timedelta) -> bool:
    """Whether a truck's newest position, no older than `within`, lies in the circle."""
    newest: dict[str, TruckFix] = {}
    for fix in fixes:
        if fix.at <= now and (fix.truck not in newest or newest[fix.truck].at < fix.at):
            newest[fix.truck] = fix
    return any(now - fix.at <= within and _away_m(stop, fix) <= stop.radius_m for fix in newest.values())


def _away_m(stop: StopFacts, fix: TruckFix) -> float:
    return distance_km(stop.lat_deg, stop.lon_deg, fix.lat_deg, fix.lon_deg) * 1000


def _runs(within: Sequence[TruckFix]) -> list[list[TruckFix]]:
    """Positions within the circle, apart where the truck was elsewhere or silent for too long."""
    runs: list[list[TruckFix]] = []
    for fix in within:
        if runs and _belongs(runs[-1][-1], fix):
            runs[-1].append(fix)
        else:
            runs.append([fix])
    return runs


def _belongs(before: TruckFix, after: TruckFix) -> bool:
    silent = after.at - before.at
    return silent <= OUTSIDE_MAX or (silent <= SILENT_MAX and _is_still(before) and _is_still(after))


def _is_still(fix: TruckFix) -> bool:
    return fix.speed_kmh is None or fix.speed_kmh <= STILL_KMH


def _stay(stop: StopFacts, truck: str, run: Sequence[TruckFix], *, has_signal: bool) -> Stay | None:
    still = [fix for fix in run if _is_still(fix)]
    if len(still) < 2:  # noqa: PLR2004 - standing takes two positions
        return None
    centre = median(fix.lat_deg for fix in still), median(fix.lon_deg for fix in still)
    away_m = distance_km(stop.lat_deg, stop.lon_deg, *centre) * 1000
    if any(distance_km(*place, *centre) * 1000 + NEARER_M < away_m for place in stop.other_places):
        return None
    worked = any(fix.working or fix.lifting for fix in still) if has_signal else None
    return Stay(
        truck=truck,
        start=still[0].at,
        end=still[-1].at,
        stood_s=sum(_stood_s(*pair) for pair in pairwise(run)),
        silent_s=max((after.at - before.at).total_seconds() for before, after in pairwise(run)),
        away_m=away_m,
        worked=worked,
        lifts=_lifts(run),
    )


def _stood_s(before: TruckFix, after: TruckFix) -> float:
    """Seconds between two positions if the truck stood: by its own speed, or by how far they are apart."""
    seconds = (after.at - before.at).total_seconds()
    if before.speed_kmh is None or after.speed_kmh is None:
        apart_km = distance_km(before.lat_deg, before.lon_deg, after.lat_deg, after.lon_deg)
        return seconds if seconds and apart_km / seconds * 3600 <= STILL_KMH else 0.0
    return seconds if _is_still(before) and _is_still(after) else 0.0


def _lifts(run: Sequence[TruckFix]) -> int:
    """How often the lift was raised."""
    count, lowered_at, was_raised = 0, None, False
    for fix in run:
        if fix.lifting and not was_raised:
            count += lowered_at is None or fix.at - lowered_at > LIFT_AGAIN
        elif was_raised and not fix.lifting:
            lowered_at = fix.at
        was_raised = bool(fix.lifting)
    return count
