"""The columns of the lists of devices: what a row knows, how a page and a file write it, and how it is sorted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, link, markup, tag
from api.queries.collections import LastCollection
from api.queries.device_states import state_word
from broker.contract.topics import Kind
from city.inventory.model import AccessPoint, Bin, Truck
from ingest.store.records import Value
from ingest.store.views.device_condition import FILLING_PCT, FULL_PCT, DeviceCondition, name_of, position_of
from ingest.store.views.device_state import DeviceState

STATES: Final[dict[Kind, tuple[str, ...]]] = {
    "bin": ("fire", "full", "tilted", "unmeasured", "silent", "filling", "ok", "unknown"),
    "truck": ("panic", "broken", "silent", "working", "on_route", "parked", "unknown"),
    "ap": ("down", "slow", "crowded", "up", "unknown"),
    "camera": ("blind", "silent", "watching", "unknown"),
}
"""The states that a list shows and filters by, per kind, the worst first."""
FIELDS: Final[dict[Kind, tuple[str, ...]]] = {
    "bin": ("fill_pct", "battery_pct"),
    "truck": ("speed_kmh", "fuel_pct", "odometer_km"),
    "ap": ("clients", "latency_ms", "loss_pct", "tx_kbps", "channel_busy_pct"),
    "camera": ("scene", "fps"),
}
"""The fields of a list, per kind; a device's page shows all."""

_PIN: Final = "M12 2a7 7 0 0 0-7 7c0 5 7 13 7 13s7-8 7-13a7 7 0 0 0-7-7zm0 9.5a2.5 2.5 0 1 1 0-5 2.5 2.5 0 0 1 0 5z"

Cell = str | float | datetime | None
"""What a column knows of a device. It sorts by it, and files have it as it is."""


@dataclass(frozen=True)
class DeviceRow:
    """A device of a list, with what other parts of the platform know of it."""

    state: DeviceState
    full_since: datetime | None = None
    emptied: LastCollection | None = None

    @property
    def id(self) -> str:
        """The device's id."""
        return self.state.device.id


@dataclass(frozen=True)
class ListColumn:
    """A column. `key` is its name in addresses and the key of its heading; `html` writes a cell of a page."""

    key: str
    value: Callable[[PageContext, DeviceRow], Cell]
    html: Callable[[PageContext, DeviceRow], object]
    is_falling: bool = False
    """Whether the largest comes first where a person asks for this column."""


def columns_of(kind: Kind) -> tuple[ListColumn, ...]:
    """The columns of a kind's list, in order."""
    about: dict[Kind, tuple[ListColumn, ...]] = {
        "bin": (_PLACE, _WASTE),
        "truck": (_PLATE,),
        "ap": (_PLACE, _SSIDS),
        "camera": (_PLACE,),
    }
    bins = (_FULL_SINCE, _EMPTIED) if kind == "bin" else ()
    return (_DEVICE, *about[kind], *map(_field_column, FIELDS[kind]), *bins, _STATE, _HEARD)


def rows_of(page: PageContext, states: Iterable[DeviceState]) -> list[DeviceRow]:
    """The rows of devices; containers know since when they are full, and when they were emptied."""
    known = list(states)
    if not any(isinstance(state.device, Bin) for state in known):
        return [DeviceRow(state) for state in known]
    context = page.context
    emptied = context.collections.by_container(context.reader, context.clock())
    full_since = {
        alarm.subject: alarm.since
        for alarm in context.alarm_board.listed
        if alarm.kind == "overflowing" and alarm.cleared_at is None
    }
    return [DeviceRow(state, full_since.get(state.device.id), emptied.get(state.device.id)) for state in known]


def emptied_words(page: PageContext, state: DeviceState) -> Markup:
    """Since when a container is full, and when it was last emptied and by whom."""
    (row,) = rows_of(page, [state])
    pairs = [(column, column.html(page, row)) for column in (_FULL_SINCE, _EMPTIED)]
    return tag(
        "dl", *(join([tag("dt", page.word(column.key)), tag("dd", cell)]) for column, cell in pairs), class_="facts"
    )


def place_name(page: PageContext, row: DeviceRow) -> str:
    """The site of a device, else its kelurahan."""
    device, city = row.state.device, page.context.city
    site, kelurahan = city.sites.get(device.site), city.kelurahan.get(device.kelurahan)
    names = (site.name if site else device.site, kelurahan.name if kelurahan else device.kelurahan)
    return ", ".join(dict.fromkeys(name for name in names if name))


def geo_link(page: PageContext, row: DeviceRow) -> Markup:
    """A link that opens the place of a device in the map program of a telephone; nothing without a position."""
    position = position_of(row.state.device, row.state.latest)
    if position is None:
        return Markup()
    words = page.t("open_place", name=row.id)
    pin = tag("svg", tag("path", d=_PIN), viewBox="0 0 24 24", class_="pin", aria_hidden="true")
    return link(f"geo:{position[0]:.5f},{position[1]:.5f}", pin, class_="geo", title=words, aria_label=words)


