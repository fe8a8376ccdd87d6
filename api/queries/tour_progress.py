"""How a tour goes: when stops were served, how late the truck is, and when the others will be. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from dispatch.shifts.records import WAITING_STATES, CrewShift, Stop
from dispatch.verification.states import DONE_STATES, EvidenceKind

SERVED_BY: Final[tuple[EvidenceKind, ...]] = ("standing", "working", "lift", "tap", "photo", "level_fell", "removed")
"""Evidence that says when a stop was served, the most exact first."""


class TourProgress(msgspec.Struct, frozen=True):
    """A tour at a moment. `late`: behind the plan, negative before it; None before anything is known.

    `next_stop` is the first that nobody has come to; `expected_at` has the stops of that kind by their numbers.
    """

    late: timedelta | None = None
    next_stop: Stop | None = None
    expected_at: Mapping[int, datetime] = {}


def served_at(stop: Stop) -> datetime | None:
    """When a stop was served, by its evidence; None if nothing says so."""
    if stop.state not in DONE_STATES and stop.state != "contradicted":
        return None
    times = {piece.kind: piece.at for piece in reversed(stop.evidence)}
    return next((times[kind] for kind in SERVED_BY if kind in times), None)


def progress_of(shift: CrewShift, stops: Sequence[Stop], now: datetime) -> TourProgress:
    """The progress of a shift.

    Args:
        shift: The shift.
        stops: Its stops in order, landfills among them.
        now: UTC.
    """
    tour = [stop for stop in stops if stop.kind != "landfill" and stop.removed_at is None]
    waiting = [stop for stop in tour if stop.state in WAITING_STATES]
    following = waiting[0] if waiting else None
    late = _late(tour, following, now)
    if shift.closed_at is not None or late is None:
        return TourProgress(late if shift.closed_at is None else None, following)
    delay = max(late, timedelta())
    expected = {stop.id: max(stop.starts_at + delay, stop.window_from, now) for stop in waiting}
    return TourProgress(late, following, expected)


def _late(tour: Sequence[Stop], following: Stop | None, now: datetime) -> timedelta | None:
    """How far the truck is behind its plan, by the stop that it served last, and by the one that is due."""
    served = [(at, stop) for stop in tour if (at := served_at(stop)) is not None]
    late = None
    if served:
        at, stop = max(served, key=lambda pair: pair[0])
        late = at - stop.starts_at
    if following is not None and now > following.starts_at:
        due = now - following.starts_at
        late = due if late is None else max(late, due)
    return late
