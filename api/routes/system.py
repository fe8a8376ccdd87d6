"""REST of the platform itself: health, dead letters and metrics."""

from __future__ import annotations

from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from api.auth.access import require, role_of
from api.dependencies import NUMBER_MAX, context_of
from api.queries.system import not_ready_reason, reason_text, system

log = structlog.get_logger("api")

PAYLOAD_SHOWN: Final = 2_000

router = APIRouter()


@router.get("/healthz", tags=["system"])
def healthz() -> dict[str, bool]:
    """Liveness: this process answers. Public."""
    return {"alive": True}


@router.get("/readyz", tags=["system"])
def readyz(request: Request) -> JSONResponse:
    """Readiness: readings arrive and are stored; otherwise 503 with the reason. Public."""
    reason = not_ready_reason(context_of(request))
    return JSONResponse({"ready": not reason, "detail": reason_text(reason)}, 503 if reason else 200)


@router.get("/metrics", dependencies=[require("viewer")], tags=["system"])
def metrics() -> Response:
    """Counters and gauges of this process for Prometheus, which sends a viewer's token."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/v1/system", dependencies=[require("viewer")], tags=["system"])
def show_system(request: Request) -> dict[str, Any]:
    """The state of the platform."""
    return system(context_of(request))


@router.get("/api/v1/dead-letters", dependencies=[require("viewer")], tags=["system"])
def list_dead_letters(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int | None, Query(ge=1, le=NUMBER_MAX, description="Page on from this id.")] = None,
) -> dict[str, Any]:
    """Dead letters, newest first, with their reasons."""
    box = context_of(request).dead_letters
    letters = [
        {
            "id": letter.id,
            "topic": letter.topic,
            "received_at": letter.received_at,
            "times": letter.times,
            "last_at": letter.last_at,
            "reason": letter.reason,
            "payload": letter.payload[:PAYLOAD_SHOWN].decode("utf-8", "backslashreplace"),
            "bytes": len(letter.payload),
        }
        for letter in box.find(limit=limit, before_id=before)
    ]
    return {"total": box.count(), "dropped": box.dropped_count(), "dead_letters": letters}


class ReplayRequest(BaseModel):
    """The dead letters to replay."""

    ids: list[Annotated[int, Field(ge=1, le=NUMBER_MAX)]] = Field(min_length=1, max_length=1_000, examples=[[1, 2]])


@router.post("/api/v1/dead-letters/replay", dependencies=[require("operator")], tags=["system"])
def replay_dead_letters(request: Request, body: ReplayRequest) -> dict[str, int]:
    """Replay dead letters through ingest, after the cause was fixed; returns their number."""
    context = context_of(request)
    count = context.replay(body.ids)
    log.info("dead_letters.replayed", count=count, role=role_of(request, context))
    return {"replayed": count}
