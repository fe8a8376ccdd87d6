"""REST of the platform itself: health, dead letters and metrics."""

from __future__ import annotations

from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from api.access import require, role_of
from api.routes import NUMBER_MAX, context_of
from api.system import system, trouble, words_of

log = structlog.get_logger("api")

PAYLOAD_SHOWN: Final = 2_000

router = APIRouter()


@router.get("/healthz", tags=["system"])
def healthz() -> dict[str, bool]:
    """Whether this process answers; open to everybody and says nothing else."""
    return {"alive": True}


@router.get("/readyz", tags=["system"])
def readyz(request: Request) -> JSONResponse:
    """Whether readings arrive and are stored; 503 with the reason when not. Open to everybody."""
    found = trouble(context_of(request))
    return JSONResponse({"ready": not found, "detail": words_of(found)}, 503 if found else 200)


@router.get("/metrics", dependencies=[require("viewer")], tags=["system"])
def metrics() -> Response:
    """Counters and gauges of this process for Prometheus, which sends a viewer's token."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/v1/system", dependencies=[require("viewer")], tags=["system"])
def show_system(request: Request) -> dict[str, Any]:
    """How the platform does."""
    return system(context_of(request))


@router.get("/api/v1/dead-letters", dependencies=[require("viewer")], tags=["system"])
def list_dead_letters(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int | None, Query(ge=1, le=NUMBER_MAX, description="Page on from this id.")] = None,
) -> dict[str, Any]:
    """Messages that could not be understood, newest first, with the reason of each."""
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


class ReplayOrder(BaseModel):
    """Which dead letters to give back to ingest."""

    ids: list[Annotated[int, Field(ge=1, le=NUMBER_MAX)]] = Field(min_length=1, max_length=1_000, examples=[[1, 2]])


@router.post("/api/v1/dead-letters/replay", dependencies=[require("operator")], tags=["system"])
def replay_dead_letters(request: Request, order: ReplayOrder) -> dict[str, int]:
    """Give dead letters back to ingest, after what was wrong has been mended; how many went."""
    context = context_of(request)
    count = context.replay(order.ids)
    log.info("dead_letters.replayed", count=count, role=role_of(request, context))
    return {"replayed": count}
