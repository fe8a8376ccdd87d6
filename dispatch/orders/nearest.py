"""Which trucks could fetch what an order is about: the nearest fitting one, or the next tour that passes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from city.inventory.geo import distance_km
from city.inventory.model import Truck

PASSES_KM: Final = 1.0
"""A tour with an open stop this near passes."""
PROPOSED_MAX: Final = 3


class OpenTourStop(msgspec.Struct, frozen=True):
    """An open stop of a tour."""

    lat_deg: float
    lon_deg: float
    at: datetime


class TruckOnTour(msgspec.Struct, frozen=True):
    """A truck on duty: latitude and longitude (None is unknown), and what is left of its tour."""

    truck: Truck
    shift_id: int
    position: tuple[float, float] | None
    left: tuple[OpenTourStop, ...] = ()


class TruckProposal(msgspec.Struct, frozen=True):
    """A truck that could go. `passes_at`: when its tour passes; None if it would have to leave its tour."""

    truck: str
    shift_id: int
    km: Annotated[
        float, Meta(description="Straight line from where it is, or from its tour where that passes. Unit: km.")
    ]
    passes_at: datetime | None


def nearest_trucks(
    lat_deg: float, lon_deg: float, stream: str, size_kg: float, trucks: Iterable[TruckOnTour]
) -> list[TruckProposal]:
    """The best trucks for a place, the best first.

    Args:
        lat_deg: Latitude of the place.
        lon_deg: Longitude of the place.
        stream: What is to be fetched.
        size_kg: How much.
        trucks: All trucks on duty.
    """
    proposals = [
        proposal
        for on_tour in trucks
        if _fits(on_tour.truck, stream, size_kg) and (proposal := _proposal(lat_deg, lon_deg, on_tour)) is not None
    ]
    return sorted(proposals, key=lambda proposal: (proposal.km, proposal.truck))[:PROPOSED_MAX]


def _fits(truck: Truck, stream: str, size_kg: float) -> bool:
    """Whether an empty truck could carry it."""
    if truck.split_kg:
        return any(name == stream and load_kg >= size_kg for name, load_kg in truck.split_kg)
    return truck.capacity_kg >= size_kg and (not truck.streams or stream in truck.streams)


def _proposal(lat_deg: float, lon_deg: float, on_tour: TruckOnTour) -> TruckProposal | None:
    passing = _passing(lat_deg, lon_deg, on_tour.left)
    here_km = distance_km(lat_deg, lon_deg, *on_tour.position) if on_tour.position else None
    if passing is not None and (here_km is None or passing[0] <= here_km):
        return TruckProposal(on_tour.truck.id, on_tour.shift_id, round(passing[0], 2), passing[1])
    return None if here_km is None else TruckProposal(on_tour.truck.id, on_tour.shift_id, round(here_km, 2), None)


def _passing(lat_deg: float, lon_deg: float, left: Sequence[OpenTourStop]) -> tuple[float, datetime] | None:
    """Distance and time of the nearest open stop, if the tour passes."""
    near = [(distance_km(lat_deg, lon_deg, stop.lat_deg, stop.lon_deg), stop.at) for stop in left]
    best = min(near, default=None)
    return best if best is not None and best[0] <= PASSES_KM else None
