"""The map: outlines and sites of the city, and a canvas layer per device kind, which the browser refreshes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec
from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.device_columns import STATES
from api.console.parts.markup import join, link, tag
from api.console.parts.screen import Screen
from broker.contract.topics import KINDS
from city.inventory.model import WasteKind
from dispatch.verification.states import STOP_STATES

REFRESH_S: Final = {"bin": 5, "truck": 2, "ap": 5, "camera": 5}
COUNTERS: Final = {
    "full_bins": "/devices/bin?state=full",
    "moving_trucks": "/devices/truck",
    "broken_trucks": "/devices/truck?state=broken",
    "down_aps": "/devices/ap?state=down",
    "open_cases": "/dumping",
}
"""Counter to the list of what it counts."""
NO_NUMBER: Final = "–"  # noqa: RUF001 - a dash
LEGEND: Final = (
    ("urgent", "sign_urgent"),
    ("bin low", "fill_low"),
    ("bin mid", "fill_mid"),
    ("bin high", "fill_high"),
    ("bin none", "fill_unknown"),
    ("ring organic", "ring_organic"),
    ("ring other", "ring_other"),
    ("ring grey", "ring_grey"),
    ("truck moving", "truck_moving"),
    ("truck parked", "truck_parked"),
    ("truck broken", "truck_broken"),
    ("ap up", "ap_up"),
    ("ap down", "ap_down"),
    ("camera ok", "camera_ok"),
    ("camera alert", "camera_case"),
    ("cluster", "sign_cluster"),
    *((f"stop stop-{state}", f"stop_is_{state}") for state in STOP_STATES),
    ("bin low pale", "pale"),
)


POPUP_WORDS: Final = (
    *(f"is_{state}" for states in STATES.values() for state in states),
    *get_args(WasteKind),
    *("bin", "truck", "ap", "camera", "in_view_more", "show_on_map", "things_here"),
    *("clients", "details", "fill_pct", "load_kg", "none", "open_cases", "speed_kmh", "waste_kind"),
    *(f"stop_is_{state}" for state in STOP_STATES),
    *("landfill_stop", "tour_planned"),
)
"""Texts of the popups, which the browser makes."""


def build(page: PageContext, screen: Screen, query: Mapping[str, str], *, is_legend_open: bool = True) -> None:
    """Add the map, its counters, layer switches and legend to the page; with `wall`, for a screen on a wall."""
    is_wall = "wall" in query
    screen.style("lib/leaflet.css")
    screen.script(
        "lib/leaflet.js",
        "city-map-signs.js",
        "city-map-clusters.js",
        "city-map.js",
        "city-map-tours.js",
        "city-map-view.js",
    )
    config = msgspec.json.encode({**_config(page), "to": query.get("to", "")[:80]}).decode()
    city_map = tag("div", class_="city-map", data_config=config, role="application", aria_label=page.t("map"))
    parts = [
        tag("div", _counters(page), class_="counters-box"),
        tag("div", _tools(page, is_wall=is_wall), city_map, class_="map-box"),
        tag("div", _side(page, is_legend_open=is_legend_open), class_="side-box"),
    ]
    screen.show(lambda: join(parts), "map-page wall" if is_wall else "map-page")


def _tools(page: PageContext, *, is_wall: bool) -> Markup:
    """The search for a place, and the buttons of the map."""
    city = page.context.city
    names = sorted({*(place.name for place in city.kelurahan.values()), *(site.name for site in city.sites.values())})
    places = tag("datalist", *(tag("option", value=name) for name in names), id="places")
    words = page.t("find_place")
    box = tag("input", type="search", list="places", placeholder=words, aria_label=words, class_="find-place")
    full = tag("button", page.t("full_screen"), type="button", data_full=True, class_="quiet")
    wall = link(
        "/map" if is_wall else "/map?wall", page.t("wall_end" if is_wall else "wall_mode"), class_="button quiet"
    )
    missing = tag("span", page.t("nothing"), class_="warn", role="status", id="no-place", hidden=True)
    return tag("div", box, places, full, wall, missing, class_="map-tools")


def _config(page: PageContext) -> dict[str, Any]:
    return {
        "texts": page.texts(POPUP_WORDS),
        "centre": [page.context.city.lat_deg, page.context.city.lon_deg],
        "refresh_s": REFRESH_S,
        "kelurahan": {kelurahan.id: kelurahan.name for kelurahan in page.context.city.kelurahan.values()},
        "lang": page.lang,
        "zone": page.context.city.time_zone.key,
    }


def _counters(page: PageContext) -> Markup:
    return tag(
        "ul",
        *(_counter(page, key, to) for key, to in COUNTERS.items()),
        class_="counters",
    )


def _counter(page: PageContext, key: str, to: str) -> Markup:
    number = tag("b", NO_NUMBER, id=f"count-{key}")
    return tag("li", link(to, join([number, tag("span", page.t(key))])), class_=f"count {key}")


def _side(page: PageContext, *, is_legend_open: bool) -> Markup:
    toggles = [_toggle(page, kind, on=True) for kind in (*KINDS, "tours", "places")]
    toggles.append(_toggle(page, "tiles", on=False))
    signs = [tag("li", tag("i", class_=f"sign {sign}"), tag("span", page.t(key))) for sign, key in LEGEND]
    return join(
        [
            tag("p", page.t("map_old"), id="map-old", class_="warn", hidden=True, role="status"),
            tag("h2", page.t("in_view"), " ", tag("span", id="in-view-count")),
            tag("ul", id="in-view", class_="in-view", aria_live="off"),
            tag("h2", page.t("layers")),
            tag("div", *toggles, class_="toggles"),
            tag(
                "details",
                tag("summary", tag("h2", page.t("legend"))),
                tag("ul", *signs, class_="legend"),
                open=is_legend_open,
            ),
        ]
    )


def _toggle(page: PageContext, key: str, *, on: bool) -> Markup:
    box = tag("input", type="checkbox", data_layer=key, checked=on)
    return tag("label", box, tag("span", page.t(key)))
