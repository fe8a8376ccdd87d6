"""GeoJSON for maps: a layer per device kind, and outlines and sites as a base map without internet."""

from __future__ import annotations

import gzip
from collections import Counter
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from api.auth.access import require
from api.context import ApiContext
from api.dependencies import context_of
from api.queries.cases import cases
from api.queries.geojson import MEDIA, collection, feature
from api.schemas import device_connectivity
from broker.contract.topics import Kind
from city.inventory.model import AccessPoint, Bin, Device, Truck
from ingest.store.port import Latest
from ingest.store.views.device_condition import is_broken, number, position_of

router = APIRouter(prefix="/api/v1/map", tags=["map"])
_CROSS_ORIGIN_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "public, max-age=300",
}


@router.get("/places.geojson")
def show_places(request: Request) -> Response:
    """Outlines of the city and its kelurahan, and its sites; public.

    Grafana's geomap panels load it in the browser, from another origin and without a token.
    """
    city = context_of(request).city
    shapes: dict[str, Any] = msgspec.json.decode(city.shapes)
    sites = [
        feature(
            (site.lat_deg, site.lon_deg), {"kind": "site", "id": site.id, "site_kind": site.kind, "name": site.name}
        )
        for site in city.sites.values()
    ]
    answer = _collection(request, [*shapes.get("features", []), *sites])
    answer.headers.update(_CROSS_ORIGIN_HEADERS)
    return answer


@router.get("/{kind}.geojson", dependencies=[require("viewer")])
def show_layer(request: Request, kind: Kind) -> Response:
    """Devices of a kind as points with the properties of a map; trucks without a position are left out."""
    return _collection(request, layer(context_of(request), kind))


def _collection(request: Request, features: list[dict[str, Any]]) -> Response:
    body = msgspec.json.encode(collection(features))
    headers = {"Vary": "Accept-Encoding"}
    # Consoles ask every few seconds, often from a telephone: compressed, a layer is a tenth.
    if "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, compresslevel=3, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=MEDIA, headers=headers)


def layer(context: ApiContext, kind: Kind) -> list[dict[str, Any]]:
    """The features of a device kind."""
    now = context.clock()
    latest = {latest.device: latest for latest in context.reader.latest(kind=kind)}
    open_cases = Counter(case.camera for case in cases(context) if case.is_open) if kind == "camera" else None
    features = []
    for device in context.city.devices.values():
        if kind != device.KIND:
            continue
        newest = latest.get(device.id)
        position = position_of(device, newest)
        if position is None:
            continue
        properties = {
            "id": device.id,
            "kind": kind,
            "kelurahan": device.kelurahan,
            "connectivity": device_connectivity(context, device, newest, now),
            **_properties(device, newest),
        }
        if open_cases is not None:
            properties["open_cases"] = open_cases[device.id]
        features.append(feature(position, properties))
    return features


def _properties(device: Device, latest: Latest | None) -> dict[str, Any]:
    if isinstance(device, Bin):
        return {
            "name": device.id,
            "fill_pct": number(latest, "fill_pct"),
            "waste_kind": device.waste_kind,
            "color": device.color,
        }
    if isinstance(device, Truck):
        flags = {name: bool(number(latest, name)) for name in ("pto", "ignition")}
        numbers = {name: number(latest, name) for name in ("speed_kmh", "heading_deg", "load_kg")}
        return {"name": device.plate, "plate": device.plate, "broken": is_broken(latest), **flags, **numbers}
    if isinstance(device, AccessPoint):
        return {"name": device.id, "clients": number(latest, "clients"), "ssids": device.ssids}
    scene = number(latest, "scene_ok")
    return {"name": device.id, "scene_ok": None if scene is None else bool(scene)}
