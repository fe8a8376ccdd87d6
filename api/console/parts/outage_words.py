"""Outages in words: what was out, from when to when, for how long and why; and shares of availability."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, tag
from api.queries.outages import DeviceOutages, PeriodUnit, periods_between
from ingest.store.views.outages import Availability, Outage

UNITS: Final[tuple[PeriodUnit, ...]] = ("day", "week", "month")
_GOOD: Final = 0.99
_FAIR: Final = 0.95
"""Shares of availability below which a figure is marked."""


def outage_words(page: PageContext, outage: Outage) -> Markup:
    """What was out and why."""
    cause = page.t(f"outage_cause_{outage.cause}")
    if outage.cause == "scene" and outage.detail:
        cause = page.word(outage.detail, "blind_")
    elif outage.detail:
        cause = f"{cause}: {outage.detail}"
    return join([tag("b", page.t(f"outage_{outage.outage}")), tag("br"), tag("small", cause)])


def period_cells(page: PageContext, outage: Outage, now: datetime) -> list[object]:
    """Start, end and length of an outage, as cells of a table."""
    lasts = tag("span", page.t("outage_lasts"), class_="state severity-2")
    length_s = (outage.until(now) - outage.start).total_seconds()
    return [page.time(outage.start), page.time(outage.end) if outage.end else lasts, page.length(length_s)]


def share_words(page: PageContext, known: Availability) -> Markup:
    """A share of availability in percent, coloured if it is low; a dash if nothing is known."""
    if known.share is None:
        return tag("span", "–", class_="none", title=page.t("availability_unknown"))  # noqa: RUF001 - an en dash
    level = 0 if known.share >= _GOOD else 1 if known.share >= _FAIR else 2
    # What was out is not 100 %.
    percent = min(100 * known.share, 100.0 if known.out_s == 0 else 99.99)
    words = f"{page.number(percent, 0 if percent == 100 else 2)}\N{NO-BREAK SPACE}%"  # noqa: PLR2004 - per cent
    return tag("span", words, class_=f"share-{level}", title=page.t("availability_of", time=page.length(known.known_s)))


def current_shares(page: PageContext, outages: DeviceOutages, now: datetime) -> list[Markup]:
    """The availability of a device on this day, in this week and in this month."""
    return [share_words(page, outages.availability(current_period(page, unit, now))) for unit in UNITS]


def current_period(page: PageContext, unit: PeriodUnit, now: datetime) -> tuple[datetime, datetime]:
    """The local day, week or month in which a time lies."""
    (period,) = periods_between(unit, now, now + timedelta(microseconds=1), page.context.city.time_zone)
    return period
