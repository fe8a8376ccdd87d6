"""Device lists, filtered and paginated on the server; the filter is in the URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import ceil
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.forms import pager, select
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.queries.device_states import device_states, state_word
from api.queries.url_filter import read_page, read_texts, write_query
from broker.contract.topics import Kind
from city.inventory.model import AccessPoint, Bin, Device, Truck
from ingest.store.port import Latest
from ingest.store.views.device_condition import FILLING_PCT, FULL_PCT, DeviceCondition, number
from ingest.store.views.device_state import DeviceState

ROWS: Final = 25
STATES: Final[dict[Kind, tuple[str, ...]]] = {
    "bin": ("fire", "full", "tilted", "unmeasured", "silent", "filling", "ok", "unknown"),
    "truck": ("panic", "broken", "silent", "working", "on_route", "parked", "unknown"),
    "ap": ("down", "slow", "crowded", "up", "unknown"),
    "camera": ("blind", "silent", "watching", "unknown"),
}
"""The states that a list shows and filters by, per kind, the worst first."""
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
    def of(cls, query: Mapping[str, str]) -> DeviceFilter:
        """The filter of query parameters; invalid values are ignored."""
        return cls(**read_texts(query, ("kelurahan", "state", "q", "order")), page=read_page(query))

    def address(self, kind: Kind, page: int) -> str:
        """The URL of another page with the same filter."""
        given = {"kelurahan": self.kelurahan, "state": self.state, "q": self.q, "order": self.order}
        return f"/devices/{kind}?{write_query(given, page)}"


def build(page: PageContext, screen: Screen, kind: Kind, query: Mapping[str, str]) -> None:
    """Add filters and list to the page; the list is live."""
    filter_ = DeviceFilter.of(query)
    screen.show(lambda: _filters(page, kind, filter_), "filters-box")
    screen.live("list", (kind,), lambda: _list(page, kind, filter_), "list-box", every_s=3.0)
    screen.show(_downloads(page, kind))


def _downloads(page: PageContext, kind: Kind) -> Markup:
    """Links to all devices of the kind as CSV and GeoJSON, without the filter."""
    table_ = link(f"/api/v1/export/devices.csv?kind={kind}&bom=true", page.t("download_csv"), download=True)
    places = link(f"/api/v1/export/devices.geojson?kind={kind}", page.t("download_geojson"), download=True)
    return tag("p", page.t("download_all"), " ", table_, " ", places, class_="downloads")


def _list(page: PageContext, kind: Kind, filter_: DeviceFilter) -> Markup:
    now = page.context.clock()
    states = [state for state in device_states(page.context, kind=kind) if matches(page, filter_, state)]
    states.sort(key=_order(filter_))
    pages = max(1, ceil(len(states) / ROWS))
    page_number = min(filter_.page, pages)
    cut = states[(page_number - 1) * ROWS : page_number * ROWS]
    if not cut:
        return tag("p", page.t("nothing"), class_="empty")
    rows = [_row(page, state, now) for state in cut]
    count = tag("p", page.plural("found", len(states)), class_="found", role="status")
    return join(
        [
            count,
            table(_headings(page, kind), rows, keys=[state.device.id for state in cut]),
            pager(page, partial(filter_.address, kind), page_number, pages),
        ]
    )


def matches(page: PageContext, filter_: DeviceFilter, state: DeviceState) -> bool:
    """Whether a device matches the filter."""
    device = state.device
    if filter_.kelurahan and device.kelurahan != filter_.kelurahan:
        return False
    if filter_.state and state_word(state.condition) != filter_.state:
        return False
    return filter_.q.casefold() in " ".join(_names(page, device)).casefold()


def _names(page: PageContext, device: Device) -> list[str]:
    """Everything by which people look for a device."""
    city = page.context.city
    site, kelurahan = city.sites.get(device.site), city.kelurahan.get(device.kelurahan)
    names = [device.id, site.name if site else "", kelurahan.name if kelurahan else device.kelurahan]
    names += [device.plate] if isinstance(device, Truck) else []
    names += device.ssids if isinstance(device, AccessPoint) else ()
    return names


def _order(filter_: DeviceFilter) -> Callable[[DeviceState], tuple[float, float, float, str]]:
    """By urgency and fill level, unless the address asks for fill level or name alone."""

    def by(state: DeviceState) -> tuple[float, float, float, str]:
        fill = number(state.latest, "fill_pct") if filter_.order != "name" else None
        urgency = rank = 0
        if not filter_.order:
            urgency = -state.condition.severity
            rank = STATES[state.device.KIND].index(state_word(state.condition))
        return urgency, rank, 1.0 if fill is None else -fill, state.device.id

    return by


def _headings(page: PageContext, kind: Kind) -> list[str]:
    about = {"bin": ("kelurahan", "waste_kind"), "truck": ("plate",), "ap": ("site_name",), "camera": ("site_name",)}
    return [page.t(key) for key in ("device", *about[kind], *FIELDS[kind], "state", "heard")]


def _row(page: PageContext, state: DeviceState, now: datetime) -> list[object]:
    device, latest = state.device, state.latest
    fields = [_cell(page, field, latest) for field in FIELDS[device.KIND]]
    heard = page.age(latest.received_at if latest else None, now)
    badge = condition_badge(page, state.condition)
    return [link(f"/device/{device.id}", device.id), *_about(page, device), *fields, badge, heard]


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
    filled = tag("rect", width=f"{max(0.0, min(100.0, fill_pct)):.0f}%", height="100%")
    bar = tag("svg", filled, class_=f"bar {level}", aria_hidden="true")
    return join([bar, tag("span", words)], " ")


def condition_badge(page: PageContext, condition: DeviceCondition) -> Markup:
    """A condition as a badge, coloured by how urgent it is."""
    return tag("span", page.t(f"is_{state_word(condition)}"), class_=f"state severity-{condition.severity}")


def _filters(page: PageContext, kind: Kind, filter_: DeviceFilter) -> Markup:
    names = sorted(
        ((kelurahan.id, kelurahan.name) for kelurahan in page.context.city.kelurahan.values()), key=lambda pair: pair[1]
    )
    anything = ("", page.t("all"))
    states = [(state, page.t(f"is_{state}")) for state in STATES[kind]]
    parts = [
        select("kelurahan", page.t("kelurahan"), [anything, *names], filter_.kelurahan) if kind != "truck" else None,
        select("state", page.t("state"), [anything, *states], filter_.state),
        _search(page, filter_),
    ]
    orders = [("", page.t("by_urgency")), ("name", page.t("by_name"))]
    orders += [("fill", page.t("by_fill"))] if kind == "bin" else []
    parts.append(select("order", page.t("order"), orders, filter_.order))
    return tag("form", *parts, tag("button", page.t("show")), method="get", action=f"/devices/{kind}", class_="filters")


def _search(page: PageContext, filter_: DeviceFilter) -> Markup:
    box = tag("input", type="search", name="q", value=filter_.q, maxlength=80)
    return tag("label", page.t("search"), box)
