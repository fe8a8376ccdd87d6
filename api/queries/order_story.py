"""One case from camera to closure: the steps of a work order with who and when, and its pictures."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from api.context import ApiContext
from api.queries.cases import cases
from api.queries.tour_progress import served_at
from dispatch.orders.records import OrderEntry, WorkOrder
from dispatch.shifts.records import Stop
from ingest.store.views.cases import Case

StepKind = Literal["seen", "judged", "ordered", "taken", "served", "gone"]
CASE_BEFORE: Final = timedelta(days=30)
"""A case is confirmed within this time."""
STEPS: Final[tuple[StepKind, ...]] = ("seen", "judged", "ordered", "taken", "served", "gone")


class StoryStep(msgspec.Struct, frozen=True):
    """A step of the way: when, and by whom or what. None and empty: not yet, or not known."""

    kind: StepKind
    at: datetime | None = None
    by: str = ""


class OrderStory(msgspec.Struct, frozen=True):
    """An order with its case, its stop, its steps and its history. `photos`: ids of the crew's photos."""

    order: WorkOrder
    case: Case | None
    stop: Stop | None
    truck: str
    steps: list[StoryStep]
    history: list[OrderEntry]
    photos: list[str]


def story_of(context: ApiContext, order: WorkOrder) -> OrderStory:
    """The story of an order.

    Raises:
        RetryLaterError: The store or the database does not answer.
    """
    case = next(
        (case for case in cases(context, start=order.created_at - CASE_BEFORE) if case.id == order.subject), None
    )
    shifts, history = context.dispatch.shifts, context.dispatch.orders.history(order.id)
    stop = shifts.stop(order.stop_id) if order.stop_id is not None else None
    truck = shifts.get(stop.shift_id).truck if stop else ""
    taps = shifts.taps_of_stop(stop.id) if stop else []
    photos = [str(tap.detail["photo"]) for tap in taps if tap.kind == "photo" and "photo" in tap.detail]
    return OrderStory(order, case, stop, truck, _steps(order, case, stop, truck, history), history, photos)


def _steps(
    order: WorkOrder, case: Case | None, stop: Stop | None, truck: str, history: list[OrderEntry]
) -> list[StoryStep]:
    made = next((entry for entry in history if entry.what == "made"), None)
    assigned = next((entry for entry in reversed(history) if entry.what == "assigned"), None)
    return [
        StoryStep("seen", case.since_at or case.raised_at, case.camera) if case else StoryStep("seen"),
        StoryStep("judged", case.reviewed_at, case.reviewed_by)
        if case
        else StoryStep("judged", None, order.created_by),
        StoryStep("ordered", made.at if made else order.created_at, order.created_by),
        StoryStep("taken", assigned.at if assigned and stop else None, truck if stop else ""),
        StoryStep("served", served_at(stop) if stop else None, truck if stop and served_at(stop) else ""),
        StoryStep("gone", order.removed_at or order.closed_at, _closer_of(order)),
    ]


def _closer_of(order: WorkOrder) -> str:
    """Who or what closed an order: a name, or `removed` or `photo`."""
    if order.closed_by == "supervisor":
        return order.closed_name or ""
    return order.closed_by or ""
