"""REST of the platform itself: health, dead letters and metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec
import structlog
from fastapi import APIRouter, Query, Request, Response
from msgspec import Meta
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from api.auth.access import audit_action, require
from api.dependencies import NUMBER_MAX, context_of
from api.http.description import JSON_MEDIA, file_answer, model_answer, problems
from api.http.routing import ApiRoute
from api.queries.system import SystemState, not_ready_reason, reason_text, system_state
from broker.contract.payloads import similar_field

log = structlog.get_logger("api")

PAYLOAD_SHOWN: Final = 2_000

router = APIRouter(route_class=ApiRoute)


class AliveResponse(msgspec.Struct, frozen=True):
    """The process answers."""

    alive: bool = True


class ReadyResponse(msgspec.Struct, frozen=True):
    """Whether readings arrive and are stored; `detail` says why not."""

    ready: bool
    detail: str


class DeadLetterResponse(msgspec.Struct, frozen=True):
    """A message that could not be read."""

    id: Annotated[int, Meta(description="Number of the dead letter.")]
    topic: str
    received_at: datetime
    times: Annotated[int, Meta(description="How often the same bytes came.")]
    last_at: datetime | None
    reason: str
    payload: Annotated[str, Meta(description=f"Its first {PAYLOAD_SHOWN} bytes as text.")]
    bytes: Annotated[int, Meta(description="Size of the payload. Unit: B.")]


class DeadLettersResponse(msgspec.Struct, frozen=True):
    """Dead letters, newest first; `total` are kept, `dropped` were dropped at the bound."""

    total: int
    dropped: int
    dead_letters: list[DeadLetterResponse]


class UnknownFieldResponse(msgspec.Struct, frozen=True):
    """A field that a device sends and the contract does not know."""

    device: str
    field: str
    times: Annotated[int, Meta(description="Messages with it.")]
    last_at: datetime
    similar: Annotated[str, Meta(description="The contract's field that it may mean; empty if none is similar.")]


class UnknownFieldsResponse(msgspec.Struct, frozen=True):
    """Fields that the contract does not know, the last received first."""

    unknown_fields: list[UnknownFieldResponse]


class ReplayedResponse(msgspec.Struct, frozen=True):
    """Number of dead letters that went through ingest again."""

    replayed: int


@router.get("/healthz", tags=["system"])
def healthz() -> AliveResponse:
    """Liveness: this process answers. Public."""
    return AliveResponse()


@router.get(
    "/readyz",
    tags=["system"],
    response_class=Response,
    responses={**model_answer(ReadyResponse), **model_answer(ReadyResponse, status=503, description="Not ready.")},
)
def readyz(request: Request) -> Response:
    """Readiness: readings arrive and are stored; otherwise 503 with the reason. Public."""
    reason = not_ready_reason(context_of(request))
    body = msgspec.json.encode(ReadyResponse(not reason, reason_text(reason)))
    return Response(body, 503 if reason else 200, media_type=JSON_MEDIA)


@router.get(
    "/metrics",
    dependencies=[require("telemetry.read")],
    tags=["system"],
    response_class=Response,
    responses=file_answer("Metrics in the text format of Prometheus.", CONTENT_TYPE_LATEST.partition(";")[0]),
)
def metrics() -> Response:
    """Counters and gauges of this process for Prometheus, which sends a viewer's token."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/v1/system", dependencies=[require("telemetry.read")], tags=["system"], responses=problems(503))
def show_system(request: Request) -> SystemState:
    """The state of the platform."""
    return system_state(context_of(request))


@router.get(
    "/api/v1/unknown-fields", dependencies=[require("telemetry.read")], tags=["system"], responses=problems(503)
)
def list_unknown_fields(request: Request, limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> UnknownFieldsResponse:
    """Fields that devices send and the contract does not know. They are ignored; most are misspelt."""
    context = context_of(request)
    return UnknownFieldsResponse(
        [
            UnknownFieldResponse(row.device, row.field, row.times, row.received_at, similar_field(row.field, row.kind))
            for row in context.dead_letters.unknown_fields(limit=limit)
        ]
    )


@router.get("/api/v1/dead-letters", dependencies=[require("telemetry.read")], tags=["system"], responses=problems(503))
def list_dead_letters(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int | None, Query(ge=1, le=NUMBER_MAX, description="Page on from this id.")] = None,
) -> DeadLettersResponse:
    """Dead letters, newest first, with their reasons."""
    box = context_of(request).dead_letters
    letters = [
        DeadLetterResponse(
            letter.id,
            letter.topic,
            letter.received_at,
            letter.times,
            letter.last_at,
            letter.reason,
            letter.payload[:PAYLOAD_SHOWN].decode("utf-8", "backslashreplace"),
            len(letter.payload),
        )
        for letter in box.find(limit=limit, before_id=before)
    ]
    return DeadLettersResponse(box.count(), box.dropped_count(), letters)


class ReplayRequest(BaseModel):
    """The dead letters to replay."""

    ids: list[Annotated[int, Field(ge=1, le=NUMBER_MAX)]] = Field(min_length=1, max_length=1_000, examples=[[1, 2]])


@router.post(
    "/api/v1/dead-letters/replay", dependencies=[require("messages.replay")], tags=["system"], responses=problems(503)
)
def replay_dead_letters(request: Request, body: ReplayRequest) -> ReplayedResponse:
    """Replay dead letters through ingest, after the cause was fixed; returns their number."""
    context = context_of(request)
    count = context.replay(body.ids)
    audit_action(request, "dead_letters.replay", "dead_letters", count=count)
    return ReplayedResponse(count)
