"""The published schemas of the Smart Data Models, with what they refer to supplied from here.

The schemas lie beside the project; the remote definitions they share are written down to the extent that ours touches
them, from the published `common-schema.json` and `device-schema.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.support.require import require_shared

_COMMON: Final = "https://smart-data-models.github.io/data-models/common-schema.json"
_DEVICE: Final = "https://smart-data-models.github.io/dataModel.Device/device-schema.json"
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

_TEXT: Final = {"type": "string"}
_ID: Final = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": 256, "pattern": r"^[\w\-\.\{\}\$\+\*\[\]`|~^@!,:\\]+$"},
        {"type": "string", "format": "uri"},
    ]
}
_POINT: Final = {
    "type": "object",
    "required": ["type", "coordinates"],
    "properties": {
        "type": {"enum": ["Point"]},
        "coordinates": {"type": "array", "minItems": 2, "items": {"type": "number"}},
    },
    "description": "GeoProperty. A place",
}
_ADDRESS: Final = {
    "type": "object",
    "properties": dict.fromkeys(("addressLocality", "district", "addressRegion", "streetAddress"), _TEXT),
    "additionalProperties": False,
    "description": "Property. The mailing address",
}
_DEFINITIONS: Final = {
    "EntityIdentifierType": _ID,
    "timeInstant": {"type": "string", "format": "date-time"},
    "dateObserved": {"type": "string", "format": "date-time"},
    "GSMA-Commons": {
        "type": "object",
        "properties": {
            "id": _ID,
            **{name: {**_TEXT, "description": "Property. "} for name in ("name", "dataProvider", "source")},
        },
    },
    "Location-Commons": {
        "type": "object",
        "properties": {
            "location": _POINT,
            "address": _ADDRESS,
            "areaServed": {**_TEXT, "description": "Property. "},
        },
    },
    "PhysicalObject-Commons": {"type": "object", "properties": {"color": _TEXT}},
}
_CATEGORIES: Final = [
    "actuator",
    "beacon",
    "endgun",
    "HVAC",
    "implement",
    "irrSystem",
    "irrSection",
    "meter",
    "network",
    "multimedia",
    "sensor",
]
_CONTROLLED: Final = [
    "temperature",
    "humidity",
    "light",
    "motion",
    "fillingLevel",
    "occupancy",
    "power",
    "pressure",
    "smoke",
    "energy",
    "airPollution",
    "noiseLevel",
    "depth",
    "location",
    "speed",
    "heading",
    "weight",
    "movementActivity",
]
_DEVICE_COMMONS: Final = {
    "type": "object",
    "properties": {
        name: {"type": "array", "items": {"enum": words}, "description": "Property. "}
        for name, words in (("deviceCategory", _CATEGORIES), ("controlledProperty", _CONTROLLED))
    },
}

_formats = FormatChecker(())


@_formats.checks("date-time")
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or bool(_MOMENT.fullmatch(value) and datetime.fromisoformat(value))


@_formats.checks("uri")
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(_URI.fullmatch(value))


@cache
def published(type_: str) -> dict[str, Any]:
    """A published schema; the test is skipped where it is absent."""
    schema: dict[str, Any] = json.loads(
        require_shared(f"samples/conventions/smart-data-models/{type_}.schema.json").read_text()
    )
    return schema


@cache
def _validator(type_: str) -> Draft202012Validator:
    remote = {_COMMON: _DEFINITIONS, _DEVICE: {"Device-Commons": _DEVICE_COMMONS}}
    resources = [
        (uri, DRAFT202012.create_resource({"definitions": definitions})) for uri, definitions in remote.items()
    ]
    registry: Registry[Any] = Registry().with_resources(resources)
    return Draft202012Validator(published(type_), registry=registry, format_checker=_formats)


def faults_of(entity: Mapping[str, Any]) -> list[str]:
    """What the published schema of its type has against an entity in key-values form."""
    return [f"{error.json_path}: {error.message}" for error in _validator(entity["type"]).iter_errors(entity)]


@cache
def attributes_of(type_: str) -> dict[str, str]:
    """Every attribute the schema of a type knows, and which NGSI-LD type it says that it has."""
    commons = {
        "GSMA-Commons": _DEFINITIONS["GSMA-Commons"],
        "Location-Commons": _DEFINITIONS["Location-Commons"],
        "PhysicalObject-Commons": _DEFINITIONS["PhysicalObject-Commons"],
        "Device-Commons": _DEVICE_COMMONS,
    }
    parts: list[Any] = [
        commons.get(subschema.get("$ref", "").rpartition("/")[2], subschema) for subschema in published(type_)["allOf"]
    ]
    return {
        name: attribute.get("description", "").partition(".")[0]
        for part in parts
        for name, attribute in part.get("properties", {}).items()
    }
