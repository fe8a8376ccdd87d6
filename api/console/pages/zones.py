"""The zone editor of a camera: the still image with its zones. The browser draws; the API validates and saves."""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec
from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.hours import hours_box
from api.console.parts.markup import join, tag
from api.console.parts.screen import Screen
from city.inventory.model import Camera
from city.inventory.zone_plans import still_path
from city.inventory.zones import CORNERS, NAME_MAX, ZONE_KINDS, FaultCode, ZoneKind
from ingest.store.views.reviews import REASONS

COLOURS: Final[dict[ZoneKind, str]] = {
    "watch": "#15803d",
    "container": "#1d4ed8",
    "beside": "#ea580c",
    "ignore": "#64748b",
    "mask": "#000000",
}

TOOLS: Final = (
    ("draw", "new_zone"),
    ("box", "new_box"),
    ("finish", "finish"),
    ("undo", "undo_step"),
    ("delete-point", "delete_point"),
    ("delete-zone", "delete_zone"),
)


EDITOR_WORDS: Final = (
    *("accept", "delete_zone", "feet", "head", "new_name", "no_zones", "point_of", "suggestion"),
    *("not_saved", "save_conflict", "save_failed", "saved", "zone_kind", "zone_name"),
    *(f"zone_{kind}" for kind in ZONE_KINDS),
    *(f"reason_{reason}" for reason in REASONS),
    *(f"fault_{code}" for code in get_args(FaultCode)),
)
"""Texts that the browser shows."""


def build(page: PageContext, screen: Screen, camera: Camera) -> None:
    """Add the editor to the page; without the right to draw, a note."""
    if not page.may("zones.write"):
        screen.show(tag("p", page.t("zones_operator_only"), class_="warn"))
        return
    screen.script("plural.js", "zones-draw.js", "zones.js")
    screen.show(_editor(page, camera), "panel")
    screen.show(hours_box(page, camera.site), "panel")


def _editor(page: PageContext, camera: Camera) -> Markup:
    still = f"/api/v1/cameras/{camera.id}/still"
    has_still = still_path(page.context.data, camera.id).is_file()
    picture = tag("img", src=still, alt=f"{page.t('at_camera')} {camera.id}") if has_still else Markup()
    stage = tag("div", picture, tag("svg"), class_="stage" if has_still else "stage blank")
    parts = [
        tag("h2", page.t("zones")),
        tag("p", page.t("zones_intro"), class_="intro"),
        None if has_still else tag("p", page.t("no_still"), class_="warn"),
        tag("div", stage, _tools(page), class_="drawing"),
        tag("ol", class_="zone-list"),
        tag("label", tag("input", type="checkbox", class_="persons"), page.t("use_persons"), class_="persons-box"),
        tag("section", tag("h3", page.t("suggestions")), tag("ul"), class_="suggestions", hidden=True),
        tag("ul", class_="faults", role="alert"),
        tag(
            "p",
            tag("button", page.t("save"), type="button", class_="save yes"),
            tag("span", role="status", class_="save-state"),
            class_="save-box",
        ),
    ]
    config = msgspec.json.encode(_config(page, camera)).decode()
    return tag("div", join(parts), class_="zone-editor", data_config=config)


def _tools(page: PageContext) -> Markup:
    buttons = [tag("button", page.t(words), type="button", data_tool=name) for name, words in TOOLS]
    return tag("div", *buttons, class_="tools", role="toolbar", aria_label=page.t("zones"))


def _config(page: PageContext, camera: Camera) -> dict[str, Any]:
    return {
        "camera": camera.id,
        "texts": page.texts(EDITOR_WORDS),
        "kinds": [{"kind": kind, "colour": COLOURS[kind]} for kind in ZONE_KINDS],
        "corners": CORNERS,
        "name_max": NAME_MAX,
    }
