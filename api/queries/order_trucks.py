"""The trucks that could fetch what a work order is about."""

from __future__ import annotations

from collections import defaultdict

from api.context import ApiContext
from dispatch.orders.nearest import OpenTourStop, TruckOnTour, TruckProposal, nearest_trucks
from dispatch.orders.records import TO_DO, WorkOrder
from dispatch.shifts.records import WAITING_STATES


def trucks_for(context: ApiContext, order: WorkOrder) -> list[TruckProposal]:
    """The best trucks on duty for an order, the best first; none for one that is done.

    Raises:
        RetryLaterError: The store or the database does not answer.
    """
    if order.state not in TO_DO:
        return []
    return nearest_trucks(order.lat_deg, order.lon_deg, order.stream, order.size_kg, trucks_on_tour(context))


def trucks_on_tour(context: ApiContext) -> list[TruckOnTour]:
    """The trucks of open shifts that have not ended: where they are, and what is left of their tours."""
    shifts = context.dispatch.shifts
    left: defaultdict[int, list[OpenTourStop]] = defaultdict(list)
    for stop in shifts.open_stops():
        if stop.state in WAITING_STATES:
            left[stop.shift_id].append(OpenTourStop(stop.lat_deg, stop.lon_deg, stop.starts_at))
    places: dict[str, tuple[float, float]] = {}
    for latest in context.reader.latest(kind="truck"):
        values = latest.values.get("lat_deg"), latest.values.get("lon_deg")
        numbers = [float(value.value) for value in values if value is not None]
        if len(numbers) == len(values):
            places[latest.device] = numbers[0], numbers[1]
    trucks = []
    now = context.clock()
    for shift in shifts.open():
        if shift.truck in context.city.trucks and now <= shift.ends_at:
            truck, tour = context.city.trucks[shift.truck], tuple(left[shift.id])
            trucks.append(TruckOnTour(truck, shift.id, places.get(shift.truck), tour))
    return trucks
