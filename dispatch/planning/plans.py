"""Keeps the plan in force and the one proposed in its place; a failure changes neither."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Final

import msgspec

from city.errors import KotaError
from city.storage.atomic_files import replace_file
from dispatch.planning.day import StopCandidate
from dispatch.planning.differences import StopChange
from dispatch.planning.plan import CollectionPlan
from dispatch.planning.problem import RouteProblem

PLANNING_FOLDER: Final = "planning"
VERSION: Final = 1


class NoProposalError(KotaError):
    """The proposal that is accepted or rejected does not exist any more."""


class StoredPlan(msgspec.Struct, frozen=True):
    """A plan with the problem that it solves, what explains its stops, and what it changes in the plan before it.

    `made_at` tells it from other plans.
    """

    day: date
    made_at: datetime
    problem: RouteProblem
    plan: CollectionPlan
    candidates: dict[str, StopCandidate]
    changes: tuple[StopChange, ...] = ()
    version: int = VERSION


class PlanBook:
    """The plans of a city, a file for the one in force and one for the proposal.

    Args:
        data: The data folder.
    """

    def __init__(self, data: Path) -> None:
        self._folder = data / PLANNING_FOLDER

    def current(self) -> StoredPlan | None:
        """The plan in force; None if there never was one, or its file cannot be read."""
        return _read(self._folder / "current.msgpack")

    def proposal(self) -> StoredPlan | None:
        """What is proposed in its place."""
        return _read(self._folder / "proposal.msgpack")

    def propose(self, plan: StoredPlan) -> None:
        """Put a plan beside the one in force; an earlier proposal is replaced.

        Raises:
            StorageError: The disk refuses.
        """
        replace_file(self._folder / "proposal.msgpack", msgspec.msgpack.encode(plan), parents=True)

    def accept(self, made_at: datetime) -> StoredPlan:
        """Put the proposal made at a time into force.

        Raises:
            NoProposalError: Another one, or none, is proposed now.
            StorageError: The disk refuses.
        """
        plan = self._require_proposal(made_at)
        replace_file(self._folder / "current.msgpack", msgspec.msgpack.encode(plan), parents=True)
        self._forget()
        return plan

    def reject(self, made_at: datetime) -> None:
        """Drop the proposal made at a time; the plan in force stays.

        Raises:
            NoProposalError: Another one, or none, is proposed now.
        """
        self._require_proposal(made_at)
        self._forget()

    def _require_proposal(self, made_at: datetime) -> StoredPlan:
        plan = self.proposal()
        if plan is None or plan.made_at != made_at:
            raise NoProposalError("this proposal does not exist any more")
        return plan

    def _forget(self) -> None:
        (self._folder / "proposal.msgpack").unlink(missing_ok=True)


def _read(path: Path) -> StoredPlan | None:
    try:
        plan = msgspec.msgpack.decode(path.read_bytes(), type=StoredPlan)
    except (OSError, msgspec.MsgspecError):
        return None
    return plan if plan.version == VERSION else None
