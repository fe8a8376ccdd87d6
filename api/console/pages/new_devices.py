"""New devices: the list of unknown devices, and the page on which one is named, placed on the map and adopted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.forms import select
from api.console.parts.markup import join, link, table, tag
from api.console.parts.profile_draft import profile_draft_section
from api.console.parts.screen import Screen
from api.queries.unknown_devices import PAYLOAD_SHOWN, suggested_profile
from broker.contract.payloads import fields_of
from broker.contract.topics import KINDS, Kind
from broker.contract.units import unit_of
from city.inventory.profiles import suggest
from ingest.store.parked.quarantine import QuarantinedMessage, UnknownDevice

SHOWN: Final = 200
_MESSAGES: Final = 3
_PREFIXES: Final[dict[Kind, str]] = {"bin": "bin", "truck": "truck", "ap": "ap", "camera": "cam"}
_NUMBERED: Final = re.compile(r"^(.*?)-?(\d+)$")


def build_list(page: PageContext, screen: Screen) -> None:
    """Add the list to the page; it is live."""
    screen.script("new-devices.js")
    screen.live("new-devices", ("new_devices",), lambda: _list(page), "panel")


def _list(page: PageContext) -> Markup:
    devices = page.context.quarantine.find(state=None)
    intro = tag("p", page.t("new_devices_intro"), class_="intro")
    if not devices:
        return join([intro, tag("p", page.t("no_new_devices"), class_="empty")])
    rest = tag("p", page.plural("new_devices_more", len(devices) - SHOWN)) if len(devices) > SHOWN else None
    return join([intro, device_rows(page, devices[:SHOWN]), rest])


def device_rows(page: PageContext, devices: Sequence[UnknownDevice]) -> Markup:
    """A table of unknown devices, each with what may be done with it."""
    headings = [page.t(key) for key in ("address", "adapter", "model", "when", "messages_head", "state")] + [""]
    rows = [_row(page, device) for device in devices]
    return table(headings, rows, narrow="pairs", keys=[device.id for device in devices])


def _row(page: PageContext, device: UnknownDevice) -> list[object]:
    return [
        tag("code", device.address or "-"),
        device.adapter,
        device.model or device.label or "-",
        page.age(device.last_at, page.context.clock()),
        page.number(device.messages),
        page.t(f"new_device_{device.state}"),
        _actions(page, device),
    ]


def _actions(page: PageContext, device: UnknownDevice) -> Markup:
    if not page.may("devices.write"):
        return Markup("-")
    if device.state == "ignored":
        return tag("button", page.t("unignore"), type="button", data_unknown_device=f"{device.id}/notice")
    return join(
        [
            link(f"/stranger/{device.id}", page.t("adopt"), class_="button"),
            tag("button", page.t("ignore"), type="button", data_unknown_device=f"{device.id}/ignore"),
        ],
        " ",
    )


def build(page: PageContext, screen: Screen, device: UnknownDevice) -> None:
    """Add one unknown device to the page: its facts, a profile of its messages, the adoption form, its messages."""
    if not page.may("devices.write"):
        screen.show(tag("p", page.t("new_devices_operator_only"), class_="warn"))
        return
    screen.style("lib/leaflet.css")
    screen.script("lib/leaflet.js", "new-devices.js", "plural.js", "profile-draft.js")
    screen.show(_facts(page, device), "panel")
    screen.show(profile_draft_section(page, device, is_open=not suggested_profile(page.context, device)), "panel")
    form = tag("div", _form(page, device), class_="panel")
    screen.show(join([form, _map(page)]), "adoption")
    screen.show(lambda: _messages(page, page.context.quarantine.messages_of(device.id)), "panel")


def _facts(page: PageContext, device: UnknownDevice) -> Markup:
    facts = {
        "adapter": device.adapter,
        "address": ", ".join(dict.fromkeys((device.address, *device.names))),
        "model": device.model,
        "name": device.label,
        "first_heard": page.time(device.first_at),
        "heard": page.time(device.last_at),
        "messages_head": page.number(device.messages),
    }
    pairs = [join([tag("dt", page.t(key)), tag("dd", value)]) for key, value in facts.items() if value]
    return tag("dl", *pairs, class_="facts")


def _form(page: PageContext, device: UnknownDevice) -> Markup:
    city = page.context.city
    profiles = suggest(city.profiles.values(), device.adapter, device.model) or sorted(
        city.profiles.values(), key=lambda profile: profile.id
    )
    chosen = suggested_profile(page.context, device)
    choices = [
        ("", page.t("choose")),
        *((profile.id, f"{profile.name} ({page.t(profile.kind)})") for profile in profiles),
    ]
    parts = [
        tag("h2", page.t("adopt")),
        tag("p", page.t("adopt_intro"), class_="intro"),
        select("profile", page.t("profile"), choices, chosen),
        tag("label", page.t("device_id"), tag("input", name="id", required=True, autocomplete="off")),
        tag("p", page.t("already_there"), class_="attached", hidden=True),
        *(_kind_fields(page, kind) for kind in KINDS),
        tag("p", page.t("place_hint"), class_="place-hint"),
        tag(
            "div",
            _number_field(page, "lat_deg", device.lat_deg),
            _number_field(page, "lon_deg", device.lon_deg),
            class_="place",
        ),
        tag("h2", page.t("would_store")),
        tag("div", class_="preview", aria_live="polite"),
        tag("ul", class_="faults", role="alert"),
        tag(
            "p",
            tag("button", page.t("adopt"), type="submit", class_="yes"),
            tag("span", role="status", class_="save-state"),
        ),
    ]
    config = msgspec.json.encode(_config(page, device)).decode()
    return tag("form", join(parts), class_="new-device-form", data_config=config)


def _kind_fields(page: PageContext, kind: Kind) -> Markup:
    """The inventory fields of a new device of a kind."""
    city = page.context.city
    depots = [(site.id, site.name) for site in city.sites.values() if site.kind == "depot"]
    models = [(model.id, f"{model.id} ({page.number(model.capacity_l)} l)") for model in city.models.values()]
    wastes = [(kind_, page.t(kind_)) for kind_ in ("organic", "non_organic")]
    colors = [(color, page.t(color)) for color in ("yellow", "green", "grey")]
    fields: dict[Kind, list[Markup]] = {
        "bin": [
            select("model", page.t("container"), models, models[0][0] if models else ""),
            select("waste_kind", page.t("waste_kind"), wastes, "organic"),
            select("color", page.t("color"), colors, "yellow"),
        ],
        "truck": [
            tag("label", page.t("plate"), tag("input", name="plate")),
            select("depot", page.t("depot"), depots, depots[0][0] if depots else ""),
            _number_field(page, "capacity_kg", 6_000),
        ],
        "ap": [
            tag("label", page.t("model"), tag("input", name="model", value="wifi")),
            tag("label", page.t("ssids"), tag("input", name="ssids", value="Wi-Fi")),
        ],
        "camera": [],
    }
    return tag("fieldset", *fields[kind], data_kind=kind, hidden=True, disabled=True)


def _number_field(page: PageContext, name: str, value: float | None) -> Markup:
    given = tag("input", name=name, type="number", step="any", value="" if value is None else value)
    return tag("label", page.t(name), given)


def _config(page: PageContext, device: UnknownDevice) -> dict[str, Any]:
    city = page.context.city
    texts = ("nothing_stored", "adopted", "not_adopted", "not_stored", "no_preview", "yes", "no")
    fields = {field for kind in KINDS for field in fields_of(kind)}
    return {
        "unknown_device": device.id,
        "kinds": {profile.id: profile.kind for profile in city.profiles.values()},
        "next_ids": {kind: next_id(page, kind) for kind in KINDS},
        "devices": {device.id: device.KIND for device in city.devices.values()},
        "units": {field: unit_of(field) for field in fields},
        "texts": {key: page.word(key) for key in (*texts, *sorted(fields))},
    }


def next_id(page: PageContext, kind: Kind) -> str:
    """The next free id of a kind: `bin-1369` after `bin-1368`."""
    matches = [_NUMBERED.match(device.id) for device in page.context.city.devices.values() if kind == device.KIND]
    numbered = [(int(match[2]), match[1], len(match[2])) for match in matches if match]
    number, prefix, width = max(numbered, default=(0, _PREFIXES[kind], 2))
    return f"{prefix}-{number + 1:0{width}d}"


def _map(page: PageContext) -> Markup:
    city = page.context.city
    return tag("div", class_="place-map", data_lat=city.lat_deg, data_lon=city.lon_deg)


def _messages(page: PageContext, messages: list[QuarantinedMessage]) -> Markup:
    shown = [
        join(
            [
                tag("p", tag("code", message.topic), " ", page.time(message.received_at)),
                tag("pre", message.payload[:PAYLOAD_SHOWN].decode("utf-8", "backslashreplace")),
            ]
        )
        for message in reversed(messages[-_MESSAGES:])
    ]
    return join([tag("h2", page.t("newest_messages")), *(shown or [tag("p", page.t("none"))])])
