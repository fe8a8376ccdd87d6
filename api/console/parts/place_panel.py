"""Where a device is: in words, on a small map with its site, and the trucks that are nearest."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.device_columns import DeviceRow, condition_badge, geo_link, place_name
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.queries.changes import Topic
from api.queries.device_states import device_states
from api.queries.nearby import NearbyTruck, Position, fix_age_s, nearest_site, nearest_trucks
from city.inventory.geo import distance_km
from city.inventory.model import Device, Site, Truck
from ingest.store.views.device_condition import name_of, position_of
from ingest.store.views.device_state import DeviceState

TRUCKS: Final = 3
_NEAR_KM: Final = 1.0
_FINE_KM: Final = 10.0
_HERE_KM: Final = 0.03
"""A site that is nearer is where the device stands."""


def add_place(page: PageContext, screen: Screen, device: Device) -> None:
    """Add the map, which stays, and what it shows, which is live."""
    screen.style("lib/leaflet.css")
    screen.script("lib/leaflet.js", "street-layer.js", "device-map.js")
    box = tag("div", class_="device-map", role="application", aria_label=page.t("map"))
    screen.show(join([tag("h2", page.t("place")), box]), "panel place-box")
    topics: tuple[Topic, ...] = (device.KIND,) if isinstance(device, Truck) else (device.KIND, "truck")
    screen.live("place", topics, lambda: _place(page, device), "panel", every_s=10.0)


def _place(page: PageContext, device: Device) -> Markup:
    (state,) = device_states(page.context, device=device)
    position = position_of(device, state.latest)
    if position is None:
        return tag("p", page.t("no_position"), class_="empty")
    site = page.context.city.sites.get(device.site)
    if site and distance_km(*position, site.lat_deg, site.lon_deg) < _HERE_KM:
        site = None
    trucks = nearest_trucks(page.context, position, count=TRUCKS, without=device)
    shown = {
        "here": _here(device, state, position),
        "site": _site(site),
        "trucks": [_truck(nearby) for nearby in trucks],
    }
    data = msgspec.json.encode(shown).decode()
    return join([_words(page, state, position), _trucks(page, trucks), tag("span", hidden=True, data_place=data)])


def _here(device: Device, state: DeviceState, position: Position) -> dict[str, Any]:
    return {"at": position, "name": name_of(device), "kind": device.KIND, "severity": state.condition.severity}


def _site(site: Site | None) -> dict[str, Any] | None:
    return {"at": (site.lat_deg, site.lon_deg), "name": site.name} if site else None


def _truck(nearby: NearbyTruck) -> dict[str, Any]:
    return {"at": nearby.position, "name": nearby.truck.plate}


def _words(page: PageContext, state: DeviceState, position: Position) -> Markup:
    row = DeviceRow(state)
    pairs: list[tuple[str, object]] = [("place", place_name(page, row))]
    if landmark := _landmark(page, state.device, position):
        pairs.append(("landmark", landmark))
    coordinates = f"{position[0]:.5f}, {position[1]:.5f}"
    pairs.append(("coordinates", join([coordinates, geo_link(page, row)], " ")))
    age_s = fix_age_s(state.latest, page.context.clock())
    if isinstance(state.device, Truck) and age_s is not None:
        pairs.append(("position_age", page.duration(age_s)))
    return tag("dl", *(join([tag("dt", page.t(key)), tag("dd", words)]) for key, words in pairs), class_="facts")


def _landmark(page: PageContext, device: Device, position: Position) -> str:
    """The nearest site and how far it is, where it is not the device's own."""
    nearest = nearest_site(page.context, position)
    if nearest is None or nearest[1] > _NEAR_KM or (nearest[0].id == device.site and nearest[1] < _HERE_KM):
        return ""
    site, far_km = nearest
    return page.t("near_site", distance=distance_words(page, far_km), name=site.name)


def distance_words(page: PageContext, far_km: float) -> str:
    """A distance in metres, in tens, below a kilometre."""
    if far_km < 1:
        return f"{page.number(max(10, round(far_km * 100) * 10))}\N{NO-BREAK SPACE}m"
    return f"{page.number(far_km, 1 if far_km < _FINE_KM else 0)}\N{NO-BREAK SPACE}km"


def _trucks(page: PageContext, trucks: list[NearbyTruck]) -> Markup:
    heading = tag("h3", page.t("nearest_trucks"))
    if not trucks:
        return join([heading, tag("p", page.t("no_truck_position"), class_="empty")])
    states = {state.device.id: state for state in device_states(page.context, kind="truck")}
    now = page.context.clock()
    rows = [
        (
            link(f"/device/{nearby.truck.id}", nearby.truck.plate),
            distance_words(page, nearby.distance_km),
            page.age(nearby.at, now),
            condition_badge(page, states[nearby.truck.id].condition),
        )
        for nearby in trucks
    ]
    names = [page.t(key) for key in ("truck", "distance", "position_age", "state")]
    return join([heading, table(names, rows, keys=[nearby.truck.id for nearby in trucks])])
