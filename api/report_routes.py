"""REST of the cameras' report: JSON for programs, CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response

from api.access import require
from api.camera_report import Figures
from api.context import ApiContext
from api.reporting import CameraReport, camera_reports
from api.routes import context_of
from api.spreadsheet import harmless
from broker.contract.errors import PayloadError
from ingest.store.reviews import REASONS

router = APIRouter(prefix="/api/v1/cameras", tags=["cameras"])

BACK_MAX: Final = timedelta(days=1_825)
Day = Annotated[date | None, Query(description="A local day; today.", examples=["2026-03-01"])]


def day_of(context: ApiContext, day: date | None) -> date:
    """The day asked for, today by the city's clocks unless one is.

    Raises:
        PayloadError: It has not come yet, or nobody can know it any more.
    """
    today = context.clock().astimezone(context.city.time_zone).date()
    if day is None:
        return today
    if not today - BACK_MAX <= day <= today:
        raise PayloadError(f"`day` lies between {today - BACK_MAX} and {today}")
    return day


@router.get("/report", dependencies=[require("viewer")])
def show_report(request: Request, day: Day = None) -> dict[str, Any]:
    """Verdicts, blindness and silence of every camera on a day and in the 30 days up to it, the worst first."""
    context = context_of(request)
    asked = day_of(context, day)
    return {
        "day": asked.isoformat(),
        "simulated": context.demo,
        "cameras": [msgspec.to_builtins(one) for one in camera_reports(context, asked)],
    }


@router.get("/report.csv", dependencies=[require("viewer")], response_class=Response)
def download_report(request: Request, day: Day = None) -> Response:
    """The day's figures as a table, times in seconds; empty cells are not known."""
    context = context_of(request)
    asked = day_of(context, day)
    text = to_csv(asked, camera_reports(context, asked))
    name = f"kamera-{context.city.id}-{asked.isoformat()}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def to_csv(day: date, reports: list[CameraReport]) -> str:
    """One line a camera, its day's figures; a column for each reason of rejection and of blindness."""
    blind = sorted({reason for one in reports for reason in one.day.blind_by_reason_s})
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(
        [
            *("day", "camera", "site", "site_name", "cases", "confirmed", "rejected", "merged", "waiting", "precision"),
            *(f"rejected_{reason}" for reason in REASONS),
            *("blind_s", "offline_s", "armed_share"),
            *(harmless(f"blind_{reason}_s") for reason in blind),
        ]
    )
    for one in reports:
        writer.writerow(
            [day.isoformat(), *map(harmless, (one.camera, one.site, one.site_name)), *_cells(one.day, blind)]
        )
    return file.getvalue()


def _cells(found: Figures, blind: list[str]) -> list[object]:
    shares = [None if share is None else round(share, 4) for share in (found.precision, found.armed_share)]
    return [
        *(found.cases, found.confirmed, found.rejected, found.merged, found.waiting, shares[0]),
        *(found.reasons.get(reason, 0) for reason in REASONS),
        *(found.blind_s, found.offline_s, shares[1]),
        *(found.blind_by_reason_s.get(reason, 0.0) for reason in blind),
    ]
