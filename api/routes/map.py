"""GeoJSON for maps: a layer per device kind, and outlines and sites as a base map without internet."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import UNSET, Meta, UnsetType

from api.auth.access import require
from api.context import ApiContext
from api.dependencies import context_of
from api.http.description import model_answer, problems
from api.http.geojson_answer import geojson_answer
from api.http.routing import ApiRoute
from api.queries.cases import cases
from api.queries.device_states import device_states, state_word
from api.queries.geojson import MEDIA, PointGeometry, rounded_point
from broker.contract.topics import Kind
from city.inventory.model import AccessPoint, Bin, Truck
from ingest.store.records import Connectivity
from ingest.store.views.device_condition import is_broken, number, position_of
from ingest.store.views.device_state import DeviceState

router = APIRouter(prefix="/api/v1/map", tags=["map"], route_class=ApiRoute)
_CROSS_ORIGIN_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "public, max-age=300",
}
Position = Annotated[list[float], Meta(description="Longitude and latitude, WGS 84. Unit: °.")]


class PolygonGeometry(msgspec.Struct, frozen=True, tag_field="type", tag="Polygon"):
    """A GeoJSON polygon: its outer ring and its holes."""

    coordinates: list[list[Position]]


class MultiPolygonGeometry(msgspec.Struct, frozen=True, tag_field="type", tag="MultiPolygon"):
    """GeoJSON polygons."""

    coordinates: list[list[list[Position]]]


class PlaceProperties(msgspec.Struct, frozen=True):
    """The city, a kelurahan, or a site; only sites have a `site_kind`."""

    kind: Literal["city", "kelurahan", "site"]
    id: str
    name: str
    site_kind: str | UnsetType = UNSET


class PlaceFeature(msgspec.Struct, frozen=True, tag_field="type", tag="Feature"):
    """A place: an outline, or a point for a site."""

    geometry: PointGeometry | PolygonGeometry | MultiPolygonGeometry
    properties: PlaceProperties


class PlacesResponse(msgspec.Struct, frozen=True, tag_field="type", tag="FeatureCollection"):
    """Outlines of the city and its kelurahan, and its sites."""

    features: list[PlaceFeature]


class LayerProperties(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Properties of every device on the map."""

    id: str
    name: Annotated[str, Meta(description="The id, or the plate of a truck.")]
    kelurahan: str
    connectivity: Connectivity
    state: Annotated[str, Meta(description="Its condition in a word, such as `full`, `fire`, `broken`, `down`.")]
    severity: Annotated[int, Meta(description="-1 never heard of, 0 well, 1 to be checked, 2 to be acted on. Unit: 1.")]


class BinProperties(LayerProperties, frozen=True, kw_only=True, tag="bin"):
    """A container on the map."""

    fill_pct: float | None
    waste_kind: str
    color: str


class TruckProperties(LayerProperties, frozen=True, kw_only=True, tag="truck"):
    """A truck on the map."""

    plate: str
    broken: bool
    pto: Annotated[bool, Meta(description="False also while unknown.")]
    ignition: Annotated[bool, Meta(description="False also while unknown.")]
    speed_kmh: float | None
    heading_deg: float | None
    load_kg: float | None


class AccessPointProperties(LayerProperties, frozen=True, kw_only=True, tag="ap"):
    """An access point on the map."""

    clients: float | None
    ssids: tuple[str, ...]


class CameraProperties(LayerProperties, frozen=True, kw_only=True, tag="camera"):
    """A camera on the map; `open_cases` of the last 30 days."""

    scene_ok: bool | None
    open_cases: int


class LayerFeature(msgspec.Struct, frozen=True, tag_field="type", tag="Feature"):
    """A device as a point."""

    geometry: PointGeometry
    properties: BinProperties | TruckProperties | AccessPointProperties | CameraProperties


class LayerResponse(msgspec.Struct, frozen=True, tag_field="type", tag="FeatureCollection"):
    """The devices of a kind that have a position."""

    features: list[LayerFeature]


@router.get(
    "/places.geojson", response_class=Response, responses={**model_answer(PlacesResponse, MEDIA), **problems(403)}
)
def show_places(request: Request) -> Response:
    """Outlines of the city and its kelurahan, and its sites; public.

    Grafana's geomap panels load it in the browser, from another origin and without a token.
    """
    city = context_of(request).city
    shapes: dict[str, Any] = msgspec.json.decode(city.shapes)
    sites = [
        PlaceFeature(rounded_point(site.lat_deg, site.lon_deg), PlaceProperties("site", site.id, site.name, site.kind))
        for site in city.sites.values()
    ]
    answered = geojson_answer(request, {"type": "FeatureCollection", "features": [*shapes.get("features", []), *sites]})
    answered.headers.update(_CROSS_ORIGIN_HEADERS)
    return answered


@router.get(
    "/{kind}.geojson",
    dependencies=[require("telemetry.read")],
    response_class=Response,
    responses={**model_answer(LayerResponse, MEDIA), **problems(503)},
)
def show_layer(request: Request, kind: Kind) -> Response:
    """Devices of a kind as points with the properties of a map; trucks without a position are left out."""
    return geojson_answer(request, layer(context_of(request), kind))


def layer(context: ApiContext, kind: Kind) -> LayerResponse:
    """The layer of a device kind."""
    open_cases = Counter(case.camera for case in cases(context) if case.is_open) if kind == "camera" else Counter()
    features = []
    for state in device_states(context, kind=kind):
        if position := position_of(state.device, state.latest):
            properties = _properties(state, open_cases[state.device.id])
            features.append(LayerFeature(rounded_point(*position), properties))
    return LayerResponse(features)


def _properties(
    state: DeviceState, open_cases: int
) -> BinProperties | TruckProperties | AccessPointProperties | CameraProperties:
    device, latest, condition = state.device, state.latest, state.condition
    common: dict[str, Any] = {"id": device.id, "name": device.id, "kelurahan": device.kelurahan}
    common |= {"connectivity": state.connectivity, "state": state_word(condition), "severity": condition.severity}
    if isinstance(device, Bin):
        fill_pct = number(latest, "fill_pct")
        return BinProperties(**common, fill_pct=fill_pct, waste_kind=device.waste_kind, color=device.color)
    if isinstance(device, Truck):
        return TruckProperties(
            **{**common, "name": device.plate},
            plate=device.plate,
            broken=is_broken(latest),
            pto=bool(number(latest, "pto")),
            ignition=bool(number(latest, "ignition")),
            speed_kmh=number(latest, "speed_kmh"),
            heading_deg=number(latest, "heading_deg"),
            load_kg=number(latest, "load_kg"),
        )
    if isinstance(device, AccessPoint):
        return AccessPointProperties(**common, clients=number(latest, "clients"), ssids=device.ssids)
    scene = number(latest, "scene_ok")
    return CameraProperties(**common, scene_ok=None if scene is None else bool(scene), open_cases=open_cases)
