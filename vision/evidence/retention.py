"""How long evidence is kept, by what was said of the case; deleted by a job, never much at once on a clock's word."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from broker.contract.errors import RetryLaterError
from city.settings import Settings
from vision.evidence.case_files import kept_cases
from vision.evidence.records import Record
from vision.evidence.store import EvidenceRoom

log = structlog.get_logger("evidence")

JUMP: Final = timedelta(days=2)
"""The log of a city at work is never silent for so long; a clock that is further ahead of it may have jumped."""
EVERY_S: Final = 3_600.0
FEW: Final = 4
"""So many cases may go in one go, whatever share of all they are."""


@dataclass(frozen=True)
class Lifetimes:
    """How long a case is kept: from the day it was, and a rejected one from the day it was rejected."""

    open: timedelta
    confirmed: timedelta
    rejected: timedelta


def lifetimes_of(settings: Settings) -> Lifetimes:
    """The lifetimes that the settings ask for."""
    return Lifetimes(
        timedelta(days=settings.evidence_days),
        timedelta(days=settings.evidence_confirmed_days),
        timedelta(days=settings.evidence_rejected_days),
    )


@dataclass(frozen=True)
class Due:
    """A case that is to be deleted, and for which class of retention."""

    case: str
    why: str


@dataclass(frozen=True)
class Swept:
    """What a run has deleted; or why nothing was, in words for an operator."""

    deleted: Sequence[Due]
    held_back: str = ""


def due_cases(
    ages_from: Mapping[str, datetime], records: Mapping[str, Record], lives: Lifetimes, now: datetime
) -> list[Due]:
    """The cases whose time is over; pure.

    Args:
        ages_from: Every case on disk, and when it was kept as far as the disk knows.
        records: What the log says of them.
        lives: How long each class is kept.
        now: UTC.
    """
    found = []
    for case, written_at in ages_from.items():
        record = records.get(case, Record(case))
        kept_at = record.kept_at or written_at
        if record.verdict == "confirmed":
            why, over_at = "confirmed", kept_at + lives.confirmed
        elif record.verdict == "rejected" and record.judged_at:
            why, over_at = "rejected", record.judged_at + lives.rejected
        else:
            why, over_at = "open", kept_at + lives.open
        if now >= over_at:
            found.append(Due(case, why))
    return found


def enforce(room: EvidenceRoom, lives: Lifetimes, now: datetime, *, trust_clock: bool = False) -> Swept:
    """Delete what is due, and what a crash has left of what was deleted.

    Args:
        room: Of the city.
        lives: How long each class is kept.
        now: UTC.
        trust_clock: Delete even most of what there is after a silence; an operator has looked at the clock.
    """
    room.recover()
    entries = room.custody.entries()
    records = room.records()
    ages_from = {path.name: datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in kept_cases(room.folder)}
    for case in [case for case in ages_from if records.get(case, Record(case)).deleted]:
        room.sweep(case)
        del ages_from[case]
    due = due_cases(ages_from, records, lives, now)
    newest = entries[-1].at if entries else now
    held_back = "" if trust_clock else _doubt(len(due), len(ages_from), newest, now)
    if held_back:
        log.error("evidence.retention_held_back", reason=held_back)
        return Swept((), held_back)
    for one in due:
        room.delete(one.case, one.why)
        log.info("evidence.deleted", case=one.case, why=one.why)
    return Swept(due)


def keep_enforcing(room: EvidenceRoom, lives: Lifetimes, stop: threading.Event) -> None:
    """Enforce once an hour until `stop`; a disk that refuses is asked again."""
    while True:
        try:
            enforce(room, lives, datetime.now(UTC))
        except (RetryLaterError, OSError) as exc:
            log.error("evidence.retention_refused", reason=str(exc))
        if stop.wait(EVERY_S):
            return


def _doubt(due: int, kept: int, newest: datetime, now: datetime) -> str:
    """Why the clock is not believed; empty when it is."""
    if now < newest - JUMP:
        return f"the clock shows {now:%Y-%m-%d}, but the custody log has been written until {newest:%Y-%m-%d}"
    if due > FEW and 2 * due > kept and now - newest > JUMP:
        return (
            f"{due} of {kept} cases would go at once, and the custody log's newest entry is of {newest:%Y-%m-%d}: "
            f"if {now:%Y-%m-%d} is right, `kota evidence expire --trust-clock` deletes them"
        )
    return ""
