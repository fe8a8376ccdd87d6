"""Dumping cases: folds events of camera workers and reviews by people into one case per abandoned object."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from broker.contract.topics import ID_PATTERN
from city.inventory.model import City
from city.inventory.zones import ZONE_KINDS
from ingest.store.records import EventRecord
from ingest.store.views.reviews import TYPE as REVIEW
from ingest.store.views.reviews import SubmittedReview, latest_reviews, merge_targets

_CASE_ID: Final = re.compile(ID_PATTERN)
CaseVerdict = Literal["none", "confirmed", "rejected", "merged"]

TYPES: Final = ("dumping", REVIEW)
"""Event types from which cases are folded."""
_FILE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\.[a-z0-9]{1,8}")


class Case(msgspec.Struct, frozen=True):
    """Waste left outside its place or hours. `since` is when it was put down, `evidence` maps file roles to file names.

    `zone` is the kind of its zone; `box` is left, top, width and height in pixels of a picture of size `frame`. `state`
    is the camera's, `verdict` the reviewer's. `into` is the case that a merged case is shown under, `merged` the cases
    shown under this one.
    """

    id: str
    camera: str
    site: str
    site_name: str
    kelurahan: str
    raised_at: datetime
    local_time: str
    state: Literal["open", "cleared"]
    since: str
    hours: str
    box: Annotated[list[float], Meta(description="Left, top, width and height. Unit: px.")]
    simulated: bool
    evidence: dict[str, str]
    sha256: dict[str, str]
    zone: str = ""
    frame: Annotated[list[float], Meta(description="Width and height of the picture. Unit: px.")] = []
    cleared_at: datetime | None = None
    verdict: CaseVerdict = "none"
    reason: str = ""
    note: str = ""
    into: str = ""
    merged: list[str] = []
    reviewed_at: datetime | None = None
    reviewed_by: str = ""

    @property
    def since_at(self) -> datetime | None:
        """When it was put down; None when the camera sent no valid time."""
        try:
            at = datetime.fromisoformat(self.since)
        except ValueError:
            return None
        return at if at.tzinfo else None

    @property
    def is_open(self) -> bool:
        """Whether it still has to be removed, as far as is known."""
        return self.state == "open" and self.counts

    @property
    def counts(self) -> bool:
        """Whether it counts as a case: neither rejected nor merged into another."""
        return self.verdict not in ("rejected", "merged")


def fold(events: Iterable[EventRecord], city: City, *, simulated: bool) -> list[Case]:
    """Fold events of the types `TYPES`, in any order, into one case per id, newest first."""
    raised: dict[str, EventRecord] = {}
    cleared: dict[tuple[str, str], EventRecord] = {}
    reviews: list[EventRecord] = []
    for event in events:
        if event.type == REVIEW:
            reviews.append(event)
            continue
        case = event.detail.get("case")
        # Ids and file names become paths and addresses; a device says what it likes.
        if isinstance(case, str) and _CASE_ID.fullmatch(case):
            if event.state == "raised":
                raised[case] = event
            elif event.state == "cleared":
                cleared[event.origin.device, case] = event
    reviewed = latest_reviews(reviews)
    cases = [
        _with_verdict(
            _case(id_, event, cleared.get((event.origin.device, id_)), city, simulated=simulated),
            reviewed.get((event.origin.device, id_)),
        )
        for id_, event in raised.items()
    ]
    return sorted(_resolve_merges(cases), key=lambda case: (case.raised_at, case.id), reverse=True)


def _with_verdict(case: Case, submitted: SubmittedReview | None) -> Case:
    if submitted is None:
        return case
    review = submitted.review
    return msgspec.structs.replace(
        case,
        verdict="none" if review.verdict == "reopened" else review.verdict,
        reason=review.reason if review.verdict == "rejected" else "",
        note=review.note,
        into=review.into if review.verdict == "merged" else "",
        reviewed_at=submitted.event.origin.measured_at,
        reviewed_by=review.by,
    )


def _resolve_merges(cases: list[Case]) -> list[Case]:
    """Cases with merges resolved: each merged case points at its final target; a cycle of merges is ignored."""
    ends = merge_targets({case.id: case.into for case in cases if case.verdict == "merged"})
    under: dict[str, list[str]] = {}
    for id_, end in sorted(ends.items()):
        under.setdefault(end, []).append(id_)
    return [
        msgspec.structs.replace(
            case,
            verdict="none" if case.verdict == "merged" and case.id not in ends else case.verdict,
            into=ends.get(case.id, ""),
            merged=under.get(case.id, []),
        )
        for case in cases
    ]


def _case(id_: str, raised: EventRecord, cleared: EventRecord | None, city: City, *, simulated: bool) -> Case:
    detail = raised.detail
    camera = city.cameras.get(raised.origin.device)
    site_id = camera.site if camera else ""
    site = city.sites.get(site_id)
    # The camera's own clock says when it was; receipt may be later.
    happened_at = raised.origin.device_at or raised.origin.measured_at
    return Case(
        id=id_,
        camera=raised.origin.device,
        site=site_id,
        site_name=site.name if site else site_id,
        kelurahan=site.kelurahan if site else "",
        raised_at=happened_at,
        local_time=happened_at.astimezone(city.time_zone).isoformat(timespec="seconds"),
        state="cleared" if cleared else "open",
        since=str(detail.get("since", "")),
        hours=city.hours_at(site_id).describe(),
        box=_numbers(detail.get("box"), 4),
        simulated=bool(detail.get("simulated", simulated)),
        evidence={k: v for k, v in _texts(detail.get("evidence")).items() if _FILE.fullmatch(v)},
        sha256=_texts(detail.get("sha256")),
        zone=str(detail.get("zone", "")) if detail.get("zone") in ZONE_KINDS else "",
        frame=_numbers(detail.get("frame"), 2),
        cleared_at=cleared.origin.measured_at if cleared else None,
    )


def _numbers(value: Any, count: int) -> list[float]:  # noqa: ANN401 - JSON
    """Exactly `count` numbers, or none at all."""
    elements = value if isinstance(value, list | tuple) else []
    numbers = [float(number) for number in elements if isinstance(number, int | float) and not isinstance(number, bool)]
    return numbers if len(numbers) == count else []


def _texts(value: Any) -> dict[str, str]:  # noqa: ANN401 - JSON
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, Mapping) else {}


def evidence_urls(case: Case) -> dict[str, str]:
    """Evidence role to the URL path of its file."""
    return {role: f"/api/v1/dumping/cases/{case.id}/evidence/{name}" for role, name in case.evidence.items()}
