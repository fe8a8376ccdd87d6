"""Reviews of dumping cases: events `review` of the case's camera; the latest review of a case counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

from broker.contract.topics import ID_PATTERN
from ingest.store.records import EventRecord

Verdict = Literal["confirmed", "rejected", "merged", "reopened"]
Reason = Literal["person_standing", "shadow", "animal", "collected", "vehicle", "other"]
"""Why a case is rejected."""

REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
NOTE_MAX: Final = 500
TYPE: Final = "review"

CaseId = Annotated[str, Meta(pattern=rf"^{ID_PATTERN}\Z")]


class Review(msgspec.Struct, frozen=True, omit_defaults=True):
    """A verdict on a case, the detail of its event. `reason` goes with rejected, `into` with merged.

    `by` is the reviewer's role; the API knows no names.
    """

    case: CaseId
    verdict: Verdict
    reason: Reason | Literal[""] = ""
    note: Annotated[str, Meta(max_length=NOTE_MAX)] = ""
    into: CaseId | Literal[""] = ""
    by: Annotated[str, Meta(max_length=64)] = ""


class SubmittedReview(msgspec.Struct, frozen=True):
    """A review and its event."""

    review: Review
    event: EventRecord


def review_of(event: EventRecord) -> Review | None:
    """The review in an event; None when its detail is not a valid review."""
    try:
        review = msgspec.convert(event.detail, Review)
    except msgspec.ValidationError:
        return None
    lacks = (review.verdict == "rejected" and not review.reason) or (review.verdict == "merged" and not review.into)
    return None if lacks else review


def latest_reviews(events: Iterable[EventRecord]) -> dict[tuple[str, str], SubmittedReview]:
    """The newest review of each case, by camera and case: a camera's events concern its own cases only."""
    review_by_case: dict[tuple[str, str], SubmittedReview] = {}
    for event in sorted(events, key=_when):
        review = review_of(event)
        if review:
            review_by_case[event.origin.device, review.case] = SubmittedReview(review, event)
    return review_by_case


def _when(event: EventRecord) -> tuple[object, ...]:
    # The rest tells reviews of one millisecond apart, the same way each time.
    return event.origin.measured_at, event.origin.received_at, event.origin.epoch, event.origin.seq


def merge_targets(into: Mapping[str, str]) -> dict[str, str]:
    """The final target of each merged case, over several merges; cycles are left out."""
    ends: dict[str, str] = {}
    for start in into:
        way = [start]
        while (following := into.get(way[-1])) and following not in way:
            way.append(following)
        if way[-1] not in into:
            ends[start] = way[-1]
    return ends
