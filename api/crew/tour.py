"""The tour of a shift as the crew's app shows it. No name of a person is in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from api.context import ApiContext
from api.queries.device_states import device_states
from broker.contract.payloads import CREW_EVENT_TYPES
from city.errors import RetryLaterError
from city.inventory.model import City, Truck
from dispatch.shifts.records import CrewSession, ShiftState, Stop, StopKind
from dispatch.verification.states import StopState


class ShownShift(msgspec.Struct, frozen=True):
    """The shift of a truck."""

    id: int
    truck: str
    plate: str
    state: ShiftState
    starts_at: datetime
    ends_at: datetime


class ShownStop(msgspec.Struct, frozen=True):
    """A stop; `reason`: why it is not possible, empty otherwise."""

    id: int
    number: int
    kind: StopKind
    name: str
    kelurahan: str
    stream: str
    lat_deg: float
    lon_deg: float
    arrives_at: datetime
    state: StopState
    state_at: datetime
    reason: str


class ShownMessage(msgspec.Struct, frozen=True):
    """A message of a dispatcher."""

    id: int
    text: str
    sent_at: datetime
    read_at: datetime | None


class TourResponse(msgspec.Struct, frozen=True):
    """A shift with its stops in order, and its messages. `raised`: what the truck's crew or tracker has raised."""

    shift: ShownShift
    stops: Sequence[ShownStop]
    messages: Sequence[ShownMessage]
    raised: Sequence[str]
    time_zone: str
    asked_at: datetime


def tour_of(context: ApiContext, session: CrewSession) -> TourResponse:
    """The tour of a phone's shift."""
    shifts = context.dispatch.shifts
    shift = shifts.get(session.shift_id)
    truck = context.city.devices.get(shift.truck)
    plate = truck.plate if isinstance(truck, Truck) else ""
    stops = [_stop_of(context.city, stop) for stop in shifts.stops(shift.id)]
    messages = [msgspec.convert(entry, ShownMessage, from_attributes=True) for entry in shifts.messages(shift.id)]
    return TourResponse(
        ShownShift(shift.id, shift.truck, plate, shift.state, shift.starts_at, shift.ends_at),
        stops,
        messages,
        _standing_alerts(context, shift.truck),
        str(context.city.time_zone),
        context.clock(),
    )


def _stop_of(city: City, stop: Stop) -> ShownStop:
    shown = msgspec.convert(stop, ShownStop, from_attributes=True)
    kelurahan = city.kelurahan.get(stop.kelurahan)
    return msgspec.structs.replace(shown, kelurahan=kelurahan.name) if kelurahan else shown


def _standing_alerts(context: ApiContext, truck: str) -> list[str]:
    """Alerts of a truck that stand; none while the store does not answer."""
    device = context.city.devices.get(truck)
    try:
        states = device_states(context, device=device) if device else []
    except RetryLaterError:
        return []
    return sorted(CREW_EVENT_TYPES & {name for state in states for name in state.raised})
