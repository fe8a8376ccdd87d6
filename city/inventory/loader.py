"""Loads a city from a folder of CSV, TOML and GeoJSON files; all services start from this inventory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from city.errors import ConfigError
from city.inventory.city_files import CityFiles
from city.inventory.codecs import read_codecs
from city.inventory.devices import DeviceReferences, read_cameras, read_devices
from city.inventory.hours import read_hours
from city.inventory.model import AccessPoint, Bin, BinModel, City, Device, Kelurahan, Site, Truck
from city.inventory.problems import InventoryError, InventoryProblem
from city.inventory.profiles import read_profiles
from city.inventory.tables import Problems, read_rows, read_text, read_toml

T = TypeVar("T")
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


def load_city(folder: Path, data: Path | None = None) -> City:
    """Read a whole city.

    Args:
        folder: The city's folder.
        data: The data folder, whose changed copies of the city's files take precedence; None reads the folder alone.

    Raises:
        ConfigError: The folder does not exist.
        InventoryError: Something is missing or wrong: all problems, with file, line and field.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: not a folder")
    problems: Problems = []
    city = _read(CityFiles(folder, data), problems)
    if problems or city is None:
        raise InventoryError(problems)
    return city


def _read(files: CityFiles, problems: Problems) -> City | None:
    folder = files.folder
    top = read_toml(files.path("city.toml"), problems)
    hours = read_hours(top)
    kelurahan = read_rows(folder / "kelurahan.csv", Kelurahan, problems)
    sites = read_rows(files.path("sites.csv"), Site, problems, {"kelurahan": kelurahan, "table of hours": hours})
    models = {
        name: table.read(BinModel, id=name) for name, table in read_toml(folder / "models.toml", problems).tables()
    }
    codecs = read_codecs(folder / "codecs", problems)
    profiles = read_profiles(folder / "profiles", problems, codecs)
    nouns = {"kelurahan": kelurahan, "site": sites, "model": models, "profile": profiles}
    references = DeviceReferences(nouns, sites, profiles)
    devices: dict[str, Device | None] = {
        **read_devices(files.path("bins.csv"), Bin, references, problems),
        **read_devices(files.path("trucks.csv"), Truck, references, problems),
        **read_devices(files.path("access_points.csv"), AccessPoint, references, problems),
        **read_cameras(files.path("cameras.toml"), references, problems),
    }
    return top.read(
        City,
        hours=_without_wrong(hours),
        kelurahan=_without_wrong(kelurahan),
        sites=_without_wrong(sites),
        models=_without_wrong(models),
        profiles=_without_wrong(profiles),
        codecs=codecs,
        devices=_without_wrong(devices),
        shapes=_read_shapes(folder / "shapes.geojson", kelurahan, problems),
        version=1,
        also=("hours",),
    )


def _without_wrong(entries: Mapping[str, T | None]) -> dict[str, T]:
    return {id_: entry for id_, entry in entries.items() if entry is not None}


def _read_shapes(path: Path, kelurahan: Collection[str], problems: Problems) -> bytes:
    text = read_text(path, problems)
    if text is None:
        return b""
    try:
        shapes = msgspec.json.decode(text, type=_Shapes)
    except (msgspec.DecodeError, RecursionError) as exc:
        problems.append(InventoryProblem(path.name, "", str(exc)))
        return b""
    for number, feature in enumerate(shapes.features):
        properties = feature.properties
        if properties.kind == "kelurahan" and properties.id not in kelurahan:
            where = f"features[{number}].properties.id"
            problems.append(InventoryProblem(path.name, where, f"there is no kelurahan {properties.id!r}"))
    return text.encode()
