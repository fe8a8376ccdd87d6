"""Retention of evidence by the verdict of its case. An hourly job deletes; it checks the clock before mass deletion."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from city.errors import RetryLaterError
from city.runtime.settings import Settings
from vision.evidence.case_files import kept_cases
from vision.evidence.custody.records import CaseRecord
from vision.evidence.store import EvidenceStore

log = structlog.get_logger("evidence")

JUMP: Final = timedelta(days=2)
"""Maximum silence of a working city's log; a clock further ahead of the newest entry may have jumped."""
EVERY_S: Final = 3_600.0
FEW: Final = 4
"""Number of cases that may be deleted at once, whatever share of all they are."""


@dataclass(frozen=True)
class Lifetimes:
    """Retention by class: from the time a case was kept, a rejected one from its rejection."""

    open: timedelta
    confirmed: timedelta
    rejected: timedelta


def lifetimes_of(settings: Settings) -> Lifetimes:
    """The retention of the settings."""
    return Lifetimes(
        timedelta(days=settings.evidence_days),
        timedelta(days=settings.evidence_confirmed_days),
        timedelta(days=settings.evidence_rejected_days),
    )


@dataclass(frozen=True)
class DueCase:
    """A case to delete, and its class of retention."""

    case: str
    why: str


@dataclass(frozen=True)
class RetentionResult:
    """Cases that a run has deleted; or why it deleted nothing, as text for an operator."""

    deleted: Sequence[DueCase]
    held_back: str = ""


def due_cases(
    ages_from: Mapping[str, datetime], records: Mapping[str, CaseRecord], lives: Lifetimes, now: datetime
) -> list[DueCase]:
    """The cases whose retention is over; pure.

    Args:
        ages_from: Every case on disk, and the time of its folder.
        records: Records of the cases in the log.
        lives: Retention by class.
        now: UTC.
    """
    due = []
    for case, written_at in ages_from.items():
        record = records.get(case, CaseRecord(case))
        kept_at = record.kept_at or written_at
        if record.verdict == "confirmed":
            why, over_at = "confirmed", kept_at + lives.confirmed
        elif record.verdict == "rejected" and record.judged_at:
            why, over_at = "rejected", record.judged_at + lives.rejected
        else:
            why, over_at = "open", kept_at + lives.open
        if now >= over_at:
            due.append(DueCase(case, why))
    return due


def enforce(store: EvidenceStore, lives: Lifetimes, now: datetime, *, trust_clock: bool = False) -> RetentionResult:
    """Delete the cases that are due, and folders of deleted cases that a crash has left.

    Args:
        store: Evidence of the city.
        lives: Retention by class.
        now: UTC.
        trust_clock: Skip the check of the clock; an operator has checked it.
    """
    store.recover()
    entries = store.custody.entries()
    records = store.records()
    ages_from = {path.name: datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in kept_cases(store.folder)}
    for case in [case for case in ages_from if records.get(case, CaseRecord(case)).deleted]:
        store.sweep(case)
        del ages_from[case]
    due = due_cases(ages_from, records, lives, now)
    newest = entries[-1].at if entries else now
    held_back = "" if trust_clock else _clock_doubt(len(due), len(ages_from), newest, now)
    if held_back:
        log.error("evidence.retention_held_back", reason=held_back)
        return RetentionResult((), held_back)
    for due_case in due:
        store.delete(due_case.case, due_case.why)
        log.info("evidence.deleted", case=due_case.case, why=due_case.why)
    return RetentionResult(due)


def keep_enforcing(store: EvidenceStore, lives: Lifetimes, stop: threading.Event) -> None:
    """Run `enforce` once an hour until `stop`; if the disk refuses, the next run tries again."""
    while True:
        try:
            enforce(store, lives, datetime.now(UTC))
        except (RetryLaterError, OSError) as exc:
            log.error("evidence.retention_refused", reason=str(exc))
        if stop.wait(EVERY_S):
            return


def _clock_doubt(due: int, kept: int, newest: datetime, now: datetime) -> str:
    """Why the clock may be wrong; empty if it is plausible."""
    if now < newest - JUMP:
        return f"the clock shows {now:%Y-%m-%d}, but the custody log has been written until {newest:%Y-%m-%d}"
    if due > FEW and 2 * due > kept and now - newest > JUMP:
        return (
            f"{due} of {kept} cases would go at once, and the custody log's newest entry is of {newest:%Y-%m-%d}: "
            f"if {now:%Y-%m-%d} is right, `kota evidence expire --trust-clock` deletes them"
        )
    return ""
