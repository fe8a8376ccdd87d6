"""Containers that will overflow before anybody comes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from api.context import ApiContext
from api.queries.day_inputs import FORECASTS_AT_ONCE
from dispatch.alarms.dispatch_conditions import OVERFLOW_FROM, ExpectedOverflow
from dispatch.forecast.outlook import LIMIT_PCT, FillForecast
from dispatch.shifts.records import WAITING_STATES, Stop

NEXT_VISIT_H: Final = 24
"""Hours until the next visit of a container that no open tour has."""


def expected_overflows(context: ApiContext, stops: Sequence[Stop], now: datetime) -> list[ExpectedOverflow]:
    """Containers that overflow before their next visit with at least `OVERFLOW_FROM`, and are not full yet.

    The next visit of a container on an open tour is planned; that of another one is `NEXT_VISIT_H` away.
    """
    visits = {stop.subject: stop.starts_at for stop in stops if stop.state in WAITING_STATES}
    bins = list(context.city.bins.values())
    expected = []
    for start in range(0, len(bins), FORECASTS_AT_ONCE):
        page = bins[start : start + FORECASTS_AT_ONCE]
        for bin_, forecast in zip(page, context.forecasts.forecasts(page, hours=NEXT_VISIT_H), strict=True):
            probability = _probability(forecast, visits.get(bin_.id, now + timedelta(hours=NEXT_VISIT_H)))
            if probability >= OVERFLOW_FROM:
                expected.append(ExpectedOverflow(bin_.id, bin_.site, bin_.kelurahan, probability, forecast.full_at))
    return expected


def _probability(forecast: FillForecast, visit_at: datetime) -> float:
    """Probability of an overflow before a visit; 0 for a container that is full, or whose level is not known."""
    if not forecast.hours or forecast.hours[0].mean_pct >= LIMIT_PCT:
        return 0.0
    before = [hour for hour in forecast.hours if hour.at <= visit_at]
    return before[-1].overflow_probability if before else 0.0
