"""Plans a day, and what is left of it. Nothing is kept here: `dispatch.shifts.plans` keeps what is proposed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from typing import Final

from dispatch.planning.day import CollectionDay, DayBuilder, DayState
from dispatch.planning.differences import Circumstances, StopChange, compare_plans
from dispatch.planning.fitting import RouteFitter
from dispatch.planning.outlook import Outlooks
from dispatch.planning.plan import CollectionPlan
from dispatch.planning.plans import StoredPlan
from dispatch.planning.process import plan_in_process
from dispatch.planning.worker import PlanRequest

PLAN_SEARCH_S: Final = 60.0
PLAN_DEADLINE_S: Final = 120.0
REPLAN_SEARCH_S: Final = 5.0
REPLAN_DEADLINE_S: Final = 10.0
REPLAN_SEARCH_SHARE: Final = 0.5
"""Share of the time that building the problem leaves; the rest is for starting the process and for repairs."""
REPLAN_LEAST_S: Final = 3.0
"""Time of the process even if travel times took all: a late plan is better than none."""

Planner = Callable[[PlanRequest, float], CollectionPlan]


class PlanningService:
    """Makes plans; blocks the calling thread for up to the deadline.

    Args:
        builder: Makes problems.
        planner: Solves a request within a deadline in seconds.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        builder: DayBuilder,
        planner: Planner = plan_in_process,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._builder, self._planner, self._clock = builder, planner, clock

    def plan_day(
        self,
        day: date,
        outlooks: Outlooks,
        last_collected: Mapping[str, date],
        now: datetime,
        *,
        due: Collection[str] = (),
        state: DayState | None = None,
    ) -> StoredPlan:
        """A plan for a whole day.

        Args:
            day: The day of service.
            outlooks: By container.
            last_collected: Container to the day of its last collection.
            now: Names the plan.
            due: Containers that the week brings on this day (`plan_week`).
            state: What has happened on it, and its cases; None the evening before.

        Raises:
            ConfigError: The city has no landfill or no truck.
            PlanFailedError: There is no plan.
        """
        collection = self._builder.build(day, outlooks, last_collected, state, due=due)
        plan = self._planner(PlanRequest(collection.problem, PLAN_SEARCH_S), PLAN_DEADLINE_S)
        return _plan_of(collection, plan, (), now)

    def replan(
        self,
        current: StoredPlan,
        outlooks: Outlooks,
        last_collected: Mapping[str, date],
        state: DayState,
        now: datetime,
    ) -> StoredPlan:
        """A plan for what is left of the day of the plan in force.

        Args:
            current: The plan in force.
            outlooks: By container.
            last_collected: Container to the day of its last collection before this day.
            state: Where the trucks are, what they carry, and what has happened.
            now: Names the plan.

        Raises:
            ConfigError: No truck is left in service.
            PlanFailedError: There is no plan.
        """
        began_s = self._clock()
        due = [candidate.id for candidate in current.candidates.values() if candidate.cause == "due"]
        collection = self._builder.build(current.day, outlooks, last_collected, state, due=due)
        start = _open_sequences(current.plan, collection)
        left_s = REPLAN_DEADLINE_S - (self._clock() - began_s)
        search_s = min(max(left_s * REPLAN_SEARCH_SHARE, 0.0), REPLAN_SEARCH_S)
        plan = self._planner(PlanRequest(collection.problem, search_s, start=start), max(left_s, REPLAN_LEAST_S))
        changes = _changes(current, collection, plan, state)
        return _plan_of(collection, plan, changes, now)


def _plan_of(
    collection: CollectionDay, plan: CollectionPlan, changes: tuple[StopChange, ...], now: datetime
) -> StoredPlan:
    return StoredPlan(collection.day, now, collection.problem, plan, collection.candidates, changes)


def _open_sequences(plan: CollectionPlan, collection: CollectionDay) -> dict[str, list[str]]:
    """What is left of a plan's routes: the solver begins with it, so that little moves without a reason."""
    left = {place.id for place in collection.problem.places}
    trucks = {truck.id for truck in collection.problem.trucks}
    sequences = {}
    for route in plan.routes:
        ids = [visit.id for visit in route.visits if visit.id in left]
        if route.truck in trucks and any(id_ in collection.candidates for id_ in ids):
            sequences[route.truck] = ids
    return sequences


def _changes(
    current: StoredPlan, collection: CollectionDay, plan: CollectionPlan, state: DayState
) -> tuple[StopChange, ...]:
    fitter = RouteFitter(collection.problem)
    for route in plan.routes:
        fitter.put(route.truck, [visit.id for visit in route.visits])
    known: dict[tuple[str, str, str], bool] = {}
    stops = {stop.id: stop for stop in collection.problem.stops}

    def fits(truck: str, id_: str) -> bool:
        """Whether a truck has room. What holds of one stop holds of others of its stream and street: asking is slow."""
        stop = stops.get(id_)
        key = (truck, stop.stream, stop.access) if stop else (truck, "", "")
        if key not in known:
            known[key] = fitter.fits(truck, id_)
        return known[key]

    happened = Circumstances(
        trucks_out=state.trucks_out,
        new_stops=frozenset(case.id for case in state.cases) - current.candidates.keys(),
        blocked_stops=collection.blocked_stops,
        fits=fits,
    )
    return tuple(compare_plans(current.plan, plan, happened, done=state.done))
