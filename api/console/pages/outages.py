"""The page of outages: availability of hotspots, cameras and trucks, the worst first, and every outage as a period."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, get_args
from urllib.parse import urlencode

import msgspec
from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.forms import select
from api.console.parts.markup import join, link, table, tag
from api.console.parts.outage_words import (
    UNITS,
    current_period,
    current_shares,
    outage_words,
    period_cells,
    share_words,
)
from api.console.parts.screen import Screen
from api.queries.outages import (
    DeviceOutages,
    OutageDeviceKind,
    OutageFilter,
    find_outages,
    newest_first,
    sort_worst_first,
)
from api.queries.url_filter import read_texts, write_query
from city.inventory.model import Device
from ingest.store.views.device_condition import name_of
from ingest.store.views.outages import Availability, OutageKind

DAYS: Final = (1, 7, 30, 90)
DEVICES_SHOWN: Final = 20
OUTAGES_SHOWN: Final = 50
FILTERS: Final = ("kind", "kelurahan", "site", "outage", "days", "all")


def build(page: PageContext, screen: Screen, query: Mapping[str, str]) -> None:
    """Add filters, the table of devices and the list of outages; both are live."""
    wanted = read_texts(query, FILTERS)
    screen.show(tag("p", page.t("outages_intro"), class_="intro"))
    screen.show(lambda: _filters(page, wanted), "filters-box")
    screen.live("outages", ("ap", "camera", "truck"), lambda: _lists(page, wanted), "list-box", every_s=30.0)
    screen.show(lambda: _downloads(page, wanted))


def filter_of(page: PageContext, wanted: Mapping[str, str]) -> OutageFilter:
    """The outages that an address asks for; what it cannot mean is left out."""
    end = page.context.clock()
    days = next((days for days in DAYS if wanted["days"] == str(days)), 7)
    kind: OutageDeviceKind | None = next((kind for kind in get_args(OutageDeviceKind) if kind == wanted["kind"]), None)
    outage: OutageKind | None = next((known for known in get_args(OutageKind) if known == wanted["outage"]), None)
    start = end - timedelta(days=days)
    return OutageFilter(start, end, kind, "", wanted["kelurahan"], wanted["site"], outage)


def _filters(page: PageContext, wanted: Mapping[str, str]) -> Markup:
    city, anything = page.context.city, ("", page.t("all"))
    kinds = [(kind, page.t(kind)) for kind in get_args(OutageDeviceKind)]
    outages = [(outage, page.t(f"outage_{outage}")) for outage in get_args(OutageKind)]
    kelurahan = sorted(((place.id, place.name) for place in city.kelurahan.values()), key=lambda pair: pair[1])
    used = {device.site for device in city.devices.values() if device.KIND in get_args(OutageDeviceKind)}
    sites = sorted(((s.id, s.name) for s in city.sites.values() if s.id in used), key=lambda pair: pair[1])
    lengths = [(str(days), page.plural("last_days", days)) for days in DAYS]
    return tag(
        "form",
        select("kind", page.t("kind"), [anything, *kinds], wanted["kind"]),
        select("kelurahan", page.t("kelurahan"), [anything, *kelurahan], wanted["kelurahan"]),
        select("site", page.t("site_name"), [anything, *sites], wanted["site"]),
        select("outage", page.t("outage_what"), [anything, *outages], wanted["outage"]),
        select("days", page.t("outage_period"), lengths, wanted["days"] or "7"),
        tag("button", page.t("show")),
        method="get",
        action="/outages",
        class_="filters",
    )


def _lists(page: PageContext, wanted: Mapping[str, str]) -> Markup:
    request_filter = filter_of(page, wanted)
    # This month is shown as well, which may have begun before the range.
    start = min(request_filter.start, current_period(page, "month", request_filter.end)[0])
    listed = find_outages(page.context, msgspec.structs.replace(request_filter, start=start))
    rows = sort_worst_first(listed, (request_filter.start, request_filter.end))
    return join([_devices(page, rows, wanted, request_filter.end), _outages(page, listed, request_filter)])


def _devices(
    page: PageContext, rows: list[tuple[DeviceOutages, Availability]], wanted: Mapping[str, str], now: datetime
) -> Markup:
    """The availability of each device, the least available first."""
    heading = tag("h2", page.t("availability"))
    if not rows:
        return join([heading, tag("p", page.t("nothing"), class_="empty")])
    headings = ["device", "place", "outage_range", "outage_times", "outage_out", "outage_longest"]
    shown = rows if wanted["all"] else rows[:DEVICES_SHOWN]
    cells = [_device_row(page, outages, known, now) for outages, known in shown]
    names = [page.t(key) for key in headings] + [page.t(f"this_{unit}") for unit in UNITS]
    body: list[Markup] = [heading, table(names, cells, keys=[outages.device.id for outages, _ in shown])]
    if len(shown) < len(rows):
        address = f"/outages?{write_query({**wanted, 'all': 'yes'}, 1)}"
        body.append(tag("nav", link(address, page.plural("show_all_devices", len(rows))), class_="pager"))
    return join(body)


def _device_row(page: PageContext, outages: DeviceOutages, known: Availability, now: datetime) -> list[object]:
    device, nothing = outages.device, known.share is None
    times = page.number(known.times) if not nothing else "–"  # noqa: RUF001 - an en dash
    return [
        link(f"/device/{device.id}", name_of(device)),
        _place(page, device),
        share_words(page, known),
        times,
        page.length(known.out_s) if known.out_s else "–",  # noqa: RUF001
        page.length(known.longest_s) if known.longest_s else "–",  # noqa: RUF001
        *current_shares(page, outages, now),
    ]


def _place(page: PageContext, device: Device) -> str:
    city = page.context.city
    site, kelurahan = city.sites.get(device.site), city.kelurahan.get(device.kelurahan)
    names = (site.name if site else "", kelurahan.name if kelurahan else device.kelurahan)
    return ", ".join(dict.fromkeys(name for name in names if name)) or page.t(device.KIND)


def _outages(page: PageContext, listed: list[DeviceOutages], request_filter: OutageFilter) -> Markup:
    heading = tag("h2", page.t("outages"))
    outages = [outage for outage in newest_first(listed) if outage.until(request_filter.end) > request_filter.start]
    if not outages:
        return join([heading, tag("p", page.t("no_outages"), class_="empty")])
    outages.sort(key=lambda outage: outage.end is not None)
    lasting = sum(outage.end is None for outage in outages)
    words = page.plural("outages_found", len(outages), lasting=page.number(lasting))
    rows = [
        [
            link(f"/device/{outage.device}", name_of(page.context.city.devices[outage.device])),
            _place(page, page.context.city.devices[outage.device]),
            outage_words(page, outage),
            *period_cells(page, outage, request_filter.end),
        ]
        for outage in outages[:OUTAGES_SHOWN]
    ]
    names = [page.t(key) for key in ("device", "place", "outage_what", "outage_from", "outage_to", "outage_length")]
    keys = [f"{outage.device}-{outage.outage}-{outage.start.isoformat()}" for outage in outages[:OUTAGES_SHOWN]]
    return join([heading, tag("p", words, class_="found", role="status"), table(names, rows, keys=keys)])


def _downloads(page: PageContext, wanted: Mapping[str, str]) -> Markup:
    request_filter = filter_of(page, wanted)
    texts = {name: wanted[name] for name in ("kind", "kelurahan", "site", "outage") if wanted[name]}
    query = {**texts, "from": request_filter.start.isoformat(timespec="seconds"), "bom": "true"}
    outages = link(f"/api/v1/export/outages.csv?{urlencode(query)}", page.t("download_outages"), download=True)
    shares = [
        link(
            f"/api/v1/export/availability.csv?{urlencode({**query, 'unit': unit})}",
            page.t(f"download_availability_{unit}"),
            download=True,
        )
        for unit in UNITS
    ]
    print_ = tag("button", page.t("print"), type="button", data_print=True, class_="quiet")
    return tag("p", join([outages, *shares, print_], " "), class_="downloads")
