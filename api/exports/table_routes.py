"""Downloads: devices as GeoJSON, and devices, readings and events as CSV for spreadsheet programs and statistics.

Times are the city's local time with its offset, numbers have a decimal point, units stand in the names of columns.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from api.access import require
from api.context import ApiContext
from api.exports.entities import Seen
from api.exports.looking import look
from api.routes import From, To, context_of, device_of, time_range
from broker.contract.payloads import fields_of
from broker.contract.topics import ID_PATTERN, KINDS, Kind
from broker.contract.units import unit_of
from city.model import City
from ingest.store.condition import position_of
from ingest.store.port import MAX_EVENTS, Aggregate, EventQuery, SeriesQuery, check_series
from ingest.store.records import EventRecord

router = APIRouter(prefix="/api/v1/export", tags=["exports"])

DEVICES_MAX: Final = 200
SHORTEST: Final = timedelta(milliseconds=1)
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
"""How texts begin that a spreadsheet program would take for a formula."""
_MARK: Final = "\ufeff"
Mark = Annotated[bool, Query(description="Begin with a mark that spreadsheet programs need to know UTF-8 by.")]


@router.get("/devices.geojson", dependencies=[require("viewer")])
def export_geojson(request: Request, kind: Kind | None = None) -> Response:
    """Devices as a FeatureCollection (RFC 7946); without a position the geometry is null."""
    context = context_of(request)
    features = [_feature(one) for one in look(context, _devices(context.city, kind))]
    body = msgspec.json.encode({"type": "FeatureCollection", "features": features})
    return Response(body, media_type="application/geo+json", headers=_named(context.city, kind or "devices", "geojson"))


def _feature(seen: Seen) -> dict[str, Any]:
    found = position_of(seen.device, seen.latest)
    geometry = {"type": "Point", "coordinates": [found[1], found[0]]} if found else None
    values = {name: one.value for name, one in seen.latest.values.items()} if seen.latest else {}
    properties = {
        "id": seen.device.id,
        "kind": seen.device.KIND,
        "kelurahan": seen.device.kelurahan,
        "state": seen.condition.state,
        "connectivity": seen.connected,
        "measured_at": seen.latest.measured_at if seen.latest else None,
        **{name: value for name, value in values.items() if name not in ("lat_deg", "lon_deg")},
    }
    return {"type": "Feature", "id": seen.device.id, "geometry": geometry, "properties": properties}


@router.get("/devices.csv", dependencies=[require("viewer")])
def export_devices(request: Request, kind: Kind | None = None, *, bom: Mark = False) -> Response:
    """Each device as it is now, a row each."""
    context = context_of(request)
    seen = look(context, _devices(context.city, kind))
    kinds = (kind,) if kind else KINDS
    fields = list(dict.fromkeys(field for one in kinds for field in fields_of(one)))
    heading = ["device", "kind", "kelurahan", "site", "state", "connectivity", "measured_at", *fields]
    rows = ([*_facts(context.city, one), *(_value(one, field) for field in fields)] for one in seen)
    return _csv(context.city, kind or "devices", heading, rows, bom=bom)


def _facts(city: City, seen: Seen) -> list[object]:
    device = seen.device
    measured = _local(city, seen.latest.measured_at) if seen.latest and seen.latest.measured_at else ""
    return [device.id, device.KIND, device.kelurahan, device.site, seen.condition.state, seen.connected, measured]


def _value(seen: Seen, field: str) -> object:
    found = seen.latest.values.get(field) if seen.latest else None
    return "" if found is None else found.value


@router.get("/readings.csv", dependencies=[require("viewer")])
def export_readings(
    request: Request,
    device: Annotated[list[str], Query(min_length=1, max_length=DEVICES_MAX, description="Device ids.")],
    field: Annotated[list[str], Query(min_length=1, max_length=40, examples=[["fill_pct"]])],
    start: From = None,
    end: To = None,
    every_s: Annotated[float | None, Query(ge=1, description="Bucket in seconds; as measured without it.")] = None,
    agg: Aggregate = "mean",
    *,
    bom: Mark = False,
) -> Response:
    """Readings in long form, a value a row: time, device, field, unit, value; device by device, in order of time."""
    context = context_of(request)
    since, until = time_range(context, start, end)
    queries = [
        SeriesQuery(device_of(context, one).id, name, since, until, every_s, agg)
        for one in dict.fromkeys(device)
        for name in dict.fromkeys(field)
    ]
    for query in queries:
        check_series(query)

    def rows() -> Iterator[list[object]]:
        for query in queries:
            unit = unit_of(query.field)
            for point in context.reader.series(query):
                yield [_local(context.city, point.at), query.device, query.field, unit, point.value]

    return _csv(context.city, "readings", ["time", "device", "field", "unit", "value"], rows(), bom=bom)


@router.get("/events.csv", dependencies=[require("viewer")])
def export_events(
    request: Request,
    kind: Kind | None = None,
    device: Annotated[str | None, Query(pattern=f"^{ID_PATTERN}$")] = None,
    start: From = None,
    end: To = None,
    *,
    bom: Mark = False,
) -> Response:
    """Events in order of time, oldest first."""
    context = context_of(request)
    since, until = time_range(context, start, end)

    def rows() -> Iterator[list[object]]:
        for event in _events(context, EventQuery(since, until, device=device, kind=kind, limit=MAX_EVENTS)):
            detail = msgspec.json.encode(event.detail).decode() if event.detail else ""
            when = _local(context.city, event.origin.measured_at)
            yield [when, event.origin.device, event.origin.kind, event.type, event.state, detail]

    return _csv(context.city, "events", ["time", "device", "kind", "type", "state", "detail"], rows(), bom=bom)


def _events(context: ApiContext, query: EventQuery) -> Iterator[EventRecord]:
    """All events of a range, oldest first: where a store has more than it gives out at once, in halves."""
    found = context.reader.events(query)
    middle = query.start + (query.end - query.start) / 2
    if len(found) < query.limit or middle - query.start < SHORTEST:
        yield from reversed(found)
        return
    yield from _events(context, msgspec.structs.replace(query, end=middle))
    yield from _events(context, msgspec.structs.replace(query, start=middle))


def _devices(city: City, kind: Kind | None) -> list[Any]:
    return [one for one in city.devices.values() if kind in (None, one.KIND)]


def _local(city: City, at: datetime) -> str:
    return at.astimezone(city.time_zone).isoformat(timespec="milliseconds")


def _cell(value: object) -> object:
    """A value as it is; a text that could be a formula gets an apostrophe before it, a number never does."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


def _csv(city: City, name: str, heading: list[str], rows: Iterable[list[object]], *, bom: bool) -> StreamingResponse:
    def lines() -> Iterator[str]:
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        if bom:
            buffer.write(_MARK)
        writer.writerow(heading)
        for row in rows:
            writer.writerow([_cell(value) for value in row])
            if buffer.tell() > 1 << 16:
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
        yield buffer.getvalue()

    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=_named(city, name, "csv"))


def _named(city: City, name: str, ending: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{city.id}-{name}.{ending}"'}
