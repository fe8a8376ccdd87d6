"""REST of the camera report, as JSON and CSV."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from msgspec import Meta

from api.auth.access import require
from api.dependencies import context_of
from api.http.description import ATTACHMENT_HEADERS, CSV_MEDIA, file_answer, problems
from api.http.routing import ApiRoute
from api.queries.camera_metrics import CameraMetrics
from api.queries.reporting import CameraReport, camera_reports, day_of
from api.queries.spreadsheet import escape_formula
from ingest.store.views.reviews import REASONS

router = APIRouter(prefix="/api/v1/cameras", tags=["cameras"], responses=problems(503), route_class=ApiRoute)

Day = Annotated[date | None, Query(description="A local day; today.", examples=["2026-03-01"])]


class CameraReportsResponse(msgspec.Struct, frozen=True):
    """Metrics of every camera, worst first."""

    day: Annotated[date, Meta(description="Local day.")]
    simulated: bool
    cameras: list[CameraReport]


@router.get("/report", dependencies=[require("telemetry.read")])
def show_report(request: Request, day: Day = None) -> CameraReportsResponse:
    """Metrics of every camera on a day and in the 30 days that end with it, worst first."""
    context = context_of(request)
    report_day = day_of(context, day)
    return CameraReportsResponse(report_day, context.demo, camera_reports(context, report_day))


@router.get(
    "/report.csv",
    dependencies=[require("telemetry.read")],
    response_class=Response,
    responses=file_answer(
        "One row per camera; durations in seconds, unknown values empty.", CSV_MEDIA, headers=ATTACHMENT_HEADERS
    ),
)
def download_report(request: Request, day: Day = None) -> Response:
    """The day's metrics as CSV. Durations are in seconds; unknown values are empty."""
    context = context_of(request)
    report_day = day_of(context, day)
    text = to_csv(report_day, camera_reports(context, report_day))
    name = f"kamera-{context.city.id}-{report_day.isoformat()}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=f"{CSV_MEDIA}; charset=utf-8", headers=headers)


def to_csv(day: date, reports: list[CameraReport]) -> str:
    """One row per camera, with a column for each reason of rejection and of blindness."""
    blind = sorted({reason for report in reports for reason in report.day.blind_by_reason_s})
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(
        [
            *("day", "camera", "site", "site_name", "cases", "confirmed", "rejected", "merged", "waiting", "precision"),
            *(f"rejected_{reason}" for reason in REASONS),
            *("blind_s", "offline_s", "armed_share"),
            *(escape_formula(f"blind_{reason}_s") for reason in blind),
        ]
    )
    for report in reports:
        writer.writerow(
            [
                day.isoformat(),
                *map(escape_formula, (report.camera, report.site, report.site_name)),
                *_cells(report.day, blind),
            ]
        )
    return file.getvalue()


def _cells(metrics: CameraMetrics, blind: list[str]) -> list[object]:
    shares = [None if share is None else round(share, 4) for share in (metrics.precision, metrics.armed_share)]
    return [
        *(metrics.cases, metrics.confirmed, metrics.rejected, metrics.merged, metrics.waiting, shares[0]),
        *(metrics.reasons.get(reason, 0) for reason in REASONS),
        *(metrics.blind_s, metrics.offline_s, shares[1]),
        *(metrics.blind_by_reason_s.get(reason, 0.0) for reason in blind),
    ]
