"""The outages of one device, and how available it was."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.bar_chart import Stretch, state_band
from api.console.parts.chart import ChartRange
from api.console.parts.markup import join, link, table, tag
from api.console.parts.outage_words import UNITS, current_period, current_shares, outage_words, period_cells
from api.queries.outages import DeviceOutages, OutageFilter, find_outages, newest_first
from city.inventory.model import Device
from ingest.store.views.outages import Outage

BACK: Final = timedelta(days=7)
SHOWN: Final = 10


def outage_panel(page: PageContext, device: Device, range_: ChartRange) -> Markup:
    """The states of a range, the availability today, in this week and in this month, and the outages of 7 days."""
    now = page.context.clock()
    start = min(now - BACK, current_period(page, "month", now)[0])
    (listed,) = find_outages(page.context, OutageFilter(start, now, device=device.id))
    pairs = zip((page.t(f"this_{unit}") for unit in UNITS), current_shares(page, listed, now), strict=True)
    shares = tag("dl", *(join([tag("dt", name), tag("dd", share)]) for name, share in pairs), class_="facts")
    recent = [outage for outage in newest_first([listed]) if outage.until(now) > now - BACK][:SHOWN]
    parts = [tag("h2", page.t("outages")), _band(page, listed, range_, now), shares]
    if recent:
        names = [page.t(key) for key in ("outage_what", "outage_from", "outage_to", "outage_length")]
        rows = [[outage_words(page, outage), *period_cells(page, outage, now)] for outage in recent]
        parts.append(table(names, rows, keys=[outage.start.isoformat() for outage in recent]))
    else:
        key = "no_outages_known" if listed.known_since is None else "no_outages_week"
        parts.append(tag("p", page.t(key), class_="empty"))
    parts.append(tag("p", link(f"/outages?kind={device.KIND}", page.t("all_outages"))))
    return join(parts)


def _band(page: PageContext, listed: DeviceOutages, range_: ChartRange, now: datetime) -> Markup:
    """Connected, or out, or unknown; what is drawn later lies above."""
    since = listed.known_since
    stretches = [Stretch(now - range_.length, now, "unknown", page.t("state_unknown"))]
    if since is not None and since < now:
        stretches.append(Stretch(max(since, now - range_.length), now, "good", page.t("state_connected")))
    stretches += [Stretch(start, end, "unknown", page.t("state_unheard")) for start, end in listed.unheard]
    stretches += [
        Stretch(outage.start, outage.until(now), outage.outage, _stretch_words(page, outage, now))
        for outage in listed.outages
    ]
    shown = [stretch for stretch in stretches if stretch.end > now - range_.length and stretch.start < now]
    return state_band(page, page.t("state_history"), shown, range_, now)


def _stretch_words(page: PageContext, outage: Outage, now: datetime) -> str:
    start, end, length = period_cells(page, outage, now)
    words = page.t("outage_lasts") if outage.end is None else end
    return f"{page.t(f'outage_{outage.outage}')}: {start} - {words} ({length})"
