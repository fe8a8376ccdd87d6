"""A plan as people read it: tours with times, what is left out, and what changes, each with its reason in words."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from city.i18n.catalogue import LANGS, PLANNING_TEXTS, Lang
from city.inventory.model import City
from dispatch.planning.differences import ChangeKind, ChangeReason, StopSlot
from dispatch.planning.explain import describe_change, describe_source, describe_stop
from dispatch.planning.plan import DropReason, TruckRoute, Visit, start_of
from dispatch.planning.plans import StoredPlan
from dispatch.planning.problem import TravelSource, VisitKind
from dispatch.planning.travel import BlockedArea
from dispatch.shifts.plans import PlanRecord, PlanState


class PlannedStop(msgspec.Struct, frozen=True):
    """A stop or landfill of a tour. `why`: why it is on the plan; empty for a landfill."""

    id: str
    kind: VisitKind
    name: str
    stream: str
    load_kg: Annotated[float, Meta(description="Expected load. Unit: kg.")]
    arrives_at: datetime
    starts_at: datetime
    leaves_at: datetime
    why: dict[Lang, str]


class PlannedTour(msgspec.Struct, frozen=True):
    """The day of one truck."""

    truck: str
    departs_at: datetime
    returns_at: datetime
    break_at: datetime | None
    metres: Annotated[float, Meta(description="Distance. Unit: m.")]
    stops: list[PlannedStop]


class PlannedChange(msgspec.Struct, frozen=True):
    """What changes for a stop, in the plan that is in force."""

    id: str
    kind: ChangeKind
    reason: ChangeReason
    old_truck: str
    old_at: datetime | None
    truck: str
    at: datetime | None
    text: dict[Lang, str]


class LeftOut(msgspec.Struct, frozen=True):
    """A container or case that no tour serves, and why."""

    id: str
    name: str
    reason: DropReason
    text: dict[Lang, str]


class PlanSummary(msgspec.Struct, frozen=True):
    """A plan in numbers."""

    id: int
    day: date
    made_at: datetime
    state: PlanState
    tours: int
    stops: int
    left_out: int
    changes: int
    metres: Annotated[float, Meta(description="Distance of all tours. Unit: m.")]
    travel_source: TravelSource
    travel_text: dict[Lang, str]
    trucks_out: tuple[str, ...]
    blocked: tuple[BlockedArea, ...]
    still_loaded: tuple[str, ...]
    decided_at: datetime | None
    decided_by: str


class PlanView(msgspec.Struct, frozen=True):
    """A whole plan."""

    summary: PlanSummary
    tours: list[PlannedTour]
    left_out: list[LeftOut]
    changes: list[PlannedChange]


def summary_of(record: PlanRecord) -> PlanSummary:
    """A plan in numbers."""
    plan = record.plan.plan
    return PlanSummary(
        id=record.id,
        day=record.day,
        made_at=record.made_at,
        state=record.state,
        tours=len(plan.routes),
        stops=sum(visit.kind == "stop" for route in plan.routes for visit in route.visits),
        left_out=len(plan.dropped),
        changes=len(record.plan.changes),
        metres=plan.metres,
        travel_source=plan.travel_source,
        travel_text={lang: describe_source(plan.travel_source, lang) for lang in LANGS},
        trucks_out=record.circumstances.trucks_out,
        blocked=record.circumstances.blocked,
        still_loaded=plan.still_loaded,
        decided_at=record.decided_at,
        decided_by=record.decided_by,
    )


def describe_plan(record: PlanRecord, old: PlanRecord | None, city: City) -> PlanView:
    """A whole plan; `old` is the one that it changes."""
    reader = _PlanReader(record.plan, city)
    drops = record.plan.plan.dropped
    return PlanView(
        summary_of(record),
        [reader.tour(route) for route in record.plan.plan.routes],
        [LeftOut(drop.id, reader.name(drop.id), drop.reason, _drop_text(drop.reason)) for drop in drops],
        changes_of(record.plan, old.plan if old else record.plan, city.time_zone),
    )


def changes_of(plan: StoredPlan, old: StoredPlan, zone: ZoneInfo) -> list[PlannedChange]:
    """What a plan changes in the one before it, in words."""
    reader = _DayTimes(plan.day, zone)
    changes = []
    for change in plan.changes:
        text = {lang: describe_change(change, old, plan, zone, lang) for lang in LANGS}
        old_truck, old_at = reader.slot(change.before)
        truck, at = reader.slot(change.after)
        changes.append(PlannedChange(change.id, change.kind, change.reason, old_truck, old_at, truck, at, text))
    return changes


def _drop_text(reason: DropReason) -> dict[Lang, str]:
    return {lang: PLANNING_TEXTS.text(f"reason_{reason}", lang) for lang in LANGS}


class _DayTimes:
    """Times of a plan's day."""

    def __init__(self, day: date, zone: ZoneInfo) -> None:
        self._midnight = start_of(day, zone)

    def at(self, seconds: float) -> datetime:
        return self._midnight + timedelta(seconds=seconds)

    def slot(self, slot: StopSlot | None) -> tuple[str, datetime | None]:
        return (slot.truck, self.at(slot.starts_s)) if slot else ("", None)


class _PlanReader:
    """Finds what belongs to the ids of a plan."""

    def __init__(self, plan: StoredPlan, city: City) -> None:
        self._plan, self._city = plan, city
        self._clock = _DayTimes(plan.day, city.time_zone)
        self._loads = {stop.id: stop.load for stop in plan.problem.stops}

    def name(self, id_: str) -> str:
        candidate, site = self._plan.candidates.get(id_), self._city.sites.get(id_)
        return candidate.name if candidate else site.name if site else id_

    def tour(self, route: TruckRoute) -> PlannedTour:
        at = self._clock.at
        break_at = None if route.break_s is None else at(route.break_s)
        stops = [self._stop(visit) for visit in route.visits]
        return PlannedTour(route.truck, at(route.departs_s), at(route.returns_s), break_at, route.metres, stops)

    def _stop(self, visit: Visit) -> PlannedStop:
        candidate, at = self._plan.candidates.get(visit.id), self._clock.at
        why = {lang: describe_stop(candidate, self._city.time_zone, lang) if candidate else "" for lang in LANGS}
        stream, load_kg = candidate.stream if candidate else "", round(self._loads.get(visit.id, 0.0), 1)
        times = at(visit.arrives_s), at(visit.starts_s), at(visit.leaves_s)
        return PlannedStop(visit.id, visit.kind, self.name(visit.id), stream, load_kg, *times, why)
