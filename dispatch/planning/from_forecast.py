"""Outlooks of a day of service from forecasts of fill: what planning is told of containers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final, NamedTuple

from dispatch.forecast.outlook import LIMIT_PCT, FillForecast, HourForecast
from dispatch.forecast.reasons import CollectReason
from dispatch.planning.outlook import ContainerOutlook
from dispatch.planning.policy import PlanningPolicy

CERTAIN: Final[frozenset[CollectReason]] = frozenset({"alert", "citizen_report"})
"""Reasons for which a container counts as one that overflows."""


class ServiceTimes(NamedTuple):
    """When a container is expected to be collected on a day, and when it would be at the latest on the next one."""

    collected_at: datetime
    next_at: datetime


def service_times(day: date, policy: PlanningPolicy, zone: tzinfo) -> ServiceTimes:
    """The middle of the city's shift on a day, and its end on the next day."""
    midnight = datetime.combine(day, time(), zone)
    starts_s, ends_s = policy.shift_s
    return ServiceTimes(
        midnight + timedelta(seconds=(starts_s + ends_s) / 2), midnight + timedelta(days=1, seconds=ends_s)
    )


def outlooks_of(forecasts: Iterable[FillForecast], times: ServiceTimes) -> dict[str, ContainerOutlook]:
    """Outlooks by container; containers without a forecast are absent unless there is a reason to collect them."""
    outlooks = {forecast.container: outlook_of(forecast, times) for forecast in forecasts}
    return {container: outlook for container, outlook in outlooks.items() if outlook is not None}


def outlook_of(forecast: FillForecast, times: ServiceTimes) -> ContainerOutlook | None:
    """The outlook of a container; None if its level is not known and there is no other reason.

    A time outside the forecast's hours counts as its first or last one.
    """
    is_certain = not CERTAIN.isdisjoint(forecast.reasons)
    if not forecast.hours:
        return ContainerOutlook(100.0, 1.0) if is_certain else None
    probability = 1.0 if is_certain else _hour_at(forecast.hours, times.next_at).overflow_probability
    return ContainerOutlook(
        fill_pct=_hour_at(forecast.hours, times.collected_at).mean_pct,
        overflow_probability=min(max(probability, 0.0), 1.0),
        full_at=forecast.full_at,
        full_spread_s=_full_spread_s(forecast),
    )


def outlook_of_level(level_pct: float) -> ContainerOutlook:
    """The outlook of a container whose level is measured while its growth is not known yet, as on a city's first day.

    The fuller it is, the sooner it overflows: its level counts as the probability.
    """
    return ContainerOutlook(fill_pct=level_pct, overflow_probability=min(max(level_pct / 100, 0.0), 1.0))


def _hour_at(hours: tuple[HourForecast, ...], at: datetime) -> HourForecast:
    """The first hour that is not before a time."""
    return next((hour for hour in hours if hour.at >= at), hours[-1])


def _full_spread_s(forecast: FillForecast) -> float | None:
    """Half of the time between the earliest and the latest time at which the container is full, with 80 %.

    The latest time may lie behind the forecast's hours; the earliest one then counts alone.
    """
    if forecast.full_at is None:
        return None
    earliest = next((hour.at for hour in forecast.hours if hour.hi80_pct >= LIMIT_PCT), forecast.full_at)
    latest = next((hour.at for hour in forecast.hours if hour.lo80_pct >= LIMIT_PCT), None)
    if latest is None:
        return (forecast.full_at - earliest).total_seconds()
    return (latest - earliest).total_seconds() / 2
