"""The first page of who runs the public Wi-Fi: hotspots that are down, slow or crowded, and new devices."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.pages.new_devices import device_rows
from api.console.parts.device_columns import columns_of, rows_of, urgency
from api.console.parts.dispatch_words import NOTHING
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.queries.device_states import device_states, state_word

STATES: Final = ("down", "slow", "crowded")
"""States of hotspots that need work, the worst first."""
SHOWN: Final = 40
NEW_SHOWN: Final = 20


def build(page: PageContext, screen: Screen) -> None:
    """Add what is wrong with hotspots, and devices that nobody knows."""
    screen.script("new-devices.js")
    screen.live("hotspots", ("ap",), lambda: _hotspots(page), "panel")
    screen.live("new-devices", ("new_devices",), lambda: _new(page), "panel")


def _hotspots(page: PageContext) -> Markup:
    states = device_states(page.context, kind="ap")
    counts = {word: sum(state_word(state.condition) == word for state in states) for word in (*STATES, "up")}
    is_known = any(state.latest is not None for state in states)
    tiles = [
        link(
            f"/devices/ap?state={word}",
            join([tag("b", page.number(number) if is_known else NOTHING), tag("span", page.t(f"is_{word}"))]),
            class_="tile bad" if number and word == "down" else "tile",
        )
        for word, number in counts.items()
    ]
    head = [tag("h2", page.t("network_hotspots")), tag("div", *tiles, class_="tiles day-tiles")]
    wrong = sorted(rows_of(page, (state for state in states if state_word(state.condition) in STATES)), key=urgency)
    if not wrong:
        key = "network_fine" if is_known else "network_unknown"
        return join([*head, tag("p", page.t(key), class_="empty")])
    columns = columns_of("ap")
    cells = [[column.html(page, row) for column in columns] for row in wrong[:SHOWN]]
    shown = table([page.word(column.key) for column in columns], cells, keys=[row.id for row in wrong[:SHOWN]])
    more = tag("p", link("/devices/ap", page.t("network_all")))
    return join([*head, shown, more])


def _new(page: PageContext) -> Markup:
    head = tag("h2", link("/strangers", page.t("new_devices")))
    devices = [device for device in page.context.quarantine.find(state=None) if device.state != "ignored"]
    if not devices:
        return join([head, tag("p", page.t("no_new_devices"), class_="empty")])
    return join([head, device_rows(page, devices[:NEW_SHOWN])])
