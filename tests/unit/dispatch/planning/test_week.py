"""The week of containers with a rhythm: nobody waits too long, and days are about equally full."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from city.inventory.loader import builtin_city, load_city
from city.inventory.model import City
from dispatch.planning.policy import load_policy
from dispatch.planning.week import WEEK_DAYS, plan_week

MONDAY = date(2026, 11, 30)


@pytest.fixture(scope="module")
def kupang() -> City:
    """Every container has a rhythm of one, two, three, seven or ten days."""
    city = load_city(builtin_city("kupang"))
    rhythms = (1, 2, 3, 7, 10)
    bins = {bin_.id: replace(bin_, every_days=rhythms[n % 5]) for n, bin_ in enumerate(city.bins.values())}
    return city.with_devices({**city.devices, **bins})


def days_since(n: int, every_days: int) -> int:
    """A last collection that is no longer ago than the rhythm allows."""
    return n % every_days + 1


def test_no_container_waits_longer_than_its_rhythm_says(kupang: City) -> None:
    last = {
        bin_.id: MONDAY - timedelta(days=days_since(n, bin_.every_days or 1))
        for n, bin_ in enumerate(kupang.bins.values())
    }
    week = plan_week(kupang, load_policy(), MONDAY, {}, last)
    assert list(week) == [MONDAY + timedelta(days=n) for n in range(WEEK_DAYS)]
    for bin_ in kupang.bins.values():
        assert bin_.every_days is not None
        visits = [last[bin_.id], *(day for day, ids in week.items() if bin_.id in ids)]
        end = MONDAY + timedelta(days=WEEK_DAYS)
        gaps = [(after - before).days for before, after in zip(visits, [*visits[1:], end], strict=True)]
        assert max(gaps) <= bin_.every_days, bin_.id


def test_what_is_overdue_or_never_was_collected_comes_first(kupang: City) -> None:
    week = plan_week(kupang, load_policy(), MONDAY, {}, {})
    assert len(week[MONDAY]) == len(kupang.bins)


def test_days_are_about_equally_full(kupang: City) -> None:
    weekly = {bin_.id: replace(bin_, every_days=7) for bin_ in kupang.bins.values()}
    city = kupang.with_devices({**kupang.devices, **weekly})
    week = plan_week(city, load_policy(), MONDAY, {}, dict.fromkeys(city.bins, MONDAY - timedelta(days=1)))
    loads = [sum(city.models[city.bins[id_].model].capacity_l for id_ in ids) for ids in week.values()]
    assert max(loads) < 1.5 * sum(loads) / len(loads)


def test_containers_of_a_kelurahan_with_one_rhythm_stay_together(kupang: City) -> None:
    weekly = {bin_.id: replace(bin_, every_days=7) for bin_ in kupang.bins.values()}
    city = kupang.with_devices({**kupang.devices, **weekly})
    week = plan_week(city, load_policy(), MONDAY, {}, dict.fromkeys(city.bins, MONDAY - timedelta(days=1)))
    day_of = {id_: day for day, ids in week.items() for id_ in ids}
    by_kelurahan: dict[str, set[date]] = {}
    for bin_ in city.bins.values():
        by_kelurahan.setdefault(bin_.kelurahan, set()).add(day_of[bin_.id])
    assert {len(days) for days in by_kelurahan.values()} == {1}


def test_a_container_without_a_rhythm_is_on_no_day() -> None:
    city = load_city(builtin_city("kupang"))
    assert not any(plan_week(city, load_policy(), MONDAY, {}, {}).values())
