"""Runs the planning process with a deadline; a plan that the checker faults is none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from city.errors import KotaError
from city.runtime.child_path import child_python_path
from dispatch.planning.checker import check_plan
from dispatch.planning.plan import CollectionPlan
from dispatch.planning.problem import TravelTable
from dispatch.planning.worker import PlanAnswer, PlanRequest, TravelRequest

PlanningFailure = Literal["deadline", "crash", "impossible", "faulty"]
"""Why there is no plan: it took too long; the process ended; the problem has none; the plan breaks a rule."""

WORKER: Final = (sys.executable, "-m", "dispatch.planning.worker")
SHOWN_CHARS: Final = 400


class PlanFailedError(KotaError):
    """There is no new plan; `failure` says of which kind, the text has details."""

    def __init__(self, failure: PlanningFailure, detail: str) -> None:
        super().__init__(f"no plan ({failure}): {detail}")
        self.failure = failure


def plan_in_process(request: PlanRequest, deadline_s: float, *, command: Sequence[str] = WORKER) -> CollectionPlan:
    """A plan that keeps all rules, made in a process of its own; blocks at most until the deadline.

    Args:
        request: What to plan, and how long to search.
        deadline_s: Seconds after which the process is ended.
        command: Starts the process.

    Raises:
        PlanFailedError: There is no plan.
    """
    answer = _decode(_run(msgspec.msgpack.encode(request), deadline_s, command))
    if answer.plan is None:
        raise PlanFailedError("impossible", answer.error[:SHOWN_CHARS])
    if violations := check_plan(request.problem, answer.plan):
        raise PlanFailedError("faulty", "; ".join(map(str, violations))[:SHOWN_CHARS])
    return answer.plan


def travel_in_process(request: TravelRequest, deadline_s: float, *, command: Sequence[str] = WORKER) -> TravelTable:
    """Travel times over roads, computed in a process of its own; blocks at most until the deadline.

    Raises:
        PlanFailedError: There are none.
    """
    answer = _decode(_run(msgspec.msgpack.encode(request), deadline_s, command))
    if answer.travel is None or answer.travel.size != len(request.places):
        raise PlanFailedError("impossible", answer.error[:SHOWN_CHARS])
    return answer.travel


def _run(request: bytes, deadline_s: float, command: Sequence[str]) -> bytes:
    # Nothing of our environment: it has the city's secrets. One thread: the machine has other work.
    environment = {"PYTHONPATH": child_python_path(), "OPENBLAS_NUM_THREADS": "1"}
    try:
        process = subprocess.run(  # noqa: S603 - our own command
            command, input=request, capture_output=True, env=environment, timeout=deadline_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise PlanFailedError("deadline", f"not done after {deadline_s:g} s") from None
    except OSError as exc:
        raise PlanFailedError("crash", str(exc)) from exc
    if process.returncode:
        last = process.stderr.decode(errors="replace").strip()[-SHOWN_CHARS:]
        raise PlanFailedError("crash", f"exit {process.returncode} {last}")
    return process.stdout


def _decode(answer: bytes) -> PlanAnswer:
    try:
        return msgspec.msgpack.decode(answer, type=PlanAnswer)
    except msgspec.MsgspecError as exc:
        raise PlanFailedError("crash", f"its answer cannot be read: {exc}") from exc
