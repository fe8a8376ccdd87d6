"""Errors of the API as RFC 9457 problem documents, the ones of the framework included."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from broker.contract.errors import PayloadError, RetryLaterError


def problem(status: int, detail: str, **more: Any) -> JSONResponse:  # noqa: ANN401 - members of a problem document
    """A problem document; `more` adds members, `headers` excepted."""
    headers = more.pop("headers", None)
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Answer every error of the app with a problem document."""

    async def on_http(_request: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, HTTPException)  # noqa: S101 - registered for this type only
        return problem(exc.status_code, str(exc.detail), headers=exc.headers)

    async def on_validation(_request: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, RequestValidationError)  # noqa: S101 - registered for this type only
        errors = [{"field": ".".join(map(str, e["loc"])), "detail": e["msg"]} for e in exc.errors()]
        return problem(422, "; ".join(f"{e['field']}: {e['detail']}" for e in errors), errors=errors)

    async def on_payload(_request: Request, exc: Exception) -> JSONResponse:
        return problem(422, str(exc))

    async def on_absent(_request: Request, exc: Exception) -> JSONResponse:
        return problem(503, str(exc), headers={"Retry-After": "5"})

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(PayloadError, on_payload)
    app.add_exception_handler(RetryLaterError, on_absent)
