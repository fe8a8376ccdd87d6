"""REST of the platform itself: health, dead letters, the live stream, metrics and the way in."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
import structlog
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.access import require, role_of
from api.context import ApiContext
from api.routes import context_of
from api.shapes import device_connectivity, shape_device

log = structlog.get_logger("api")

STALE_AFTER: Final = timedelta(seconds=30)
STREAMS_MAX: Final = 50
STREAM_EVERY_S: Final = 1.0
HEARTBEAT_EVERY: Final = 15
PAYLOAD_SHOWN: Final = 2_000

router = APIRouter()
_streams = threading.BoundedSemaphore(STREAMS_MAX)


def not_ready(context: ApiContext) -> str:
    """Why the system is not ready; empty when it is."""
    health = context.health.read()
    if health is None:
        return "ingest has not started yet"
    if context.clock() - health.at > STALE_AFTER:
        return f"ingest has said nothing since {health.at.isoformat(timespec='seconds')}"
    if not health.connected:
        return "ingest has no connection to the broker"
    if health.journal == "full":
        return "the journal does not take messages"
    return f"the store is away: {health.note}" if health.store == "away" else ""


def system(context: ApiContext) -> dict[str, Any]:
    """How the platform does: ingest's own words, dead letters, and devices by connectivity."""
    now = context.clock()
    latest = {one.device: one for one in context.reader.latest()}
    devices: dict[str, Counter[str]] = {kind: Counter() for kind in ("bin", "truck", "ap", "camera")}
    for device in context.city.devices.values():
        devices[device.KIND][device_connectivity(device, latest.get(device.id), now)] += 1
    late = sorted(one.device for one in latest.values() if "late" in one.quality)
    reason = not_ready(context)
    health = context.health.read()
    return {
        "ready": not reason,
        "detail": reason,
        "city": context.city.name,
        "simulated": context.demo,
        "ingest": msgspec.to_builtins(health) if health else None,
        "dead_letters": context.dead_letters.count(),
        "devices": {kind: dict(counted) for kind, counted in devices.items()},
        "late": late[:100],
    }


@router.get("/healthz", tags=["system"])
def healthz() -> dict[str, bool]:
    """Whether this process answers; open to everybody and says nothing else."""
    return {"alive": True}


@router.get("/readyz", tags=["system"])
def readyz(request: Request) -> JSONResponse:
    """Whether readings arrive and are stored; 503 with the reason when not. Open to everybody."""
    reason = not_ready(context_of(request))
    return JSONResponse({"ready": not reason, "detail": reason}, 503 if reason else 200)


@router.get("/metrics", dependencies=[require("viewer")], tags=["system"])
def metrics() -> Response:
    """Counters and gauges of this process for Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/v1/system", dependencies=[require("viewer")], tags=["system"])
def show_system(request: Request) -> dict[str, Any]:
    """How the platform does."""
    return system(context_of(request))


@router.get("/api/v1/dead-letters", dependencies=[require("viewer")], tags=["system"])
def list_dead_letters(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int | None, Query(ge=1, description="Page on from this id.")] = None,
) -> dict[str, Any]:
    """Messages that could not be understood, newest first, with the reason of each."""
    box = context_of(request).dead_letters
    letters = [
        {
            "id": letter.id,
            "topic": letter.topic,
            "received_at": letter.received_at,
            "reason": letter.reason,
            "payload": letter.payload[:PAYLOAD_SHOWN].decode("utf-8", "backslashreplace"),
            "bytes": len(letter.payload),
        }
        for letter in box.find(limit=limit, before_id=before)
    ]
    return {"total": box.count(), "dead_letters": letters}


class ReplayOrder(BaseModel):
    """Which dead letters to give back to ingest."""

    ids: list[int] = Field(min_length=1, max_length=1_000, examples=[[1, 2]])


@router.post("/api/v1/dead-letters/replay", dependencies=[require("operator")], tags=["system"])
def replay_dead_letters(request: Request, order: ReplayOrder) -> dict[str, int]:
    """Give dead letters back to ingest, after what was wrong has been mended; how many went."""
    context = context_of(request)
    count = context.replay(order.ids)
    log.info("dead_letters.replayed", count=count, role=role_of(request, context))
    return {"replayed": count}


@router.get("/api/v1/stream", dependencies=[require("viewer")], tags=["devices"], response_class=StreamingResponse)
async def stream(request: Request) -> StreamingResponse:
    """Server-sent events: `devices` that changed, about once a second; goes on after `Last-Event-ID`."""
    context = context_of(request)
    if not _streams.acquire(blocking=False):
        raise HTTPException(503, f"{STREAMS_MAX} streams are open already", {"Retry-After": "10"})
    since = _last_event(request.headers.get("last-event-id"), context.clock())
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(request, context, since), media_type="text/event-stream", headers=headers)


def _last_event(text: str | None, now: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return now - timedelta(seconds=STREAM_EVERY_S)
    return max(at, now - timedelta(hours=1)) if at.tzinfo else now


async def _events(request: Request, context: ApiContext, since: datetime) -> AsyncIterator[bytes]:
    try:
        yield b"retry: 2000\n\n"
        beat = 0
        while not await request.is_disconnected():
            changed = await asyncio.to_thread(context.reader.latest, changed_since=since)
            if changed:
                since = max(one.received_at for one in changed)
                now = context.clock()
                shapes = [
                    shape_device(context, context.city.devices[one.device], one, now).model_dump(mode="json")
                    for one in changed
                    if one.device in context.city.devices
                ]
                yield (
                    f"id: {since.isoformat()}\nevent: devices\ndata: ".encode() + msgspec.json.encode(shapes) + b"\n\n"
                )
            beat = (beat + 1) % HEARTBEAT_EVERY
            if beat == 0:
                yield b": alive\n\n"
            await asyncio.sleep(STREAM_EVERY_S)
    finally:
        _streams.release()
