"""Devices that nobody knows: the list of them, and the page where one is named, placed on the map and taken in."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import msgspec
from nicegui import ui

from api.console.forms import select
from api.console.frame import asset, show
from api.console.markup import Markup, join, link, table, tag
from api.console.view import View
from api.stranger_routes import PAYLOAD_SHOWN, suggested
from broker.contract.payloads import fields_of
from broker.contract.topics import KINDS, Kind
from broker.contract.units import unit_of
from city.profiles import suggest
from ingest.store.quarantine import QuarantinedMessage, UnknownDevice

REFRESH_S: Final = 5.0
SHOWN: Final = 200
_MESSAGES: Final = 3
_PREFIXES: Final[dict[Kind, str]] = {"bin": "bin", "truck": "truck", "ap": "ap", "camera": "cam"}
_NUMBERED: Final = re.compile(r"^(.*?)-?(\d+)$")


async def build_list(view: View) -> None:
    """Put the list on the page and keep it fresh."""
    ui.add_head_html(tag("script", src=asset("strangers.js"), defer=True))
    listed = show(await asyncio.to_thread(_list, view), "panel")

    async def refresh() -> None:
        listed.set_content(await asyncio.to_thread(_list, view))

    ui.timer(REFRESH_S, refresh, immediate=False)


def _list(view: View) -> Markup:
    found = view.context.quarantine.find(state=None)
    intro = tag("p", view.t("strangers_intro"), class_="intro")
    if not found:
        return join([intro, tag("p", view.t("no_strangers"), class_="empty")])
    headings = [view.t(key) for key in ("address", "adapter", "model", "when", "messages_head", "state")] + [""]
    rows = [_row(view, one) for one in found[:SHOWN]]
    more = tag("p", view.t("strangers_more", n=view.number(len(found) - SHOWN))) if len(found) > SHOWN else None
    return join([intro, table(headings, rows, narrow="pairs"), more])


def _row(view: View, one: UnknownDevice) -> list[object]:
    return [
        tag("code", one.address or "-"),
        one.adapter,
        one.model or one.label or "-",
        view.age(one.last_at, view.context.clock()),
        view.number(one.messages),
        view.t(f"stranger_{one.state}"),
        _actions(view, one),
    ]


def _actions(view: View, one: UnknownDevice) -> Markup:
    if not view.may("operator"):
        return Markup("-")
    if one.state == "ignored":
        return tag("button", view.t("notice"), type="button", data_stranger=f"{one.id}/notice")
    return join(
        [
            link(f"/stranger/{one.id}", view.t("take_in"), class_="button"),
            tag("button", view.t("ignore"), type="button", data_stranger=f"{one.id}/ignore"),
        ],
        " ",
    )


def build(view: View, one: UnknownDevice) -> None:
    """Put one stranger on the page: what it says, what would be stored, and the form to take it in."""
    if not view.may("operator"):
        show(tag("p", view.t("strangers_operator_only"), class_="warn"))
        return
    ui.add_head_html(tag("script", src=asset("strangers.js"), defer=True))
    show(_facts(view, one), "panel")
    with ui.element("div").classes("taking-in"):
        show(_form(view, one), "panel")
        _map(view, one)
    show(_messages(view, view.context.quarantine.messages_of(one.id)), "panel")


def _facts(view: View, one: UnknownDevice) -> Markup:
    facts = {
        "adapter": one.adapter,
        "address": ", ".join(dict.fromkeys((one.address, *one.names))),
        "model": one.model,
        "name": one.label,
        "first_heard": view.time(one.first_at),
        "heard": view.time(one.last_at),
        "messages_head": view.number(one.messages),
    }
    pairs = [join([tag("dt", view.t(key)), tag("dd", value)]) for key, value in facts.items() if value]
    return tag("dl", *pairs, class_="facts")


def _form(view: View, one: UnknownDevice) -> Markup:
    city = view.context.city
    profiles = suggest(city.profiles.values(), one.adapter, one.model) or sorted(
        city.profiles.values(), key=lambda each: each.id
    )
    chosen = suggested(view.context, one)
    choices = [("", view.t("choose")), *((each.id, f"{each.name} ({view.t(each.kind)})") for each in profiles)]
    parts = [
        tag("h2", view.t("take_in")),
        tag("p", view.t("take_in_intro"), class_="intro"),
        select("profile", view.t("profile"), choices, chosen),
        tag("label", view.t("device_id"), tag("input", name="id", required=True, autocomplete="off")),
        tag("p", view.t("already_there"), class_="attached", hidden=True),
        *(_kind_fields(view, kind) for kind in KINDS),
        tag("p", view.t("place_hint"), class_="place-hint"),
        tag(
            "div",
            _number_field(view, "lat_deg", one.lat_deg),
            _number_field(view, "lon_deg", one.lon_deg),
            class_="place",
        ),
        tag("h2", view.t("would_store")),
        tag("div", class_="preview", aria_live="polite"),
        tag("ul", class_="faults", role="alert"),
        tag(
            "p",
            tag("button", view.t("take_in"), type="submit", class_="yes"),
            tag("span", role="status", class_="save-state"),
        ),
    ]
    config = msgspec.json.encode(_config(view, one)).decode()
    return tag("form", join(parts), class_="stranger-form", data_config=config)


def _kind_fields(view: View, kind: Kind) -> Markup:
    """What the inventory asks of a new device of a kind."""
    city = view.context.city
    depots = [(site.id, site.name) for site in city.sites.values() if site.kind == "depot"]
    models = [(model.id, f"{model.id} ({view.number(model.capacity_l)} l)") for model in city.models.values()]
    wastes = [(kind_, view.t(kind_)) for kind_ in ("organic", "non_organic")]
    colors = [(color, view.t(color)) for color in ("yellow", "green", "grey")]
    fields: dict[Kind, list[Markup]] = {
        "bin": [
            select("model", view.t("container"), models, models[0][0] if models else ""),
            select("waste_kind", view.t("waste_kind"), wastes, "organic"),
            select("color", view.t("color"), colors, "yellow"),
        ],
        "truck": [
            tag("label", view.t("plate"), tag("input", name="plate")),
            select("depot", view.t("depot"), depots, depots[0][0] if depots else ""),
            _number_field(view, "capacity_kg", 6_000),
        ],
        "ap": [
            tag("label", view.t("model"), tag("input", name="model", value="wifi")),
            tag("label", view.t("ssids"), tag("input", name="ssids", value="Wi-Fi")),
        ],
        "camera": [],
    }
    return tag("fieldset", *fields[kind], data_kind=kind, hidden=True, disabled=True)


def _number_field(view: View, name: str, value: float | None) -> Markup:
    given = tag("input", name=name, type="number", step="any", value="" if value is None else value)
    return tag("label", view.t(name), given)


def _config(view: View, one: UnknownDevice) -> dict[str, Any]:
    city = view.context.city
    texts = ("nothing_stored", "taken_in", "not_taken_in", "not_stored", "no_preview", "yes", "no")
    fields = {field for kind in KINDS for field in fields_of(kind)}
    return {
        "stranger": one.id,
        "kinds": {profile.id: profile.kind for profile in city.profiles.values()},
        "next_ids": {kind: next_id(view, kind) for kind in KINDS},
        "devices": {device.id: device.KIND for device in city.devices.values()},
        "units": {field: unit_of(field) for field in fields},
        "texts": {key: view.word(key) for key in (*texts, *sorted(fields))},
    }


def next_id(view: View, kind: Kind) -> str:
    """The id after the highest of a kind: `bin-1369` after `bin-1368`."""
    found = [_NUMBERED.match(device.id) for device in view.context.city.devices.values() if kind == device.KIND]
    numbered = [(int(each[2]), each[1], len(each[2])) for each in found if each]
    number, prefix, width = max(numbered, default=(0, _PREFIXES[kind], 2))
    return f"{prefix}-{number + 1:0{width}d}"


def _map(view: View, one: UnknownDevice) -> None:
    city = view.context.city
    leaflet = ui.leaflet(
        center=(city.lat_deg, city.lon_deg), zoom=12, options={"attributionControl": False, "zoomSnap": 0.25}
    ).classes("place-map")
    leaflet.clear_layers()
    leaflet.on("init", js_handler=f"() => kotaStrangers.place(getElement({leaflet.id}).map, {one.id})")


def _messages(view: View, messages: list[QuarantinedMessage]) -> Markup:
    shown = [
        join(
            [
                tag("p", tag("code", each.topic), " ", view.time(each.received_at)),
                tag("pre", each.payload[:PAYLOAD_SHOWN].decode("utf-8", "backslashreplace")),
            ]
        )
        for each in reversed(messages[-_MESSAGES:])
    ]
    return join([tag("h2", view.t("newest_messages")), *(shown or [tag("p", view.t("none"))])])
