"""REST of forecasts: how full containers will be at the hours of the next seven days, if nobody collects them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query, Request
from msgspec import Meta

from api.auth.access import require
from api.dependencies import NUMBER_MAX, context_of
from api.http.routing import ApiRoute
from api.queries.fill_forecasts import collect_alerts
from broker.contract.topics import ID_PATTERN
from city.i18n.catalogue import LANGS, Lang
from city.inventory.model import Bin, WasteKind
from dispatch.forecast.outlook import AHEAD_H, FillForecast, HourForecast
from dispatch.forecast.reasons import CollectReason, Grade, NoForecastReason, grade_text, reason_text

LISTED_MAX: Final = 200

router = APIRouter(prefix="/api/v1", tags=["forecast"], route_class=ApiRoute)


class ReasonResponse(msgspec.Struct, frozen=True):
    """A reason to collect, with its text in each language."""

    reason: CollectReason
    text: dict[Lang, str]


class NoForecastResponse(msgspec.Struct, frozen=True):
    """Why there is no forecast, with its text in each language."""

    reason: NoForecastReason
    text: dict[Lang, str]


class ReliabilityResponse(msgspec.Struct, frozen=True):
    """Grade by the width of the interval a day ahead, with its text in each language."""

    grade: Grade
    text: dict[Lang, str]


class FillForecastResponse(msgspec.Struct, frozen=True):
    """The forecast of a container. What is not known is null; without a forecast `no_forecast` says why."""

    device: str
    waste_kind: WasteKind
    kelurahan: str
    site: str
    no_forecast: NoForecastResponse | None
    reliability: ReliabilityResponse | None
    rate_pct_per_day: Annotated[
        float | None, Meta(description="Growth on a mean day of an ordinary week. Unit: percentage points a day.")
    ]
    observed_at: Annotated[datetime | None, Meta(description="Last reading or visit.")]
    emptied_at: Annotated[datetime | None, Meta(description="Last known emptying.")]
    full_at: Annotated[datetime | None, Meta(description="First hour of the week at which the mean is at the limit.")]
    reasons: list[ReasonResponse]
    hours: list[HourForecast]


class FillForecastsResponse(msgspec.Struct, frozen=True):
    """A page of forecasts by container. `not_current`: why newer readings are not in them; empty if they are."""

    total: int
    simulated: bool
    fitted_at: Annotated[datetime | None, Meta(description="When rates were last fitted to the history.")]
    not_current: str
    forecasts: list[FillForecastResponse]


@router.get("/forecast", dependencies=[require("telemetry.read")])
def list_forecasts(
    request: Request,
    device: Annotated[str | None, Query(pattern=f"^{ID_PATTERN}$", description="Id of a container.")] = None,
    site: Annotated[str | None, Query(max_length=64, description="Id of a site.")] = None,
    kelurahan: Annotated[str | None, Query(max_length=64, description="Id of a kelurahan.")] = None,
    kind: Annotated[WasteKind | None, Query(description="Kind of waste.")] = None,
    ahead_h: Annotated[int, Query(ge=1, le=AHEAD_H, description="Hours ahead.")] = AHEAD_H,
    every_h: Annotated[int, Query(ge=1, le=AHEAD_H, description="Hours from one listed hour to the next.")] = 6,
    limit: Annotated[int, Query(ge=1, le=LISTED_MAX)] = 50,
    offset: Annotated[int, Query(ge=0, le=NUMBER_MAX)] = 0,
) -> FillForecastsResponse:
    """The fill of containers in the hours to come, if nobody collects them; by id, without those of other filters."""
    context = context_of(request)
    bins = [
        bin_
        for bin_ in sorted(context.city.bins.values(), key=lambda bin_: bin_.id)
        if device in (None, bin_.id)
        and site in (None, bin_.site)
        and kelurahan in (None, bin_.kelurahan)
        and kind in (None, bin_.waste_kind)
    ]
    page = bins[offset : offset + limit]
    forecasts = context.forecasts.forecasts(page, collect_alerts(context.alarm_board))
    listed = [_response(bin_, forecast, ahead_h, every_h) for bin_, forecast in zip(page, forecasts, strict=True)]
    keeper = context.forecasts
    return FillForecastsResponse(len(bins), context.demo, keeper.fitted_at, keeper.failure, listed)


def _response(bin_: Bin, forecast: FillForecast, ahead_h: int, every_h: int) -> FillForecastResponse:
    missing, grade, rate = forecast.no_forecast, forecast.reliability, forecast.rate_pct_per_day
    return FillForecastResponse(
        device=bin_.id,
        waste_kind=bin_.waste_kind,
        kelurahan=bin_.kelurahan,
        site=bin_.site,
        no_forecast=None if missing is None else NoForecastResponse(missing, _texts(missing)),
        reliability=None if grade is None else _reliability(grade),
        rate_pct_per_day=None if rate is None else round(rate, 2),
        observed_at=forecast.observed_at,
        emptied_at=forecast.emptied_at,
        full_at=forecast.full_at,
        reasons=[ReasonResponse(reason, _texts(reason)) for reason in forecast.reasons],
        hours=list(forecast.hours[: ahead_h + 1 : every_h]),
    )


def _reliability(grade: Grade) -> ReliabilityResponse:
    return ReliabilityResponse(grade, {lang: grade_text(grade, lang) for lang in LANGS})


def _texts(reason: CollectReason | NoForecastReason) -> dict[Lang, str]:
    return {lang: reason_text(reason, lang) for lang in LANGS}
