"""Outlines of kelurahan from a GeoJSON file of the authorities, matched to the inventory by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from city.errors import ConfigError
from city.inventory.model import City

_SHAPES: Final = ("Polygon", "MultiPolygon")
_SHOWN: Final = 8
_NAME_SHOWN: Final = 60
_PREFIX: Final = re.compile(r"^(kelurahan|kel\.?|desa)\s+", re.IGNORECASE)
_ROMAN: Final = {"1": "i", "2": "ii", "3": "iii", "4": "iv", "5": "v"}


class _OutlineFeature(msgspec.Struct):
    geometry: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None


class _Collection(msgspec.Struct):
    features: list[_OutlineFeature]


def convert_outlines(text: bytes, city: City) -> bytes:
    """Outlines as the map needs them: a feature for each kelurahan of the inventory.

    Raises:
        ConfigError: It is no GeoJSON of polygons in degrees, a name is unknown, or a kelurahan of the inventory is
            missing; each problem is named.
    """
    try:
        collection = msgspec.json.decode(text, type=_Collection)
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise ConfigError(f"it is no FeatureCollection: {exc}") from exc
    ids = {_key(kelurahan.name): kelurahan.id for kelurahan in city.kelurahan.values()}
    outlines: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    for number, feature in enumerate(collection.features):
        name = _name(feature.properties or {}, ids)
        id_ = ids.get(_key(name))
        if not id_:
            problems.append(f"features[{number}]: there is no kelurahan {name!r} in {city.name}")
        elif id_ in outlines:
            problems.append(f"features[{number}]: {name} is there twice")
        elif problem := _problem(feature.geometry or {}):
            problems.append(f"features[{number}] ({name}): {problem}")
        else:
            properties = {"kind": "kelurahan", "id": id_, "name": city.kelurahan[id_].name}
            outlines[id_] = {
                "type": "Feature",
                "properties": properties,
                "geometry": _round_geometry(feature.geometry or {}),
            }
    problems += [f"{city.kelurahan[id_].name} is missing" for id_ in ids.values() if id_ not in outlines]
    if problems:
        more = f"\n... and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise ConfigError("\n".join(problems[:_SHOWN]) + more)
    return msgspec.json.encode({"type": "FeatureCollection", "features": list(outlines.values())})


def _name(properties: Mapping[str, Any], ids: Mapping[str, str]) -> str:
    """The property that is the name of a kelurahan, else the first text: names of properties differ between files."""
    texts = [value for value in properties.values() if isinstance(value, str)]
    return next((text for text in texts if _key(text) in ids), texts[0][:_NAME_SHOWN] if texts else "")


def _key(name: str) -> str:
    """A name without what spellings differ in: case, a prefix, spaces, and numbers for Roman ones."""
    words = re.split(r"[\s\-_.]+", _PREFIX.sub("", name.strip()).casefold())
    return "".join(_ROMAN.get(word, word) for word in words)


def _problem(geometry: Mapping[str, Any]) -> str:
    """What is wrong with a geometry; empty if nothing is."""
    if geometry.get("type") not in _SHAPES:
        return f"a {geometry.get('type')} is no outline"
    try:
        positions = list(_positions(geometry["coordinates"]))
    except (KeyError, TypeError, ValueError):
        return "its coordinates are not those of GeoJSON"
    if not positions:
        return "it has no corners"
    if not all(-180 <= lon <= 180 and -90 <= lat <= 90 for lon, lat in positions):  # noqa: PLR2004 - degrees
        return "its coordinates are no degrees; convert the file to EPSG:4326"
    return ""


def _positions(coordinates: Any) -> Iterator[tuple[float, float]]:  # noqa: ANN401 - lists of lists
    if coordinates and isinstance(coordinates[0], int | float):
        yield float(coordinates[0]), float(coordinates[1])
        return
    for part in coordinates:
        yield from _positions(part)


def _round_geometry(geometry: Mapping[str, Any]) -> dict[str, Any]:
    """The geometry to a metre, without heights."""
    return {"type": geometry["type"], "coordinates": _to_metre(geometry["coordinates"])}


def _to_metre(coordinates: Any) -> Any:  # noqa: ANN401 - lists of lists
    if isinstance(coordinates[0], int | float):
        return [round(float(value), 5) for value in coordinates[:2]]
    return [_to_metre(part) for part in coordinates]
