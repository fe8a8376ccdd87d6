"""Device lists, filtered and paginated on the server; the filter is in the URL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import ceil
from typing import Final

from fastapi import Request
from markupsafe import Markup
from nicegui import ui

from api.console.page_context import PageContext
from api.console.parts.forms import pager, select
from api.console.parts.layout import replace, show
from api.console.parts.markup import join, link, table, tag
from api.queries.url_filter import read_page, read_texts, write_query
from api.schemas import current_values, device_connectivity, service_status
from broker.contract.topics import Kind
from city.inventory.model import Bin, Device, Truck
from ingest.store.port import Latest
from ingest.store.records import Connectivity
from ingest.store.views.device_condition import FILLING_PCT, FULL_PCT, number

ROWS: Final = 25
REFRESH_S: Final = 10.0
STATES: Final[tuple[Connectivity, ...]] = ("online", "offline", "sleeping", "unknown")
FIELDS: Final[dict[Kind, tuple[str, ...]]] = {
    "bin": ("fill_pct", "battery_pct"),
    "truck": ("speed_kmh", "fuel_pct", "odometer_km"),
    "ap": ("clients", "latency_ms"),
    "camera": ("scene", "fps"),
}
"""The fields of a list, per kind; a device's page shows all."""


@dataclass(frozen=True)
class DeviceFilter:
    """The filter of a device list, from the URL. Empty texts match everything; `page` counts from 1."""

    kelurahan: str = ""
    state: str = ""
    q: str = ""
    order: str = ""
    page: int = 1

    @classmethod
    def of(cls, request: Request) -> DeviceFilter:
        """The filter of a request; invalid values are ignored."""
        query = request.query_params
        return cls(**read_texts(query, ("kelurahan", "state", "q", "order")), page=read_page(query))

    def address(self, kind: Kind, page: int) -> str:
        """The URL of another page with the same filter."""
        given = {"kelurahan": self.kelurahan, "state": self.state, "q": self.q, "order": self.order}
        return f"/devices/{kind}?{write_query(given, page)}"


async def build(page: PageContext, kind: Kind, request: Request) -> None:
    """Add filters and list to the page and refresh the list."""
    filter_ = DeviceFilter.of(request)
    first = await asyncio.to_thread(_list, page, kind, filter_)
    show(_filters(page, kind, filter_), "filters-box")
    shown = show(first, "list-box")

    async def refresh() -> None:
        replace(shown, await asyncio.to_thread(_list, page, kind, filter_))

    ui.timer(REFRESH_S, refresh, immediate=False)
    show(_downloads(page, kind))


def _downloads(page: PageContext, kind: Kind) -> Markup:
    """Links to all devices of the kind as CSV and GeoJSON, without the filter."""
    table_ = link(f"/api/v1/export/devices.csv?kind={kind}&bom=true", page.t("download_csv"), download=True)
    places = link(f"/api/v1/export/devices.geojson?kind={kind}", page.t("download_geojson"), download=True)
    return tag("p", page.t("download_all"), " ", table_, " ", places, class_="downloads")


def _list(page: PageContext, kind: Kind, filter_: DeviceFilter) -> Markup:
    now = page.context.clock()
    latest = _current_values(page, kind, now)
    devices = [
        device
        for device in page.context.city.devices.values()
        if kind == device.KIND and matches(page, filter_, device, latest.get(device.id), now)
    ]
    devices.sort(key=_order(filter_, latest))
    pages = max(1, ceil(len(devices) / ROWS))
    page_number = min(filter_.page, pages)
    cut = devices[(page_number - 1) * ROWS : page_number * ROWS]
    if not cut:
        return tag("p", page.t("nothing"), class_="empty")
    rows = [_row(page, device, latest.get(device.id), now) for device in cut]
    count = tag("p", page.plural("found", len(devices)), class_="found", role="status")
    return join(
        [count, table(_headings(page, kind), rows), pager(page, partial(filter_.address, kind), page_number, pages)]
    )


def _current_values(page: PageContext, kind: Kind, now: datetime) -> dict[str, Latest]:
    context = page.context
    devices = context.city.devices
    current = (
        current_values(context, devices[known.device], known, now) if known.device in devices else known
        for known in context.reader.latest(kind=kind)
    )
    return {known.device: known for known in current if known}


