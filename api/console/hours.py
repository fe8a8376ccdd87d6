"""The dumping hours of a site as people ask for them: what holds now, until when, and which dates are different."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from api.console.markup import Markup, join, tag
from api.console.view import View
from city.windows import DumpingHours

AHEAD: Final = timedelta(days=60)
"""Exceptions further ahead are nobody's plan yet."""


def hours_box(view: View, site: str) -> Markup:
    """The hours in force at a site and their next change."""
    hours, now = view.context.city.hours_at(site), view.context.clock()
    weekly = join([tag("dt", view.t("every_week")), tag("dd", view.hours(hours.describe()))])
    exceptions = [tag("div", line) for line in _exceptions(view, hours, now)]
    if exceptions:
        weekly = join([weekly, tag("dt", view.t("exceptions")), tag("dd", *exceptions)])
    heading = tag("h2", view.t("dumping_hours"))
    return join([heading, tag("p", hours_now(view, hours, now), class_="now"), tag("dl", weekly, class_="facts")])


def hours_now(view: View, hours: DumpingHours, now: datetime) -> str:
    """Whether waste may be put out at a moment, and until when that holds."""
    zone = view.context.city.time_zone
    allowed, change = hours.allows(now, zone), hours.next_change(now, zone)
    if change is None:
        return view.t("allowed_always" if allowed else "forbidden_always")
    return view.t("allowed_now" if allowed else "forbidden_now", time=view.time(change))


def _exceptions(view: View, hours: DumpingHours, now: datetime) -> list[str]:
    today = now.astimezone(view.context.city.time_zone).date()
    months = view.t("months").split()
    return [
        f"{day.day} {months[day.month - 1]} {day.year}: "
        + view.hours(f" {view.t('and')} ".join(map(str, windows)) or "closed")
        for day, windows in sorted(hours.exceptions.items())
        if today <= day <= today + AHEAD
    ]
