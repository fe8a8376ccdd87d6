"""Rows of shifts and stops, as their records."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, update

from dispatch.shifts.errors import DispatchError
from dispatch.shifts.records import (
    NOT_POSSIBLE_REASONS,
    WAITING_STATES,
    CrewShift,
    Stop,
    StopCounts,
    StopRuling,
    StoredTap,
)
from dispatch.shifts.tables import shifts, stop_entries, stops
from dispatch.verification.states import DONE_STATES, StopEvidence, StopVerdict


def require_shift(connection: Connection, id_: int) -> Row[Any]:
    """The row of a shift.

    Raises:
        DispatchError: `shift_unknown`.
    """
    row = connection.execute(select(shifts).where(shifts.c.id == id_)).one_or_none()
    if row is None:
        raise DispatchError("shift_unknown")
    return row


def require_open_shift(connection: Connection, id_: int) -> Row[Any]:
    """The row of a shift that is not over.

    Raises:
        DispatchError: `shift_unknown` or `shift_closed`.
    """
    row = require_shift(connection, id_)
    if row.open_key is None:
        raise DispatchError("shift_closed")
    return row


def require_stop(connection: Connection, id_: int) -> Row[Any]:
    """The row of a stop at a container or of an order.

    Raises:
        DispatchError: `stop_unknown`.
    """
    row = connection.execute(select(stops).where(stops.c.id == id_, stops.c.kind != "landfill")).one_or_none()
    if row is None:
        raise DispatchError("stop_unknown")
    return row


def shifts_of(connection: Connection, rows: Sequence[Row[Any]]) -> list[CrewShift]:
    """The records of shifts, with the counts of their stops."""
    counts = _counts(connection, [row.id for row in rows])
    return [shift_of(row, counts[row.id]) for row in rows]


def shift_of(row: Row[Any], counts: StopCounts) -> CrewShift:
    """The record of a shift."""
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's own name for a row as a mapping
    del fields["open_key"]
    return CrewShift(**{**fields, "day": date.fromisoformat(row.day)}, counts=counts)


def stop_of(row: Row[Any]) -> Stop:
    """The record of a stop."""
    fields = dict(row._mapping)  # noqa: SLF001 - as above
    del fields["was_on"]
    ruling = None if row.ruling is None else msgspec.convert(row.ruling, StopRuling)
    return Stop(**{**fields, "evidence": evidence_of(row.evidence), "ruling": ruling})


def tap_of(row: Row[Any]) -> StoredTap:
    """The record of a tap."""
    return StoredTap(**{name: getattr(row, name) for name in StoredTap.__struct_fields__})


def evidence_of(stored: object) -> tuple[StopEvidence, ...]:
    """Evidence as it is kept in JSON."""
    return msgspec.convert(stored, tuple[StopEvidence, ...])


def evidence_rows(evidence: Iterable[StopEvidence]) -> list[Any]:
    """Evidence as JSON keeps it."""
    rows: list[Any] = msgspec.to_builtins(list(evidence))
    return rows


def apply_verdict(connection: Connection, row: Row[Any], verdict: StopVerdict, now: datetime) -> int:
    """Write the verdict on a stop if it differs from what is stored; returns how many stops changed."""
    evidence = evidence_rows(verdict.evidence)
    if row.state == verdict.state and row.evidence == evidence:
        return 0
    reasons = [piece.detail.get("reason", "") for piece in verdict.evidence if piece.kind == "reason"]
    reason = str(reasons[-1]) if reasons and reasons[-1] in NOT_POSSIBLE_REASONS else ""
    is_new = row.state != verdict.state
    values = {"state": verdict.state, "evidence": evidence, "reason": reason}
    connection.execute(
        update(stops).where(stops.c.id == row.id).values(**values, state_at=now if is_new else row.state_at)
    )
    if is_new:
        entry = {"stop_id": row.id, "at": now, "state": verdict.state, "evidence": evidence}
        connection.execute(insert(stop_entries).values(entry))
    return 1


def _counts(connection: Connection, ids: Collection[int]) -> defaultdict[int, StopCounts]:
    columns = stops.c.shift_id, stops.c.state, func.count()
    is_counted = stops.c.shift_id.in_(ids), stops.c.kind != "landfill", stops.c.removed_at.is_(None)
    by_shift: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for shift_id, state, number in connection.execute(
        select(*columns).where(*is_counted).group_by(stops.c.shift_id, stops.c.state)
    ):
        by_shift[shift_id][state] += number
    counts: defaultdict[int, StopCounts] = defaultdict(StopCounts)
    counts.update({id_: count_states(states) for id_, states in by_shift.items()})
    return counts


def count_states(states: Counter[str]) -> StopCounts:
    """Counts of stops by what has become of them."""
    return StopCounts(
        total=states.total(),
        collected=sum(states[state] for state in DONE_STATES),
        verified=states["verified"] + states["recovered"],
        contradicted=states["contradicted"],
        missed=states["missed"],
        not_possible=states["not_possible"],
        open=sum(states[state] for state in WAITING_STATES),
    )
