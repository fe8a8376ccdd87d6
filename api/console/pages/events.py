"""The page of events: everything that happened, newest first, with filters, linked to its device."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.event_words import detail_words, event_words
from api.console.parts.forms import select
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.queries.events import each_event
from api.queries.url_filter import read_texts, write_query
from broker.contract.payloads import EVENT_TYPES
from broker.contract.topics import KINDS, Kind
from ingest.store.port import EventQuery
from ingest.store.records import EventRecord
from ingest.store.views.device_condition import name_of

SHOWN: Final = 100
LOOKED_AT_MAX: Final = 20_000
"""Events that are looked through for those of a kelurahan; beyond, the search has to be narrower."""
BACK: Final = timedelta(days=30)
FILTERS: Final = ("kind", "type", "kelurahan", "q", "before")


def build(page: PageContext, screen: Screen, query: Mapping[str, str]) -> None:
    """Add filters and list; the list of the newest events is live."""
    wanted = read_texts(query, FILTERS)
    screen.show(tag("p", page.t("event_log_intro"), class_="intro"))
    screen.show(lambda: _filters(page, wanted), "filters-box")
    if wanted["before"]:
        screen.show(lambda: _list(page, wanted), "list-box")
    else:
        screen.live("events", ("events",), lambda: _list(page, wanted), "list-box")


def _filters(page: PageContext, wanted: dict[str, str]) -> Markup:
    anything = ("", page.t("all"))
    kinds = [(kind, page.t(kind)) for kind in KINDS]
    names = {type_: page.word(type_, "event_") for kind in KINDS for type_ in EVENT_TYPES[kind]}
    types = sorted(names.items(), key=lambda pair: pair[1])
    places = sorted(
        ((place.id, place.name) for place in page.context.city.kelurahan.values()), key=lambda pair: pair[1]
    )
    return tag(
        "form",
        select("kind", page.t("kind"), [anything, *kinds], wanted["kind"]),
        select("type", page.t("what"), [anything, *types], wanted["type"]),
        select("kelurahan", page.t("kelurahan"), [anything, *places], wanted["kelurahan"]),
        tag("label", page.t("search"), tag("input", type="search", name="q", value=wanted["q"], maxlength=80)),
        tag("button", page.t("show")),
        method="get",
        action="/events",
        class_="filters",
    )


def find(page: PageContext, wanted: dict[str, str]) -> list[EventRecord]:
    """The newest events that match, at most `SHOWN`."""
    now = page.context.clock()
    end = _time(wanted["before"]) or now + timedelta(minutes=5)
    kind: Kind | None = next((known for known in KINDS if known == wanted["kind"]), None)
    types = (wanted["type"],) if any(wanted["type"] in EVENT_TYPES[known] for known in KINDS) else ()
    query = EventQuery(now - BACK, max(end, now - BACK + timedelta(seconds=1)), kind=kind, types=types)
    matching = []
    for looked_at, event in enumerate(each_event(page.context.reader, query)):
        if _matches(page, wanted, event):
            matching.append(event)
        if len(matching) == SHOWN or looked_at == LOOKED_AT_MAX:
            break
    return matching


def _matches(page: PageContext, wanted: dict[str, str], event: EventRecord) -> bool:
    device = page.context.city.devices.get(event.origin.device)
    if wanted["kelurahan"] and (device is None or device.kelurahan != wanted["kelurahan"]):
        return False
    site = page.context.city.sites.get(device.site) if device else None
    names = (event.origin.device, name_of(device) if device else "", site.name if site else "")
    return wanted["q"].casefold() in " ".join(names).casefold()


def _list(page: PageContext, wanted: dict[str, str]) -> Markup:
    events = find(page, wanted)
    if not events:
        return tag("p", page.t("no_events"), class_="empty")
    headings = [page.t(key) for key in ("when", "what", "device", "kelurahan", "event_detail")]
    keys = [f"{event.origin.device}-{event.origin.epoch}-{event.origin.seq}" for event in events]
    shown = table(headings, [_row(page, event) for event in events], keys=keys)
    if len(events) < SHOWN:
        return shown
    # The last one once more: others of the same millisecond may be behind it.
    before = events[-1].origin.measured_at + timedelta(milliseconds=1)
    older = {**wanted, "before": before.isoformat()}
    to = link(f"/events?{write_query(older, 1)}", page.t("audit_older"), rel="next")
    return join([shown, tag("nav", to, class_="pager")])


def _row(page: PageContext, event: EventRecord) -> list[object]:
    device = page.context.city.devices.get(event.origin.device)
    kelurahan = page.context.city.kelurahan.get(device.kelurahan) if device else None
    name = link(f"/device/{device.id}", name_of(device)) if device else event.origin.device
    where = kelurahan.name if kelurahan else "-"
    return [
        page.time(event.origin.measured_at),
        event_words(page, event),
        name,
        where,
        detail_words(page, event) or "-",
    ]


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None
