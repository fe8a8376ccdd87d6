"""The OpenAPI description of the app: FastAPI's, with the schemas of the models that msgspec encodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from msgspec import Meta, inspect

from api.auth.access import COOKIE, each_route, require, rights_of
from api.http.description import JSON_MEDIA, REF_TEMPLATE, ModelSchema, model_answer
from api.http.routing import ApiRoute
from broker.contract.units import SYMBOLS, UNITLESS

_SCHEMES: Final[dict[str, dict[str, Any]]] = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token of a person or a service."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The session of a browser that has signed in; valid for requests of our own pages.",
    },
    "gateway": {"type": "http", "scheme": "basic", "description": "From `kota credentials gateway NAME`."},
    "device": {"type": "apiKey", "in": "query", "name": "key", "description": "The device's own password."},
}
_SCHEMES_OF: Final = {"gateway": ("gateway",), "device": ("device",)}
"""By right; the other rights are those of persons and services."""
_VALIDATION_SCHEMAS: Final = ("HTTPValidationError", "ValidationError")
"""FastAPI's own, which no answer has."""


class InfoResponse(msgspec.Struct, frozen=True):
    """What the description is of."""

    title: str
    version: str
    summary: str
    description: str


class OpenApiResponse(msgspec.Struct, frozen=True):
    """A description in OpenAPI 3.1."""

    openapi: str
    info: InfoResponse
    paths: dict[str, Annotated[dict[str, Any], Meta(description="Operations by method.")]]
    components: dict[str, Annotated[dict[str, Any], Meta(description="Schemas and ways to sign in, by name.")]]


router = APIRouter(prefix="/api/v1", tags=["system"], route_class=ApiRoute)


@router.get(
    "/openapi.json",
    dependencies=[require("telemetry.read")],
    response_class=Response,
    responses=model_answer(OpenApiResponse),
)
def show_description(request: Request) -> Response:
    """The description of this API."""
    return Response(msgspec.json.encode(describe(request.app)), media_type=JSON_MEDIA)


def describe(app: FastAPI) -> dict[str, Any]:
    """The description of an app, made once and kept by the app."""
    if app.openapi_schema is None:
        app.openapi_schema = _describe(app)
    return app.openapi_schema


def _describe(app: FastAPI) -> dict[str, Any]:
    description = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=app.description, routes=app.routes
    )
    routes = [route for route in each_route(app.routes) if isinstance(route, APIRoute) and route.include_in_schema]
    for route in routes:
        for method in route.methods or ():
            _complete_operation(description["paths"][route.path_format][method.lower()], route)
    schemas = {**description["components"]["schemas"], **schemas_of(_models(routes))}
    for name in _VALIDATION_SCHEMAS:
        schemas.pop(name, None)
    for schema in schemas.values():
        _add_units(schema)
    description["components"] = {"schemas": schemas, "securitySchemes": _SCHEMES}
    return description


def _complete_operation(operation: dict[str, Any], route: APIRoute) -> None:
    """Add the rights, and leave the statuses that the route declares."""
    # FastAPI describes its own answer to invalid parameters where no 422 is declared, as in NGSI-LD.
    operation["responses"] = {
        status: answer for status, answer in operation["responses"].items() if int(status) in route.responses
    }
    operation["security"] = [
        {scheme: [right.right]}
        for right in rights_of(route)
        for scheme in _SCHEMES_OF.get(right.right, ("token", "session"))
    ]


def schemas_of(models: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """The JSON Schemas of models and of all Structs in them, by name. What an answer always has is required."""
    models = list(models)
    _, schemas = msgspec.json.schema_components(models, ref_template=REF_TEMPLATE)
    for struct in {struct for info in inspect.multi_type_info(models) for struct in _structs_in(info)}:
        _complete_schema(schemas[struct.__name__], struct)
    return schemas


def _models(routes: Iterable[APIRoute]) -> list[Any]:
    """The models that routes declare, each once."""
    contents = [answer.get("content", {}) for route in routes for answer in route.responses.values()]
    schemas = [media["schema"] for content in contents for media in content.values() if "schema" in media]
    schemas = [schema.get("contentSchema", schema) for schema in schemas]
    return list({str(schema): schema.model for schema in schemas if isinstance(schema, ModelSchema)}.values())


def _structs_in(info: object) -> Iterator[type[msgspec.Struct]]:
    """The Structs in msgspec's description of a type. No model contains itself."""
    if isinstance(info, inspect.StructType):
        yield info.cls
    for name in ("type", "types", "item_type", "item_types", "value_type", "fields"):
        inner = getattr(info, name, ())
        for part in inner if isinstance(inner, tuple) else (inner,):
            yield from _structs_in(part)


def _complete_schema(schema: dict[str, Any], struct: type[msgspec.Struct]) -> None:
    """Mark what an answer always has, and add the model's own `SCHEMA_EXTRA`."""
    config = struct.__struct_config__
    always = {
        field.encode_name
        for field in msgspec.structs.fields(struct)
        if field.required or (not config.omit_defaults and field.default is not msgspec.UNSET)
    }
    for part in schema["properties"].values():
        _hoist_description(part)
    for name in always:
        # An answer has no defaults: each of these is in it.
        schema["properties"][name].pop("default", None)
    tag = {config.tag_field} if config.tag_field else set()
    schema["required"] = [name for name in schema["properties"] if name in always | tag]
    schema |= getattr(struct, "SCHEMA_EXTRA", {})


def _hoist_description(part: dict[str, Any]) -> None:
    """Move the description of the one choice of an optional field to the field."""
    described = [choice for choice in part.get("anyOf", ()) if "description" in choice]
    if len(described) == 1 and "description" not in part:
        part["description"] = described[0].pop("description")


def _add_units(schema: dict[str, Any]) -> None:
    """Add units, which are part of the names, to the descriptions of numbers."""
    for name, part in schema.get("properties", {}).items():
        unit = "" if name in UNITLESS else SYMBOLS.get(name.rpartition("_")[2], "")
        if unit and "_" in name and _is_numeric(part):
            text = part.get("description", "")
            part["description"] = text if "Unit: " in text else f"{text} Unit: {unit}.".strip()


def _is_numeric(part: dict[str, Any]) -> bool:
    parts = [part, *part.get("anyOf", ()), part.get("items"), part.get("additionalProperties")]
    return any(isinstance(schema, dict) and schema.get("type") in ("number", "integer") for schema in parts)
