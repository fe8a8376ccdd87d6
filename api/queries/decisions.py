"""What a dispatcher has to decide now: alarms, proposed plans, contradictions, missed stops and orders without a truck.

The worst first, and of the same kind the newest.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
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
"""Alarms about stops: the stop says more than they do."""


class Decision(msgspec.Struct, frozen=True):
    """Something that waits for a person. The last fields say what, by `kind`; a stop may have an alarm."""

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
    listed = context.alarm_board.listed
    stops = list(_stops(context, listed))
    shown = {decision.alarm.id for decision in stops if decision.alarm}
    waiting = [*_alarms(listed, shown), *_plans(context), *stops, *_orders(context)]
    return sorted(waiting, key=lambda decision: (decision.rank, -decision.at.timestamp()))


def _alarms(listed: Iterable[Alarm], shown: Container[int]) -> Iterator[Decision]:
    """Alarms that nobody has acknowledged; those of `shown` are said by their stops."""
    for alarm in listed:
        if alarm.acknowledged_at is None and alarm.state != "shelved" and alarm.id not in shown:
            yield Decision("alarm", ALARM_RANKS[alarm.priority], alarm.since, f"alarm-{alarm.id}", alarm=alarm)


def _plans(context: ApiContext) -> Iterator[Decision]:
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


def _stops(context: ApiContext, listed: Iterable[Alarm]) -> Iterator[Decision]:
    """Missed and contradicted stops of today, but acknowledged ones, and those that an alarm of the truck has."""
    alarms = [alarm for alarm in listed if alarm.kind in STOP_ALARMS]
    by_stop = {alarm.detail["stop"]: alarm for alarm in alarms if "stop" in alarm.detail}
    trucks = {alarm.detail.get("shift") for alarm in alarms if "stop" not in alarm.detail}
    for stop in context.dispatch.shifts.stops_of_day(day_of(context)):
        if stop.ruling is not None or stop.state not in ("contradicted", "missed"):
            continue
        alarm = by_stop.get(stop.id)
        is_told = stop.state == "missed" and stop.shift_id in trucks
        if not is_told and (alarm is None or alarm.acknowledged_at is None):
            yield Decision(stop.state, RANKS[stop.state], stop.state_at, f"stop-{stop.id}", alarm=alarm, stop=stop)


def _orders(context: ApiContext) -> Iterator[Decision]:
    now = context.clock()
    for order in context.dispatch.orders.find(("open", "reopened")):
        rank = RANKS["order"] - (order.due_at < now)
        yield Decision("order", rank, order.created_at, f"order-{order.id}", order=order)
