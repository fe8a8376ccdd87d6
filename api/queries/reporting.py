"""The camera report: metrics of all cameras on one day and in the 30 days that end with it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from api.context import ApiContext
from api.queries.camera_metrics import BUCKET_S, TYPES, CameraMetrics, TimeRange, camera_metrics, local_day
from api.queries.cases import cases, events_since
from city.errors import PayloadError
from city.inventory.model import Camera
from ingest.store.port import SeriesPoint, SeriesQuery
from ingest.store.records import EventRecord
from ingest.store.views.cases import Case

DAYS: Final = 30
BACK_MAX: Final = timedelta(days=1_825)
"""Age of the oldest day that may be asked for."""
_BEFORE: Final = timedelta(days=30)
"""Look-back for blindness that began before the report; an older beginning is not found."""


class CameraReport(msgspec.Struct, frozen=True):
    """Metrics of one camera: of the day, and of the `DAYS` days that end with it."""

    camera: str
    site: str
    site_name: str
    kelurahan: str
    day: CameraMetrics
    month: CameraMetrics


def day_of(context: ApiContext, day: date | None) -> date:
    """The requested local day; today if None.

    Raises:
        PayloadError: The day is in the future, or older than `BACK_MAX`.
    """
    today = context.clock().astimezone(context.city.time_zone).date()
    if day is None:
        return today
    if not today - BACK_MAX <= day <= today:
        raise PayloadError(f"`day` lies between {today - BACK_MAX} and {today}")
    return day


def camera_reports(context: ApiContext, day: date) -> list[CameraReport]:
    """The reports of all cameras, sorted by `false_alarm_lower_bound`, then by time without surveillance."""
    zone = context.city.time_zone
    today = local_day(day, zone)
    month = (local_day(day - timedelta(days=DAYS - 1), zone)[0], today[1])
    cases_by_camera: defaultdict[str, list[Case]] = defaultdict(list)
    for case in cases(context, start=month[0], end=month[1]):
        cases_by_camera[case.camera].append(case)
    events: defaultdict[str, list[EventRecord]] = defaultdict(list)
    for event in events_since(context, TYPES, month[0] - _BEFORE):
        events[event.origin.device].append(event)
    known_since = {run.device: run.first_at for run in context.reader.measured_before("camera", month[1])}
    reports = [
        _report(
            context,
            camera,
            (today, month),
            cases_by_camera[camera.id],
            events[camera.id],
            known_since.get(camera.id),
        )
        for camera in context.city.cameras.values()
    ]
    return sorted(
        reports, key=lambda report: (-report.month.false_alarm_lower_bound, -report.month.unseen_s, report.camera)
    )


def _report(
    context: ApiContext,
    camera: Camera,
    spans: tuple[TimeRange, TimeRange],
    camera_cases: list[Case],
    events: list[EventRecord],
    known_since: datetime | None,
) -> CameraReport:
    site = context.city.sites.get(camera.site)
    now = context.clock()
    sight = _sight(context, camera, spans[1], now)
    day, month = (camera_metrics(span, now, camera_cases, events, sight, known_since) for span in spans)
    name = site.name if site else camera.site
    return CameraReport(camera.id, camera.site, name, camera.kelurahan, day, month)


def _sight(context: ApiContext, camera: Camera, span: TimeRange, now: datetime) -> list[SeriesPoint]:
    """Means of `scene_ok`; the current, incomplete bucket counts as well."""
    end = min(span[1], now)
    if end <= span[0]:
        return []
    return context.reader.series(SeriesQuery(camera.id, "scene_ok", span[0], end, BUCKET_S))
