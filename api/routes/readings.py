"""REST under `/api/v1`: devices, series, events and stored sequences."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query, Request
from msgspec import Meta

from api.auth.access import require
from api.dependencies import (
    BUCKET_MAX_S,
    NUMBER_MAX,
    PAGE_MAX,
    RANGE_MAX,
    DeviceId,
    From,
    To,
    context_of,
    device_of,
    time_range,
)
from api.http.description import problems
from api.http.routing import ApiRoute
from api.schemas import (
    DeviceResponse,
    DevicesResponse,
    EventsResponse,
    PointResponse,
    SeriesResponse,
    device_connectivity,
    device_response,
    event_response,
)
from broker.contract.topics import ID_PATTERN, Kind
from broker.contract.units import unit_of
from city.errors import PayloadError
from ingest.store.port import MAX_EVENTS, Aggregate, EventQuery, SeriesQuery, check_series
from ingest.store.records import Connectivity
from ingest.store.views.health import LostRange
from ingest.store.views.ledger import kept_epochs

_EVERY: Final = re.compile(r"([0-9]{1,9})(s|m|h|d)?")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, None: 1}

router = APIRouter(prefix="/api/v1", tags=["devices"], responses=problems(503), route_class=ApiRoute)


@router.get("/devices", dependencies=[require("telemetry.read")])
def list_devices(
    request: Request,
    kind: Kind | None = None,
    kelurahan: str | None = None,
    state: Connectivity | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
    offset: Annotated[int, Query(ge=0, le=NUMBER_MAX)] = 0,
) -> DevicesResponse:
    """A page of the inventory's devices by id, with their latest values."""
    context = context_of(request)
    now = context.clock()
    latest = {latest.device: latest for latest in context.reader.latest(kind=kind)}
    devices = [
        device
        for device in context.city.devices.values()
        if kind in (None, device.KIND)
        and kelurahan in (None, device.kelurahan)
        and (state is None or device_connectivity(context, device, latest.get(device.id), now) == state)
    ]
    page = sorted(devices, key=lambda device: device.id)[offset : offset + limit]
    return DevicesResponse(
        total=len(devices), devices=[device_response(context, device, latest.get(device.id), now) for device in page]
    )


@router.get("/devices/{device}", dependencies=[require("telemetry.read")], responses=problems(404))
@router.get("/devices/{device}/latest", dependencies=[require("telemetry.read")], responses=problems(404))
def show_device(request: Request, device: DeviceId) -> DeviceResponse:
    """One device with the latest value of each field."""
    context = context_of(request)
    known_device = device_of(context, device)
    latest = context.reader.latest(device=device)
    return device_response(context, known_device, latest[0] if latest else None, context.clock())


@router.get("/devices/{device}/series", dependencies=[require("telemetry.read")], responses=problems(404))
def show_series(
    request: Request,
    device: DeviceId,
    field: Annotated[str, Query(examples=["fill_pct"])],
    start: From = None,
    to: To = None,
    every: Annotated[str | None, Query(description="Bucket: seconds, or 5m, 1h, 1d.", examples=["5m"])] = None,
    agg: Aggregate = "mean",
) -> SeriesResponse:
    """Points of one field: raw, or aggregated in buckets aligned to 1970-01-01 UTC."""
    context = context_of(request)
    device_of(context, device)
    begin, end = time_range(context, start, to)
    query = SeriesQuery(device, field, begin, end, parse_every(every), agg)
    check_series(query)
    points = [PointResponse(point.at, point.value) for point in context.reader.series(query)]
    return SeriesResponse(
        device=device, field=field, unit=unit_of(field), every_s=query.every_s, agg=agg, points=points
    )


def parse_every(text: str | None) -> float | None:
    """A bucket's length in seconds.

    Raises:
        PayloadError: The text is not a duration.
    """
    if text is None:
        return None
    match = _EVERY.fullmatch(text)
    if not match:
        raise PayloadError(f"`every` is seconds, or a number with s, m, h or d, not {text[:40]!r}")
    every_s = float(match.group(1)) * _SECONDS[match.group(2)]
    if every_s > BUCKET_MAX_S:
        raise PayloadError(f"`every` is at most {RANGE_MAX.days} days")
    return every_s


@router.get("/events", dependencies=[require("telemetry.read")], tags=["events"])
def list_events(
    request: Request,
    device: Annotated[str | None, Query(pattern=f"^{ID_PATTERN}$")] = None,
    kind: Kind | None = None,
    type_: Annotated[list[str] | None, Query(alias="type")] = None,
    start: From = None,
    to: To = None,
    limit: Annotated[int, Query(ge=1, le=MAX_EVENTS)] = 100,
) -> EventsResponse:
    """Events, newest first."""
    context = context_of(request)
    begin, end = time_range(context, start, to)
    query = EventQuery(begin, end, device, kind, tuple(type_ or ()), limit)
    return EventsResponse(events=[event_response(event) for event in context.reader.events(query)])


class StoredEpochResponse(msgspec.Struct, frozen=True):
    """Stored sequences of one device and epoch. Ranges are pairs of first and last sequence number, both included."""

    device: str
    epoch: str = msgspec.field(name="boot")
    seqs: Annotated[tuple[tuple[int, int], ...], Meta(description="Stored ranges.")]
    rows: Annotated[int, Meta(description="Number of stored rows.")]
    duplicates: Annotated[int, Meta(description="Rows beyond one for each sequence number.")]
    dead: Annotated[list[tuple[int, int]], Meta(description="Ranges of dead letters.")]


class LedgerResponse(msgspec.Struct, frozen=True):
    """What is stored of every device and epoch, and what the store has lost."""

    epochs: list[StoredEpochResponse]
    lost: tuple[LostRange, ...]
    journal_depth: Annotated[int, Meta(description="Messages of the journal that are not stored yet.")]


@router.get("/ledger", dependencies=[require("messages.replay")], tags=["system"])
def show_ledger(request: Request) -> LedgerResponse:
    """Per device and epoch: stored sequence ranges, rows and duplicates, and sequences of dead letters."""
    context = context_of(request)
    epochs = [
        StoredEpochResponse(stored.device, stored.epoch, stored.seqs, stored.rows, stored.duplicates, dead)
        for stored, dead in kept_epochs(context.reader.stored_sequences(), context.dead_letters.seqs())
    ]
    health = context.health.read()
    return LedgerResponse(epochs, health.lost if health else (), health.journal_depth if health else 0)
