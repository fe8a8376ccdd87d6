"""The figures of each kelurahan, as points of `area_state`: what the wall counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from broker.contract.topics import Kind
from city.model import City
from ingest.derive.states import to_ms
from ingest.store.cases import Case
from ingest.store.condition import ABSENT, number
from ingest.store.line_protocol import to_point
from ingest.store.records import EventRecord, Value
from ingest.store.standing import Standing

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
"""Kind to the figures it counts for, each with the states that count; none means all."""


SAME_COLLECTION: Final = timedelta(minutes=30)
"""Truck and sensor report the same emptying within so long of each other."""


def area_points(
    city: City, standings: Iterable[Standing], cases: Iterable[Case], collected: Mapping[str, int], now: datetime
) -> list[bytes]:
    """One line for every kelurahan that has devices; zeros are said, for they are known.

    Args:
        city: The inventory.
        standings: Every device's.
        cases: Dumping cases; those of today, those still open and those nobody has judged at least.
        collected: Collections since local midnight, by kelurahan.
        now: The time of the points.
    """
    areas: dict[str, dict[str, Value | None]] = {}
    fills: dict[str, list[float]] = {}
    for standing in standings:
        device = standing.device
        figures = areas.setdefault(device.kelurahan, dict.fromkeys(_zeros(), 0))
        for name, states in _COUNTED[device.KIND].items():
            figures[name] = _plus(figures[name], not states or standing.condition.state in states)
        if standing.connected not in ABSENT:
            if device.KIND == "ap":
                figures["clients"] = _plus(figures["clients"], number(standing.latest, "clients") or 0)
            fill = number(standing.latest, "fill_pct") if device.KIND == "bin" else None
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


def collected_by_area(city: City, events: Iterable[EventRecord]) -> dict[str, int]:
    """How many containers were emptied, by the kelurahan they stand in.

    A truck that says so names the container; when its own sensor says so as well, it is still one collection.

    Args:
        city: The inventory.
        events: Those of type `collected`, oldest first.
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


def _plus(known: Value | None, more: float) -> int:
    return int(known or 0) + int(more)
