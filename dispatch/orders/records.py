"""Work orders, as the service gives them. Times are UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from city.inventory.model import WasteKind

OrderKind = Literal["dumping_case", "container", "citizen_report"]
OrderState = Literal["open", "assigned", "done", "closed", "reopened"]
"""open: nobody is to go yet. assigned: it is on a tour. done: a crew says so, and nothing proves it yet. closed: it is
gone, with proof or by a supervisor. reopened: the pile is back."""
ClosedBy = Literal["removed", "photo", "supervisor"]
OrderEvent = Literal["made", "assigned", "unassigned", "done", "closed", "reopened", "undone"]

TO_DO: Final[tuple[OrderState, ...]] = ("open", "assigned", "reopened")
"""States of orders for which somebody still has to go."""


class NewOrder(msgspec.Struct, frozen=True):
    """What an order is made of. Kind and subject identify it."""

    kind: OrderKind
    subject: str
    site: str
    kelurahan: str
    place: str
    lat_deg: float
    lon_deg: float
    stream: WasteKind
    size_kg: float
    due_at: datetime
    created_by: str


class WorkOrder(msgspec.Struct, frozen=True):
    """One order. `truck` is proposed while nobody is to go, and then assigned."""

    id: int
    kind: OrderKind
    subject: Annotated[str, Meta(description="Id of the case, container or report.")]
    site: str
    kelurahan: str
    place: str
    lat_deg: float
    lon_deg: float
    stream: WasteKind
    size_kg: Annotated[float, Meta(description="Estimated load. Unit: kg.")]
    created_at: datetime
    created_by: Annotated[str, Meta(description="Who ordered it: the person who confirmed the case.")]
    due_at: datetime
    state: OrderState
    truck: str | None
    closed_at: datetime | None
    closed_by: ClosedBy | None
    closed_name: str | None
    reason: str | None
    removed_at: datetime | None
    reopened_at: datetime | None
    seen_as: Annotated[str, Meta(description="Id of the case under which it was seen last.")]
    stop_id: int | None = None
    shift_id: int | None = None


class OrderEntry(msgspec.Struct, frozen=True):
    """What happened to an order; `name` is the person, empty for the system."""

    at: datetime
    what: OrderEvent
    name: str
    detail: Annotated[dict[str, Any], Meta(description="What else is known, by `what`.")]
