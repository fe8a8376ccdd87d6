"""Lists of devices: filtered and cut to a page on the server, the question kept in the address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import ceil
from typing import Final
from urllib.parse import urlencode

from fastapi import Request
from nicegui import ui

from api.console.forms import pager, select
from api.console.frame import show
from api.console.markup import Markup, join, link, table, tag
from api.console.view import View
from api.shapes import device_connectivity, service_status
from broker.contract.topics import Kind
from city.model import Bin, Device, Truck
from ingest.store.device_condition import FILLING_PCT, FULL_PCT, number
from ingest.store.port import Latest
from ingest.store.records import Connectivity

ROWS: Final = 25
REFRESH_S: Final = 10.0
STATES: Final[tuple[Connectivity, ...]] = ("online", "offline", "sleeping", "unknown")
FIELDS: Final[dict[Kind, tuple[str, ...]]] = {
    "bin": ("fill_pct", "battery_pct"),
    "truck": ("speed_kmh", "fuel_pct", "odometer_km"),
    "ap": ("clients", "latency_ms"),
    "camera": ("scene", "fps"),
}
"""The measures a list shows; the page of a device has the rest."""


@dataclass(frozen=True)
class Question:
    """What the address asks for; empty texts leave a filter open, `page` counts from 1."""

    kelurahan: str = ""
    state: str = ""
    q: str = ""
    order: str = ""
    page: int = 1

    @classmethod
    def of(cls, request: Request) -> Question:
        """Read it from an address; what makes no sense is left open."""
        asked = {name: request.query_params.get(name, "").strip()[:80] for name in ("kelurahan", "state", "q", "order")}
        page = request.query_params.get("page", "1")
        return cls(**asked, page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 6 else 1)  # noqa: PLR2004 - digits

    def address(self, kind: Kind, page: int) -> str:
        """The address of another page of the same list."""
        given = {"kelurahan": self.kelurahan, "state": self.state, "q": self.q, "order": self.order}
        return f"/devices/{kind}?" + urlencode({**{k: v for k, v in given.items() if v}, "page": page})


async def build(view: View, kind: Kind, request: Request) -> None:
    """Put the filters and the list on the page and keep the list fresh."""
    question = Question.of(request)
    first = await asyncio.to_thread(_list, view, kind, question)
    show(_filters(view, kind, question), "filters-box")
    shown = show(first, "list-box")

    async def refresh() -> None:
        shown.set_content(await asyncio.to_thread(_list, view, kind, question))

    ui.timer(REFRESH_S, refresh, immediate=False)
    show(_downloads(view, kind))


def _downloads(view: View, kind: Kind) -> Markup:
    """All devices of the kind, for spreadsheets and maps; filters do not narrow it."""
    table_ = link(f"/api/v1/export/devices.csv?kind={kind}&bom=true", view.t("download_csv"), download=True)
    places = link(f"/api/v1/export/devices.geojson?kind={kind}", view.t("download_geojson"), download=True)
    return tag("p", view.t("download_all"), " ", table_, " ", places, class_="downloads")


def _list(view: View, kind: Kind, question: Question) -> Markup:
    now = view.context.clock()
    latest = {one.device: one for one in view.context.reader.latest(kind=kind)}
    found = [
        device
        for device in view.context.city.devices.values()
        if kind == device.KIND and matches(view, question, device, latest.get(device.id), now)
    ]
    found.sort(key=_order(question, latest))
    pages = max(1, ceil(len(found) / ROWS))
    page = min(question.page, pages)
    cut = found[(page - 1) * ROWS : page * ROWS]
    if not cut:
        return tag("p", view.t("nothing"), class_="empty")
    rows = [_row(view, device, latest.get(device.id), now) for device in cut]
    count = tag("p", view.t("found", n=len(found)), class_="found", role="status")
    return join([count, table(_headings(view, kind), rows), pager(view, partial(question.address, kind), page, pages)])


def matches(view: View, question: Question, device: Device, latest: Latest | None, now: datetime) -> bool:
    """Whether a device is among those asked for."""
    if question.kelurahan and device.kelurahan != question.kelurahan:
        return False
    if question.state and device_connectivity(view.context, device, latest, now) != question.state:
        return False
    site = view.context.city.sites.get(device.site)
    names = (device.id, site.name if site else "", device.plate if isinstance(device, Truck) else "")
    return question.q.casefold() in " ".join(names).casefold()


def _order(question: Question, latest: dict[str, Latest]) -> Callable[[Device], tuple[float, str]]:
    def by(device: Device) -> tuple[float, str]:
        fill = number(latest.get(device.id), "fill_pct") if question.order == "fill" else None
        return (-1.0 if fill is None else fill) * -1, device.id

    return by


def _headings(view: View, kind: Kind) -> list[str]:
    about = {"bin": ("kelurahan", "waste_kind"), "truck": ("plate",), "ap": ("site_name",), "camera": ("site_name",)}
    return [view.t(key) for key in ("device", *about[kind], *FIELDS[kind], "state", "heard")]


def _row(view: View, device: Device, latest: Latest | None, now: datetime) -> list[object]:
    fields = [_cell(view, field, latest) for field in FIELDS[device.KIND]]
    state = _state(view, device, latest, now)
    heard = view.age(latest.received_at if latest else None, now)
    return [link(f"/device/{device.id}", device.id), *_about(view, device), *fields, state, heard]


def _about(view: View, device: Device) -> list[object]:
    city = view.context.city
    if isinstance(device, Bin):
        kelurahan = city.kelurahan.get(device.kelurahan)
        kind = tag("span", view.t(device.waste_kind), class_=f"kind {device.color}")
        return [kelurahan.name if kelurahan else device.kelurahan, kind]
    if isinstance(device, Truck):
        return [device.plate]
    site = city.sites.get(device.site)
    return [site.name if site else device.site]


def _cell(view: View, field: str, latest: Latest | None) -> object:
    found = latest.values.get(field) if latest else None
    if found is None:
        return tag("span", view.t("none"), class_="none")
    words = view.value(field, found.value)
    return fill_bar(float(found.value), words) if field == "fill_pct" else words


def fill_bar(fill_pct: float, words: str) -> Markup:
    """A fill level as a bar with its number beside it."""
    level = "high" if fill_pct > FULL_PCT else "mid" if fill_pct >= FILLING_PCT else "low"
    bar = tag("span", tag("i", style=f"width:{min(100.0, fill_pct):.0f}%"), class_=f"bar {level}")
    return join([bar, tag("span", words)], " ")


def _state(view: View, device: Device, latest: Latest | None, now: datetime) -> Markup:
    connected = device_connectivity(view.context, device, latest, now)
    shown = state_badge(view, connected)
    if isinstance(device, Truck) and connected == "online":
        shown = state_badge(view, service_status(device, latest, connected))
    return shown


def state_badge(view: View, state: str) -> Markup:
    """A state in words on its colour."""
    return tag("span", view.t(state), class_=f"state {state}")


def _filters(view: View, kind: Kind, question: Question) -> Markup:
    names = sorted(((one.id, one.name) for one in view.context.city.kelurahan.values()), key=lambda pair: pair[1])
    anything = ("", view.t("all"))
    states = [(one, view.t(one)) for one in STATES]
    parts = [
        select("kelurahan", view.t("kelurahan"), [anything, *names], question.kelurahan) if kind != "truck" else None,
        select("state", view.t("state"), [anything, *states], question.state),
        _search(view, question),
    ]
    if kind == "bin":
        orders = [("", view.t("by_name")), ("fill", view.t("by_fill"))]
        parts.append(select("order", view.t("order"), orders, question.order))
    return tag("form", *parts, tag("button", view.t("show")), method="get", action=f"/devices/{kind}", class_="filters")


def _search(view: View, question: Question) -> Markup:
    box = tag("input", type="search", name="q", value=question.q, maxlength=80)
    return tag("label", view.t("search"), box)
