"""What the verdict on a stop needs to know of it: its place and window, and the other stops around it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from city.inventory.geo import distance_km
from dispatch.shifts.records import WAITING_STATES, CrewShift, Stop
from dispatch.verification.signals import StopFacts

RADIUS_M: Final = 60.0
"""Radius of a site's circle."""
NEAR_M: Final = 300.0
SAME_STAY: Final = timedelta(minutes=20)
"""Stops of one circle whose planned times differ by no more are served in one stay."""


def facts_of_shift(
    shift: CrewShift, stops: Sequence[Stop], sensors: Collection[str], now: datetime
) -> dict[int, StopFacts]:
    """Facts of the stops of one shift, by their numbers.

    Args:
        shift: The shift.
        stops: Its stops at containers and of orders, in order.
        sensors: Containers whose level is measured.
        now: UTC.
    """
    has_begun = shift.state == "under_way" or now >= shift.departs_at
    following = next((stop.id for stop in stops if stop.state in WAITING_STATES), None) if has_begun else None
    return {stop.id: _facts(stop, stops, sensors, is_next=stop.id == following) for stop in stops}


def _facts(stop: Stop, stops: Sequence[Stop], sensors: Collection[str], *, is_next: bool) -> StopFacts:
    near = [(other, _metres(stop, other)) for other in stops if other.id != stop.id]
    here = [other for other, metres in near if metres <= RADIUS_M]
    beside = [other for other in here if abs(other.starts_at - stop.starts_at) <= SAME_STAY]
    container = stop.subject if stop.kind == "container" else ""
    return StopFacts(
        id=str(stop.id),
        lat_deg=stop.lat_deg,
        lon_deg=stop.lon_deg,
        opens_at=stop.window_from,
        closes_at=stop.window_to,
        container=container,
        has_sensor=container in sensors,
        radius_m=RADIUS_M,
        service_s=stop.service_s,
        planned_at=stop.starts_at,
        is_next=is_next,
        beside=len(beside),
        other_times=tuple(other.starts_at for other in here if other not in beside),
        other_places=tuple((other.lat_deg, other.lon_deg) for other, metres in near if RADIUS_M < metres <= NEAR_M),
    )


def _metres(stop: Stop, other: Stop) -> float:
    return distance_km(stop.lat_deg, stop.lon_deg, other.lat_deg, other.lon_deg) * 1000
