"""Forecasts over HTTP: fitted from the store, filtered, and plain about what is not known."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.queries.fill_forecasts import REFIT_CHANGED, REFIT_COST, REFIT_EVERY
from city.errors import RetryLaterError
from dispatch.shifts.crew_visits import CrewVisit
from ingest.store.port import Latest
from tests.unit.api.conftest import CITY, NOW, Stage

SENSOR, SILENT, VISITED = "bin-0001", "bin-0002", "bin-0003"
HOUR = timedelta(hours=1)


def fill_up(stage: Stage, device: str = SENSOR, days: int = 12, rate_pct: float = 24.0) -> None:
    """Hourly readings that end at `NOW`, of a container that is emptied at 90 %."""
    for number in range(days * 24, -1, -1):
        fill = (days * 24 - number) * rate_pct / 24 % 90
        stage.measure(device, NOW - number * HOUR, fill_pct=round(fill, 1))


def collect(stage: Stage, *at: datetime, container: str = VISITED, **found: float) -> None:
    """A truck reports collections."""
    for moment in at:
        stage.happen("truck-01", "collected", "noted", moment, bin=container, **found)


def asked(stage: Stage, **parameters: Any) -> dict[str, Any]:
    """The answer of the route, of which status 200 is expected."""
    answer = stage.client().get("/api/v1/forecast", params=parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def of(stage: Stage, device: str, **parameters: Any) -> dict[str, Any]:
    """The forecast of one container."""
    body = asked(stage, device=device, **parameters)
    assert body["total"] == 1
    forecast: dict[str, Any] = body["forecasts"][0]
    return forecast


def test_before_the_first_fit_every_container_says_that_none_is_ready(stage: Stage) -> None:
    body = asked(stage)
    assert body["total"] == len(CITY.bins)
    assert body["fitted_at"] is None
    assert {forecast["no_forecast"]["reason"] for forecast in body["forecasts"]} == {"not_ready"}
    assert {forecast["reliability"] for forecast in body["forecasts"]} == {None}


def test_a_container_with_a_sensor_is_forecast_for_seven_days(stage: Stage) -> None:
    fill_up(stage)
    stage.forecasts.look()
    forecast = of(stage, SENSOR, every_h=1)
    assert forecast["no_forecast"] is None
    assert forecast["rate_pct_per_day"] == pytest.approx(24.0, rel=0.1)
    assert len(forecast["hours"]) == 169
    hours = [datetime.fromisoformat(hour["at"]) for hour in forecast["hours"]]
    assert hours[0] == NOW
    assert hours[-1] == NOW + timedelta(days=7)
    assert forecast["hours"][0]["mean_pct"] == pytest.approx(12 * 24 % 90, abs=2)
    assert forecast["hours"][-1]["overflow_probability"] > 0.7
    assert set(forecast["reliability"]["text"]) == {"id", "en"}


def test_what_is_not_known_says_why(stage: Stage) -> None:
    fill_up(stage)
    collect(stage, NOW - timedelta(days=4), NOW - timedelta(days=2), from_pct=50.0, to_pct=0.0)
    stage.forecasts.look()
    assert of(stage, SILENT)["no_forecast"]["reason"] == "never_observed"
    visited = of(stage, VISITED)
    assert visited["no_forecast"]["reason"] == "too_few_visits"
    assert set(visited["no_forecast"]["text"]) == {"id", "en"}
    assert (visited["hours"], visited["rate_pct_per_day"], visited["full_at"]) == ([], None, None)
    assert visited["observed_at"] is not None


def test_visits_alone_allow_a_forecast(stage: Stage) -> None:
    collect(stage, *(NOW - timedelta(days=day) for day in (8, 6, 4, 2)), from_pct=50.0, to_pct=0.0)
    stage.forecasts.look()
    forecast = of(stage, VISITED)
    assert forecast["no_forecast"] is None
    assert forecast["rate_pct_per_day"] == pytest.approx(25.0, rel=0.05)
    assert forecast["hours"][0]["mean_pct"] == pytest.approx(50.0, abs=3)


def test_visits_that_crews_tapped_allow_a_forecast(stage: Stage) -> None:
    told = [CrewVisit(VISITED, NOW - timedelta(days=days), 60.0) for days in (16, 12, 8, 4)]
    stage.forecasts._crews = lambda _start, _now: told
    stage.forecasts.look()
    alone = of(stage, VISITED)
    assert alone["no_forecast"] is None
    assert alone["rate_pct_per_day"] == pytest.approx(15, abs=4)


def test_a_visit_that_the_truck_reports_too_counts_once(stage: Stage) -> None:
    """The truck does not know how full it was; the crew says it, from a phone that was offline for hours."""
    days = (16, 12, 8, 4)
    collect(stage, *(NOW - timedelta(days=day) for day in days))
    told = [CrewVisit(VISITED, NOW - timedelta(days=day) + timedelta(minutes=4), 60.0) for day in days]
    stage.forecasts._crews = lambda _start, _now: told
    stage.forecasts.look()
    rate = of(stage, VISITED)["rate_pct_per_day"]
    assert rate == pytest.approx(15, abs=4)
    late = CrewVisit(VISITED, NOW - timedelta(hours=1) + timedelta(minutes=4), 90.0)
    collect(stage, NOW - timedelta(hours=1), from_pct=60.0)
    stage.forecasts.look()
    emptied_at = of(stage, VISITED)["emptied_at"]
    stage.forecasts._crews = lambda _start, _now: [late]
    stage.forecasts.look()
    assert of(stage, VISITED)["emptied_at"] == emptied_at
    assert of(stage, VISITED)["rate_pct_per_day"] == pytest.approx(rate, abs=2)


def test_a_new_reading_and_a_visit_are_learnt_between_two_fits(stage: Stage) -> None:
    fill_up(stage)
    stage.forecasts.look()
    before = of(stage, SENSOR)["hours"][0]["mean_pct"]
    stage.measure(SENSOR, NOW + timedelta(minutes=1), fill_pct=80.0)
    stage.forecasts.look()
    after = of(stage, SENSOR)
    assert before < 50
    assert after["hours"][0]["mean_pct"] > 75
    assert [reason["reason"] for reason in after["reasons"]] == ["will_be_full"]
    collect(stage, NOW + timedelta(minutes=2), container=SENSOR, from_pct=80.0, to_pct=2.0)
    stage.forecasts.look()
    emptied = of(stage, SENSOR)
    assert emptied["hours"][0]["mean_pct"] < 10
    assert emptied["reasons"] == []
    assert datetime.fromisoformat(emptied["emptied_at"]) == NOW + timedelta(minutes=2)


def test_the_newest_hour_and_events_in_any_order_are_no_growth(stage: Stage) -> None:
    """A collection whose event arrives after the reading that shows it changes no rate."""
    fill_up(stage)
    stage.forecasts.look()
    rate = of(stage, SENSOR)["rate_pct_per_day"]
    stage.measure(SENSOR, NOW + timedelta(minutes=3), fill_pct=2.0)
    stage.forecasts.look()
    collect(stage, NOW + timedelta(minutes=1), container=SENSOR, from_pct=40.0, to_pct=2.0)
    stage.forecasts.look()
    assert of(stage, SENSOR)["rate_pct_per_day"] == pytest.approx(rate, rel=0.02)
    assert of(stage, SENSOR)["hours"][0]["mean_pct"] < 5


def test_filters_and_pages(stage: Stage) -> None:
    stage.forecasts.look()
    here = CITY.bins[SENSOR].kelurahan
    bins = sorted(CITY.bins.values(), key=lambda bin_: bin_.id)
    for parameters, expected in (
        ({"kelurahan": here}, [bin_.id for bin_ in bins if bin_.kelurahan == here]),
        ({"kind": "organic"}, [bin_.id for bin_ in bins if bin_.waste_kind == "organic"]),
        ({"site": "tps-pasar-oeba"}, [bin_.id for bin_ in bins if bin_.site == "tps-pasar-oeba"]),
        (
            {"kelurahan": here, "kind": "organic"},
            [bin_.id for bin_ in bins if bin_.kelurahan == here and bin_.waste_kind == "organic"],
        ),
        ({"site": "nowhere"}, []),
        ({"device": "truck-01"}, []),
    ):
        body = asked(stage, **parameters, limit=200)
        assert body["total"] == len(expected)
        assert [forecast["device"] for forecast in body["forecasts"]] == expected[:200]
    page = asked(stage, limit=3, offset=2)
    assert [forecast["device"] for forecast in page["forecasts"]] == sorted(CITY.bins)[2:5]
    assert page["total"] == len(CITY.bins)


@pytest.mark.parametrize(
    "parameters",
    [
        *({"ahead_h": 0}, {"ahead_h": 169}, {"every_h": 0}, {"limit": 201}, {"limit": 0}, {"offset": -1}),
        *({"kind": "glass"}, {"device": "a b"}, {"kelurahan": "x" * 65}),
    ],
)
def test_wrong_parameters_are_refused(stage: Stage, parameters: dict[str, Any]) -> None:
    assert stage.client().get("/api/v1/forecast", params=parameters).status_code == 422


def test_hours_are_those_that_were_asked_for(stage: Stage) -> None:
    fill_up(stage)
    stage.forecasts.look()
    hours = of(stage, SENSOR, ahead_h=24, every_h=12)["hours"]
    assert [datetime.fromisoformat(hour["at"]) - NOW for hour in hours] == [timedelta(hours=n) for n in (0, 12, 24)]


def test_without_the_right_nothing_is_told(stage: Stage) -> None:
    client = stage.client(demo=False)
    assert client.get("/api/v1/forecast").status_code == 401
    allowed = stage.client(demo=False, token=stage.token("viewer"))
    assert allowed.get("/api/v1/forecast").status_code == 200


class _AwayStore:
    """A store that does not answer until it is back."""

    def __init__(self, stage: Stage) -> None:
        self.away = False
        self._store = stage.store

    def latest(self, **wanted: Any) -> list[Latest]:
        if self.away:
            raise RetryLaterError("the store is away")
        return self._store.latest(**wanted)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_a_store_that_is_away_leaves_the_last_forecast_and_says_so(stage: Stage) -> None:
    fill_up(stage)
    store = stage.forecasts._reader = _AwayStore(stage)  # type: ignore[assignment] - as the port
    stage.forecasts.look()
    store.away = True
    stage.forecasts.look()
    body = asked(stage, device=SENSOR)
    assert body["not_current"] == "the store is away"
    assert body["forecasts"][0]["no_forecast"] is None
    store.away = False
    stage.forecasts.look()
    assert asked(stage, device=SENSOR)["not_current"] == ""


def test_a_sensor_that_appears_is_fitted_soon(stage: Stage) -> None:
    """A minute after a fit, a changed list of sensors makes another one."""
    stage.forecasts.look()
    first = stage.forecasts.fitted_at
    fill_up(stage)
    stage.forecasts.look()
    assert stage.forecasts.fitted_at == first
    assert of(stage, SENSOR)["no_forecast"]["reason"] == "rate_unknown"
    stage.forecasts._clock = lambda: NOW + REFIT_CHANGED
    stage.forecasts.look()
    assert stage.forecasts.fitted_at == NOW + REFIT_CHANGED
    assert of(stage, SENSOR)["no_forecast"] is None


def test_damaged_events_are_no_visits(stage: Stage) -> None:
    """Texts and flags for percent, and containers that do not exist, are left out."""
    collect(stage, NOW - timedelta(days=1), container="no-such-bin", from_pct=50.0)
    for value in ("full", True, None):
        stage.happen("truck-01", "collected", "noted", NOW - timedelta(hours=5), bin=VISITED, from_pct=value)
    stage.forecasts.look()
    forecast = of(stage, VISITED)
    assert forecast["no_forecast"]["reason"] == "too_few_visits"
    assert datetime.fromisoformat(forecast["emptied_at"]).astimezone(UTC) == NOW - timedelta(hours=5)


def test_a_slow_store_is_not_asked_for_everything_again_at_once(stage: Stage) -> None:
    """After a fit that took long, a changed city waits; a day later there is a fit in any case."""
    moments = iter([NOW, NOW + timedelta(minutes=2)])
    stage.forecasts._clock = lambda: next(moments)
    stage.forecasts.look()
    fill_up(stage, days=2)
    for after, fitted_at in (
        (timedelta(minutes=30), NOW),
        (REFIT_COST * timedelta(minutes=2), NOW + REFIT_COST * timedelta(minutes=2)),
    ):
        at = NOW + after
        stage.forecasts._clock = lambda at=at: at  # type: ignore[misc] - bound in a loop
        stage.forecasts.look()
        assert stage.forecasts.fitted_at == fitted_at
    last = NOW + REFIT_COST * timedelta(minutes=2) + REFIT_EVERY
    stage.forecasts._clock = lambda: last
    stage.forecasts.look()
    assert stage.forecasts.fitted_at == last


def test_a_service_that_stops_ends_the_reading_of_histories(stage: Stage) -> None:
    """Between two containers; what was fitted before stays."""
    fill_up(stage, days=1)
    fill_up(stage, "bin-0004", days=1)
    stop, beats = threading.Event(), []

    def beat() -> None:
        beats.append(len(beats))
        if len(beats) == 3:  # one before the wait, one before the look, and this before the first container
            stop.set()

    stage.forecasts.keep_looking(stop, beat, first_after_s=0)
    assert len(beats) == 3
    assert stage.forecasts.fitted_at is None
    assert stage.forecasts.failure == "the service stops"
