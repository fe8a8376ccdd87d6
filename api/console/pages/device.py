"""The page of a device: facts, latest values, charts, and events."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.chart import CHART_RANGES, ChartRange, chart
from api.console.parts.device_columns import condition_badge, emptied_words, fill_bar
from api.console.parts.event_words import detail_words, event_words
from api.console.parts.hours import hours_box
from api.console.parts.markup import join, link, table, tag
from api.console.parts.outage_panel import outage_panel
from api.console.parts.place_panel import add_place
from api.console.parts.rejected_panel import rejected_panel
from api.console.parts.screen import Screen
from api.console.parts.trip_panel import trip_panel
from api.console.parts.usage_charts import traffic_chart, users_by_group
from api.queries.device_states import device_states
from api.schemas import DeviceResponse, device_response
from broker.contract.payloads import fields_of
from broker.contract.topics import Kind
from city.inventory.model import AccessPoint, Bin, Device, Truck
from ingest.store.port import EventQuery, SeriesPoint, SeriesQuery
from ingest.store.records import EventRecord
from ingest.store.views.outages import OUTAGE_KINDS

EVENTS_SHOWN: Final = 30
CHARTS: Final[dict[Kind, tuple[str, ...]]] = {
    "bin": ("fill_pct", "temperature_c", "battery_pct"),
    "truck": ("speed_kmh", "load_kg", "fuel_pct"),
    "ap": ("clients", "latency_ms", "loss_pct"),
    "camera": ("fps", "bitrate_kbps"),
}


def build(page: PageContext, screen: Screen, device: Device, days: int) -> None:
    """Add the device to the page: values, facts, charts and events; what changes is live."""
    range_, kind = CHART_RANGES[days], device.KIND
    screen.script("chart.js")
    screen.live("values", (kind,), lambda: _values(page, _response(page, device)), "panel")
    add_place(page, screen, device)
    screen.show(lambda: join([_facts(page, _response(page, device)), _admin_link(page, device)]), "panel")
    if device.KIND == "camera":
        screen.show(join([hours_box(page, device.site), _zones_link(page, device)]), "panel")
    if isinstance(device, Truck):
        screen.live("trip", (kind,), lambda: trip_panel(page, device), "panel", every_s=20.0)
    screen.show(_span_links(page, device, range_), "panel spans-box")
    screen.live("charts", (kind,), lambda: _charts(page, device, range_), "panel charts", every_s=10.0)
    if device.KIND in OUTAGE_KINDS:
        screen.live("outages", (kind,), lambda: outage_panel(page, device, range_), "panel", every_s=30.0)
    if isinstance(device, AccessPoint):
        screen.live("users", (kind,), lambda: _users(page, device), "panel", every_s=10.0)
    screen.live("events", ("events",), lambda: _event_table(page, _events(page, device)), "panel")
    screen.live("rejected", (kind, "system"), lambda: rejected_panel(page, device), every_s=20.0)


def _charts(page: PageContext, device: Device, range_: ChartRange) -> Markup:
    end = page.context.clock()
    charts = [chart(page, field, points, range_, end) for field, points in _series(page, device, range_, end).items()]
    return join([*charts, traffic_chart(page, device, range_, end)] if isinstance(device, AccessPoint) else charts)


def _users(page: PageContext, device: Device) -> Markup:
    latest = page.context.reader.latest(device=device.id)
    return join([tag("h2", page.t("users_by")), users_by_group(page, latest[0] if latest else None)])


def _response(page: PageContext, device: Device) -> DeviceResponse:
    latest = page.context.reader.latest(device=device.id)
    return device_response(page.context, device, latest[0] if latest else None, page.context.clock())


def _series(page: PageContext, device: Device, range_: ChartRange, end: datetime) -> dict[str, list[SeriesPoint]]:
    return {
        field: page.context.reader.series(SeriesQuery(device.id, field, end - range_.length, end, range_.every_s))
        for field in CHARTS[device.KIND]
    }


def _events(page: PageContext, device: Device) -> list[EventRecord]:
    now = page.context.clock()
    query = EventQuery(now - timedelta(days=7), now + timedelta(minutes=5), device=device.id, limit=EVENTS_SHOWN)
    return page.context.reader.events(query)


def _values(page: PageContext, device: DeviceResponse) -> Markup:
    now = page.context.clock()
    (state,) = device_states(page.context, device=page.context.city.devices[device.id])
    heard = tag(
        "p",
        condition_badge(page, state.condition),
        " ",
        page.t("heard"),
        ": ",
        page.age(device.received_at, now),
        class_="heard",
    )
    parts = [tag("h2", page.t("latest")), heard]
    if device.quality:
        parts.append(tag("p", page.t("quality"), ": ", ", ".join(map(page.word, device.quality)), class_="warn"))
    if unread := page.context.dead_letters.summary_of(device.id):
        words = page.plural("unread_of", unread.times, age=page.age(unread.last_at, now))
        parts.append(tag("p", link("/system", words), " ", tag("code", unread.reason), class_="warn"))
    if device.outbox_dropped:
        parts.append(tag("p", page.plural("readings_dropped", device.outbox_dropped), class_="warn"))
    if isinstance(state.device, Bin):
        parts.append(emptied_words(page, state))
    rows = [
        (page.word(field), _value(page, field, device), page.age(device.values[field].measured_at, now))
        for field in dict.fromkeys((*CHARTS[device.kind], *fields_of(device.kind)))
        if field in device.values
    ]
    if not rows:
        return join([*parts, tag("p", page.t("none"), class_="empty")])
    return join(
        [
            *parts,
            table(
                [page.t("field"), page.t("value"), page.t("age")], rows, narrow="keep", keys=[row[0] for row in rows]
            ),
        ]
    )


def _admin_link(page: PageContext, device: Device) -> Markup:
    if not page.may("devices.write"):
        return Markup()
    return tag("p", link(f"/admin/entries/{device.KIND}/{device.id}", page.t("admin_edit"), class_="button"))


def _zones_link(page: PageContext, device: Device) -> Markup:
    if not page.may("zones.write"):
        return Markup()
    return tag("p", link(f"/camera/{device.id}/zones", page.t("draw_zones"), class_="button"))


def _value(page: PageContext, field: str, device: DeviceResponse) -> object:
    value = device.values[field].value
    words = page.value(field, value)
    return fill_bar(float(value), words) if field == "fill_pct" else tag("b", words)


def _facts(page: PageContext, device: DeviceResponse) -> Markup:
    kelurahan = page.context.city.kelurahan.get(device.kelurahan)
    facts: dict[str, object] = {"kelurahan": kelurahan.name if kelurahan else device.kelurahan}
    facts |= {key: fact for key, fact in msgspec.structs.asdict(device.facts).items() if fact is not msgspec.UNSET}
    depot = page.context.city.sites.get(str(facts.get("depot", "")))
    if depot:
        facts["depot"] = depot.name
    pairs = [
        join([tag("dt", page.t(key)), tag("dd", _fact(page, key, value))]) for key, value in facts.items() if value
    ]
    return join([tag("h2", page.t("facts")), tag("dl", *pairs, class_="facts")])


def _fact(page: PageContext, key: str, value: Any) -> str:  # noqa: ANN401 - the inventory's facts are of many kinds
    if key == "interval_s":
        return page.duration(float(value))
    if key == "capacity_kg":
        return f"{page.number(float(value))} kg"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value))
    return page.word(str(value)) if key in ("waste_kind", "color") else str(value)


def _span_links(page: PageContext, device: Device, chosen: ChartRange) -> Markup:
    links = [
        link(f"/device/{device.id}?days={days}", page.t(range_.key), class_="here" if range_ is chosen else None)
        for days, range_ in CHART_RANGES.items()
    ]
    return join([tag("h2", page.t("charts")), tag("nav", *links, class_="spans"), _downloads(page, device, chosen)])


def _downloads(page: PageContext, device: Device, range_: ChartRange) -> Markup:
    """Links to readings and events of the chosen range as CSV."""
    query = {"device": device.id, "from": (page.context.clock() - range_.length).isoformat(timespec="seconds")}
    fields = [("field", field) for field in fields_of(device.KIND)]
    readings = f"/api/v1/export/readings.csv?{urlencode([*query.items(), *fields, ('bom', 'true')])}"
    events = f"/api/v1/export/events.csv?{urlencode({**query, 'bom': 'true'})}"
    return tag(
        "p",
        link(readings, page.t("download_readings"), download=True),
        " ",
        link(events, page.t("download_events"), download=True),
        class_="downloads",
    )


def _event_table(page: PageContext, events: list[EventRecord]) -> Markup:
    heading = tag("h2", page.t("events"))
    if not events:
        return join([heading, tag("p", page.t("no_events"), class_="empty")])
    rows = [
        (page.time(event.origin.measured_at), event_words(page, event), detail_words(page, event) or "-")
        for event in events
    ]
    return join([heading, table([page.t("when"), page.t("what"), page.t("event_detail")], rows, narrow="keep")])
