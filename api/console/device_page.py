"""One device: what it is, what it says now, how that went, and what happened."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from nicegui import ui

from api.console.frame import show
from api.console.hours import hours_box
from api.console.listing import fill_bar, state_badge
from api.console.markup import Markup, join, link, table, tag
from api.console.trip_panel import trip_panel
from api.console.view import View
from api.shapes import DeviceShape, shape_device
from broker.contract.payloads import fields_of
from broker.contract.topics import Kind
from broker.contract.units import unit_of
from city.model import Device, Truck
from ingest.store.port import EventQuery, SeriesPoint, SeriesQuery
from ingest.store.records import EventRecord

REFRESH_S: Final = 5.0
EVENTS_SHOWN: Final = 30
CHARTS: Final[dict[Kind, tuple[str, ...]]] = {
    "bin": ("fill_pct", "temperature_c", "battery_pct"),
    "truck": ("speed_kmh", "load_kg", "fuel_pct"),
    "ap": ("clients", "latency_ms", "loss_pct"),
    "camera": ("fps", "bitrate_kbps"),
}


@dataclass(frozen=True)
class Span:
    """A stretch of time that charts show, in buckets; `clock` is how its axis writes times."""

    key: str
    length: timedelta
    every_s: float
    clock: str


SPANS: Final = {
    1: Span("hours_24", timedelta(days=1), 600.0, "{HH}:{mm}"),
    7: Span("days_7", timedelta(days=7), 3_600.0, "{d}/{M}"),
}
"""By the number of days in the address."""


async def build(view: View, device: Device, days: int) -> None:
    """Put the device on the page and keep its values fresh."""
    span = SPANS[days]
    shape, series, events = await asyncio.gather(
        asyncio.to_thread(_shape, view, device),
        asyncio.to_thread(_series, view, device, span),
        asyncio.to_thread(_events, view, device),
    )
    values = show(_values(view, shape), "panel")
    show(_facts(view, shape), "panel")
    if device.KIND == "camera":
        show(join([hours_box(view, device.site), _zones_link(view, device)]), "panel")
    if isinstance(device, Truck):
        show(await asyncio.to_thread(trip_panel, view, device), "panel")
    show(_span_links(view, device, span), "panel spans-box")
    for field, points in series.items():
        with ui.element("section").classes("panel chart-box"):
            ui.echart(chart(view, field, points, span)).classes("chart")
    show(_happened(view, events), "panel")

    async def refresh() -> None:
        values.set_content(_values(view, await asyncio.to_thread(_shape, view, device)))

    ui.timer(REFRESH_S, refresh, immediate=False)


def _shape(view: View, device: Device) -> DeviceShape:
    latest = view.context.reader.latest(device=device.id)
    return shape_device(view.context, device, latest[0] if latest else None, view.context.clock())


def _series(view: View, device: Device, span: Span) -> dict[str, list[SeriesPoint]]:
    now = view.context.clock()
    return {
        field: view.context.reader.series(SeriesQuery(device.id, field, now - span.length, now, span.every_s))
        for field in CHARTS[device.KIND]
    }


def _events(view: View, device: Device) -> list[EventRecord]:
    now = view.context.clock()
    query = EventQuery(now - timedelta(days=7), now + timedelta(minutes=5), device=device.id, limit=EVENTS_SHOWN)
    return view.context.reader.events(query)


def _values(view: View, shape: DeviceShape) -> Markup:
    now = view.context.clock()
    states = [state_badge(view, shape.connectivity)]
    if shape.serviceStatus and shape.connectivity == "online":
        states.append(state_badge(view, shape.serviceStatus))
    heard = tag("p", *states, " ", view.t("heard"), ": ", view.age(shape.received_at, now), class_="heard")
    parts = [tag("h2", view.t("latest")), heard]
    if shape.quality:
        parts.append(tag("p", view.t("quality"), ": ", ", ".join(map(view.word, shape.quality)), class_="warn"))
    if unread := view.context.dead_letters.summary_of(shape.id):
        said = view.t("unread_of", n=view.number(unread.times), age=view.age(unread.last_at, now))
        parts.append(tag("p", link("/system", said), " ", tag("code", unread.reason), class_="warn"))
    if shape.outbox_dropped:
        parts.append(tag("p", view.t("readings_dropped", n=view.number(shape.outbox_dropped)), class_="warn"))
    rows = [
        (view.word(field), _value(view, field, shape), view.age(shape.values[field].measured_at, now))
        for field in dict.fromkeys((*CHARTS[shape.kind], *fields_of(shape.kind)))
        if field in shape.values
    ]
    if not rows:
        return join([*parts, tag("p", view.t("none"), class_="empty")])
    return join([*parts, table([view.t("field"), view.t("value"), view.t("age")], rows, narrow="keep")])


def _zones_link(view: View, device: Device) -> Markup:
    if not view.may("operator"):
        return Markup()
    return tag("p", link(f"/camera/{device.id}/zones", view.t("draw_zones"), class_="button"))


def _value(view: View, field: str, shape: DeviceShape) -> object:
    value = shape.values[field].value
    words = view.value(field, value)
    return fill_bar(float(value), words) if field == "fill_pct" else tag("b", words)


def _facts(view: View, shape: DeviceShape) -> Markup:
    kelurahan = view.context.city.kelurahan.get(shape.kelurahan)
    facts: dict[str, object] = {"kelurahan": kelurahan.name if kelurahan else shape.kelurahan, **shape.facts}
    depot = view.context.city.sites.get(str(facts.get("depot", "")))
    if depot:
        facts["depot"] = depot.name
    pairs = [
        join([tag("dt", view.t(key)), tag("dd", _fact(view, key, value))]) for key, value in facts.items() if value
    ]
    return join([tag("h2", view.t("facts")), tag("dl", *pairs, class_="facts")])


def _fact(view: View, key: str, value: Any) -> str:  # noqa: ANN401 - the inventory's facts are of many kinds
    if key == "interval_s":
        return view.duration(float(value))
    if key == "capacity_kg":
        return f"{view.number(float(value))} kg"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value))
    return view.word(str(value)) if key in ("waste_kind", "color") else str(value)


def _span_links(view: View, device: Device, chosen: Span) -> Markup:
    links = [
        link(f"/device/{device.id}?days={days}", view.t(span.key), class_="here" if span is chosen else None)
        for days, span in SPANS.items()
    ]
    return join([tag("h2", view.t("charts")), tag("nav", *links, class_="spans"), _downloads(view, device, chosen)])


def _downloads(view: View, device: Device, span: Span) -> Markup:
    """What was measured and what happened in the chosen time, for spreadsheets."""
    asked = {"device": device.id, "from": (view.context.clock() - span.length).isoformat(timespec="seconds")}
    fields = [("field", field) for field in fields_of(device.KIND)]
    readings = f"/api/v1/export/readings.csv?{urlencode([*asked.items(), *fields, ('bom', 'true')])}"
    events = f"/api/v1/export/events.csv?{urlencode({**asked, 'bom': 'true'})}"
    return tag(
        "p",
        link(readings, view.t("download_readings"), download=True),
        " ",
        link(events, view.t("download_events"), download=True),
        class_="downloads",
    )


def chart(view: View, field: str, points: list[SeriesPoint], span: Span) -> dict[str, Any]:
    """The options of a chart; its time axis shows the city's clocks, wherever the browser is."""
    unit, name, now = unit_of(field), view.word(field), view.context.clock()
    time_axis = {"min": _on_the_wall(view, now - span.length), "max": _on_the_wall(view, now), "type": "time"}
    clock = {"fontSize": 15, "hideOverlap": True, "formatter": span.clock}
    bounds = {"min": 0, "max": 100} if unit == "%" else {"scale": True}
    line = {"type": "line", "name": name, "lineStyle": {"width": 3}, "color": "#14532d"}
    return {
        "useUTC": True,
        "animation": False,
        "textStyle": {"fontFamily": "Roboto, sans-serif"},
        "title": {"text": f"{name} ({unit})" if unit else name, "textStyle": {"fontSize": 18}, "left": 0},
        "grid": {"left": 56, "right": 24, "top": 48, "bottom": 32},
        "tooltip": {"trigger": "axis", "textStyle": {"fontSize": 16}},
        "xAxis": {**time_axis, "axisLabel": clock},
        "yAxis": {"type": "value", "axisLabel": {"fontSize": 15}, **bounds},
        # A line needs two points; fewer show as dots.
        "series": [{**line, "showSymbol": len(points) < 3, "data": with_gaps(view, points, span.every_s)}],  # noqa: PLR2004
    }


def with_gaps(view: View, points: list[SeriesPoint], every_s: float) -> list[list[float | None]]:
    """Points as a chart wants them, with holes where nothing was measured: unknown is no straight line."""
    data: list[list[float | None]] = []
    for before, point in zip([None, *points], points, strict=False):
        if before and (point.at - before.at).total_seconds() > 2 * every_s:
            data.append([_on_the_wall(view, before.at + timedelta(seconds=every_s)), None])
        data.append([_on_the_wall(view, point.at), round(float(point.value), 2)])
    return data


def _on_the_wall(view: View, at: datetime) -> float:
    return at.astimezone(view.context.city.time_zone).replace(tzinfo=UTC).timestamp() * 1000


def _happened(view: View, events: list[EventRecord]) -> Markup:
    heading = tag("h2", view.t("events"))
    if not events:
        return join([heading, tag("p", view.t("no_events"), class_="empty")])
    rows = [
        (view.time(event.origin.measured_at), view.word(event.type, "event_"), view.t(event.state)) for event in events
    ]
    return join([heading, table([view.t("when"), view.t("what"), view.t("state")], rows, narrow="keep")])
