"""REST of the evidence of dumping cases: files, archive, clear copies, who has seen them, and their end."""

from __future__ import annotations

import mimetypes
from typing import Annotated, Any, Final

import msgspec
import structlog
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.access import require, role_of
from api.case_routes import CaseId, find_case
from api.evidence_desk import Visitor
from api.routes import context_of
from broker.contract.errors import ConfigError
from vision.evidence.report_texts import LANGS, Lang
from vision.evidence.store import EvidenceError

log = structlog.get_logger("api")

router = APIRouter(prefix="/api/v1/dumping/cases", tags=["evidence"])

_MEDIA: Final = {".webm": "video/webm"}
STATUS: Final = {"unknown": 404, "deleted": 410, "missing": 410, "changed": 409}
Language = Annotated[Lang, Query(description="Of the report.")]


class ReasonShape(BaseModel):
    """Why somebody does what the custody log will tell of for ever."""

    reason: str = Field(min_length=10, max_length=1_000, description="In whole words; kept in the custody log.")


def visitor_of(request: Request) -> Visitor:
    """Who asks."""
    client = request.client
    return Visitor(role_of(request, context_of(request)) or "", client.host if client else "")


def refused(exc: EvidenceError) -> HTTPException:
    """How the API says that evidence cannot be shown; damage is logged as what it is."""
    if exc.why in ("changed", "missing"):
        log.error("evidence.damaged", why=exc.why, reason=str(exc))
    return HTTPException(STATUS[exc.why], str(exc))


@router.get("/{case}/evidence/{file}", dependencies=[require("viewer")], response_class=FileResponse)
def show_evidence(request: Request, case: CaseId, file: str) -> FileResponse:
    """A file of a case, people pixelated; only files the case names, and only as they were kept."""
    if file not in find_case(request, case).evidence.values():
        raise HTTPException(404, f"case {case!r} has no file {file!r}")
    try:
        path = context_of(request).evidence.show(case, file, visitor_of(request))
    except EvidenceError as exc:
        raise refused(exc) from exc
    media = _MEDIA.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    # A board of dumping cases shows it from Grafana's origin. Browsers send our cookie (SameSite) from our own site
    # only, so a page of anybody else's gets 401 and no picture.
    return FileResponse(path, media_type=media, headers={"Cross-Origin-Resource-Policy": "cross-origin"})


@router.get("/{case}/custody", dependencies=[require("operator")])
def show_custody(request: Request, case: CaseId) -> dict[str, Any]:
    """Who kept, saw, exported, reviewed and deleted the evidence of a case, oldest first."""
    found = find_case(request, case)
    desk = context_of(request).evidence
    entries = [msgspec.to_builtins(entry) for entry in desk.custody(found.id)]
    return {"case": found.id, "deleted": desk.record(found.id).deleted, "entries": entries}


@router.post("/{case}/export", dependencies=[require("operator")], response_class=Response)
async def export(request: Request, case: CaseId, lang: Language = LANGS[0]) -> Response:
    """All of a case as a ZIP archive with a report (PDF) and its entries of the custody log."""
    found = await run_in_threadpool(find_case, request, case)
    desk = context_of(request).evidence
    try:
        packed = await run_in_threadpool(desk.export, found.id, lang, visitor_of(request))
    except EvidenceError as exc:
        raise refused(exc) from exc
    except ConfigError as exc:
        raise HTTPException(409, str(exc)) from exc
    headers = {"Content-Disposition": f'attachment; filename="{found.id}.zip"'}
    return Response(packed, media_type="application/zip", headers=headers)


@router.post("/{case}/clear/{file}", dependencies=[require("admin")], response_class=Response)
def open_clear(request: Request, case: CaseId, file: str, why: ReasonShape) -> Response:
    """A file with its people in it, where the site keeps such copies; the reason is kept with who asked."""
    found = find_case(request, case)
    desk = context_of(request).evidence
    if file not in desk.clear_files(found.id):
        raise HTTPException(404, f"case {case!r} has no clear copy of {file!r} that could be opened here")
    try:
        content = desk.open_clear(found.id, file, why.reason.strip(), visitor_of(request))
    except EvidenceError as exc:
        raise refused(exc) from exc
    except ConfigError as exc:
        raise HTTPException(409, str(exc)) from exc
    log.warning("evidence.clear_opened", case=case, file=file, role=role_of(request, context_of(request)))
    suffix = f".{file.rpartition('.')[2]}"
    return Response(content, media_type=_MEDIA.get(suffix) or mimetypes.guess_type(file)[0])


@router.post("/{case}/erase", dependencies=[require("admin")])
def erase(request: Request, case: CaseId, why: ReasonShape) -> dict[str, Any]:
    """Delete a case's files before their time; the case, and that this was done, stay."""
    found = find_case(request, case)
    try:
        context_of(request).evidence.erase(found.id, why.reason.strip(), visitor_of(request))
    except EvidenceError as exc:
        raise refused(exc) from exc
    return {"case": found.id, "deleted": "erasure"}
