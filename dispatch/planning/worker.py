"""The planning process: reads one request from standard input, writes one answer to standard output, and ends.

It alone loads PyVRP and scipy. `dispatch.planning.process` is the other side.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Literal

import msgspec

from city.errors import KotaError
from city.inventory.collection import VehicleClass
from dispatch.planning.plan import CollectionPlan
from dispatch.planning.problem import RouteProblem, TravelTable
from dispatch.planning.travel import BlockedArea, Position


class PlanRequest(msgspec.Struct, frozen=True, tag="plan"):
    """A problem, seconds of search, and sequences (truck to ids) to begin with.

    `clock`: seconds of the wall, or of the processor for measures on a machine that has other work.
    """

    problem: RouteProblem
    seconds: float
    seed: int = 0
    start: dict[str, list[str]] | None = None
    clock: Literal["wall", "processor"] = "wall"


class TravelRequest(msgspec.Struct, frozen=True, tag="travel"):
    """Places whose travel times over the roads of a data folder are asked for.

    `fallback`: times for what no road reaches. `hour_factors`: travel time of each hour relative to the roads' speeds.
    """

    data: str
    places: tuple[Position, ...]
    vehicle_class: VehicleClass
    blocked: tuple[BlockedArea, ...]
    fallback: TravelTable
    hour_factors: tuple[float, ...] = ()


class PlanAnswer(msgspec.Struct, frozen=True):
    """A plan or a travel table, or why there is none."""

    plan: CollectionPlan | None = None
    travel: TravelTable | None = None
    error: str = ""


def main() -> None:
    """Answer one request."""
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=PlanRequest | TravelRequest)
    try:
        answer = _plan(request) if isinstance(request, PlanRequest) else _travel(request)
    except KotaError as exc:
        answer = PlanAnswer(error=str(exc))
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))


def _plan(request: PlanRequest) -> PlanAnswer:
    # PyVRP and numpy take 80 MB; whoever imports this module for its types does not need them.
    from dispatch.planning.planner import make_plan  # noqa: PLC0415

    clock = time.monotonic if request.clock == "wall" else time.process_time
    plan = make_plan(request.problem, request.seconds, seed=request.seed, start=request.start, clock=clock)
    return PlanAnswer(plan)


def _travel(request: TravelRequest) -> PlanAnswer:
    from dispatch.planning.roads import RoadTravel, load_roads  # noqa: PLC0415 - the same

    graph = load_roads(Path(request.data))
    if graph is None:
        return PlanAnswer(travel=request.fallback)
    roads = RoadTravel(graph, request.hour_factors)
    return PlanAnswer(travel=roads.table(request.places, request.vehicle_class, request.blocked, request.fallback))


if __name__ == "__main__":
    main()
