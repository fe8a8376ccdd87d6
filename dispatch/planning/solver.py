"""Runs PyVRP on a routing problem for a given time; only the planning process imports this module."""

from __future__ import annotations

import time
import warnings
from typing import Final, NamedTuple

from pyvrp import (
    IteratedLocalSearch,
    IteratedLocalSearchParams,
    PenaltyManager,
    PenaltyParams,
    RandomNumberGenerator,
    Solution,
)
from pyvrp.exceptions import PenaltyBoundWarning
from pyvrp.search import OPERATORS, LocalSearch, PerturbationManager, compute_neighbours
from pyvrp.stop import MaxRuntime

from dispatch.planning.first_routes import Sequences
from dispatch.planning.problem import RouteProblem
from dispatch.planning.solver_model import SolverModel

FIRST_PENALTY: Final = 20.0
"""Penalty of a unit of load, time or distance beyond a bound, in units of cost, before the search adapts it; PyVRP's
own beginning is 50,000."""
MIN_PENALTY: Final = 0.01


class SolverResult(NamedTuple):
    """Sequences of visits, whether PyVRP holds them feasible, and the number of its iterations."""

    sequences: Sequences
    is_feasible: bool
    iterations: int


def solve(problem: RouteProblem, seconds: float, *, seed: int = 0, start: Sequences | None = None) -> SolverResult:
    """Search good routes for a time, in which building the model counts; `start` are sequences to begin with."""
    began_s = time.monotonic()
    if not problem.stops:
        return SolverResult({}, is_feasible=True, iterations=0)
    model = SolverModel(problem)
    chance = RandomNumberGenerator(seed=seed)
    search = LocalSearch(model.data, chance, compute_neighbours(model.plain), PerturbationManager())
    for operator in OPERATORS:
        if operator.supports(model.data):
            search.add_operator(operator(model.data))
    params = PenaltyParams(min_penalty=MIN_PENALTY)
    penalties = PenaltyManager(([FIRST_PENALTY] * model.data.num_load_dimensions, FIRST_PENALTY, FIRST_PENALTY), params)
    first = model.solution(start) if start else None
    if first is None:
        first = model.solution(model.first_sequences) or Solution.make_random(model.data, chance)
    improved = search(first, penalties.cost_evaluator(), exhaustive=True)
    algorithm = IteratedLocalSearch(model.data, penalties, search, improved, IteratedLocalSearchParams())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PenaltyBoundWarning)  # the checker says whether the plan is feasible
        result = algorithm.run(MaxRuntime(max(seconds - (time.monotonic() - began_s), 0.0)), collect_stats=False)
    # The search has no feasible plan when it was too short; its beginning may be one.
    best = result.best if result.best.is_feasible() or not first.is_feasible() else first
    return SolverResult(model.sequences(best), best.is_feasible(), result.num_iterations)
