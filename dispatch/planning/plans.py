"""A plan as it is kept: with the problem that it solves, and what explains it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

import msgspec

from dispatch.planning.day import StopCandidate
from dispatch.planning.differences import StopChange
from dispatch.planning.plan import CollectionPlan
from dispatch.planning.problem import RouteProblem

VERSION: Final = 1


class StoredPlan(msgspec.Struct, frozen=True):
    """A plan with the problem that it solves, what explains its stops, and what it changes in the plan before it."""

    day: date
    made_at: datetime
    problem: RouteProblem
    plan: CollectionPlan
    candidates: dict[str, StopCandidate]
    changes: tuple[StopChange, ...] = ()
    version: int = VERSION
