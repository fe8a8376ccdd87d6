"""Spreads containers with a rhythm over the days of a week, so that each day's load is about the same.

Containers of one kelurahan with one rhythm stay together: a truck that is there collects them all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from city.inventory.model import Bin, City
from dispatch.planning.outlook import Outlooks
from dispatch.planning.policy import PlanningPolicy

WEEK_DAYS: Final = 7
_FULL_PCT: Final = 100.0


def plan_week(
    city: City, policy: PlanningPolicy, first: date, outlooks: Outlooks, last_collected: Mapping[str, date]
) -> dict[date, tuple[str, ...]]:
    """Days of a week to the containers that their rhythm brings; no container waits longer than its rhythm says.

    A group that is overdue, or was never collected, is collected on the first day. Groups with the largest load choose
    first. Each takes, of the days on which it may begin, the one that leaves the fullest day least full.

    Args:
        city: The inventory.
        policy: Gives densities.
        first: First day of the week.
        outlooks: By container; one that is absent counts as full.
        last_collected: Container to the day of its last collection.
    """
    groups = _groups(city, first, last_collected)
    loads = {key: sum(_load_kg(city, policy, outlooks, bin_) for bin_ in bins) for key, bins in groups.items()}
    totals_kg = [0.0] * WEEK_DAYS
    days: list[list[str]] = [[] for _ in range(WEEK_DAYS)]
    for key in sorted(groups, key=lambda key: (-loads[key], key)):
        _, every_days, slack = key
        if slack >= WEEK_DAYS:
            continue
        starts = range(min(slack, every_days - 1) + 1)
        best = min(starts, key=lambda start: (_fullest_kg(totals_kg, start, every_days, loads[key]), -start))
        for day in range(best, WEEK_DAYS, every_days):
            totals_kg[day] += loads[key]
            days[day] += [bin_.id for bin_ in groups[key]]
    return {first + timedelta(days=number): tuple(sorted(ids)) for number, ids in enumerate(days)}


def _groups(city: City, first: date, last_collected: Mapping[str, date]) -> dict[tuple[str, int, int], list[Bin]]:
    """Kelurahan, rhythm and slack to the containers that have them."""
    groups: defaultdict[tuple[str, int, int], list[Bin]] = defaultdict(list)
    for bin_ in city.bins.values():
        if bin_.every_days:
            groups[bin_.kelurahan, bin_.every_days, _slack_days(bin_, first, last_collected)].append(bin_)
    return groups


def _slack_days(bin_: Bin, first: date, last_collected: Mapping[str, date]) -> int:
    """Days after the first one on which a container must be collected at the latest."""
    last = last_collected.get(bin_.id)
    if last is None or bin_.every_days is None:
        return 0
    return max((last + timedelta(days=bin_.every_days) - first).days, 0)


def _fullest_kg(totals_kg: list[float], start: int, every_days: int, load_kg: float) -> float:
    """Load of the fullest of a group's days, with the group."""
    return max(totals_kg[day] for day in range(start, WEEK_DAYS, every_days)) + load_kg


def _load_kg(city: City, policy: PlanningPolicy, outlooks: Outlooks, bin_: Bin) -> float:
    outlook = outlooks.get(bin_.id)
    fill = min(max(outlook.fill_pct if outlook else _FULL_PCT, 0.0), _FULL_PCT) / 100
    return fill * city.models[bin_.model].capacity_l * policy.density_kg_per_l[bin_.waste_kind]
