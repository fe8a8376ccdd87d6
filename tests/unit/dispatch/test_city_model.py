"""The model of a city: what it learns, from whom a container borrows, and that learning on equals fitting anew."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import numpy as np
import pytest

from city.errors import PayloadError
from dispatch.forecast import saved
from dispatch.forecast.calendar import Calendar
from dispatch.forecast.city_model import HISTORY, CityModel, fit
from dispatch.forecast.growth import Emptying, FillHistory
from dispatch.forecast.outlook import forecast
from dispatch.forecast.places import Container
from tests.support.filling import HOUR, NOW, ZONE, Filling, Made, made_up_city, make

WEEK: Final = (0.6, 0.7, 0.8, 0.9, 1.0, 1.5, 1.5)
EMPTY: Final = FillHistory(np.empty(0), np.empty(0))
FIRST_DAY: Final = (NOW - HISTORY).astimezone(ZONE).date()


def rate_of(model: CityModel, container: str) -> float:
    """Points a day."""
    return float(model.rates.rate(model.places)[model.numbers[container]])


def one_site(rates: list[float], **others: object) -> tuple[list[Container], dict[str, FillHistory]]:
    """Measured containers of one site with these rates."""
    containers = [Container(f"c{number}", "organic", "oebobo", "tps", has_sensor=True) for number in range(len(rates))]
    fillings = [Filling(rate, **others) for rate in rates]  # type: ignore[arg-type] - of a Filling
    return containers, {c.id: make(f, n).history for n, (c, f) in enumerate(zip(containers, fillings, strict=True))}


def until(made: Made, end_s: float) -> FillHistory:
    """The part of a history up to a time in seconds."""
    kept = made.times_s <= end_s
    visits = [visit for visit in made.history.visits if visit.at.timestamp() <= end_s]
    return FillHistory(made.times_s[kept], made.fill_pct[kept], visits)


def test_rates_of_measured_containers_are_found() -> None:
    """Each rate is within a tenth of the true one, whatever the emptyings and the noise."""
    containers, histories = one_site([5.0, 12.0, 25.0])
    model = fit(containers, histories, ZONE, NOW)
    assert [rate_of(model, container.id) for container in containers] == pytest.approx([5.0, 12.0, 25.0], rel=0.1)


def test_rates_without_sensors_are_found_from_visits() -> None:
    """What crews found says the rate of a container without a sensor."""
    containers = [Container(f"c{number}", "organic", "oebobo") for number in range(2)]
    histories = {
        c.id: make(Filling(rate), 5, has_sensor=False).history for c, rate in zip(containers, (8.0, 20.0), strict=True)
    }
    model = fit(containers, histories, ZONE, NOW)
    assert [rate_of(model, container.id) for container in containers] == pytest.approx([8.0, 20.0], rel=0.15)


def test_hours_and_weekdays_are_found() -> None:
    """Factors of hours and weekdays are within a sixth of the true ones."""
    containers, histories = made_up_city(60)
    model = fit(containers, histories, ZONE, NOW)
    assert model.rates.weekday.mean(axis=0) == pytest.approx(np.array(WEEK), rel=0.17)
    assert model.rates.hour[0] == pytest.approx(HOUR / HOUR.mean(), rel=0.17, abs=0.05)


def test_weekdays_are_found_from_visits_alone() -> None:
    """Visits of many containers show that weekends bring more than Mondays."""
    containers = [Container(f"c{number:02}", "organic", "oebobo", "tps") for number in range(40)]
    filling = Filling(30.0, week=(0.5, 0.5, 1.0, 1.0, 1.0, 1.5, 1.5), emptied_from_pct=20.0)
    histories = {c.id: make(filling, n, has_sensor=False).history for n, c in enumerate(containers)}
    weekday = fit(containers, histories, ZONE, NOW).rates.weekday.mean(axis=0)
    assert weekday[5:].mean() > 1.3 * weekday[:2].mean()


@pytest.mark.parametrize("kind", ["market", "rain"])
def test_market_days_and_rain_are_learnt_if_they_are_given(kind: str) -> None:
    """A special day brings twice as much; without a calendar it is an ordinary one."""
    numbers = [number for number in range(60) if number % 5 == 1]
    containers, histories = one_site([12.0] * 6, special=dict.fromkeys(numbers, 2.0))
    days = [FIRST_DAY + timedelta(days=number) for number in numbers]
    tomorrow = NOW.astimezone(ZONE).date() + timedelta(days=1)
    given = frozenset([*days, tomorrow])
    calendar = Calendar(given) if kind == "market" else Calendar(rain_mm=dict.fromkeys(given, 20.0))
    model = fit(containers, histories, ZONE, NOW, calendar)
    index = {"market": 1, "rain": 2}[kind]
    assert model.rates.day_kind[0, index] / model.rates.day_kind[0, 0] == pytest.approx(2.0, rel=0.2)
    plain = fit(containers, histories, ZONE, NOW)
    special, ordinary = (forecast(known, "c0", NOW, hours=48).hours for known in (model, plain))
    # NOW is eleven in the morning; the special day begins 13 hours later.
    assert special[36].mean_pct - special[13].mean_pct > 1.3 * (ordinary[36].mean_pct - ordinary[13].mean_pct)


def test_little_rain_is_no_rain() -> None:
    """A drizzle is an ordinary day; a market day with rain is a kind of its own."""
    calendar = Calendar(frozenset([date(2026, 3, 2)]), {date(2026, 3, 1): 0.4, date(2026, 3, 2): 30.0})
    assert [calendar.day_kind(date(2026, 3, day)) for day in (1, 2, 3)] == [0, 3, 0]


def test_a_new_container_borrows_from_its_site() -> None:
    """With a single reading, the rate is that of the site, not of the kelurahan or the stream."""
    busy = [Container(f"busy{n}", "organic", "oebobo", "market", has_sensor=True) for n in range(4)]
    quiet = [Container(f"quiet{n}", "organic", "oebobo", "school", has_sensor=True) for n in range(4)]
    new = Container("new", "organic", "oebobo", "market", has_sensor=True)
    histories = {c.id: make(Filling(30.0 if c in busy else 6.0), n).history for n, c in enumerate([*busy, *quiet])}
    histories["new"] = FillHistory(np.array([NOW.timestamp() - 60]), np.array([10.0]))
    model = fit([*busy, *quiet, new], histories, ZONE, NOW)
    assert rate_of(model, "new") == pytest.approx(30.0, rel=0.25)
    elsewhere = fit([*busy, *quiet, Container("new", "organic", "oebobo", "", has_sensor=True)], histories, ZONE, NOW)
    assert 8.0 < rate_of(elsewhere, "new") < 25.0
    other_stream = fit(
        [*busy, *quiet, Container("new", "glass", "oebobo", "market", has_sensor=True)], histories, ZONE, NOW
    )
    assert np.isnan(rate_of(other_stream, "new"))


def test_a_container_with_a_long_history_borrows_little() -> None:
    """One quiet container among busy ones keeps its own rate."""
    containers, histories = one_site([30.0, 30.0, 30.0, 30.0, 5.0])
    assert rate_of(fit(containers, histories, ZONE, NOW), "c4") < 8.0


def test_learning_on_equals_fitting_anew() -> None:
    """Forty days fitted and twenty learnt one by one give the rates, states and forecasts of sixty days fitted."""
    containers = [Container(f"c{n}", "organic", "oebobo", "tps", has_sensor=n < 3) for n in range(6)]
    made = {c.id: make(Filling(8.0 + 3 * n), n, has_sensor=c.has_sensor) for n, c in enumerate(containers)}
    then = NOW - timedelta(days=20)
    sensors = {c.id for c in containers if c.has_sensor}
    early = {id_: until(m, then.timestamp()) for id_, m in made.items()}
    early = {id_: h if id_ in sensors else FillHistory(np.empty(0), np.empty(0), h.visits) for id_, h in early.items()}
    model = fit(containers, early, ZONE, then)
    events = [
        *(
            (at_s, id_, pct, None)
            for id_ in sensors
            for at_s, pct in zip(made[id_].times_s, made[id_].fill_pct, strict=True)
        ),
        *((visit.at.timestamp(), id_, 0.0, visit) for id_, m in made.items() for visit in m.history.visits),
    ]
    for at_s, id_, pct, visit in sorted(events, key=lambda event: event[:2]):
        if at_s > then.timestamp():
            at = then + timedelta(seconds=at_s - then.timestamp())
            learnt = (
                model.learn_reading(id_, at, float(pct), at) if visit is None else model.learn_visit(id_, visit, at)
            )
            assert learnt or id_ in sensors
    anew = fit(containers, {id_: m.history for id_, m in made.items()}, ZONE, NOW)
    for container in containers:
        assert rate_of(model, container.id) == pytest.approx(rate_of(anew, container.id), rel=0.06)
        one, other = (forecast(fitted, container.id, NOW) for fitted in (model, anew))
        assert one.hours[24].mean_pct == pytest.approx(other.hours[24].mean_pct, abs=3.0)
        assert one.emptied_at is not None
        assert abs(one.emptied_at - (other.emptied_at or NOW)) <= timedelta(hours=1)


def test_readings_that_are_none_are_not_learnt() -> None:
    """No numbers, repeats, older ones, the future and unknown containers change nothing."""
    containers, histories = one_site([12.0])
    model = fit(containers, histories, ZONE, NOW)
    before = saved.to_bytes(model)
    hour = timedelta(hours=1)
    for at, pct in ((NOW + hour, 50.0), (NOW, 50.0), (NOW - hour, 50.0), (NOW, float("nan")), (NOW, -3.0)):
        assert not model.learn_reading("c0", at, pct, NOW)
    assert not model.learn_reading("unknown", NOW, 5.0, NOW)
    assert not model.learn_visit("unknown", Emptying(NOW, 90.0), NOW)
    assert not model.learn_visit("c0", Emptying(NOW + hour, 90.0), NOW)
    assert not model.learn_visit("c0", Emptying(NOW, float("inf")), NOW)
    assert saved.to_bytes(model) == before


def test_a_spike_is_not_learnt_online_either() -> None:
    """A lone wrong reading is forgotten when the next one contradicts it."""
    containers, histories = one_site([12.0])
    model = fit(containers, histories, ZONE, NOW)
    points = float(model.rates.points[0, 0])
    newest = model.states[0].newest
    assert newest is not None
    for hours, pct in ((1, newest.fill_pct), (2, 99.0), (3, newest.fill_pct), (4, newest.fill_pct)):
        at = NOW + timedelta(hours=hours)
        assert model.learn_reading("c0", at, pct, at)
    assert float(model.rates.points[0, 0]) == pytest.approx(points)


def test_the_state_can_be_kept() -> None:
    """A model from its bytes gives the same forecasts; other bytes are refused."""
    containers, histories = made_up_city(12, sensors=0.5)
    model = fit(containers, histories, ZONE, NOW, Calendar(frozenset([FIRST_DAY]), {FIRST_DAY: 12.0}))
    state = saved.to_bytes(model)
    again = saved.from_bytes(state, ZONE)
    assert [forecast(again, c.id, NOW) for c in containers] == [forecast(model, c.id, NOW) for c in containers]
    assert again.learn_reading("bin-0000", NOW + timedelta(hours=1), 50.0, NOW + timedelta(hours=1))
    for damaged in (b"", b"{}", state[: len(state) // 2], state.replace(b"c", b"d")):
        with pytest.raises(PayloadError):
            saved.from_bytes(damaged, ZONE)


def test_an_empty_city_can_be_fitted() -> None:
    """Neither no containers nor no histories are errors."""
    assert fit([], {}, ZONE, NOW).states == []
    model = fit([Container("a", "organic")], {"a": EMPTY}, ZONE, NOW)
    assert forecast(model, "a", NOW).no_forecast == "never_observed"
