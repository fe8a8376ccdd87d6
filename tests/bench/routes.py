"""`kota bench routes`: plans for ten real collection problems, beside what is published of them.

Each problem is planned as the city's days are, in one process on one core. The plans are written as the judge of the
problems reads them, with our own checker's verdict printed. `--city` plans and re-plans the reference city instead.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Final

from city.errors import ConfigError
from dispatch.planning.checker import check_plan
from dispatch.planning.plan import CollectionPlan
from dispatch.planning.planner import make_plan
from tests.bench.city_routes import bench_city
from tests.bench.kim import METRES_PER_MILE, PUBLISHED, read_kim

FOLDER: Final = Path(__file__).resolve().parents[3] / "shared" / "data" / "routes"
SECONDS: Final = 120.0
OTHER_WORK_SHARE: Final = 0.12
"""Share of the time for reading, building matrices and fitting times; the search has the rest."""


def run(argv: list[str]) -> int:
    """Plan each instance, print a line of it, and write all plans; 1 if a plan breaks a rule."""
    parser = argparse.ArgumentParser(prog="kota bench routes", description="Plan Kim's waste collection problems.")
    parser.add_argument("--instances", default=",".join(PUBLISHED), help="Names, separated by commas.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="Time of one instance.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="Where the instances are.")
    parser.add_argument("--out", type=Path, help="File of the plans.")
    parser.add_argument("--city", action="store_true", help="Plan and re-plan the reference city instead.")
    args = parser.parse_args(argv)
    if args.city:
        bench_city(args.seconds, args.seed)
        return 0
    if args.out is None:
        parser.error("--out is missing")
    names = args.instances.split(",")
    if unknown := [name for name in names if name not in PUBLISHED]:
        raise ConfigError(f"unknown instances: {', '.join(unknown)}; known: {', '.join(PUBLISHED)}")
    plans, broken = {}, 0
    print(f"{'instance':10}{'vehicles':>12}{'miles':>10}{'Kim':>10}{'ratio':>7}{'seconds':>9}")
    for name in names:
        plan, problems = _plan(name, args)
        plans[name] = {"routes": [[int(visit.id) for visit in route.visits] for route in plan.routes if route.visits]}
        broken += bool(problems)
        args.out.write_text(json.dumps(plans))
    return int(broken > 0)


def _plan(name: str, args: argparse.Namespace) -> tuple[CollectionPlan, list[str]]:
    began, cpu = time.monotonic(), time.process_time()
    published = PUBLISHED[name]
    problem = read_kim(args.folder / f"{name}.txt", published.vehicles)
    plan = make_plan(problem, args.seconds * (1 - OTHER_WORK_SHARE) - (time.monotonic() - began), seed=args.seed)
    problems = [str(violation) for violation in check_plan(problem, plan)]
    seconds, miles = time.monotonic() - began, plan.metres / METRES_PER_MILE
    vehicles = sum(bool(route.visits) for route in plan.routes)
    print(
        f"{name:10}{vehicles:>6} / {published.vehicles:>2} {miles:>10.1f}{published.miles:>10.1f}"
        f"{miles / published.miles:>7.3f}{seconds:>9.1f}  (CPU {time.process_time() - cpu:.1f} s)",
        *problems[:3],
        flush=True,
    )
    if problems:
        print(f"{name}: {len(problems)} rules broken", file=sys.stderr)
    return plan, problems