def fill_bar(fill_pct: float, words: str) -> Markup:
    """A fill level as a bar with its number."""
    level = "high" if fill_pct > FULL_PCT else "mid" if fill_pct >= FILLING_PCT else "low"
    filled = tag("rect", width=f"{max(0.0, min(100.0, fill_pct)):.0f}%", height="100%")
    bar = tag("svg", filled, class_=f"bar {level}", aria_hidden="true")
    return join([bar, tag("span", words)], " ")


def condition_badge(page: PageContext, condition: DeviceCondition) -> Markup:
    """A condition as a badge, coloured by how urgent it is."""
    return tag("span", page.t(f"is_{state_word(condition)}"), class_=f"state severity-{condition.severity}")


def urgency(row: DeviceRow) -> tuple[int, int, float, str]:
    """The order of a list that nobody has sorted: by severity, state, fill level, and id."""
    fill = _field_value(row, "fill_pct")
    rank = STATES[row.state.device.KIND].index(state_word(row.state.condition))
    return -row.state.condition.severity, rank, -float(fill) if isinstance(fill, float | int) else 1.0, row.id


def sorting(page: PageContext, column: ListColumn, *, is_falling: bool) -> Callable[[DeviceRow], tuple[bool, object]]:
    """The key by which a list is sorted, for `reverse=is_falling`; devices without a value are last."""

    def by(row: DeviceRow) -> tuple[bool, object]:
        value = column.value(page, row)
        absent = value is None or value == ""
        return absent is not is_falling, (value.casefold() if isinstance(value, str) else value) if not absent else 0

    return by


def _field_value(row: DeviceRow, field: str) -> Value | None:
    latest = row.state.latest
    field_value = latest.values.get(field) if latest else None
    return field_value.value if field_value else None


def _field_column(field: str) -> ListColumn:
    def html(page: PageContext, row: DeviceRow) -> object:
        value = _field_value(row, field)
        if value is None:
            return tag("span", page.t("none"), class_="none")
        words = page.value(field, value)
        return fill_bar(float(value), words) if field == "fill_pct" else words

    def value(page: PageContext, row: DeviceRow) -> Cell:
        known = _field_value(row, field)
        return page.value(field, known) if isinstance(known, str) else known

    return ListColumn(field, value, html, is_falling=field != "scene")


def _place_cell(page: PageContext, row: DeviceRow) -> Markup:
    return join([place_name(page, row), geo_link(page, row)], " ")


def _waste_words(page: PageContext, row: DeviceRow) -> str:
    return page.t(row.state.device.waste_kind) if isinstance(row.state.device, Bin) else ""


def _waste_cell(page: PageContext, row: DeviceRow) -> object:
    color = row.state.device.color if isinstance(row.state.device, Bin) else ""
    return tag("span", _waste_words(page, row), class_=f"kind {color}")


def _plate_words(_page: PageContext, row: DeviceRow) -> str:
    return row.state.device.plate if isinstance(row.state.device, Truck) else ""


def _plate_cell(page: PageContext, row: DeviceRow) -> Markup:
    return join([_plate_words(page, row), geo_link(page, row)], " ")


def _ssid_words(_page: PageContext, row: DeviceRow) -> str:
    return ", ".join(row.state.device.ssids) if isinstance(row.state.device, AccessPoint) else ""


def _age_cell(
    at: Callable[[DeviceRow], datetime | None], *, otherwise: str
) -> Callable[[PageContext, DeviceRow], object]:
    def html(page: PageContext, row: DeviceRow) -> object:
        known = at(row)
        if known is None:
            return tag("span", page.t(otherwise) if otherwise else "-", class_="none")
        return tag("span", page.age(known, page.context.clock()), title=page.time(known))

    return html


def _emptied_at(row: DeviceRow) -> datetime | None:
    return row.emptied.at if row.emptied else None


def _emptied_cell(page: PageContext, row: DeviceRow) -> Markup:
    cell = markup(_age_cell(_emptied_at, otherwise="")(page, row))
    if row.emptied is None or row.emptied.by == row.id:
        return cell
    truck = page.context.city.devices.get(row.emptied.by)
    return join([cell, tag("br"), tag("small", name_of(truck) if truck else row.emptied.by)])


def _heard_at(row: DeviceRow) -> datetime | None:
    return row.state.latest.received_at if row.state.latest else None


_DEVICE: Final = ListColumn("device", lambda _page, row: row.id, lambda _page, row: link(f"/device/{row.id}", row.id))
_PLACE: Final = ListColumn("place", place_name, _place_cell)
_WASTE: Final = ListColumn("waste_kind", _waste_words, _waste_cell)
_PLATE: Final = ListColumn("plate", _plate_words, _plate_cell)
_SSIDS: Final = ListColumn("ssids", _ssid_words, _ssid_words)
_FULL_SINCE: Final = ListColumn(
    "full_since", lambda _page, row: row.full_since, _age_cell(lambda row: row.full_since, otherwise="")
)
_EMPTIED: Final = ListColumn("emptied_at", lambda _page, row: _emptied_at(row), _emptied_cell)
_STATE: Final = ListColumn(
    "state",
    lambda page, row: page.t(f"is_{state_word(row.state.condition)}"),
    lambda page, row: condition_badge(page, row.state.condition),
)
_HEARD: Final = ListColumn(
    "heard", lambda _page, row: _heard_at(row), _age_cell(_heard_at, otherwise="never"), is_falling=True
)
