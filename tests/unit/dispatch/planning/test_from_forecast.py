"""Outlooks from forecasts: which hour counts, what is certain, and what is not known."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from dispatch.forecast.outlook import FillForecast, HourForecast, without_forecast
from dispatch.planning.from_forecast import ServiceTimes, outlook_of, outlooks_of, service_times
from dispatch.planning.policy import load_policy

EVENING = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
TIMES = ServiceTimes(EVENING + timedelta(hours=14), EVENING + timedelta(hours=42))


def make(container: str = "bin-1", rate_pct_per_h: float = 2.0, spread_pct: float = 10.0) -> FillForecast:
    """A level that begins at 10 % and grows evenly; the probability grows by 1 % an hour."""
    hours = tuple(
        HourForecast(
            EVENING + timedelta(hours=ahead),
            min(10 + rate_pct_per_h * ahead, 100.0),
            min(max(10 + rate_pct_per_h * ahead - spread_pct, 0.0), 100.0),
            min(10 + rate_pct_per_h * ahead + spread_pct, 100.0),
            min(ahead / 100, 1.0),
        )
        for ahead in range(73)
    )
    full_at = next((hour.at for hour in hours if hour.mean_pct >= 85), None)
    return FillForecast(container, "organic", None, "high", 48.0, EVENING, None, full_at, (), hours)


def test_level_is_that_of_the_collection_and_probability_that_of_the_next_day() -> None:
    """What a truck finds is the level of its visit; what waiting risks is an overflow until the next day's end."""
    outlook = outlook_of(make(), TIMES)
    assert outlook is not None
    assert outlook.fill_pct == pytest.approx(38.0)
    assert outlook.overflow_probability == pytest.approx(0.42)


def test_time_when_full_has_half_of_the_interval_as_spread() -> None:
    """With 2 points an hour and 10 points to each side, a container is full five hours earlier or later."""
    outlook = outlook_of(make(), TIMES)
    assert outlook is not None
    assert outlook.full_at == EVENING + timedelta(hours=38)
    assert outlook.full_spread_s == pytest.approx(5 * 3600)


def test_spread_is_that_of_the_earliest_time_if_the_latest_is_not_forecast() -> None:
    """An interval that never leaves the limit behind has one side only."""
    wide = outlook_of(make(rate_pct_per_h=1.05, spread_pct=21.0), TIMES)
    assert wide is not None
    assert wide.full_spread_s == pytest.approx(20 * 3600)


def test_container_that_is_never_full_has_no_time() -> None:
    """A level that stays low has neither a time nor a spread."""
    low = outlook_of(make(rate_pct_per_h=0.1), TIMES)
    assert low is not None
    assert (low.full_at, low.full_spread_s) == (None, None)


def test_alert_and_report_are_certain() -> None:
    """A container with an alert or a citizen's report counts as one that overflows, with a forecast or without."""
    alerted = msgspec.structs.replace(make(), reasons=("alert",))
    unknown = without_forecast("bin-2", "organic", "too_few_visits", ["citizen_report"])
    outlooks = outlooks_of([alerted, unknown], TIMES)
    assert [outlooks[id_].overflow_probability for id_ in ("bin-1", "bin-2")] == [1.0, 1.0]


def test_container_without_forecast_is_absent() -> None:
    """Planning decides what an unknown level is worth."""
    assert outlooks_of([without_forecast("bin-2", "organic", "never_observed", [])], TIMES) == {}


def test_times_beyond_the_forecast_count_as_its_last_hour() -> None:
    """A day further away than the forecast reaches has what is known last."""
    late = ServiceTimes(EVENING + timedelta(days=9), EVENING + timedelta(days=10))
    outlook = outlook_of(make(), late)
    assert outlook is not None
    assert (outlook.fill_pct, outlook.overflow_probability) == (100.0, pytest.approx(0.72))


def test_service_times_are_local() -> None:
    """The shipped shift, 06:00 to 14:00, has its middle at ten in Kupang, two hours in UTC."""
    times = service_times(date(2026, 12, 1), load_policy(), ZoneInfo("Asia/Makassar"))
    assert times.collected_at == datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
    assert times.next_at == datetime(2026, 12, 2, 6, 0, tzinfo=UTC)
