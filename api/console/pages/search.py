"""The search over devices, plates, kelurahan, sites and network names, from the box on every page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.pages.listing import names_of
from api.console.parts.device_columns import DeviceRow, condition_badge, geo_link, place_name
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.queries.device_states import device_states
from api.queries.url_filter import read_texts
from city.inventory.model import AccessPoint, City, Device, Truck

SHOWN: Final = 50


def build(page: PageContext, screen: Screen, query: Mapping[str, str]) -> None:
    """Add what was found: places first, then devices."""
    wanted = read_texts(query, ["q"])["q"]
    screen.show(tag("p", page.t("search_intro"), class_="intro"))
    screen.show(_form(page, wanted))
    if wanted:
        screen.show(lambda: _places(page, wanted))
        screen.live("devices", ("bin", "truck", "ap", "camera"), lambda: _devices(page, wanted), every_s=5.0)


def only_match(city: City, wanted: str) -> str:
    """The id of the device that the search names exactly, by id or plate; empty if there is none."""
    text = wanted.strip().casefold()
    names = (
        (device.id, {device.id.casefold(), device.plate.casefold() if isinstance(device, Truck) else ""})
        for device in city.devices.values()
    )
    return next((id_ for id_, known in names if text and text in known), "")


def _form(page: PageContext, wanted: str) -> Markup:
    box = tag("input", type="search", name="q", value=wanted, maxlength=80)
    parts = [tag("label", page.t("search_all"), box), tag("button", page.t("search_button"))]
    return tag("form", *parts, method="get", action="/search", class_="filters", role="search")


def _places(page: PageContext, wanted: str) -> Markup:
    """Kelurahan, sites and network names that match, each with links to its devices and its place on the map."""
    text, city = wanted.casefold(), page.context.city
    rows = [
        [place.name, page.t("kelurahan"), _lists(page, "kelurahan", place.id, ("bin", "ap", "camera"))]
        for place in city.kelurahan.values()
        if text in place.name.casefold()
    ]
    rows += [
        [site.name, page.t("site_name"), _lists(page, "site", site.id, ("bin", "ap", "camera"))]
        for site in city.sites.values()
        if text in site.name.casefold()
    ]
    ssids = {ssid for device in city.devices.values() if isinstance(device, AccessPoint) for ssid in device.ssids}
    rows += [
        [ssid, page.t("ssids"), _lists(page, "ssid", ssid, ("ap",))]
        for ssid in sorted(ssids)
        if text in ssid.casefold()
    ]
    if not rows:
        return Markup()
    heading = tag("h2", page.t("places_found"))
    return join([heading, table([page.t("place"), page.t("kind"), page.t("show")], rows[:SHOWN])])


def _lists(page: PageContext, name: str, id_: str, kinds: tuple[str, ...]) -> Markup:
    links = [link(f"/devices/{kind}?{urlencode({name: id_})}", page.t(kind)) for kind in kinds]
    if name != "ssid":
        links.append(link(f"/map?{urlencode({'to': id_})}", page.t("map")))
    return join(links, ", ")


def _devices(page: PageContext, wanted: str) -> Markup:
    text = wanted.casefold()

    def is_match(device: Device) -> bool:
        return text in " ".join(names_of(page, device)).casefold()

    rows = [DeviceRow(state) for state in device_states(page.context) if is_match(state.device)]
    rows.sort(key=lambda row: (-row.state.condition.severity, row.id))
    heading = tag("h2", page.t("devices_found"))
    count = tag("p", page.plural("found", len(rows)), class_="found", role="status")
    if not rows:
        return join([heading, tag("p", page.t("nothing"), class_="empty")])
    headings = [page.t(key) for key in ("device", "kind", "place", "state", "heard")]
    more = tag("p", page.t("search_narrower", n=SHOWN), class_="intro") if len(rows) > SHOWN else None
    shown = table(headings, [_row(page, row) for row in rows[:SHOWN]], keys=[row.id for row in rows[:SHOWN]])
    return join([heading, count, shown, more])


def _row(page: PageContext, row: DeviceRow) -> list[object]:
    device, latest = row.state.device, row.state.latest
    name = join([row.id, device.plate], " · ") if isinstance(device, Truck) else row.id
    return [
        link(f"/device/{row.id}", name),
        page.t(device.KIND),
        join([place_name(page, row), geo_link(page, row)], " "),
        condition_badge(page, row.state.condition),
        page.age(latest.received_at if latest else None, page.context.clock()),
    ]
