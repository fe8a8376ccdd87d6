"""Errors as problem documents (RFC 9457, or NGSI-LD's form), including those of the framework, and as pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from msgspec import UNSET, Meta, UnsetType
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from api.http.templating import template_environment
from city.errors import PayloadError, RetryLaterError, StorageError
from city.i18n.catalogue import API_TEXTS
from city.inventory.zones import FaultCode

log = structlog.get_logger("api")

PROBLEM_MEDIA: Final = "application/problem+json"
NGSI_PROBLEM_MEDIA: Final = "application/json"


class FieldErrorResponse(msgspec.Struct, frozen=True):
    """An error of one field of a request."""

    field: Annotated[str, Meta(description="Path of the field, parts separated by dots; empty if it is of none.")]
    detail: str
    zone: Annotated[int, Meta(description="Index of the zone.")] | UnsetType | None = UNSET
    code: FaultCode | UnsetType = UNSET


class ProblemResponse(msgspec.Struct, frozen=True):
    """A problem document (RFC 9457)."""

    title: str
    status: Annotated[int, Meta(description="The HTTP status.")]
    detail: str
    type: Annotated[str, Meta(description="`about:blank`, or the error type of NGSI-LD.")] = "about:blank"
    errors: Annotated[Sequence[FieldErrorResponse], Meta(description="One for each wrong field.")] | UnsetType = UNSET
    reason: Annotated[str, Meta(description="Why a demo refuses.")] | UnsetType = UNSET


def problem(
    status: int,
    detail: str,
    *,
    errors: Sequence[FieldErrorResponse] | None = None,
    reason: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document."""
    return _respond(
        ProblemResponse(_phrase(status), status, detail, errors=errors or UNSET, reason=reason or UNSET), headers
    )


def _respond(document: ProblemResponse, headers: Mapping[str, str] | None, media: str = PROBLEM_MEDIA) -> Response:
    return Response(msgspec.json.encode(document), document.status, headers, media)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase


API_PATHS: Final = ("/api/", "/ngsi-ld/", "/crew/api/")
"""Prefixes of API routes, whose errors are problem documents rather than pages."""
_NGSI_ERRORS: Final = {
    400: "BadRequestData",
    404: "ResourceNotFound",
    406: "NotAcceptable",
    500: "InternalError",
}


def _answer(
    request: Request,
    status: int,
    detail: str,
    *,
    errors: Sequence[FieldErrorResponse] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document in the form of the requested API.

    Source: ETSI GS CIM 009, clauses 5.5.2 and 5.5.3: types of its own, and plain JSON as the media type.
    """
    if not request.url.path.startswith("/ngsi-ld/"):
        return problem(status, detail, errors=errors, headers=headers)
    status = 400 if status == HTTPStatus.UNPROCESSABLE_ENTITY else status
    name = _NGSI_ERRORS.get(status)
    type_ = f"https://uri.etsi.org/ngsi-ld/errors/{name}" if name else "about:blank"
    document = ProblemResponse(_phrase(status), status, detail, type_, errors or UNSET)
    return _respond(document, headers, NGSI_PROBLEM_MEDIA)


_TEMPLATES: Final = template_environment(Path(__file__).parent / "templates")


def refusal_page(connection: HTTPConnection, why: str) -> Response:
    """The refusal of remote access to a demo, in both languages; `why` is the reason in the problem document."""
    if _is_for_people(connection):
        return HTMLResponse(_TEMPLATES.get_template("refused.html").render(), HTTPStatus.FORBIDDEN)
    return problem(403, API_TEXTS.in_all("demo_refused"), reason=why)


def _is_for_people(request: HTTPConnection) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith(API_PATHS)


def _missing_page() -> Response:
    return HTMLResponse(_TEMPLATES.get_template("missing.html").render(), HTTPStatus.NOT_FOUND)


def _failed_page(status: HTTPStatus, reason: str, again_s: int) -> Response:
    """A page that says what failed, and asks again by itself. `reason`: the key of its text."""
    page = _TEMPLATES.get_template("failed.html").render(reason=reason, again_s=again_s)
    return HTMLResponse(page, status, {"Retry-After": str(again_s)})


def on_http(request: Request, exc: Exception) -> Response:
    """The response to an `HTTPException`."""
    assert isinstance(exc, HTTPException)  # noqa: S101 - registered for this type only
    if exc.status_code == HTTPStatus.NOT_FOUND and _is_for_people(request):
        return _missing_page()
    return _answer(request, exc.status_code, str(exc.detail), headers=exc.headers)


def _on_validation(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)  # noqa: S101 - registered for this type only
    if _is_for_people(request):
        return _missing_page()
    errors = [FieldErrorResponse(".".join(map(str, error["loc"])), error["msg"]) for error in exc.errors()]
    return _answer(request, 422, "; ".join(f"{error.field}: {error.detail}" for error in errors), errors=errors)


def _on_payload(request: Request, exc: Exception) -> Response:
    return _answer(request, 422, str(exc))


def _on_absent(request: Request, exc: Exception) -> Response:
    if _is_for_people(request):
        return _failed_page(HTTPStatus.SERVICE_UNAVAILABLE, "page_absent", 5)
    return _answer(request, 503, str(exc), headers={"Retry-After": "5"})


def _on_full_disk(request: Request, exc: Exception) -> Response:
    log.error("api.disk_refuses", reason=str(exc))
    return _answer(request, 503, "the disk refuses; nothing was changed", headers={"Retry-After": "5"})


def _on_bug(request: Request, _exc: Exception) -> Response:
    # The server logs the traceback; whoever asked learns nothing of the inside.
    if _is_for_people(request):
        return _failed_page(HTTPStatus.INTERNAL_SERVER_ERROR, "page_failed", 30)
    return _answer(request, 500, "something went wrong here; it has been logged")


_HANDLERS: Final = {
    HTTPException: on_http,
    RequestValidationError: _on_validation,
    PayloadError: _on_payload,
    RetryLaterError: _on_absent,
    StorageError: _on_full_disk,
    Exception: _on_bug,
}


def install(app: FastAPI) -> None:
    """Register handlers that turn every error of the app into a problem document."""
    for error, handler in _HANDLERS.items():
        app.add_exception_handler(error, handler)
