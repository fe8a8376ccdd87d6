"""The outages of one device, and how available it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, link, table, tag
from api.console.parts.outage_words import UNITS, current_period, current_shares, outage_words, period_cells
from api.queries.outages import OutageFilter, find_outages, newest_first
from city.inventory.model import Device

BACK: Final = timedelta(days=7)
SHOWN: Final = 10


def outage_panel(page: PageContext, device: Device) -> Markup:
    """The availability today, in this week and in this month, and the outages of the last 7 days."""
    now = page.context.clock()
    start = min(now - BACK, current_period(page, "month", now)[0])
    (listed,) = find_outages(page.context, OutageFilter(start, now, device=device.id))
    pairs = zip((page.t(f"this_{unit}") for unit in UNITS), current_shares(page, listed, now), strict=True)
    shares = tag("dl", *(join([tag("dt", name), tag("dd", share)]) for name, share in pairs), class_="facts")
    recent = [outage for outage in newest_first([listed]) if outage.until(now) > now - BACK][:SHOWN]
    parts = [tag("h2", page.t("outages")), shares]
    if recent:
        names = [page.t(key) for key in ("outage_what", "outage_from", "outage_to", "outage_length")]
        rows = [[outage_words(page, outage), *period_cells(page, outage, now)] for outage in recent]
        parts.append(table(names, rows, keys=[outage.start.isoformat() for outage in recent]))
    else:
        key = "no_outages_known" if listed.known_since is None else "no_outages_week"
        parts.append(tag("p", page.t(key), class_="empty"))
    parts.append(tag("p", link(f"/outages?kind={device.KIND}", page.t("all_outages"))))
    return join(parts)
