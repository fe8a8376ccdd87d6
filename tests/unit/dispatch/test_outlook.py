"""The fill of each hour of a week: intervals hold, overflow is a probability, and what is unknown is said."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import numpy as np
import pytest

from dispatch.forecast.city_model import CityModel, fit
from dispatch.forecast.growth import Emptying, FillHistory
from dispatch.forecast.outlook import AHEAD_H, LIMIT_PCT, OBSERVED_MAX, FillForecast, forecast
from dispatch.forecast.places import Container
from dispatch.forecast.reasons import COLLECT_REASONS, GRADES, NO_FORECAST_REASONS, grade_text, reason_text
from ingest.store.views.device_condition import FULL_PCT
from tests.support.filling import NOW, ZONE, Filling, make

NEVER_EMPTIED: Final = 1_000.0
LATER: Final = NOW + timedelta(hours=2)


def fitted(filling: Filling, count: int = 4, stream: str = "organic", *, has_sensor: bool = True) -> CityModel:
    """A model of equal containers c0, c1, ..."""
    containers = [Container(f"c{n}", stream, "oebobo", "tps", has_sensor) for n in range(count)]
    histories = {c.id: make(filling, n, has_sensor=has_sensor).history for n, c in enumerate(containers)}
    return fit(containers, histories, ZONE, NOW)


def with_readings(fill_pct: float, stream: str = "organic", at: datetime = LATER) -> FillForecast:
    """The forecast of a container that fills by 12 points a day and has this fill now."""
    model = fitted(Filling(12.0), stream=stream)
    for minutes in (40, 20, 0):
        model.learn_reading("c0", at - timedelta(minutes=minutes), fill_pct, at)
    return forecast(model, "c0", at)


def test_the_interval_holds_four_fifths_of_what_is_then_measured() -> None:
    """Forecasts of containers that nobody empties are compared with what they then had, a day and three days later."""
    inside: dict[int, list[bool]] = {24: [], 72: []}
    for seed in range(3):
        containers = [Container(f"c{n:02}", "organic", "oebobo", "tps", has_sensor=True) for n in range(40)]
        histories, later = {}, {}
        for number, container in enumerate(containers):
            made = make(Filling(7.0 + number % 5, scatter_pct=2.0), 100 * seed + number, end=NOW + timedelta(days=4))
            known = made.times_s <= NOW.timestamp()
            visits = made.history.visits
            histories[container.id] = FillHistory(
                made.times_s[known], made.fill_pct[known], [v for v in visits if v.at <= NOW]
            )
            later[container.id] = made, min([v.at for v in visits if v.at > NOW], default=NOW + timedelta(days=9))
        model = fit(containers, histories, ZONE, NOW)
        for id_, (made, emptied_at) in later.items():
            listed = forecast(model, id_, NOW).hours
            for ahead_h, held in inside.items():
                at = NOW + timedelta(hours=ahead_h)
                if at < emptied_at:
                    fill = float(made.fill_pct[np.searchsorted(made.times_s, at.timestamp())])
                    held.append(listed[ahead_h].lo80_pct <= fill <= listed[ahead_h].hi80_pct)
    for held in inside.values():
        assert len(held) >= 50
        assert 0.68 <= np.mean(held) <= 0.92


def test_a_forecast_covers_every_hour_of_seven_days_in_order() -> None:
    """Hours follow one another; fills and the probability of overflow never fall, and the interval holds the mean."""
    hours = forecast(fitted(Filling(12.0)), "c0", NOW).hours
    assert [hour.at for hour in hours] == [NOW + timedelta(hours=n) for n in range(AHEAD_H + 1)]
    for before, after in pairwise(hours):
        assert before.mean_pct <= after.mean_pct
        assert before.overflow_probability <= after.overflow_probability
        assert 0 <= after.lo80_pct <= after.mean_pct + 2 <= after.hi80_pct + 4 <= 104
    assert hours[0].overflow_probability < 0.1
    assert hours[-1].overflow_probability > 0.1


def test_reasons_of_fill() -> None:
    """A full container is full, one that reaches the limit within a day will be, another one has no reason."""
    assert with_readings(92.0, "glass").reasons == ("full",)
    assert with_readings(78.0, "glass").reasons == ("will_be_full",)
    assert with_readings(20.0, "glass").reasons == ()
    full = with_readings(92.0)
    assert full.full_at == LATER
    assert with_readings(20.0).full_at is not None


def test_the_limit_is_that_of_the_alarms() -> None:
    """A container is full here when it is full on the pages."""
    assert LIMIT_PCT == FULL_PCT


def test_old_organic_waste_is_a_reason_and_other_old_waste_is_none() -> None:
    """After three days without an emptying organic waste is to be collected."""
    emptied = NOW - timedelta(days=4)
    for stream, expected in (("organic", ("organic_age",)), ("glass", ())):
        model = fitted(Filling(2.0, emptied_from_pct=NEVER_EMPTIED), stream=stream, has_sensor=False)
        for days in (20, 12, 4):
            model.learn_visit("c0", Emptying(NOW - timedelta(days=days), 10.0), NOW)
        result = forecast(model, "c0", NOW)
        assert result.emptied_at == emptied
        assert result.reasons == expected


@pytest.mark.parametrize(("hours", "expected"), [(60, ()), (80, ("organic_age",))])
def test_organic_waste_without_a_known_emptying_is_as_old_as_its_observation(
    hours: int, expected: tuple[str, ...]
) -> None:
    """Nobody has emptied it since it is observed."""
    history = FillHistory(NOW.timestamp() - 3600.0 * np.arange(hours, -1, -1), 5 + 0.1 * np.arange(hours + 1))
    model = fit([Container("c0", "organic", has_sensor=True)], {"c0": history}, ZONE, NOW)
    assert forecast(model, "c0", NOW).reasons == expected


def test_alerts_and_reports_are_reasons_even_without_a_forecast() -> None:
    """What somebody reported is to be collected whether or not its fill is known."""
    model = fit([Container("c0", "organic")], {}, ZONE, NOW)
    result = forecast(model, "c0", NOW, alerts={"c0"}, reported={"c0"})
    assert result.no_forecast == "never_observed"
    assert result.reasons == ("alert", "citizen_report")
    assert result.hours == ()


@pytest.mark.parametrize("visits", range(5))
def test_without_a_sensor_three_visits_allow_a_forecast(visits: int) -> None:
    """Before the third visit that says how full it was, the reason is told; visits without a fill do not count."""
    model = fit([Container("c0", "organic")], {}, ZONE, NOW - timedelta(days=20))
    for number in range(visits):
        at = NOW - timedelta(days=15 - 2 * number)
        assert model.learn_visit("c0", Emptying(at, 40.0), at)
        assert model.learn_visit("c0", Emptying(at + timedelta(hours=1), None), at + timedelta(hours=1))
    result = forecast(model, "c0", NOW)
    expected = None if visits >= 3 else "too_few_visits" if visits else "never_observed"
    assert result.no_forecast == expected
    if expected is None:
        assert result.rate_pct_per_day == pytest.approx(20.0, rel=0.15)
        assert result.reliability is not None
    else:
        assert (result.hours, result.reliability, result.rate_pct_per_day) == ((), None, None)


def test_an_old_observation_allows_no_forecast() -> None:
    """A sensor that has been silent for more than two weeks says nothing of now."""
    model = fitted(Filling(12.0))
    assert forecast(model, "c0", NOW + OBSERVED_MAX - timedelta(hours=1)).no_forecast is None
    assert forecast(model, "c0", NOW + OBSERVED_MAX + timedelta(hours=1)).no_forecast == "observed_too_long_ago"


@pytest.mark.parametrize(("hours", "expected"), [(0, "rate_unknown"), (12, "rate_unknown"), (30, None)])
def test_a_stream_that_was_observed_for_less_than_a_day_has_no_rate(hours: int, expected: str | None) -> None:
    """Growth in some hours of a day says little of a day."""
    history = FillHistory(NOW.timestamp() - 3600.0 * np.arange(hours, -1, -1), 20.0 + np.arange(hours + 1))
    model = fit([Container("c0", "organic", has_sensor=True)], {"c0": history}, ZONE, NOW)
    assert forecast(model, "c0", NOW).no_forecast == expected


def test_reliability_falls_with_the_scatter() -> None:
    """The interval of an even container is narrower than that of a fitful one, and its grade is not worse."""
    even, fitful = (forecast(fitted(Filling(12.0, scatter_pct=scatter), 12), "c0", NOW) for scatter in (0.1, 20.0))
    widths = [result.hours[24].hi80_pct - result.hours[24].lo80_pct for result in (even, fitful)]
    assert widths[0] < widths[1]
    assert even.reliability == "high"
    assert GRADES.index(fitful.reliability or "high") > 0


def test_an_unknown_container_is_an_error() -> None:
    """A forecast of what the model does not have is a mistake of the caller."""
    with pytest.raises(KeyError):
        forecast(fitted(Filling(12.0)), "c9", NOW)


def test_every_reason_and_grade_has_a_text_in_both_languages() -> None:
    """The texts differ between languages and between reasons."""
    for lang in ("id", "en"):
        texts = [*(reason_text(reason, lang) for reason in (*COLLECT_REASONS, *NO_FORECAST_REASONS))]
        texts += [grade_text(grade, lang) for grade in GRADES]
        assert len(set(texts)) == len(texts)
    assert reason_text("full", "id") != reason_text("full", "en")


def test_rare_overflow_has_a_probability_of_its_own() -> None:
    """Beyond the largest error that was seen, fuller containers still overflow more often than emptier ones."""
    shares = [with_readings(fill_pct).hours[24].overflow_probability for fill_pct in (74.0, 76.0, 78.0, 80.0)]
    assert all(0 < before < after for before, after in pairwise(shares))
    assert shares[2] < 0.0125


def test_container_that_fills_unevenly_has_a_wider_interval() -> None:
    """Errors of a container are its own: a small one that few people use is harder to forecast."""
    containers = [Container(f"c{n}", "organic", "oebobo", f"s{n}", has_sensor=True) for n in range(12)]
    scatters_pct = [0.3 if number < 6 else 6.0 for number in range(12)]
    histories = {
        container.id: make(Filling(12.0, scatter_pct=scatter_pct), number).history
        for number, (container, scatter_pct) in enumerate(zip(containers, scatters_pct, strict=True))
    }
    model = fit(containers, histories, ZONE, NOW)
    widths = [hour.hi80_pct - hour.lo80_pct for hour in (forecast(model, c.id, NOW).hours[12] for c in containers)]
    assert max(widths[:6]) < min(widths[6:])


def test_small_container_has_a_wider_interval_than_a_large_one() -> None:
    """What somebody throws in is a tenth of one and a hundredth of the other; nobody has to observe that first."""
    containers = [
        Container(f"c{n}", "organic", "oebobo", f"s{n}", has_sensor=True, capacity_l=capacity_l)
        for n, capacity_l in enumerate((120.0, 240.0, 6000.0, None))
    ]
    histories = {c.id: make(Filling(12.0), 1).history for c in containers}
    model = fit(containers, histories, ZONE, NOW)
    small, middle, large, unknown = (
        hour.hi80_pct - hour.lo80_pct for hour in (forecast(model, c.id, NOW).hours[24] for c in containers)
    )
    assert small > middle > large
    assert unknown == pytest.approx(middle, rel=0.1)
