"""What is near a place: the trucks with their positions, and the site that people know."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from api.context import ApiContext
from city.inventory.geo import distance_km
from city.inventory.model import Device, Site, Truck
from ingest.store.port import Latest

POSITION_AGE_MAX_S: Final = 24 * 3_600.0
"""An older position says nothing about where a truck is."""

Position = tuple[float, float]
"""Latitude and longitude in degrees."""


class NearbyTruck(msgspec.Struct, frozen=True):
    """A truck near a place; `at` is when its position was measured."""

    truck: Truck
    position: Position
    at: datetime
    distance_km: float


def nearest_trucks(
    context: ApiContext, position: Position, *, count: int, without: Device | None = None
) -> list[NearbyTruck]:
    """The nearest trucks whose position is known, the nearest first."""
    now = context.clock()
    trucks = []
    for latest in context.reader.latest(kind="truck"):
        truck = context.city.devices.get(latest.device)
        fix = _fix(latest)
        if not isinstance(truck, Truck) or truck == without or fix is None:
            continue
        place, at = fix
        if (now - at).total_seconds() <= POSITION_AGE_MAX_S:
            trucks.append(NearbyTruck(truck, place, at, distance_km(*position, *place)))
    return sorted(trucks, key=lambda nearby: nearby.distance_km)[:count]


def _fix(latest: Latest) -> tuple[Position, datetime] | None:
    """The last position of a device and when it was measured."""
    lat, lon = latest.values.get("lat_deg"), latest.values.get("lon_deg")
    if lat is None or lon is None:
        return None
    return (float(lat.value), float(lon.value)), min(lat.measured_at, lon.measured_at)


def fix_age_s(latest: Latest | None, now: datetime) -> float | None:
    """How old a device's last own position is; None if it has reported none."""
    fix = _fix(latest) if latest else None
    return None if fix is None else (now - fix[1]).total_seconds()


def nearest_site(context: ApiContext, position: Position) -> tuple[Site, float] | None:
    """The site that is nearest to a place, and its distance in kilometres."""
    sites = context.city.sites.values()
    distances = [(distance_km(*position, site.lat_deg, site.lon_deg), site.id) for site in sites]
    if not distances:
        return None
    distance, id_ = min(distances)
    return context.city.sites[id_], distance
