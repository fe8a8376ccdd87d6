"""What could be an alarm of dispatch now: from open shifts, their stops, trucks and forecasts. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from dispatch.alarms.conditions import AlarmCondition
from dispatch.alarms.rules import AlarmKind, Rules
from dispatch.shifts.records import WAITING_STATES, CrewShift, Stop

LATE_FROM: Final = timedelta(minutes=30)
"""A tour is late when its next stop should have begun so long ago."""
SILENT_FROM: Final = timedelta(minutes=5)
"""A truck on tour is silent when nothing was heard of it for so long."""
MISSED_EACH: Final = 5
"""Missed stops of one shift that each have an alarm; more of them are one alarm of the truck."""
OVERFLOW_FROM: Final = 0.8
"""Probability of overflow before the next visit from which on it is expected."""


class ExpectedOverflow(msgspec.Struct, frozen=True):
    """A container that will overflow before anybody comes: no open stop and no plan has it."""

    container: str
    site: str
    kelurahan: str
    probability: float
    full_at: datetime | None


def dispatch_conditions(
    rules: Rules,
    shifts: Iterable[CrewShift],
    stops: Iterable[Stop],
    heard_at: Mapping[str, datetime],
    overflows: Iterable[ExpectedOverflow],
    now: datetime,
) -> list[AlarmCondition]:
    """All conditions of dispatch.

    Args:
        rules: Kinds that are switched off are left out.
        shifts: Open shifts.
        stops: Their stops at containers and of orders.
        heard_at: When each truck was heard of last.
        overflows: What is expected to overflow.
        now: UTC.
    """
    by_shift: defaultdict[int, list[Stop]] = defaultdict(list)
    for stop in stops:
        by_shift[stop.shift_id].append(stop)
    conditions: list[AlarmCondition] = []
    for shift in shifts:
        conditions += _of_shift(shift, by_shift[shift.id], heard_at.get(shift.truck), now)
    conditions += [_of_overflow(overflow) for overflow in overflows]
    # A container that two shifts missed has one alarm.
    unique = {condition.key: condition for condition in conditions if rules[condition.kind].enabled}
    return list(unique.values())


def _of_shift(
    shift: CrewShift, stops: Sequence[Stop], heard_at: datetime | None, now: datetime
) -> Iterator[AlarmCondition]:
    missed = [stop for stop in stops if stop.state == "missed"]
    if len(missed) > MISSED_EACH:
        detail = {"shift": shift.id, "missed": len(missed), "of": len(stops)}
        yield AlarmCondition("stop_missed", shift.truck, "truck", since=missed[0].window_to, detail=detail)
    else:
        for stop in missed:
            yield _of_stop("stop_missed", shift, stop, stop.window_to)
    for stop in stops:
        if stop.state == "contradicted":
            yield _of_stop("stop_contradicted", shift, stop, stop.state_at)
    waiting = [stop for stop in stops if stop.state in WAITING_STATES]
    if waiting and shift.departs_at <= now <= shift.ends_at:
        yield from _of_tour(shift, waiting, heard_at, now)


def _of_tour(
    shift: CrewShift, waiting: Sequence[Stop], heard_at: datetime | None, now: datetime
) -> Iterator[AlarmCondition]:
    if heard_at is None or now - heard_at >= SILENT_FROM:
        since = max(heard_at or shift.departs_at, shift.departs_at)
        yield AlarmCondition("truck_silent_on_tour", shift.truck, "truck", since=since, detail={"shift": shift.id})
    following = min(waiting, key=lambda stop: stop.starts_at)
    late = now - following.starts_at
    if late >= LATE_FROM:
        detail = {"shift": shift.id, "stop": following.id, "late_min": round(late.total_seconds() / 60)}
        yield AlarmCondition("tour_late", shift.truck, "truck", since=following.starts_at + LATE_FROM, detail=detail)


def _of_stop(kind: AlarmKind, shift: CrewShift, stop: Stop, since: datetime) -> AlarmCondition:
    detail: dict[str, Any] = {"shift": shift.id, "stop": stop.id, "truck": shift.truck, "name": stop.name}
    subject_kind = "bin" if stop.kind == "container" else "case"
    return AlarmCondition(kind, stop.subject, subject_kind, stop.site, stop.kelurahan, since, detail)


def _of_overflow(overflow: ExpectedOverflow) -> AlarmCondition:
    detail: dict[str, Any] = {"probability": round(overflow.probability, 2)}
    if overflow.full_at is not None:
        detail["full_at"] = overflow.full_at.isoformat()
    return AlarmCondition(
        "overflow_expected", overflow.container, "bin", overflow.site, overflow.kelurahan, None, detail
    )
