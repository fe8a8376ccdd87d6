"""Which camera lies: verdicts, blindness and silence of each, on a day and in the 30 days up to it, worst first."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Final

from fastapi import Request

from api.camera_report import Figures
from api.console.frame import show
from api.console.markup import Markup, join, link, table, tag
from api.console.view import View
from api.report_routes import day_of
from api.reporting import DAYS, CameraReport, camera_reports
from broker.contract.errors import PayloadError

_SHORT_S: Final = 60.0
"""What took less than this is not told."""


async def build(view: View, request: Request) -> None:
    """Put the report on the page."""
    try:
        day = day_of(view.context, date.fromisoformat(request.query_params.get("day", "")))
    except (ValueError, PayloadError):
        day = day_of(view.context, None)
    show(_page(view, day, await asyncio.to_thread(camera_reports, view.context, day)), "report")


def _page(view: View, day: date, reports: list[CameraReport]) -> Markup:
    headings = [view.t(key) for key in ("at_camera", "judged_share", "wrong_because", "unseen", "on_day", "zones")]
    rows = [_row(view, report) for report in reports]
    intro = tag("p", view.t("cameras_intro", n=DAYS, day=day.isoformat()), class_="intro")
    return join([intro, _form(view, day), table(headings, rows, narrow="lines")])


def _form(view: View, day: date) -> Markup:
    today = day_of(view.context, None)
    field = tag("input", type="date", name="day", value=day.isoformat(), max=today.isoformat())
    address = f"/api/v1/cameras/report.csv?day={day.isoformat()}"
    csv = link(address, view.t("download_csv"), class_="button", download=True)
    parts = [tag("label", view.t("day"), field), tag("button", view.t("show")), csv]
    return tag("form", *parts, method="get", action="/cameras", class_="filters")


def _row(view: View, report: CameraReport) -> list[object]:
    month, day = report.month, report.day
    zones = link(f"/camera/{report.camera}/zones", view.t("draw_zones")) if view.may("operator") else "-"
    return [
        join([link(f"/device/{report.camera}", report.camera), tag("br"), report.site_name]),
        _share(view, month),
        _counts(view, month),
        _unseen(view, month),
        join([_day(view, day), _unseen(view, day)]),
        zones,
    ]


def _share(view: View, found: Figures) -> Markup:
    """Confirmed of those judged; a bar of its likely range, since few verdicts say little."""
    cases = tag("small", f"{view.t('cases_count')}: {view.number(found.cases)}")
    if found.precision is None or found.precision_range is None:
        return join([tag("span", view.t("none_judged"), class_="none"), tag("br"), cases])
    low, high = (round(100 * share) for share in found.precision_range)
    of = found.confirmed + found.rejected
    words = view.t("of_judged", right=found.confirmed, of=of, low=low, high=high)
    range_ = tag("i", style=f"margin-left:{low}%;width:{max(1, high - low)}%")
    parts: list[object] = [tag("b", words), tag("span", range_, class_="range"), cases]
    if found.few:
        parts.insert(1, tag("small", view.t("too_few"), class_="warn"))
    return tag("div", *parts, class_="share")


def _counts(view: View, found: Figures) -> Markup:
    if not found.reasons:
        return tag("span", "-", class_="none")
    lines = [tag("li", f"{view.word(reason, 'reason_')}: {view.number(n)}") for reason, n in found.reasons.items()]
    return tag("ul", *lines)


def _unseen(view: View, found: Figures) -> Markup:
    """How long it saw nothing, by reason, and how long nobody heard of it."""
    lines = [
        f"{view.word(reason, 'blind_')}: {view.duration(seconds)}"
        for reason, seconds in found.blind_by_reason_s.items()
        if seconds >= _SHORT_S
    ]
    if found.offline_s is None:
        lines.append(view.t("never_heard"))
    elif found.offline_s >= _SHORT_S:
        lines.append(f"{view.t('away')}: {view.duration(found.offline_s)}")
    if found.armed_share is not None:
        lines.append(f"{view.t('armed')}: {view.number(round(100 * found.armed_share, 1))} %")
    return tag("ul", *(tag("li", line) for line in lines))


def _day(view: View, found: Figures) -> Markup:
    words = [f"{view.t('cases_count')}: {view.number(found.cases)}"]
    words += [
        f"{view.t(f'show_{verdict}')}: {view.number(count)}"
        for verdict, count in (("confirmed", found.confirmed), ("rejected", found.rejected), ("waiting", found.waiting))
        if count
    ]
    return tag("ul", *(tag("li", line) for line in words))
