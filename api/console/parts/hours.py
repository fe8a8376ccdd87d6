"""The dumping hours of a site: what applies now, until when, and exceptions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, tag
from city.inventory.windows import DumpingHours

AHEAD: Final = timedelta(days=60)
"""Exceptions further ahead are not shown."""


def hours_box(page: PageContext, site: str) -> Markup:
    """The dumping hours of a site, with their current state and next exceptions."""
    hours, now = page.context.city.hours_at(site), page.context.clock()
    weekly = join([tag("dt", page.t("every_week")), tag("dd", page.hours(hours.describe()))])
    exceptions = [tag("div", line) for line in _exceptions(page, hours, now)]
    if exceptions:
        weekly = join([weekly, tag("dt", page.t("exceptions")), tag("dd", *exceptions)])
    heading = tag("h2", page.t("dumping_hours"))
    return join([heading, tag("p", hours_now(page, hours, now), class_="now"), tag("dl", weekly, class_="facts")])


def hours_now(page: PageContext, hours: DumpingHours, now: datetime) -> str:
    """Whether waste may be put out at a time, and until when."""
    zone = page.context.city.time_zone
    allowed, change = hours.allows(now, zone), hours.next_change(now, zone)
    if change is None:
        return page.t("allowed_always" if allowed else "forbidden_always")
    return page.t("allowed_now" if allowed else "forbidden_now", time=page.time(change))


def _exceptions(page: PageContext, hours: DumpingHours, now: datetime) -> list[str]:
    today = now.astimezone(page.context.city.time_zone).date()
    months = page.t("months").split()
    return [
        f"{day.day} {months[day.month - 1]} {day.year}: "
        + page.hours(f" {page.t('and')} ".join(map(str, windows)) or "closed")
        for day, windows in sorted(hours.exceptions.items())
        if today <= day <= today + AHEAD
    ]
