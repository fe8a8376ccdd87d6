"""Downloads: devices as GeoJSON; devices, readings and events as CSV.

Times are local with UTC offset, numbers have a decimal point, units are in column names or in a column of their own,
and unknown values are empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from msgspec import Meta

from api.auth.access import require
from api.context import ApiContext
from api.dependencies import BUCKET_MAX_S, From, To, context_of, device_of, time_range
from api.exports.csv_tables import Mark, attachment_headers, csv_answer, local_time
from api.http.description import ATTACHMENT_HEADERS, CSV_MEDIA, file_answer, model_answer, problems
from api.http.routing import ApiRoute
from api.queries import geojson
from api.queries.device_states import device_states
from api.queries.events import each_event
from api.queries.geojson import PointGeometry
from broker.contract.payloads import fields_of
from broker.contract.topics import ID_PATTERN, KINDS, Kind
from broker.contract.units import unit_of
from city.errors import PayloadError
from city.inventory.model import Device
from ingest.store.port import MAX_EVENTS, Aggregate, EventQuery, SeriesQuery, check_series
from ingest.store.records import Connectivity, Reading, Value
from ingest.store.views.device_condition import position_of
from ingest.store.views.device_state import DeviceState

router = APIRouter(prefix="/api/v1/export", tags=["exports"], responses=problems(503), route_class=ApiRoute)

DEVICES_MAX: Final = 200


class ExportProperties(msgspec.Struct, frozen=True):
    """Properties of an exported device; further members are its latest values, by field of the contract."""

    SCHEMA_EXTRA: ClassVar[dict[str, Any]] = {
        "additionalProperties": {
            "type": ["number", "string", "boolean"],
            "description": "The latest value of a field. Its name ends in its unit.",
        }
    }

    kind: Kind
    kelurahan: str
    state: Annotated[str, Meta(description="Its condition, such as `full` or `on_route`.")]
    connectivity: Connectivity
    measured_at: datetime | None
    simulated: bool


class ExportFeature(msgspec.Struct, frozen=True, tag_field="type", tag="Feature"):
    """A device; without a position the geometry is null."""

    geometry: PointGeometry | None
    properties: ExportProperties
    id: str


class ExportResponse(msgspec.Struct, frozen=True, tag_field="type", tag="FeatureCollection"):
    """Devices with their states and latest values."""

    features: list[ExportFeature]


@router.get(
    "/devices.geojson",
    dependencies=[require("telemetry.read")],
    response_class=Response,
    responses=model_answer(ExportResponse, geojson.MEDIA),
)
def export_geojson(request: Request, kind: Kind | None = None) -> Response:
    """Devices as a FeatureCollection (RFC 7946); without a position the geometry is null."""
    context = context_of(request)
    features = [_feature(context, state) for state in device_states(context, kind=kind)]
    body = msgspec.json.encode({"type": "FeatureCollection", "features": features})
    return Response(body, media_type=geojson.MEDIA, headers=attachment_headers(context, kind or "devices", "geojson"))


def _feature(context: ApiContext, state: DeviceState) -> dict[str, Any]:
    values = {name: field_value.value for name, field_value in state.latest.values.items()} if state.latest else {}
    properties = {
        "kind": state.device.KIND,
        "kelurahan": state.device.kelurahan,
        "state": state.condition.state,
        "connectivity": state.connectivity,
        "measured_at": state.latest.measured_at if state.latest else None,
        "simulated": context.demo,
        **{name: value for name, value in values.items() if name not in ("lat_deg", "lon_deg")},
    }
    position = position_of(state.device, state.latest)
    geometry = geojson.rounded_point(*position) if position else None
    return {"type": "Feature", "geometry": geometry, "properties": properties, "id": state.device.id}


@router.get(
    "/devices.csv",
    dependencies=[require("telemetry.read")],
    response_class=StreamingResponse,
    responses=file_answer("One row per device, a column per field.", CSV_MEDIA, headers=ATTACHMENT_HEADERS),
)
def export_devices(request: Request, kind: Kind | None = None, *, bom: Mark = False) -> Response:
    """Current states of devices, one row each."""
    context = context_of(request)
    kinds = (kind,) if kind else KINDS
    fields = list(dict.fromkeys(field for kind_ in kinds for field in fields_of(kind_)))
    heading = ["device", "kind", "kelurahan", "site", "state", "connectivity", "measured_at", *fields]
    rows = (
        [*_facts(context, state), *(_value(state, field) for field in fields)]
        for state in device_states(context, kind=kind)
    )
    return csv_answer(context, kind or "devices", heading, rows, bom=bom)


def _facts(context: ApiContext, state: DeviceState) -> list[object]:
    device = state.device
    measured = local_time(context, state.latest.measured_at) if state.latest and state.latest.measured_at else ""
    return [device.id, device.KIND, device.kelurahan, device.site, state.condition.state, state.connectivity, measured]


def _value(state: DeviceState, field: str) -> object:
    field_value = state.latest.values.get(field) if state.latest else None
    return "" if field_value is None else _format_value(field_value.value)


@router.get(
    "/readings.csv",
    dependencies=[require("telemetry.read")],
    response_class=StreamingResponse,
    responses={
        **file_answer("Columns time, device, field, unit, value.", CSV_MEDIA, headers=ATTACHMENT_HEADERS),
        **problems(404),
    },
)
def export_readings(
    request: Request,
    device: Annotated[list[str], Query(min_length=1, max_length=DEVICES_MAX, description="Device ids.")],
    field: Annotated[list[str], Query(min_length=1, max_length=40, examples=[["fill_pct"]])],
    start: From = None,
    to: To = None,
    every_s: Annotated[
        float | None, Query(ge=1, le=BUCKET_MAX_S, description="Bucket in seconds; as measured without it.")
    ] = None,
    agg: Aggregate = "mean",
    *,
    bom: Mark = False,
) -> Response:
    """Readings in long form, one value per row: time, device, field, unit, value; by device, then by time.

    Raw readings are limited by the time range only; buckets have the limits of `/devices/{device}/series`.
    """
    context = context_of(request)
    since, until = time_range(context, start, to)
    devices = [device_of(context, id_) for id_ in dict.fromkeys(device)]
    fields = list(dict.fromkeys(field))
    _check_fields(devices, fields)
    if every_s is None:
        rows = (row for wanted in devices for row in _as_measured(context, wanted, fields, since, until))
    else:
        queries = [SeriesQuery(wanted.id, name, since, until, every_s, agg) for wanted in devices for name in fields]
        for query in queries:
            check_series(query)
        rows = (row for query in queries for row in _in_buckets(context, query))
    return csv_answer(context, "readings", ["time", "device", "field", "unit", "value"], rows, bom=bom)


def _check_fields(devices: Iterable[Device], fields: Iterable[str]) -> None:
    """Refuse fields that none of the devices has."""
    known = {name for device in devices for name in fields_of(device.KIND)}
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise PayloadError(f"{', '.join(unknown)}: not among {', '.join(sorted(known))}")


def _as_measured(
    context: ApiContext, device: Device, fields: Sequence[str], start: datetime, end: datetime
) -> Iterator[list[object]]:
    for record in context.reader.export(start, end, device=device.id):
        if isinstance(record, Reading):
            at = local_time(context, record.origin.measured_at)
            for name in fields:
                if name in record.values:
                    yield [at, device.id, name, unit_of(name), _format_value(record.values[name])]


def _in_buckets(context: ApiContext, query: SeriesQuery) -> Iterator[list[object]]:
    unit = unit_of(query.field)
    for point in context.reader.series(query):
        yield [local_time(context, point.at), query.device, query.field, unit, _format_value(point.value)]


@router.get(
    "/events.csv",
    dependencies=[require("telemetry.read")],
    response_class=StreamingResponse,
    responses=file_answer("Columns time, device, kind, type, state, detail.", CSV_MEDIA, headers=ATTACHMENT_HEADERS),
)
def export_events(
    request: Request,
    kind: Kind | None = None,
    device: Annotated[str | None, Query(pattern=f"^{ID_PATTERN}$")] = None,
    start: From = None,
    to: To = None,
    *,
    bom: Mark = False,
) -> Response:
    """Events, newest first."""
    context = context_of(request)
    since, until = time_range(context, start, to)
    query = EventQuery(since, until, device=device, kind=kind, limit=MAX_EVENTS)

    def rows() -> Iterator[list[object]]:
        for event in each_event(context.reader, query):
            detail = msgspec.json.encode(event.detail).decode() if event.detail else ""
            when = local_time(context, event.origin.measured_at)
            yield [when, event.origin.device, event.origin.kind, event.type, event.state, detail]

    return csv_answer(context, "events", ["time", "device", "kind", "type", "state", "detail"], rows(), bom=bom)


def _format_value(value: Value) -> object:
    """The value; booleans as 1 or 0, which a spreadsheet can sum."""
    return int(value) if isinstance(value, bool) else value
