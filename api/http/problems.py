"""Errors as problem documents (RFC 9457, or NGSI-LD's form), including those of the framework."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from city.errors import PayloadError, RetryLaterError
from city.i18n.catalogue import API_TEXTS, LANGS


def problem(status: int, detail: str, **more: Any) -> JSONResponse:  # noqa: ANN401 - members of a problem document
    """A problem document; `more` adds members, `headers` excepted."""
    headers = more.pop("headers", None)
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


API_PATHS: Final = ("/api/", "/ngsi-ld/")
"""Prefixes of API routes, whose errors are problem documents rather than pages."""
_NGSI_ERRORS: Final = {
    400: "BadRequestData",
    404: "ResourceNotFound",
    406: "NotAcceptable",
    500: "InternalError",
}


def _answer(request: Request, status: int, detail: str, **more: Any) -> JSONResponse:  # noqa: ANN401 - see `problem`
    """A problem document in the form of the requested API.

    Source: ETSI GS CIM 009, clauses 5.5.2 and 5.5.3: types of its own, and plain JSON as the media type.
    """
    if not request.url.path.startswith("/ngsi-ld/"):
        return problem(status, detail, **more)
    status = 400 if status == HTTPStatus.UNPROCESSABLE_ENTITY else status
    if status in _NGSI_ERRORS:
        more["type"] = f"https://uri.etsi.org/ngsi-ld/errors/{_NGSI_ERRORS[status]}"
    answer = problem(status, detail, **more)
    answer.headers["Content-Type"] = "application/json"
    return answer


_MISSING: Final = """<!doctype html><html lang="id"><head><meta charset="utf-8"><title>Jaga Kota</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body style="font:20px/1.6 sans-serif;margin:2rem"><h1>Jaga Kota</h1>
<p>{id} <span lang="en">{en}</span></p><p><a href="/">{to_map}</a></p></body></html>"""


_REFUSED: Final = """<!doctype html><html lang="id"><head><meta charset="utf-8"><title>Jaga Kota</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body style="font:20px/1.6 sans-serif;margin:2rem;max-width:40rem"><h1>Jaga Kota</h1>
<p>{id}</p><p lang="en">{en}</p></body></html>"""


def refusal_page(connection: HTTPConnection, why: str) -> Response:
    """The refusal of remote access to a demo, in both languages; `why` is the reason in the problem document."""
    texts = _in_each("demo_refused")
    if _is_for_people(connection):
        return HTMLResponse(_REFUSED.format(**texts), HTTPStatus.FORBIDDEN)
    return problem(403, f"{texts['en']} / {texts['id']}", reason=why)


def _is_for_people(request: HTTPConnection) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith(API_PATHS)


def _missing_page() -> Response:
    content = _MISSING.format(**_in_each("page_not_found"), to_map=API_TEXTS.in_all("to_map"))
    return HTMLResponse(content, HTTPStatus.NOT_FOUND)


def _in_each(key: str) -> dict[str, str]:
    """Language to text."""
    return {lang: API_TEXTS.text(key, lang) for lang in LANGS}


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
    errors = [{"field": ".".join(map(str, e["loc"])), "detail": e["msg"]} for e in exc.errors()]
    return _answer(request, 422, "; ".join(f"{e['field']}: {e['detail']}" for e in errors), errors=errors)


def _on_payload(request: Request, exc: Exception) -> Response:
    return _answer(request, 422, str(exc))


def _on_absent(request: Request, exc: Exception) -> Response:
    return _answer(request, 503, str(exc), headers={"Retry-After": "5"})


def _on_bug(request: Request, _exc: Exception) -> Response:
    # The server logs the traceback; whoever asked learns nothing of the inside.
    return _answer(request, 500, "something went wrong here; it has been logged")


_HANDLERS: Final = {
    HTTPException: on_http,
    RequestValidationError: _on_validation,
    PayloadError: _on_payload,
    RetryLaterError: _on_absent,
    Exception: _on_bug,
}


def install(app: FastAPI) -> None:
    """Register handlers that turn every error of the app into a problem document."""
    for error, handler in _HANDLERS.items():
        app.add_exception_handler(error, handler)
