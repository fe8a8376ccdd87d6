"""Device lists, filtered, sorted and paginated on the server; filter and order are in the address."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from math import ceil
from typing import Final
from urllib.parse import urlencode

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.device_columns import (
    STATES,
    DeviceRow,
    ListColumn,
    columns_of,
    rows_of,
    sorting,
    urgency,
)
from api.console.parts.forms import Choice, pager, select
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.queries.device_states import device_states, state_word
from api.queries.spreadsheet import escape_formula
from api.queries.url_filter import read_page, read_texts, write_query
from broker.contract.topics import Kind
from city.inventory.model import AccessPoint, Bin, Device, Truck
from ingest.store.views.device_state import DeviceState

ROWS: Final = 25
WASTE_KINDS: Final = ("organic", "non_organic")
FALLING: Final = "-"
"""Before the name of a column: the largest first."""
_TEXTS: Final = ("kelurahan", "site", "state", "waste", "ssid", "q", "sort")


@dataclass(frozen=True)
class DeviceFilter:
    """The filter of a device list, from the URL. Empty texts match everything; `page` counts from 1.

    `sort` is the key of a column, after `FALLING` with the largest first; empty: by urgency.
    """

    kelurahan: str = ""
    site: str = ""
    state: str = ""
    waste: str = ""
    ssid: str = ""
    q: str = ""
    sort: str = ""
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> DeviceFilter:
        """The filter of query parameters; invalid values are ignored."""
        return cls(**read_texts(query, _TEXTS), page=read_page(query))

    @property
    def texts(self) -> dict[str, str]:
        """The parameters of the address that are not empty."""
        return {name: value for name in _TEXTS if (value := getattr(self, name))}

    def address(self, kind: Kind, page: int) -> str:
        """The URL of another page with the same filter."""
        return f"/devices/{kind}?{write_query(self.texts, page)}"


def build(page: PageContext, screen: Screen, kind: Kind, query: Mapping[str, str]) -> None:
    """Add filters and list to the page; the list is live."""
    filter_ = DeviceFilter.of(query)
    screen.show(lambda: _filters(page, kind, filter_), "filters-box")
    screen.live("list", (kind,), lambda: _list(page, kind, filter_), "list-box", every_s=3.0)
    screen.show(lambda: _downloads(page, kind, filter_))


def _downloads(page: PageContext, kind: Kind, filter_: DeviceFilter) -> Markup:
    """Links to what the list shows as CSV, and to all devices of the kind."""
    shown = link(f"/devices/{kind}.csv?{urlencode(filter_.texts)}", page.t("download_list"), download=True)
    print_ = tag("button", page.t("print"), type="button", data_print=True, class_="quiet")
    table_ = link(f"/api/v1/export/devices.csv?kind={kind}&bom=true", page.t("download_csv"), download=True)
    places = link(f"/api/v1/export/devices.geojson?kind={kind}", page.t("download_geojson"), download=True)
    return tag("p", shown, " ", print_, " ", page.t("download_all"), " ", table_, " ", places, class_="downloads")


def find(page: PageContext, kind: Kind, filter_: DeviceFilter) -> list[DeviceRow]:
    """The devices that match, in the order that is asked for."""
    states = device_states(page.context, kind=kind)
    rows = rows_of(page, (state for state in states if matches(page, filter_, state)))
    rows.sort(key=urgency)
    key = filter_.sort.removeprefix(FALLING)
    column = next((column for column in columns_of(kind) if column.key == key), None)
    if column:
        is_falling = filter_.sort.startswith(FALLING)
        rows.sort(key=sorting(page, column, is_falling=is_falling), reverse=is_falling)
    return rows


def write_csv(page: PageContext, kind: Kind, filter_: DeviceFilter) -> Iterator[str]:
    """What the list shows, on all of its pages, as CSV with a mark for spreadsheet programs. Times are local."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    yield "\ufeff"
    columns = columns_of(kind)
    writer.writerow([page.word(column.key) for column in columns])
    for row in find(page, kind, filter_):
        writer.writerow([_file_cell(page, column, row) for column in columns])
        if buffer.tell() > 1 << 16:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _file_cell(page: PageContext, column: ListColumn, row: DeviceRow) -> object:
    value = column.value(page, row)
    if isinstance(value, datetime):
        return value.astimezone(page.context.city.time_zone).isoformat(timespec="seconds")
    return "" if value is None else escape_formula(value)


def _list(page: PageContext, kind: Kind, filter_: DeviceFilter) -> Markup:
    rows = find(page, kind, filter_)
    pages = max(1, ceil(len(rows) / ROWS))
    page_number = min(filter_.page, pages)
    cut = rows[(page_number - 1) * ROWS : page_number * ROWS]
    if not cut:
        return tag("p", page.t("nothing"), class_="empty")
    columns = columns_of(kind)
    cells = [[column.html(page, row) for column in columns] for row in cut]
    count = tag("p", page.plural("found", len(rows)), class_="found", role="status")
    shown = table([_heading(page, kind, filter_, column) for column in columns], cells, keys=[row.id for row in cut])
    return join([count, shown, pager(page, partial(filter_.address, kind), page_number, pages)])