def matches(page: PageContext, filter_: DeviceFilter, device: Device, latest: Latest | None, now: datetime) -> bool:
    """Whether a device matches the filter."""
    if filter_.kelurahan and device.kelurahan != filter_.kelurahan:
        return False
    if filter_.state and device_connectivity(page.context, device, latest, now) != filter_.state:
        return False
    site = page.context.city.sites.get(device.site)
    names = (device.id, site.name if site else "", device.plate if isinstance(device, Truck) else "")
    return filter_.q.casefold() in " ".join(names).casefold()


def _order(filter_: DeviceFilter, latest: dict[str, Latest]) -> Callable[[Device], tuple[float, str]]:
    def by(device: Device) -> tuple[float, str]:
        fill = number(latest.get(device.id), "fill_pct") if filter_.order == "fill" else None
        return (-1.0 if fill is None else fill) * -1, device.id

    return by


def _headings(page: PageContext, kind: Kind) -> list[str]:
    about = {"bin": ("kelurahan", "waste_kind"), "truck": ("plate",), "ap": ("site_name",), "camera": ("site_name",)}
    return [page.t(key) for key in ("device", *about[kind], *FIELDS[kind], "state", "heard")]


def _row(page: PageContext, device: Device, latest: Latest | None, now: datetime) -> list[object]:
    fields = [_cell(page, field, latest) for field in FIELDS[device.KIND]]
    state = _state(page, device, latest, now)
    heard = page.age(latest.received_at if latest else None, now)
    return [link(f"/device/{device.id}", device.id), *_about(page, device), *fields, state, heard]


def _about(page: PageContext, device: Device) -> list[object]:
    city = page.context.city
    if isinstance(device, Bin):
        kelurahan = city.kelurahan.get(device.kelurahan)
        kind = tag("span", page.t(device.waste_kind), class_=f"kind {device.color}")
        return [kelurahan.name if kelurahan else device.kelurahan, kind]
    if isinstance(device, Truck):
        return [device.plate]
    site = city.sites.get(device.site)
    return [site.name if site else device.site]


def _cell(page: PageContext, field: str, latest: Latest | None) -> object:
    field_value = latest.values.get(field) if latest else None
    if field_value is None:
        return tag("span", page.t("none"), class_="none")
    words = page.value(field, field_value.value)
    return fill_bar(float(field_value.value), words) if field == "fill_pct" else words


def fill_bar(fill_pct: float, words: str) -> Markup:
    """A fill level as a bar with its number."""
    level = "high" if fill_pct > FULL_PCT else "mid" if fill_pct >= FILLING_PCT else "low"
    bar = tag("span", tag("i", style=f"width:{min(100.0, fill_pct):.0f}%"), class_=f"bar {level}")
    return join([bar, tag("span", words)], " ")


def _state(page: PageContext, device: Device, latest: Latest | None, now: datetime) -> Markup:
    connectivity = device_connectivity(page.context, device, latest, now)
    shown = state_badge(page, connectivity)
    if isinstance(device, Truck) and connectivity == "online":
        shown = state_badge(page, service_status(device, latest, connectivity))
    return shown


def state_badge(page: PageContext, state: str) -> Markup:
    """A state as a coloured badge."""
    return tag("span", page.t(state), class_=f"state {state}")


def _filters(page: PageContext, kind: Kind, filter_: DeviceFilter) -> Markup:
    names = sorted(
        ((kelurahan.id, kelurahan.name) for kelurahan in page.context.city.kelurahan.values()), key=lambda pair: pair[1]
    )
    anything = ("", page.t("all"))
    states = [(state, page.t(state)) for state in STATES]
    parts = [
        select("kelurahan", page.t("kelurahan"), [anything, *names], filter_.kelurahan) if kind != "truck" else None,
        select("state", page.t("state"), [anything, *states], filter_.state),
        _search(page, filter_),
    ]
    if kind == "bin":
        orders = [("", page.t("by_name")), ("fill", page.t("by_fill"))]
        parts.append(select("order", page.t("order"), orders, filter_.order))
    return tag("form", *parts, tag("button", page.t("show")), method="get", action=f"/devices/{kind}", class_="filters")


def _search(page: PageContext, filter_: DeviceFilter) -> Markup:
    box = tag("input", type="search", name="q", value=filter_.q, maxlength=80)
    return tag("label", page.t("search"), box)
