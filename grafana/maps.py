"""Geomap panels without internet: outlines from the API, markers above them, and map tiles only if configured."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import geomap as geomap_builders
from grafana_foundation_sdk.models import common, dashboard, geomap

from grafana.columns import column_overrides
from grafana.context import DashboardContext
from grafana.influxql import Select
from grafana.panels import config_of, finish, sort_rows
from grafana.targets import Target
from grafana.theme import PLAIN_STEPS, UNKNOWN

LATITUDE: Final = "lat_deg"
LONGITUDE: Final = "lon_deg"
SHAPES: Final = {"bin": "circle", "truck": "triangle", "ap": "square", "camera": "star"}

_TILE_PX: Final = 256
_MAP_PX: Final = (900.0, 520.0)
"""Width and height of a map on a common screen, into which the city fits."""


class Markers(msgspec.Struct, frozen=True):
    """A layer of devices of a kind, drawn in the order of the column `urgency` if there is one.

    `labelled`: with names. `colour`: the column that colours them. `shape`: that of the kind, unless it is named.
    """

    kind: str
    query: Select
    size_px: int
    labelled: bool = False
    colour: str = "state"
    shape: str = ""


def city_map(context: DashboardContext, key: str, layers: Sequence[Markers], *, big: bool = False) -> dashboard.Panel:
    """A geomap of the city with its devices, coloured by state. `big`: for kiosk mode."""
    builder = (
        geomap_builders.Panel()
        .view(_view(context))
        .controls(
            geomap_builders.ControlsOptions()
            .show_zoom(not big)
            .mouse_wheel_zoom(False)  # a wheel over the map shall scroll the dashboard
            .show_attribution(bool(context.tiles))
            .show_scale(False)
            .show_debug(False)
        )
        .basemap(_layer("xyz", "basemap").config({"url": context.tiles or blank_tile(), "attribution": ""}))
        .layers([_places(context), *(_markers(context, index, layer, big) for index, layer in enumerate(layers))])
        .tooltip(geomap_builders.TooltipOptions().mode(geomap.TooltipMode.NONE if big else geomap.TooltipMode.DETAILS))
    )
    panel = finish(context, key, builder.build(), [Target(layer.query) for layer in layers], "table", PLAIN_STEPS)
    columns = dict.fromkeys(column.name for layer in layers for column in layer.query.columns)
    config_of(panel).overrides = column_overrides(context, ["Time", *columns], [layer.kind for layer in layers])
    # Of devices at the same place, the one that is drawn last is seen: the worst.
    panel.transformations = [sort_rows("urgency")]
    return panel


def blank_tile() -> str:
    """A transparent tile as a data URL; without a basemap URL, Grafana loads tiles from the internet."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" * 5, 9)),
        (b"IEND", b""),
    ]
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    png = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    return "data:image/png;base64," + base64.b64encode(png).decode()


def extent(context: DashboardContext) -> tuple[float, float, float, float]:
    """Bounding box (west, south, east, north) in degrees, of the city's outlines, else of its kelurahan."""
    shapes = msgspec.json.decode(context.city.shapes) if context.city.shapes else {"features": []}
    points = [point for feature in shapes["features"] for point in _points(feature["geometry"]["coordinates"])]
    points = points or [(kelurahan.lon_deg, kelurahan.lat_deg) for kelurahan in context.city.kelurahan.values()]
    points = points or [(context.city.lon_deg, context.city.lat_deg)]
    lons, lats = zip(*points, strict=True)
    return min(lons), min(lats), max(lons), max(lats)


def _points(coordinates: Iterable[object]) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    for part in coordinates:
        match part:
            case [float() | int() as lon, float() | int() as lat, *_]:
                points.append((float(lon), float(lat)))
            case list():
                points += _points(part)
    return points


def _view(context: DashboardContext) -> geomap_builders.MapViewConfig:
    """A view of the whole city. Near the equator, degrees of latitude and longitude are equally long on the map."""
    west, south, east, north = extent(context)
    width, height = max(east - west, 0.01), max(north - south, 0.01)
    fit = min(_MAP_PX[0] / width, _MAP_PX[1] / height) * 360 / _TILE_PX
    view = geomap_builders.MapViewConfig().id(geomap.MapCenterID.COORDS).all_layers(True)
    # The SDK calls these whole numbers; Grafana takes fractions, and a city needs them.
    view.lat(round((south + north) / 2, 4)).lon(round((west + east) / 2, 4))  # type: ignore[arg-type]
    return view.zoom(round(math.log2(fit) - 0.1, 1))  # type: ignore[arg-type]


def _layer(type_: str, name: str) -> common_builders.MapLayerOptions:
    return common_builders.MapLayerOptions().type(type_).name(name)


def _places(context: DashboardContext) -> common_builders.MapLayerOptions:
    """The layer of outlines and sites, loaded from the API."""

    def style(size_px: int, opacity: float) -> dict[str, object]:
        return {
            "color": {"fixed": UNKNOWN},
            "opacity": opacity,
            "lineWidth": 1,
            "size": {"fixed": size_px, "min": 2, "max": 15},
            "symbol": {"mode": "fixed", "fixed": "img/icons/marker/cross.svg"},
        }

    config = {
        "src": f"{context.public_url}/api/v1/map/places.geojson",
        "style": style(3, 0.06),
        "rules": [
            {"check": {"property": "kind", "operation": "eq", "value": "city"}, "style": style(3, 0.08)},
            {"check": {"property": "kind", "operation": "eq", "value": "site"}, "style": style(3, 0.5)},
        ],
    }
    return _layer("geojson", context.t("common.places")).config(config).tooltip(False)


def _markers(context: DashboardContext, index: int, markers: Markers, big: bool) -> common_builders.MapLayerOptions:  # noqa: FBT001
    style: dict[str, object] = {
        "color": {"field": markers.colour, "fixed": UNKNOWN},
        "opacity": 1,
        "size": {"fixed": markers.size_px + (2 if big else 0), "min": 2, "max": 20},
        "symbol": {"mode": "fixed", "fixed": f"img/icons/marker/{markers.shape or SHAPES[markers.kind]}.svg"},
        "rotation": {"fixed": 0, "min": -360, "max": 360, "mode": "mod"},
    }
    if markers.labelled:
        style["text"] = {"mode": "field", "field": "name", "fixed": ""}
        style["textConfig"] = {
            "fontSize": 14 if big else 11,
            "offsetX": 0,
            "offsetY": -14,
            "textAlign": "center",
            "textBaseline": "middle",
        }
    return (
        _layer("markers", context.t(f"kinds.{markers.kind}"))
        .config({"showLegend": False, "style": style})
        .location(
            common_builders.FrameGeometrySource()
            .mode(common.FrameGeometrySourceMode.COORDS)
            .latitude(LATITUDE)
            .longitude(LONGITUDE)
        )
        .filter_data({"id": "byRefId", "options": chr(ord("A") + index)})
        .tooltip(True)
    )
