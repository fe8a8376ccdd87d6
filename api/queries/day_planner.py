"""Plans days in the background, each in a process of its own; a request only starts it.

A whole day and a re-plan may be made at once: a truck that breaks down does not wait until tomorrow is planned.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, Protocol, get_args

import msgspec
import structlog
from msgspec import Meta

from api.queries.day_inputs import DayInputs, DaySources
from city.errors import ConfigError, RetryLaterError
from city.inventory.model import City
from city.inventory.provider import InventoryProvider
from dispatch.planning.day import DayBuilder
from dispatch.planning.gps_travel import GpsTravel
from dispatch.planning.policy import PlanningPolicy, load_policy
from dispatch.planning.process import PlanFailedError, PlanningFailure, plan_in_process
from dispatch.planning.service import PLAN_DEADLINE_S, Planner, PlanningService
from dispatch.planning.sources import best_travel, learn_from_gps
from dispatch.planning.travel import BlockedArea, TravelModel
from dispatch.planning.week import plan_week
from dispatch.shifts.errors import DispatchError
from dispatch.shifts.plans import DayCircumstances
from people.audit import AuditLog, Origin

log = structlog.get_logger("dispatch")

PlanJobKind = Literal["day", "replan"]
PLAN_JOB_KINDS: Final[tuple[PlanJobKind, ...]] = get_args(PlanJobKind)
JobFailure = PlanningFailure | Literal["city", "away", "no_plan"]
"""Why there is no plan: as `PlanningFailure`; the city has no truck on duty or no landfill; store or database do not
answer; no plan is in force."""
LOOK_S: Final = 1.0
PATIENCE_S: Final = PLAN_DEADLINE_S + 120.0
"""Longest time of a plan: the process, and building its problem."""
GPS_BACK: Final = timedelta(days=2)
GPS_LEARNED_EVERY: Final = timedelta(hours=24)


class PlanJob(msgspec.Struct, frozen=True):
    """What is planned, for whom, and since when."""

    kind: PlanJobKind
    day: date
    since: datetime
    by: str
    circumstances: DayCircumstances = DayCircumstances()


class PlanJobStatus(msgspec.Struct, frozen=True):
    """What runs now, and why the last one failed; `failure` is empty if it did not."""

    running: PlanJob | None = None
    failed: PlanJob | None = None
    failure: Annotated[str, Meta(description="Kind of the last failure; empty if the last plan was made.")] = ""
    detail: Annotated[str, Meta(description="What the failure says of itself.")] = ""


class Beat(Protocol):
    """A heartbeat of the thread."""

    def __call__(self, doing: str = "", *, patience_s: float = ...) -> None:
        """Note that it works; `patience_s` is how long the step may take."""


class DayPlanner:
    """One a city, in the process that serves the API.

    Args:
        inventory: The containers and trucks.
        folder: The city's folder, which may have a `planning.toml`.
        data: The data folder, which may have roads.
        sources: What planning is told.
        audit: Takes who asks for plans.
        clock: UTC.
        planner: Solves a request.
    """

    def __init__(
        self,
        inventory: InventoryProvider,
        folder: Path,
        data: Path,
        sources: DaySources,
        audit: AuditLog,
        clock: Callable[[], datetime],
        planner: Planner = plan_in_process,
    ) -> None:
        self._inventory = inventory
        self._folder = folder
        self._data = data
        self._sources = sources
        self._audit = audit
        self._clock = clock
        self._planner = planner
        self._lock = threading.Lock()
        self._wanted: dict[PlanJobKind, threading.Event] = {kind: threading.Event() for kind in PLAN_JOB_KINDS}
        self._status: dict[PlanJobKind, PlanJobStatus] = dict.fromkeys(PLAN_JOB_KINDS, PlanJobStatus())
        self._gps: GpsTravel | None = None
        self._learned_at: datetime | None = None

    def policy(self) -> PlanningPolicy:
        """How the city plans.

        Raises:
            ConfigError: The city's file cannot be read, or is wrong.
        """
        return load_policy(self._folder)

    def status(self, kind: PlanJobKind) -> PlanJobStatus:
        """What runs, or why the last plan of a kind failed."""
        return self._status[kind]

    def start(self, origin: Origin, day: date) -> PlanJob:
        """Begin to plan a day; returns at once.

        Raises:
            DispatchError: `planning_busy`, or `day_past`.
            RetryLaterError: The database is away.
        """
        if day < self._clock().astimezone(self._inventory.current().time_zone).date():
            raise DispatchError("day_past")
        return self._start(origin, PlanJob("day", day, self._clock(), origin.name))

    def start_replan(
        self, origin: Origin, day: date, trucks_out: Collection[str] = (), blocked: Collection[BlockedArea] = ()
    ) -> PlanJob:
        """Begin to plan what is left of a day; returns at once. Earlier circumstances of the day stay.

        Raises:
            DispatchError: `planning_busy`, `no_plan`: none is in force, or `truck_unknown`.
            RetryLaterError: The database is away.
        """
        current = self._sources.dispatch.plans.in_force(day)
        if current is None:
            raise DispatchError("no_plan")
        if not set(trucks_out) <= self._inventory.current().trucks.keys():
            raise DispatchError("truck_unknown")
        earlier = current.circumstances
        circumstances = DayCircumstances(
            tuple(sorted({*earlier.trucks_out, *trucks_out})), tuple(dict.fromkeys((*earlier.blocked, *blocked)))
        )
        return self._start(origin, PlanJob("replan", day, self._clock(), origin.name, circumstances))

    def keep_planning(self, kind: PlanJobKind, stop: threading.Event, beat: Beat) -> None:
        """Make plans of a kind whenever somebody asks for one, until `stop`."""
        while not stop.is_set():
            beat()
            if self._wanted[kind].wait(LOOK_S):
                self._wanted[kind].clear()
                beat("planning", patience_s=PATIENCE_S)
                self.carry_out(kind)

    def carry_out(self, kind: PlanJobKind) -> None:
        """Carry out what was started; a failure is noted and changes no plan."""
        job = self._status[kind].running
        if job is None:
            return
        failure: JobFailure | None = None
        detail = ""
        try:
            self._plan(job)
        except PlanFailedError as exc:
            failure, detail = exc.failure, str(exc)
        except ConfigError as exc:
            failure, detail = "city", str(exc)
        except RetryLaterError as exc:
            failure, detail = "away", str(exc)
        except LookupError as exc:
            failure, detail = "no_plan", str(exc)
        if failure:
            log.warning("dispatch.no_plan", day=job.day.isoformat(), failure=failure, reason=detail)
        with self._lock:
            self._status[kind] = PlanJobStatus(None, job if failure else None, failure or "", detail)

    def _start(self, origin: Origin, job: PlanJob) -> PlanJob:
        with self._lock:
            if self._status[job.kind].running is not None:
                raise DispatchError("planning_busy")
            about = {"kind": job.kind, **msgspec.to_builtins(job.circumstances)}
            self._audit.record(origin, "plan.make", f"day:{job.day.isoformat()}", about)
            self._status[job.kind] = PlanJobStatus(running=job)
        self._wanted[job.kind].set()
        return job

    def _plan(self, job: PlanJob) -> None:
        city, policy, now = self._inventory.current(), load_policy(self._folder), self._clock()
        inputs = DayInputs(self._sources, city, policy, job.day, now)
        service = PlanningService(DayBuilder(city, policy, self._travel(city, policy, job)), self._planner)
        current = self._sources.dispatch.plans.in_force(job.day)
        circumstances = self._with_breakdowns(job.circumstances, inputs)
        outlooks, last = inputs.outlooks(), inputs.last_collected()
        state = inputs.state(circumstances, current)
        if job.kind == "replan":
            if current is None:
                raise LookupError("no plan is in force")
            plan = service.replan(current.plan, outlooks, last, state, now)
        else:
            due = plan_week(city, policy, job.day, outlooks, last)[job.day]
            plan = service.plan_day(job.day, outlooks, last, now, due=due, state=state)
        self._sources.dispatch.plans.propose(plan, circumstances, current.id if current else None)
        log.info("dispatch.plan_proposed", day=job.day.isoformat(), kind=job.kind, routes=len(plan.plan.routes))

    @staticmethod
    def _with_breakdowns(circumstances: DayCircumstances, inputs: DayInputs) -> DayCircumstances:
        broken = inputs.broken_trucks() if inputs.now_s else set()
        return msgspec.structs.replace(circumstances, trucks_out=tuple(sorted({*circumstances.trucks_out, *broken})))

    def _travel(self, city: City, policy: PlanningPolicy, job: PlanJob) -> TravelModel:
        """The best source of travel times; what GPS teaches is learned when a day is planned, at most once a day."""
        now = self._clock()
        is_old = self._learned_at is None or abs(now - self._learned_at) >= GPS_LEARNED_EVERY
        if job.kind == "day" and is_old:
            self._gps = learn_from_gps(city, policy, self._sources.reader, now - GPS_BACK, now)
            self._learned_at = now
        return best_travel(city, policy, self._data, self._gps)
