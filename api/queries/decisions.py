"""What a dispatcher has to decide now: alarms, proposed plans, contradictions, missed stops and orders without a truck.

The worst first, and of the same kind the newest.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from api.context import ApiContext
from api.dependencies import day_of
from api.queries.day_planner import PLAN_JOB_KINDS, PlanJobStatus
from dispatch.alarms.rules import Priority
from dispatch.alarms.service import Alarm
from dispatch.orders.records import WorkOrder
from dispatch.shifts.plans import PlanRecord
from dispatch.shifts.records import Stop

DecisionKind = Literal["alarm", "planning_failed", "proposal", "contradicted", "order", "missed"]
RANKS: Final[dict[DecisionKind, int]] = {
    "alarm": 1,
    "planning_failed": 1,
    "proposal": 1,
    "contradicted": 2,
    "order": 2,
    "missed": 3,
}
"""Order of what is to be decided, 0 the worst; alarms by their priority, overdue orders with the second."""
ALARM_RANKS: Final[dict[Priority, int]] = {"critical": 0, "high": 1, "medium": 3, "low": 4}
STOP_ALARMS: Final = ("stop_missed", "stop_contradicted")
"""Alarms that the stops themselves say."""


class Decision(msgspec.Struct, frozen=True):
    """Something that waits for a person; one of the last fields says what, by `kind`."""

    kind: DecisionKind
    rank: int
    at: datetime
    key: str
    alarm: Alarm | None = None
    plan: PlanRecord | None = None
    stop: Stop | None = None
    order: WorkOrder | None = None
    job: PlanJobStatus | None = None


def decisions_of(context: ApiContext) -> list[Decision]:
    """All that waits for a decision.

    Raises:
        RetryLaterError: The database does not answer.
    """
    found = [*_alarms(context.alarm_board.listed), *_plans(context), *_stops(context), *_orders(context)]
    return sorted(found, key=lambda decision: (decision.rank, -decision.at.timestamp()))


def _alarms(listed: Iterable[Alarm]) -> Iterable[Decision]:
    for alarm in listed:
        if alarm.acknowledged_at is None and alarm.state != "shelved" and alarm.kind not in STOP_ALARMS:
            yield Decision("alarm", ALARM_RANKS[alarm.priority], alarm.since, f"alarm-{alarm.id}", alarm=alarm)


def _plans(context: ApiContext) -> Iterable[Decision]:
    today = day_of(context)
    for day in (today, today + timedelta(days=1)):
        proposal = context.dispatch.plans.proposal(day)
        if proposal is not None:
            yield Decision("proposal", RANKS["proposal"], proposal.made_at, f"plan-{proposal.id}", plan=proposal)
    for kind in PLAN_JOB_KINDS:
        status = context.planner.status(kind)
        if status.failed is not None and status.failure:
            at = status.failed.since
            yield Decision("planning_failed", RANKS["planning_failed"], at, f"planning-{kind}", job=status)


def _stops(context: ApiContext) -> Iterable[Decision]:
    for stop in context.dispatch.shifts.stops_of_day(day_of(context)):
        if stop.ruling is None and stop.state in ("contradicted", "missed"):
            yield Decision(stop.state, RANKS[stop.state], stop.state_at, f"stop-{stop.id}", stop=stop)


def _orders(context: ApiContext) -> Iterable[Decision]:
    now = context.clock()
    for order in context.dispatch.orders.find(("open", "reopened")):
        rank = RANKS["order"] - (order.due_at < now)
        yield Decision("order", rank, order.created_at, f"order-{order.id}", order=order)
