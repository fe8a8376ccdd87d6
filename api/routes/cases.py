"""REST of dumping cases and their reviews. The reviewer's name is kept."""

from __future__ import annotations

from typing import Self

import msgspec
import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, model_validator
from starlette.exceptions import HTTPException

from api.auth.access import audit_action, origin_of_request, require, require_area
from api.dependencies import CaseId, From, To, case_of, context_of, place_of_case
from api.http.description import problems
from api.http.routing import ApiRoute
from api.queries.cases import cases
from broker.contract.topics import ID_PATTERN
from ingest.store.views.cases import Case, evidence_urls
from ingest.store.views.reviews import NOTE_MAX, Reason, Review, Verdict

log = structlog.get_logger("api")

router = APIRouter(prefix="/api/v1/dumping/cases", tags=["dumping"], responses=problems(503), route_class=ApiRoute)


class ReviewRequest(BaseModel):
    """A review of a case."""

    verdict: Verdict
    reason: Reason | None = Field(None, description="Why it is a false alarm; with `rejected` only.")
    note: str = Field("", max_length=NOTE_MAX)
    into: str | None = Field(
        None, pattern=f"^{ID_PATTERN}$", description="The case that it belongs to; with `merged` only."
    )

    @model_validator(mode="after")
    def goes_together(self) -> Self:
        """Check that `reason` comes with `rejected` only, and `into` with `merged` only."""
        if (self.reason is not None) != (self.verdict == "rejected"):
            raise ValueError("a reason goes with the verdict rejected, and with no other")
        if (self.into is not None) != (self.verdict == "merged"):
            raise ValueError("`into` goes with the verdict merged, and with no other")
        return self


class CaseResponse(Case, frozen=True, kw_only=True):
    """A dumping case. `evidence` maps file roles to URLs; `open`: it still has to be removed, as far as known."""

    open: bool


class CasesResponse(msgspec.Struct, frozen=True):
    """Dumping cases, newest first."""

    cases: list[CaseResponse]


def case_response(case: Case) -> CaseResponse:
    """A case with the URLs of its evidence."""
    return CaseResponse(**{**msgspec.structs.asdict(case), "evidence": evidence_urls(case)}, open=case.is_open)


@router.get("", dependencies=[require("telemetry.read")])
def list_cases(request: Request, start: From = None, to: To = None) -> CasesResponse:
    """Cases, newest first; of the last 30 days unless a range is given."""
    return CasesResponse([case_response(case) for case in cases(context_of(request), start=start, end=to)])


@router.get("/{case}", dependencies=[require("telemetry.read")], responses=problems(404))
def show_case(request: Request, case: CaseId) -> CaseResponse:
    """One case."""
    return case_response(case_of(context_of(request), case))


@router.post("/{case}/review", dependencies=[require("cases.review")], responses=problems(404, 409))
def review_case(request: Request, case: CaseId, body: ReviewRequest) -> CaseResponse:
    """Confirm, reject, merge or reopen a case. The latest review counts; returns the case after the review."""
    context = context_of(request)
    listed_case = case_of(context, case)
    require_area(request, place_of_case(listed_case))
    if listed_case.camera not in context.city.cameras:
        raise HTTPException(409, f"camera {listed_case.camera!r} of case {case!r} is no longer in the inventory")
    if body.into is not None:
        _check_merge(listed_case, case_of(context, body.into))
    origin = origin_of_request(request)
    review = Review(case, body.verdict, body.reason or "", body.note.strip(), body.into or "", origin.name)
    context.reviews.submit(listed_case.camera, review, context.clock(), after=listed_case.reviewed_at)
    context.evidence.note_review(case, body.verdict, review.by)
    audit_action(request, "case.review", case, verdict=body.verdict, reason=review.reason, into=review.into)
    return case_response(case_of(context, case))


def _check_merge(case: Case, into: Case) -> None:
    if into.id == case.id:
        raise HTTPException(409, f"case {case.id!r} cannot be merged with itself")
    if into.site != case.site:
        raise HTTPException(409, f"case {into.id!r} is of another site")
    if not into.counts:
        raise HTTPException(409, f"case {into.id!r} is {into.verdict} itself")
