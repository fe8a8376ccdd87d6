"""The planning process: reads one request from standard input, writes one answer to standard output, and ends.

It alone loads PyVRP. `dispatch.planning.process` is the other side.
"""

from __future__ import annotations

import sys

import msgspec

from city.errors import KotaError
from dispatch.planning.plan import CollectionPlan
from dispatch.planning.problem import RouteProblem


class PlanRequest(msgspec.Struct, frozen=True):
    """A problem, seconds of search, and sequences (truck to ids) to begin with."""

    problem: RouteProblem
    seconds: float
    seed: int = 0
    start: dict[str, list[str]] | None = None


class PlanAnswer(msgspec.Struct, frozen=True):
    """A plan, or why there is none."""

    plan: CollectionPlan | None
    error: str = ""


def main() -> None:
    """Answer one request."""
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=PlanRequest)
    # PyVRP and numpy take 80 MB; whoever imports this module for its types does not need them.
    from dispatch.planning.planner import make_plan  # noqa: PLC0415

    try:
        plan = make_plan(request.problem, request.seconds, seed=request.seed, start=request.start)
        answer = PlanAnswer(plan)
    except KotaError as exc:
        answer = PlanAnswer(None, str(exc))
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))


if __name__ == "__main__":
    main()
