"""What differs between two plans, stop by stop, and why."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal, NamedTuple

import msgspec

from dispatch.planning.plan import CollectionPlan, DropReason

ChangeKind = Literal["added", "dropped", "truck", "time", "order"]
"""New on a route; on none any more; on another truck's; at another time; another number in the same truck's order."""
ChangeReason = Literal[
    "new_case",
    "truck_out",
    "street_blocked",
    "truck_full",
    "now_served",
    "saves_distance",
    "follows",
    "not_worth",
    "no_capacity",
    "too_large",
    "no_truck",
    "closed",
]
"""Why: a new case; its truck is out of service; its street is blocked; its truck is full or has no time left; trucks
have room for it now; the routes get shorter; an earlier stop of its truck has changed; and the reasons of a drop."""

RETIMED_S = 900.0
"""A stop that keeps its truck and its order is listed only if its time changes by more."""


class Circumstances(NamedTuple):
    """What has happened between two plans: trucks out of service, new stops, stops in blocked streets.

    `fits`: whether a truck could serve a stop beside all that it has in the new plan.
    """

    trucks_out: Collection[str] = ()
    new_stops: Collection[str] = ()
    blocked_stops: Collection[str] = ()
    fits: Callable[[str, str], bool] = lambda _truck, _stop: True


class StopSlot(msgspec.Struct, frozen=True):
    """A stop's place in a plan: truck, number in its order, and time of service."""

    truck: str
    number: int
    starts_s: float


class StopChange(msgspec.Struct, frozen=True):
    """What changes for a stop; `before` or `after` is None where it is on no route."""

    id: str
    kind: ChangeKind
    reason: ChangeReason
    before: StopSlot | None
    after: StopSlot | None


def compare_plans(
    old: CollectionPlan, new: CollectionPlan, happened: Circumstances, *, done: Collection[str] = ()
) -> list[StopChange]:
    """The changes from one plan to another; stops in `done` are collected already and are left out."""
    before, after = _slots(old, done), _slots(new, done)
    drops = {drop.id: drop.reason for drop in new.dropped}
    changes = []
    for id_ in {**before, **after}:
        change = _change(id_, before.get(id_), after.get(id_), happened, drops)
        if change:
            changes.append(change)
    return sorted(changes, key=_order)


def _change(
    id_: str,
    before: StopSlot | None,
    after: StopSlot | None,
    happened: Circumstances,
    drops: dict[str, DropReason],
) -> StopChange | None:
    difference: tuple[ChangeKind, ChangeReason] | None = None
    if before is None:
        difference = "added", "new_case" if id_ in happened.new_stops else "now_served"
    elif after is None:
        blocked = id_ in happened.blocked_stops
        difference = "dropped", "street_blocked" if blocked else drops.get(id_, "no_capacity")
    elif before.truck != after.truck:
        difference = "truck", _reason_to_move(id_, before.truck, happened)
    elif abs(before.starts_s - after.starts_s) > RETIMED_S:
        difference = "time", "follows"
    elif before.number != after.number:
        difference = "order", "saves_distance"
    return StopChange(id_, *difference, before, after) if difference else None


def _reason_to_move(id_: str, truck: str, happened: Circumstances) -> ChangeReason:
    if truck in happened.trucks_out:
        return "truck_out"
    return "saves_distance" if happened.fits(truck, id_) else "truck_full"


def _slots(plan: CollectionPlan, done: Collection[str]) -> dict[str, StopSlot]:
    """Where each open stop is; numbers count open stops only."""
    slots: dict[str, StopSlot] = {}
    for route in plan.routes:
        stops = [visit for visit in route.visits if visit.kind == "stop" and visit.id not in done]
        slots |= {visit.id: StopSlot(route.truck, number, visit.starts_s) for number, visit in enumerate(stops, 1)}
    return slots


def _order(change: StopChange) -> tuple[str, float, str]:
    place = change.after or change.before
    return (place.truck, place.starts_s, change.id) if place else ("", 0.0, change.id)
