"""REST of the dumping cases and their evidence; who looked at which file is logged."""

from __future__ import annotations

import mimetypes
from typing import Annotated, Any, Final

import msgspec
import structlog
from fastapi import APIRouter, Path, Request
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

from api.access import require, role_of
from api.cases import cases
from api.routes import From, To, context_of
from broker.contract.topics import ID_PATTERN
from ingest.store.cases import Case, evidence_urls

log = structlog.get_logger("api")

router = APIRouter(prefix="/api/v1/dumping/cases", tags=["dumping"])

CaseId = Annotated[str, Path(pattern=f"^{ID_PATTERN}$")]
_MEDIA: Final = {".webm": "video/webm"}


def shape_case(case: Case) -> dict[str, Any]:
    """A case as the API shows it: evidence as addresses."""
    shape: dict[str, Any] = msgspec.to_builtins(case)
    return {**shape, "evidence": evidence_urls(case)}


def _find(request: Request, case: str) -> Case:
    found = next((one for one in cases(context_of(request)) if one.id == case), None)
    if found is None:
        raise HTTPException(404, f"there is no case {case!r}")
    return found


@router.get("", dependencies=[require("viewer")])
def list_cases(request: Request, start: From = None, to: To = None) -> dict[str, list[dict[str, Any]]]:
    """Cases, newest first; of the last 30 days unless a range is given."""
    return {"cases": [shape_case(case) for case in cases(context_of(request), start=start, end=to)]}


@router.get("/{case}", dependencies=[require("viewer")])
def show_case(request: Request, case: CaseId) -> dict[str, Any]:
    """One case."""
    return shape_case(_find(request, case))


@router.get("/{case}/evidence/{file}", dependencies=[require("viewer")], response_class=FileResponse)
def show_evidence(request: Request, case: CaseId, file: str) -> FileResponse:
    """A file of a case, people pixelated; only files the case names are served."""
    context = context_of(request)
    if file not in _find(request, case).evidence.values():
        raise HTTPException(404, f"case {case!r} has no file {file!r}")
    path = context.evidence / case / file
    if not path.is_file():
        raise HTTPException(410, f"{file!r} of case {case!r} is no longer kept")
    log.info("evidence.viewed", case=case, file=file, role=role_of(request, context))
    media = _MEDIA.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    # A board of dumping cases shows it from Grafana's origin. Browsers send our cookie (SameSite) from our own site
    # only, so a page of anybody else's gets 401 and no picture.
    return FileResponse(path, media_type=media, headers={"Cross-Origin-Resource-Policy": "cross-origin"})
