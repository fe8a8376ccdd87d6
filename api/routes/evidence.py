"""REST of the evidence of dumping cases: files, archive, clear copies, custody log, and erasure."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Final, Literal

import msgspec
import structlog
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.auth.access import origin_of_request, require, require_area
from api.dependencies import CaseId, case_of, context_of, place_of_case
from api.http.description import ATTACHMENT_HEADERS, file_answer, problems, stored_file_answer
from api.http.routing import ApiRoute
from api.queries.evidence_service import Actor
from city.errors import ConfigError
from city.i18n.catalogue import DEFAULT_LANG, Lang
from ingest.store.views.cases import Case
from vision.evidence.custody.chain import Entry
from vision.evidence.store import EvidenceError

log = structlog.get_logger("api")

router = APIRouter(
    prefix="/api/v1/dumping/cases", tags=["evidence"], responses=problems(404, 503), route_class=ApiRoute
)

_MEDIA: Final = {".jpg": "image/jpeg", ".webm": "video/webm"}
_ZIP_MEDIA: Final = "application/zip"
_OTHER_MEDIA: Final = "application/octet-stream"
_FILE_MEDIA: Final = (*_MEDIA.values(), _OTHER_MEDIA)
STATUS: Final = {"unknown": 404, "deleted": 410, "missing": 410, "changed": 409}
Language = Annotated[Lang, Query(description="Language of the report.")]


class CustodyResponse(msgspec.Struct, frozen=True):
    """The custody log of a case, oldest first. `deleted`: why its files were deleted; empty while they are kept."""

    case: str
    deleted: str
    entries: list[Entry]


class ErasureResponse(msgspec.Struct, frozen=True):
    """The files of the case were deleted."""

    case: str
    deleted: Literal["erasure"] = "erasure"


class ReasonRequest(BaseModel):
    """The reason of an action, which the custody log keeps permanently."""

    reason: str = Field(min_length=10, max_length=1_000, description="In full sentences; kept in the custody log.")


def actor_of(request: Request) -> Actor:
    """The actor of a request."""
    origin = origin_of_request(request)
    return Actor(origin.name, origin.address)


def _case_in_area(request: Request, case: str) -> Case:
    """A listed case; 404 if there is none, 403 if it is outside of the areas of whoever asks."""
    listed_case = case_of(context_of(request), case)
    require_area(request, place_of_case(listed_case))
    return listed_case


def to_http_error(exc: EvidenceError) -> HTTPException:
    """The HTTP error of an evidence error. Damaged evidence is logged."""
    if exc.why in ("changed", "missing"):
        log.error("evidence.damaged", why=exc.why, reason=str(exc))
    return HTTPException(STATUS[exc.why], str(exc))


@router.get(
    "/{case}/evidence/{file}",
    dependencies=[require("telemetry.read")],
    response_class=FileResponse,
    responses={**stored_file_answer("A picture or a clip, with people pixelated.", *_FILE_MEDIA), **problems(409, 410)},
)
def show_evidence(request: Request, case: CaseId, file: str) -> FileResponse:
    """A file of a case, with people pixelated. The file must be named by the case and be unchanged."""
    if file not in _case_in_area(request, case).evidence.values():
        raise HTTPException(404, f"case {case!r} has no file {file!r}")
    try:
        path = context_of(request).evidence.show(case, file, actor_of(request))
    except EvidenceError as exc:
        raise to_http_error(exc) from exc
    media = _MEDIA.get(path.suffix, _OTHER_MEDIA)
    # A board of dumping cases shows it from Grafana's origin. Browsers send our cookie (SameSite) from our own site
    # only, so a page of anybody else's gets 401 and no picture.
    return FileResponse(path, media_type=media, headers={"Cross-Origin-Resource-Policy": "cross-origin"})


@router.get("/{case}/custody", dependencies=[require("evidence.export")])
def show_custody(request: Request, case: CaseId) -> CustodyResponse:
    """The custody log of a case: storage, access, export, review and deletion; oldest first."""
    listed_case = _case_in_area(request, case)
    service = context_of(request).evidence
    return CustodyResponse(listed_case.id, service.record(listed_case.id).deleted, service.custody(listed_case.id))


@router.post(
    "/{case}/export",
    dependencies=[require("evidence.export")],
    response_class=Response,
    responses={
        **file_answer("The case's files, a report and the custody log.", _ZIP_MEDIA, headers=ATTACHMENT_HEADERS),
        **problems(409, 410),
    },
)
async def export(request: Request, case: CaseId, lang: Language = DEFAULT_LANG) -> Response:
    """A case as a ZIP archive, with a report (PDF) and its custody log."""
    listed_case = await run_in_threadpool(_case_in_area, request, case)
    service = context_of(request).evidence
    try:
        packed = await run_in_threadpool(service.export, listed_case.id, lang, actor_of(request))
    except EvidenceError as exc:
        raise to_http_error(exc) from exc
    except ConfigError as exc:
        raise HTTPException(409, str(exc)) from exc
    headers = {"Content-Disposition": f'attachment; filename="{listed_case.id}.zip"'}
    return Response(packed, media_type=_ZIP_MEDIA, headers=headers)


@router.post(
    "/{case}/clear/{file}",
    dependencies=[require("evidence.clear")],
    response_class=Response,
    responses={**file_answer("A picture or a clip without redaction.", *_FILE_MEDIA), **problems(409, 410)},
)
def open_clear(request: Request, case: CaseId, file: str, body: ReasonRequest) -> Response:
    """A file without redaction, where the site keeps such copies. The custody log records actor and reason."""
    listed_case = _case_in_area(request, case)
    service = context_of(request).evidence
    if file not in service.clear_files(listed_case.id):
        raise HTTPException(404, f"case {case!r} has no clear copy of {file!r} that could be opened here")
    try:
        content = service.open_clear(listed_case.id, file, body.reason.strip(), actor_of(request))
    except EvidenceError as exc:
        raise to_http_error(exc) from exc
    except ConfigError as exc:
        raise HTTPException(409, str(exc)) from exc
    log.warning("evidence.clear_opened", case=case, file=file, by=origin_of_request(request).name)
    return Response(content, media_type=_MEDIA.get(PurePath(file).suffix, _OTHER_MEDIA))


@router.post("/{case}/erase", dependencies=[require("evidence.erase")], responses=problems(409, 410))
def erase(request: Request, case: CaseId, body: ReasonRequest) -> ErasureResponse:
    """Delete the files of a case before the end of retention. The case and the record of the erasure stay."""
    listed_case = _case_in_area(request, case)
    try:
        context_of(request).evidence.erase(listed_case.id, body.reason.strip(), actor_of(request))
    except EvidenceError as exc:
        raise to_http_error(exc) from exc
    return ErasureResponse(listed_case.id)
