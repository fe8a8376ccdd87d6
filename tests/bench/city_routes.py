"""Plans a day of the reference city at three positions of the knob, then re-plans after a breakdown.

Levels are drawn at random with a seed: what is measured is time, distance and what is left, not a forecast.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from city.inventory.loader import builtin_city, load_city
from city.inventory.model import City
from dispatch.planning.day import DayBuilder, DayState
from dispatch.planning.outlook import ContainerOutlook
from dispatch.planning.plan import CollectionPlan
from dispatch.planning.plans import StoredPlan
from dispatch.planning.policy import load_policy
from dispatch.planning.present import present_states
from dispatch.planning.process import plan_in_process
from dispatch.planning.service import PlanningService
from dispatch.planning.travel import StraightLineTravel
from dispatch.planning.worker import PlanRequest

TODAY: Final = date(2026, 12, 1)
DAWN: Final = datetime(2026, 11, 30, 21, 0, tzinfo=UTC)
NINE_S: Final = 9 * 3600.0
CARES: Final = (0.0, 0.5, 1.0)


def bench_city(search_s: float, seed: int) -> None:
    """Print a line for each plan."""
    city, chance = load_city(builtin_city("kupang")), random.Random(seed)
    outlooks = {id_: ContainerOutlook(chance.uniform(5, 100), chance.random() ** 3) for id_ in city.bins}
    for care in CARES:
        began = time.monotonic()
        plan = _service(city, care, search_s).plan_day(TODAY, outlooks, {}, DAWN)
        _print(f"care {care:g}", plan, time.monotonic() - began)
    service = _service(city, 0.5, search_s)
    plan = service.plan_day(TODAY, outlooks, {}, DAWN)
    state, broken = _at_nine(plan)
    began = time.monotonic()
    new = service.replan(plan, outlooks, {}, state, DAWN + timedelta(hours=4))
    _print(f"{broken} breaks down at nine", new, time.monotonic() - began)
    print("changes:", dict(Counter(f"{change.kind}: {change.reason}" for change in new.changes)))


def _service(city: City, care: float, search_s: float) -> PlanningService:
    policy = msgspec.structs.replace(load_policy(), overflow_care=care)

    def plan(request: PlanRequest, deadline_s: float) -> CollectionPlan:
        seconds = min(request.seconds, search_s)
        return plan_in_process(msgspec.structs.replace(request, seconds=seconds), deadline_s)

    return PlanningService(DayBuilder(city, policy, StraightLineTravel(city, policy.speed_kmh)), plan)


def _at_nine(plan: StoredPlan) -> tuple[DayState, str]:
    """Trucks where their plan has them at nine, at their last place; the one with most to do breaks down."""
    stops = {stop.id: stop for stop in plan.problem.stops}
    city = load_city(builtin_city("kupang"))
    positions, done, left = {}, set(), Counter[str]()
    for route in plan.plan.routes:
        served = [visit for visit in route.visits if visit.leaves_s <= NINE_S]
        left[route.truck] = len(route.visits) - len(served)
        done |= {visit.id for visit in served if visit.id in stops}
        if served:
            last = city.bins.get(served[-1].id) or city.sites[served[-1].id]
            positions[route.truck] = (last.lat_deg or city.lat_deg, last.lon_deg or city.lon_deg)
    broken = left.most_common(1)[0][0]
    positions.pop(broken, None)
    states = present_states(plan, positions, done, NINE_S)
    state = DayState(now_s=NINE_S, trucks=states, trucks_out=frozenset({broken}), done=frozenset(done))
    return state, broken


def _print(title: str, plan: StoredPlan, seconds: float) -> None:
    reasons = dict(Counter(drop.reason for drop in plan.plan.dropped))
    stops = sum(visit.kind == "stop" for route in plan.plan.routes for visit in route.visits)
    print(
        f"{title:28} {len(plan.plan.routes):3} trucks {stops:4} stops {plan.plan.metres / 1000:7.1f} km"
        f" {seconds:6.1f} s  dropped {reasons}",
        flush=True,
    )
