"""Loads a city from a folder of CSV, TOML and GeoJSON files; all services start from this inventory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from city.errors import ConfigError
from city.inventory.bin_models import read_models
from city.inventory.devices import DeviceReferences, read_access_points, read_bins, read_cameras, read_trucks
from city.inventory.fields import Problems, read_text, read_toml
from city.inventory.model import City, Kelurahan
from city.inventory.places import LAT, LON, read_hours, read_kelurahan, read_sites, read_zone
from city.inventory.profiles import read_profiles

BUILTIN_CITIES: Final = ("kupang",)
Ring = list[tuple[float, float]]


class _Polygon(msgspec.Struct, tag_field="type", tag="Polygon"):
    coordinates: list[Ring]


class _MultiPolygon(msgspec.Struct, tag_field="type", tag="MultiPolygon"):
    coordinates: list[list[Ring]]


class _Properties(msgspec.Struct):
    kind: Literal["city", "kelurahan"]
    id: str
    name: str


class _Feature(msgspec.Struct, tag_field="type", tag="Feature"):
    properties: _Properties
    geometry: _Polygon | _MultiPolygon


class _Shapes(msgspec.Struct, tag_field="type", tag="FeatureCollection"):
    features: list[_Feature]


def builtin_city(name: str) -> Path:
    """The folder of a city that comes with the project.

    Raises:
        ConfigError: There is none of that name; lists those there are.
    """
    if name not in BUILTIN_CITIES:
        raise ConfigError(f"there is no built-in city {name!r}; known: {', '.join(BUILTIN_CITIES)}")
    return Path(__file__).parents[1] / name


def load_city(folder: Path) -> City:
    """Read a whole city.

    Raises:
        ConfigError: Something is missing or wrong: one mistake per line, with file, line and field.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: not a folder")
    problems = Problems()
    city = _read(folder, problems)
    problems.raise_any()
    return city


def _read(folder: Path, problems: Problems) -> City:
    top = read_toml(folder / "city.toml", problems)
    hours = read_hours(top)
    kelurahan = read_kelurahan(folder / "kelurahan.csv", problems)
    known = DeviceReferences(
        kelurahan=kelurahan,
        sites=read_sites(folder / "sites.csv", kelurahan, hours, problems),
        models=read_models(folder / "models.toml", problems),
        profiles=read_profiles(folder / "profiles", problems),
    )
    bins = read_bins(folder / "bins.csv", known, problems)
    trucks = read_trucks(folder / "trucks.csv", known, problems)
    access_points = read_access_points(folder / "access_points.csv", known, problems)
    cameras = read_cameras(folder / "cameras.toml", known, problems)
    city = City(
        id=top.identifier(),
        name=top.text("name"),
        time_zone=read_zone(top),
        lat_deg=top.number("lat_deg", *LAT),
        lon_deg=top.number("lon_deg", *LON),
        hours=hours,
        kelurahan=kelurahan,
        sites=dict(known.sites),
        models=dict(known.models),
        profiles=dict(known.profiles),
        bins=bins,
        trucks=trucks,
        access_points=access_points,
        cameras=cameras,
        devices={**bins, **trucks, **access_points, **cameras},
        shapes=_read_shapes(folder / "shapes.geojson", kelurahan, problems),
    )
    top.close()
    return city


def _read_shapes(path: Path, kelurahan: Mapping[str, Kelurahan], problems: Problems) -> bytes:
    text = read_text(path, problems)
    if not text:
        return b""
    try:
        shapes = msgspec.json.decode(text, type=_Shapes)
    except msgspec.DecodeError as exc:
        problems.add(path.name, str(exc))
        return b""
    for number, feature in enumerate(shapes.features):
        found = feature.properties
        if found.kind == "kelurahan" and found.id not in kelurahan:
            problems.add(f"{path.name}: features[{number}].properties.id", f"there is no kelurahan {found.id!r}")
    return text.encode()