def _heading(page: PageContext, kind: Kind, filter_: DeviceFilter, column: ListColumn) -> Markup:
    """A heading that sorts by its column, the other way round if the list is sorted by it."""
    is_sorted = filter_.sort.removeprefix(FALLING) == column.key
    is_falling = filter_.sort.startswith(FALLING)
    wants_falling = not is_falling if is_sorted else column.is_falling
    wanted = replace(filter_, sort=f"{FALLING if wants_falling else ''}{column.key}")
    order = ("descending" if is_falling else "ascending") if is_sorted else None
    sorts = link(wanted.address(kind, 1), page.word(column.key), rel="nofollow", title=page.t("sort_by_this"))
    return tag("th", sorts, scope="col", aria_sort=order)


def matches(page: PageContext, filter_: DeviceFilter, state: DeviceState) -> bool:
    """Whether a device matches the filter."""
    device = state.device
    if any(
        wanted and wanted != known
        for wanted, known in (
            (filter_.kelurahan, device.kelurahan),
            (filter_.site, device.site),
            (filter_.state, state_word(state.condition) if filter_.state else ""),
            (filter_.waste, device.waste_kind if isinstance(device, Bin) else ""),
        )
    ):
        return False
    if filter_.ssid and filter_.ssid not in (device.ssids if isinstance(device, AccessPoint) else ()):
        return False
    return not filter_.q or filter_.q.casefold() in " ".join(names_of(page, device)).casefold()


def names_of(page: PageContext, device: Device) -> list[str]:
    """Everything by which people look for a device."""
    city = page.context.city
    site, kelurahan = city.sites.get(device.site), city.kelurahan.get(device.kelurahan)
    names = [device.id, site.name if site else "", kelurahan.name if kelurahan else device.kelurahan]
    names += [device.plate] if isinstance(device, Truck) else []
    names += device.ssids if isinstance(device, AccessPoint) else ()
    return names


def _filters(page: PageContext, kind: Kind, filter_: DeviceFilter) -> Markup:
    devices = [device for device in page.context.city.devices.values() if kind == device.KIND]
    states = [(state, page.t(f"is_{state}")) for state in STATES[kind]]
    wastes = [(waste, page.t(waste)) for waste in WASTE_KINDS] if kind == "bin" else []
    ssids = sorted({ssid for device in devices if isinstance(device, AccessPoint) for ssid in device.ssids})
    parts = [
        _choice(page, "kelurahan", _kelurahan(page, devices), filter_.kelurahan),
        _choice(page, "site", _sites(page, devices), filter_.site, label="site_name"),
        _choice(page, "state", states, filter_.state),
        _choice(page, "waste", wastes, filter_.waste, label="waste_kind"),
        _choice(page, "ssid", [(ssid, ssid) for ssid in ssids], filter_.ssid, label="ssids"),
        _search(page, filter_),
        select("sort", page.t("order"), _orders(page, kind, filter_), filter_.sort),
    ]
    return tag("form", *parts, tag("button", page.t("show")), method="get", action=f"/devices/{kind}", class_="filters")


def _choice(page: PageContext, name: str, choices: Sequence[Choice], chosen: str, label: str = "") -> Markup | None:
    """A select with a choice for everything; nothing where there is nothing to choose from."""
    if not choices:
        return None
    return select(name, page.t(label or name), [("", page.t("all")), *choices], chosen)


def _kelurahan(page: PageContext, devices: Iterable[Device]) -> list[Choice]:
    known = {device.kelurahan for device in devices}
    places = [(place.id, place.name) for place in page.context.city.kelurahan.values() if place.id in known]
    return sorted(places, key=lambda pair: pair[1])


def _sites(page: PageContext, devices: Iterable[Device]) -> list[Choice]:
    known = {device.site for device in devices}
    sites = [(site.id, site.name) for site in page.context.city.sites.values() if site.id in known]
    return sorted(sites, key=lambda pair: pair[1])


def _orders(page: PageContext, kind: Kind, filter_: DeviceFilter) -> list[Choice]:
    """The order by urgency, and one by each column; on a narrow screen there are no headings."""
    orders = [(f"{FALLING if column.is_falling else ''}{column.key}", column.key) for column in columns_of(kind)]
    choices = [("", page.t("by_urgency")), *((sort, page.t("by_column", name=page.word(key))) for sort, key in orders)]
    key = filter_.sort.removeprefix(FALLING)
    if key in dict(orders).values() and filter_.sort not in dict(orders):
        choices.append((filter_.sort, page.t("by_column_reverse", name=page.word(key))))
    return choices


def _search(page: PageContext, filter_: DeviceFilter) -> Markup:
    box = tag("input", type="search", name="q", value=filter_.q, maxlength=80)
    return tag("label", page.t("search"), box)
