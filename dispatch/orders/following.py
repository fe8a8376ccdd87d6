"""What dumping cases and stops make of work orders: new ones, closed ones, and those whose pile is back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from city.inventory.model import City
from dispatch.orders.records import ClosedBy, NewOrder, WorkOrder
from dispatch.shifts.records import Stop
from ingest.store.views.cases import Case

DUE_WITHIN: Final = timedelta(hours=24)
"""From the confirmation of a case until it should be gone."""
SIZE_KG: Final = 100.0
"""Assumed load of a pile: a camera measures none."""
STILL_SEEN: Final = timedelta(minutes=30)
"""An order that a photo has closed is opened again if the camera has seen the pile for so long since."""
BACK_WITHIN: Final = timedelta(hours=24)
"""A confirmed case on the place of one that went no longer ago is the same pile."""
OVERLAP_MIN: Final = 0.3
"""Share of the smaller box that two cases of the same place have in common."""


class OrderMove(msgspec.Struct, frozen=True):
    """An order that changes: `closed_by` closes it, `seen_as` opens it again, neither is done without proof."""

    order_id: int
    closed_by: ClosedBy | None = None
    seen_as: str = ""
    at: datetime | None = None
    detail: dict[str, Any] = {}


def new_orders(cases: Iterable[Case], orders: Iterable[WorkOrder], city: City) -> list[NewOrder]:
    """Orders of confirmed cases that are still there and have none."""
    known = {name for order in orders for name in (order.subject, order.seen_as)}
    return [
        _order_of(case, city)
        for case in cases
        if case.is_open and case.verdict == "confirmed" and case.id not in known and _position(case, city)
    ]


def moves_of(
    cases: Iterable[Case], orders: Iterable[WorkOrder], stops: Mapping[int, Stop], now: datetime
) -> list[OrderMove]:
    """What cases and stops change of orders.

    Args:
        cases: Those of the last weeks.
        orders: Those of dumping cases, of any state.
        stops: The newest stop of each order, by the order's number.
        now: UTC.
    """
    by_id = {case.id: case for case in cases}
    listed = [order for order in orders if order.kind == "dumping_case"]
    known = {name for order in listed for name in (order.subject, order.seen_as)}
    moves = []
    for order in listed:
        case, stop = by_id.get(order.seen_as), stops.get(order.id)
        moves += list(_moves(order, case, stop, [other for other in by_id.values() if other.id not in known], now))
    return moves


def _moves(
    order: WorkOrder, case: Case | None, stop: Stop | None, others: Iterable[Case], now: datetime
) -> Iterator[OrderMove]:
    if order.state == "closed":
        yield from _return(order, case, others, now)
        return
    if case is not None and case.cleared_at is not None:
        yield OrderMove(order.id, "removed", at=case.cleared_at, detail={"case": case.id})
        return
    photo = _evidence_at(stop, "photo")
    if photo is not None and order.reopened_at is not None and photo <= order.reopened_at:
        return  # it was made before the pile was seen again
    if stop is not None and photo is not None and stop.state in ("verified", "recovered"):
        yield OrderMove(order.id, "photo", at=photo, detail={"stop": stop.id})
    elif stop is not None and stop.state == "claimed" and order.state == "assigned":
        yield OrderMove(order.id, detail={"stop": stop.id})


def _return(order: WorkOrder, case: Case | None, others: Iterable[Case], now: datetime) -> Iterator[OrderMove]:
    """The pile of a closed order that is back, or was never gone; what a supervisor has closed stays closed."""
    closed_at = order.closed_at or now
    is_there = case is not None and case.is_open
    if order.closed_by == "photo" and is_there and now - closed_at >= STILL_SEEN:
        yield OrderMove(order.id, seen_as=order.seen_as, detail={"still_seen": True})
        return
    gone_at = order.removed_at or closed_at
    for other in others:
        is_new = other.is_open and other.verdict == "confirmed" and gone_at <= other.raised_at <= gone_at + BACK_WITHIN
        if is_new and order.closed_by != "supervisor" and case is not None and _is_same_place(case, other):
            yield OrderMove(order.id, seen_as=other.id, detail={"case": other.id})
            return


def _evidence_at(stop: Stop | None, kind: str) -> datetime | None:
    return next((piece.at for piece in stop.evidence if piece.kind == kind), None) if stop else None


def _is_same_place(case: Case, other: Case) -> bool:
    """Whether two cases of one camera lie on the same place of its picture."""
    if case.camera != other.camera or not case.box or not other.box:
        return False
    left, top, width, height = case.box
    other_left, other_top, other_width, other_height = other.box
    across = min(left + width, other_left + other_width) - max(left, other_left)
    down = min(top + height, other_top + other_height) - max(top, other_top)
    smaller = min(width * height, other_width * other_height)
    return across > 0 and down > 0 and smaller > 0 and across * down >= OVERLAP_MIN * smaller


def _position(case: Case, city: City) -> tuple[float, float] | None:
    """Where a case is: at its camera, else at its site."""
    camera, site = city.cameras.get(case.camera), city.sites.get(case.site)
    if camera is not None and camera.lat_deg is not None and camera.lon_deg is not None:
        return camera.lat_deg, camera.lon_deg
    return (site.lat_deg, site.lon_deg) if site else None


def _order_of(case: Case, city: City) -> NewOrder:
    lat_deg, lon_deg = _position(case, city) or (city.lat_deg, city.lon_deg)
    return NewOrder(
        kind="dumping_case",
        subject=case.id,
        site=case.site,
        kelurahan=case.kelurahan,
        place=case.site_name or case.camera,
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        stream="non_organic",
        size_kg=SIZE_KG,
        due_at=(case.reviewed_at or case.raised_at) + DUE_WITHIN,
        created_by=case.reviewed_by,
    )
