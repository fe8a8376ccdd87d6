"""Makes a plan of a routing problem: searched by PyVRP, timed with breaks, repaired where a rule is broken.

Only the planning process imports this module.
"""

from __future__ import annotations

import time
from typing import Final

from city.errors import KotaError
from dispatch.planning.first_routes import Sequences
from dispatch.planning.fitting import RouteFitter, drop_reason
from dispatch.planning.plan import CollectionPlan, DroppedStop
from dispatch.planning.problem import RouteProblem, check_problem
from dispatch.planning.solver import Clock, solve

SHOWN_MAX: Final = 5
REPAIR_SHARE: Final = 0.1
REPAIR_MIN_S: Final = 3.0
"""Time for repairs beside the search, which mostly needs none."""


class PlanningError(KotaError):
    """There is no plan that serves every required stop; its text names the first ones."""


def make_plan(
    problem: RouteProblem,
    seconds: float,
    *,
    seed: int = 0,
    start: Sequences | None = None,
    clock: Clock = time.monotonic,
) -> CollectionPlan:
    """A plan, after a search of `seconds`.

    Args:
        problem: What it must meet.
        seconds: Time for the search. Repairs of what it leaves may take a tenth of it more, or 3 s.
        seed: The same seed and number of iterations give the same plan.
        start: Sequences to begin with, such as those of the plan in force.
        clock: Of these seconds.

    Raises:
        ProblemError: The problem contradicts itself.
        PlanningError: A stop that must be served is on no route.
    """
    check_problem(problem)
    ends_s = clock() + seconds + max(seconds * REPAIR_SHARE, REPAIR_MIN_S)
    fitter = RouteFitter(problem)
    for truck, ids in solve(problem, seconds, seed=seed, start=start, clock=clock).sequences.items():
        fitter.put(truck, ids)
    fitter.insert_homeless(lambda: clock() > ends_s)
    served = {visit.id for route in fitter.routes.values() for visit in route.visits}
    dropped = [stop for stop in problem.stops if stop.id not in served]
    if missing := [stop.id for stop in dropped if stop.prize is None]:
        raise PlanningError(f"no route for {len(missing)} stops: {', '.join(missing[:SHOWN_MAX])}")
    reasons = tuple(DroppedStop(stop.id, drop_reason(problem, stop, fitter)) for stop in dropped)
    source = problem.travel[problem.trucks[0].vehicle_class].source
    routes = tuple(route for route in fitter.routes.values() if route.visits)
    return CollectionPlan(routes, reasons, source, fitter.still_loaded())
