"""Figures of each kelurahan as points of `area_state`, for the boards' totals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from broker.contract.topics import Kind
from city.inventory.model import City
from ingest.derive.states import to_ms
from ingest.store.influx.line_protocol import to_point
from ingest.store.records import EventRecord, Value
from ingest.store.views.cases import Case
from ingest.store.views.device_condition import ABSENT, number
from ingest.store.views.device_state import DeviceState

_COUNTED: Final[dict[Kind, dict[str, tuple[str, ...]]]] = {
    "bin": {
        "bins": (),
        "bins_full": ("full",),
        "bins_filling": ("filling",),
        "bins_silent": ("silent", "unknown"),
        "bins_unmeasured": ("unmeasured",),
        "fires": ("fire",),
    },
    "truck": {
        "trucks": (),
        "trucks_on_route": ("on_route", "working"),
        "trucks_broken": ("broken",),
        "trucks_silent": ("silent", "unknown"),
    },
    "ap": {"aps": (), "aps_down": ("down",)},
    "camera": {"cameras": (), "cameras_blind": ("blind", "silent", "unknown")},
}
"""Kind to its figures, each with the states that count; none means all."""


SAME_COLLECTION: Final = timedelta(minutes=30)
"""Truck and bin sensor report the same collection within this time."""


def area_points(
    city: City, device_states: Iterable[DeviceState], cases: Iterable[Case], collected: Mapping[str, int], now: datetime
) -> list[bytes]:
    """One line for every kelurahan that has devices; zeros are written, because they are known.

    Args:
        city: The inventory.
        device_states: The state of every device.
        cases: Dumping cases; at least those of today, open ones and ones without a verdict.
        collected: Collections since local midnight, by kelurahan.
        now: Time of the points.
    """
    areas: dict[str, dict[str, Value | None]] = {}
    fills: dict[str, list[float]] = {}
    for device_state in device_states:
        device = device_state.device
        figures = areas.setdefault(device.kelurahan, dict.fromkeys(_zeros(), 0))
        for name, states in _COUNTED[device.KIND].items():
            figures[name] = _plus(figures[name], not states or device_state.condition.state in states)
        if device_state.connectivity not in ABSENT:
            if device.KIND == "ap":
                figures["clients"] = _plus(figures["clients"], number(device_state.latest, "clients") or 0)
            fill = number(device_state.latest, "fill_pct") if device.KIND == "bin" else None
            if fill is not None:
                fills.setdefault(device.kelurahan, []).append(fill)
    today = now.astimezone(city.time_zone).date()
    for case in cases:
        if figures := areas.get(case.kelurahan, {}):
            figures["open_cases"] = _plus(figures["open_cases"], case.is_open)
            figures["cases_waiting"] = _plus(figures["cases_waiting"], case.verdict == "none")
            is_today = case.raised_at.astimezone(city.time_zone).date() == today
            figures["cases_today"] = _plus(figures["cases_today"], case.counts and is_today)
    lines = []
    for kelurahan, figures in areas.items():
        figures["collected_today"] = collected.get(kelurahan, 0)
        measured = fills.get(kelurahan)
        figures["fill_mean_pct"] = sum(measured) / len(measured) if measured else None
        lines.append(to_point("area_state", {"city": city.id, "kelurahan": kelurahan}, figures, to_ms(now) * 1_000_000))
    return lines


_GROUPINGS: Final = {"ssid": "clients_by_ssid", "radio": "clients_by_radio"}
"""Value of the tag `grouping` to the field of a reading: an object of counts by name, as JSON text."""
_RADIOS: Final = frozenset({"2g", "5g", "6g"})
_OTHER: Final = "other"
"""Name of what the inventory does not know: each name is a series of the database, and devices send any text."""


def client_points(city: City, device_states: Iterable[DeviceState], now: datetime) -> list[bytes]:
    """Users by kelurahan and network name, and by kelurahan and radio, of access points that are heard."""
    ssids = frozenset(ssid for access_point in city.access_points.values() for ssid in access_point.ssids)
    known = {"ssid": ssids, "radio": _RADIOS}
    counts: dict[tuple[str, str, str], int] = {}
    for device_state in device_states:
        if device_state.latest is None or device_state.connectivity in ABSENT:
            continue
        for grouping, field in _GROUPINGS.items():
            reported = device_state.latest.values.get(field)
            for name, count in (msgspec.json.decode(str(reported.value)) if reported else {}).items():
                key = (device_state.device.kelurahan, grouping, name if name in known[grouping] else _OTHER)
                counts[key] = counts.get(key, 0) + int(count)
    return [
        to_point(
            "client_state",
            {"city": city.id, "kelurahan": kelurahan, "grouping": grouping, "name": name},
            {"clients": count},
            to_ms(now) * 1_000_000,
        )
        for (kelurahan, grouping, name), count in counts.items()
    ]


def collected_by_area(city: City, events: Iterable[EventRecord]) -> dict[str, int]:
    """Number of emptied containers, by kelurahan.

    A truck's event names the container; together with the event of the container's own sensor it counts once.

    Args:
        city: The inventory.
        events: Events of type `collected`, oldest first.
    """
    last: dict[str, datetime] = {}
    counted: dict[str, int] = {}
    for event in events:
        place = str(event.detail.get("bin", event.origin.device))
        at = event.origin.measured_at
        if place not in last or at - last[place] > SAME_COLLECTION:
            device = city.devices.get(place) or city.devices.get(event.origin.device)
            area = device.kelurahan if device else ""
            counted[area] = counted.get(area, 0) + 1
        last[place] = at
    return counted


def _zeros() -> list[str]:
    of_cases = ("open_cases", "cases_waiting", "cases_today")
    return [*(name for counted in _COUNTED.values() for name in counted), "clients", *of_cases]


def _plus(known: Value | None, increase: float) -> int:
    return int(known or 0) + int(increase)
