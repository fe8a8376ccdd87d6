"""Runs PyVRP on a routing problem for a given time; only the planning process imports this module."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
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

from dispatch.planning.first_routes import Sequences
from dispatch.planning.problem import RouteProblem
from dispatch.planning.solver_model import SolverModel

FIRST_PENALTY: Final = 20.0
"""Penalty of a unit of load, time or distance beyond a bound, in units of cost, before the search adapts it; PyVRP's
own beginning is 50,000."""
MIN_PENALTY: Final = 0.01
TRIAL_SHARE: Final = 0.5
"""Share of the time for searches from several beginnings, together; the best one has the rest."""


Clock = Callable[[], float]
"""Seconds: of the wall, or of the processor for measures that do not depend on what else a machine does."""


class SolverResult(NamedTuple):
    """Sequences of visits, whether PyVRP holds them feasible, and the number of its iterations."""

    sequences: Sequences
    is_feasible: bool
    iterations: int


def solve(
    problem: RouteProblem,
    seconds: float,
    *,
    seed: int = 0,
    start: Sequences | None = None,
    clock: Clock = time.monotonic,
) -> SolverResult:
    """Search good routes for a time, in which building the model counts; `start` are sequences to begin with.

    With optional stops several searches begin with more or fewer of them, and the best one goes on after a while.
    """
    ends_s = clock() + seconds
    if not problem.stops:
        return SolverResult({}, is_feasible=True, iterations=0)
    search = _Search(SolverModel(problem), seed, clock)
    firsts = search.beginnings(start)
    trial_s = (ends_s - clock()) * TRIAL_SHARE / len(firsts) if len(firsts) > 1 else 0.0
    trials = [search.improve(first, trial_s) if trial_s > 0 else first for first in firsts]
    best = search.improve(min(trials, key=search.cost), ends_s - clock())
    return SolverResult(search.model.sequences(best), best.is_feasible(), search.iterations)


class _Search:
    """PyVRP's search on one model; counts its iterations."""

    def __init__(self, model: SolverModel, seed: int, clock: Clock) -> None:
        self.model, self.iterations, self._clock = model, 0, clock
        self._chance = RandomNumberGenerator(seed=seed)
        self._search = LocalSearch(model.data, self._chance, compute_neighbours(model.plain), PerturbationManager())
        for operator in OPERATORS:
            if operator.supports(model.data):
                self._search.add_operator(operator(model.data))

    def beginnings(self, start: Sequences | None) -> list[Solution]:
        """Solutions to begin with: the given one alone if it belongs to the problem."""
        given = self.model.solution(start) if start else None
        if given is not None:
            return [given]
        firsts = [self.model.solution(sequences) for sequences in self.model.first_sequences]
        return [first for first in firsts if first] or [Solution.make_random(self.model.data, self._chance)]

    def improve(self, first: Solution, seconds: float) -> Solution:
        """The best solution that a search from another one finds; that one if it alone is feasible."""
        ends_s, penalties = self._clock() + seconds, self._penalties()
        improved = self._search(first, penalties.cost_evaluator(), exhaustive=True)
        algorithm = IteratedLocalSearch(self.model.data, penalties, self._search, improved, IteratedLocalSearchParams())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PenaltyBoundWarning)  # the checker says whether the plan is feasible
            result = algorithm.run(lambda _best: self._clock() >= ends_s, collect_stats=False)
        self.iterations += result.num_iterations
        # The search has no feasible plan when it was too short; its beginning may be one.
        return result.best if result.best.is_feasible() or not first.is_feasible() else first

    def cost(self, solution: Solution) -> tuple[bool, int]:
        """For comparisons: feasible ones are better, then cheaper ones."""
        return not solution.is_feasible(), self._penalties().cost_evaluator().penalised_cost(solution)

    def _penalties(self) -> PenaltyManager:
        bounds = [FIRST_PENALTY] * self.model.data.num_load_dimensions, FIRST_PENALTY, FIRST_PENALTY
        return PenaltyManager(bounds, PenaltyParams(min_penalty=MIN_PENALTY))
