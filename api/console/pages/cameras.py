"""Camera quality: false alarms and outages per camera, on a day and in the 30 days that end with it, worst first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.queries.camera_metrics import CameraMetrics
from api.queries.reporting import DAYS, CameraReport, camera_reports, day_of
from city.errors import PayloadError
from city.runtime.detector_state import read_detector_state

_SHORT_S: Final = 60.0
"""Shorter durations are not shown."""


def build(page: PageContext, screen: Screen, query: Mapping[str, str]) -> None:
    """Add the camera report to the page; it is live."""
    try:
        day = day_of(page.context, date.fromisoformat(query.get("day", "")))
    except (ValueError, PayloadError):
        day = day_of(page.context, None)
    intro = tag("p", page.plural("cameras_intro", DAYS, day=page.date(day)), class_="intro")
    screen.show(lambda: join([intro, _detector_note(page), _form(page, day)]), "report")
    screen.live("report", ("cases", "camera"), lambda: _table(page, camera_reports(page.context, day)), every_s=10.0)


def _table(page: PageContext, reports: list[CameraReport]) -> Markup:
    headings = [page.t(key) for key in ("at_camera", "judged_share", "wrong_because", "unseen", "on_day", "zones")]
    rows = [_row(page, report) for report in reports]
    return table(headings, rows, narrow="lines", keys=[report.camera for report in reports])


def _detector_note(page: PageContext) -> Markup | None:
    """What the cameras of this machine lack for want of a learned detector."""
    state = read_detector_state(page.context.data)
    if state is None or (state.model and not state.reason):
        return None
    if state.reason:
        return tag("p", page.t("cameras_model_unusable", reason=state.reason), class_="warn")
    return tag("p", page.t("cameras_without_model"), class_="intro")


def _form(page: PageContext, day: date) -> Markup:
    today = day_of(page.context, None)
    field = tag("input", type="date", name="day", value=day.isoformat(), max=today.isoformat())
    address = f"/api/v1/cameras/report.csv?day={day.isoformat()}"
    csv = link(address, page.t("download_csv"), class_="button", download=True)
    parts = [tag("label", page.t("day"), field), tag("button", page.t("show")), csv]
    return tag("form", *parts, method="get", action="/cameras", class_="filters")


def _row(page: PageContext, report: CameraReport) -> list[object]:
    month, day = report.month, report.day
    zones = link(f"/camera/{report.camera}/zones", page.t("draw_zones")) if page.may("zones.write") else "-"
    return [
        join([link(f"/device/{report.camera}", report.camera), tag("br"), report.site_name]),
        _share(page, month),
        _counts(page, month),
        _unseen(page, month),
        join([_day(page, day), _unseen(page, day)]),
        zones,
    ]


def _share(page: PageContext, metrics: CameraMetrics) -> Markup:
    """Share of confirmed cases, with a bar of its confidence interval."""
    cases = tag("small", f"{page.t('cases_count')}: {page.number(metrics.cases)}")
    if metrics.precision is None or metrics.precision_range is None:
        return join([tag("span", page.t("none_judged"), class_="none"), tag("br"), cases])
    low, high = (round(100 * share) for share in metrics.precision_range)
    of = metrics.confirmed + metrics.rejected
    words = page.t("of_judged", right=metrics.confirmed, of=of, low=low, high=high)
    range_ = tag("rect", x=f"{low}%", width=f"{max(1, high - low)}%", height="100%")
    parts: list[object] = [tag("b", words), tag("svg", range_, class_="range", aria_hidden="true"), cases]
    if metrics.few:
        parts.insert(1, tag("small", page.t("too_few"), class_="warn"))
    return tag("div", *parts, class_="share")


def _counts(page: PageContext, metrics: CameraMetrics) -> Markup:
    if not metrics.reasons:
        return tag("span", "-", class_="none")
    lines = [tag("li", f"{page.word(reason, 'reason_')}: {page.number(n)}") for reason, n in metrics.reasons.items()]
    return tag("ul", *lines)


def _unseen(page: PageContext, metrics: CameraMetrics) -> Markup:
    """Blind time by reason, offline time, and armed share."""
    lines = [
        f"{page.word(reason, 'blind_')}: {page.duration(seconds)}"
        for reason, seconds in metrics.blind_by_reason_s.items()
        if seconds >= _SHORT_S
    ]
    if metrics.offline_s is None:
        lines.append(page.t("never_heard"))
    elif metrics.offline_s >= _SHORT_S:
        lines.append(f"{page.t('away')}: {page.duration(metrics.offline_s)}")
    if metrics.armed_share is not None:
        lines.append(f"{page.t('armed')}: {page.number(round(100 * metrics.armed_share, 1))} %")
    return tag("ul", *(tag("li", line) for line in lines))


def _day(page: PageContext, metrics: CameraMetrics) -> Markup:
    words = [f"{page.t('cases_count')}: {page.number(metrics.cases)}"]
    words += [
        f"{page.t(f'show_{verdict}')}: {page.number(count)}"
        for verdict, count in (
            ("confirmed", metrics.confirmed),
            ("rejected", metrics.rejected),
            ("waiting", metrics.waiting),
        )
        if count
    ]
    return tag("ul", *(tag("li", line) for line in words))
