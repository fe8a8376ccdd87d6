"""Read-only NGSI-LD API: devices as entities of the Smart Data Models.

Source: ETSI GS CIM 009, clauses 5.7 (retrieve, query, types) and 6.3 (binding to HTTP).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, Literal, get_args
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from msgspec import UNSET, Meta, UnsetType
from starlette.exceptions import HTTPException

from api.auth.access import require
from api.context import ApiContext
from api.dependencies import NUMBER_MAX, PAGE_MAX, context_of
from api.exports.entity import AttributeType, Entity, Form, render
from api.exports.negotiation import best_match
from api.exports.ngsi import ENTITY_TYPES, EntityType, MappingContext
from api.http.description import model_answer, ngsi_problems
from api.http.routing import NgsiRoute
from api.queries.device_states import device_states, emptied_at
from city.errors import PayloadError
from city.inventory.model import Device

JSON: Final = "application/json"
JSON_LD: Final = "application/ld+json"
CORE_CONTEXT: Final = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"
LIMIT: Final = 20
_EMPTYING: Final = "dateLastEmptying"
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_FORMS: Final[dict[str, Form]] = {
    "normalized": "normalized",
    "concise": "concise",
    "simplified": "simplified",
    "keyValues": "simplified",
}
_BY_NAME: Final = {**ENTITY_TYPES, **{entity_type.iri: entity_type for entity_type in ENTITY_TYPES.values()}}

router = APIRouter(prefix="/ngsi-ld/v1", tags=["ngsi-ld"], responses=ngsi_problems(406), route_class=NgsiRoute)

_MEDIA: Final = (JSON, JSON_LD)
_LINK: Final = {"Link": "With plain JSON, the JSON-LD context; and the previous and the next page."}
_COUNT: Final = {"NGSILD-Results-Count": "With `count=true`, the number of entities that match."}
_POINT: Final[dict[str, Any]] = {
    "type": "object",
    "description": "A GeoJSON point, longitude first, WGS 84. Unit: °.",
    "required": ["type", "coordinates"],
    "properties": {
        "type": {"type": "string", "enum": ["Point"]},
        "coordinates": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    },
}
_ADDRESS: Final[dict[str, Any]] = {
    "type": "object",
    "description": "An address.",
    "required": ["addressLocality", "district"],
    "properties": {"addressLocality": {"type": "string"}, "district": {"type": "string"}},
}
_TIME: Final[dict[str, Any]] = {
    "type": "object",
    "description": "A time in JSON-LD.",
    "required": ["@type", "@value"],
    "properties": {
        "@type": {"type": "string", "enum": ["DateTime"]},
        "@value": {"type": "string", "format": "date-time"},
    },
}
_PLAIN: Final[dict[str, Any]] = {
    "type": ["string", "number", "boolean", "array"],
    "description": "A text, a number, a flag, or a list of texts.",
    "items": {"type": "string"},
}
_VALUE: Final[dict[str, Any]] = {"anyOf": [_PLAIN, _POINT, _ADDRESS, _TIME]}
_ATTRIBUTE: Final[dict[str, Any]] = {
    "type": "object",
    "description": "An attribute with what is known of it. `type` is absent if concise; `object` is of a relationship.",
    "anyOf": [{"required": ["value"]}, {"required": ["object"]}],
    "properties": {
        "type": {"type": "string", "enum": list(get_args(AttributeType))},
        "value": _VALUE,
        "object": {"type": ["string", "array"], "items": {"type": "string"}, "description": "URN, or several."},
        "unitCode": {"type": "string", "description": "Unit, a code of UN/CEFACT Recommendation 20."},
        "observedAt": {"type": "string", "format": "date-time"},
    },
    "additionalProperties": False,
}
_MEMBER: Final[dict[str, Any]] = {
    "description": "An attribute; if simplified, its value; if concise, its value where it has no unit and no time.",
    "anyOf": [_ATTRIBUTE, *_VALUE["anyOf"]],
}
Contexts = Annotated[list[str], Meta(description="With JSON-LD: addresses of the contexts of all names.")]


class EntityResponse(msgspec.Struct, frozen=True):
    """A device as an entity of its Smart Data Model; further members are its attributes."""

    SCHEMA_EXTRA: ClassVar[dict[str, Any]] = {"additionalProperties": _MEMBER}

    id: Annotated[str, Meta(description="URN.")]
    type: Literal["Device", "Vehicle", "WasteContainer"]
    context: Contexts | UnsetType = msgspec.field(name="@context", default=UNSET)


class EntityTypesResponse(msgspec.Struct, frozen=True):
    """The entity types that there are."""

    id: str
    type: Literal["EntityTypeList"]
    typeList: Annotated[list[str], Meta(description="IRIs.")]  # noqa: N815 - NGSI-LD
    context: Contexts | UnsetType = msgspec.field(name="@context", default=UNSET)


def form_of(
    options: Annotated[str | None, Query(examples=["keyValues"])] = None,
    format_: Annotated[str | None, Query(alias="format", examples=["simplified"])] = None,
) -> Form:
    """The requested representation of entities.

    Raises:
        PayloadError: The representation is unknown.
    """
    representation = format_ or options or "normalized"
    if representation not in _FORMS:
        raise PayloadError(f"{representation!r} is no representation; one of {', '.join(_FORMS)}")
    return _FORMS[representation]


def names_of(attrs: Annotated[str | None, Query(examples=["fillingLevel,location"])] = None) -> frozenset[str]:
    """The requested attributes; empty for all."""
    return frozenset(name.strip() for name in (attrs or "").split(",") if name.strip())


def only(*names: str) -> Any:  # noqa: ANN401 - FastAPI's own
    """A dependency that refuses all other query parameters: ignoring a filter would return a wrong result."""

    def check(request: Request) -> None:
        unknown = sorted(request.query_params.keys() - set(names))
        if unknown:
            raise PayloadError(f"{', '.join(unknown)}: not supported here, only {', '.join(names)}")

    return Depends(check)


FormAsked = Annotated[Form, Depends(form_of)]
Names = Annotated[frozenset[str], Depends(names_of)]
_WRITTEN: Final = ("attrs", "options", "format", "local")
_PAGED: Final = ("type", "id", "limit", "offset", "count")


@router.get(
    "/entities",
    dependencies=[require("telemetry.read"), only(*_PAGED, *_WRITTEN)],
    response_class=Response,
    responses={
        **model_answer(list[EntityResponse], *_MEDIA, headers={**_LINK, **_COUNT}),
        **ngsi_problems(503),
    },
)
def query_entities(
    request: Request,
    form: FormAsked,
    names: Names,
    type_: Annotated[str, Query(alias="type", examples=["WasteContainer"])],
    id_: Annotated[str | None, Query(alias="id", description="URNs separated by commas.")] = None,
    limit: Annotated[int, Query(ge=0, le=PAGE_MAX)] = LIMIT,
    offset: Annotated[int, Query(ge=0, le=NUMBER_MAX)] = 0,
    *,
    count: bool = False,
) -> Response:
    """A page of entities of one type; with `count=true` the header `NGSILD-Results-Count` has the total."""
    if "," in type_:
        raise PayloadError("ask for one type at a time: each has a context of its own")
    kind = _BY_NAME.get(type_)
    wanted = frozenset(map(_uri, id_.split(","))) if id_ else None
    matching = entities(context_of(request), kind, names) if kind else []
    matching = [entity for entity in matching if wanted is None or entity.id in wanted]
    links = _neighbours(request, offset, limit, len(matching))
    headers = {"NGSILD-Results-Count": str(len(matching))} if count else {}
    page = [render(entity, form, names) for entity in matching[offset : offset + limit]]
    return _answer(request, page, kind.context if kind else "", headers, links)


@router.get(
    "/entities/{entity:path}",
    dependencies=[require("telemetry.read"), only("type", *_WRITTEN)],
    response_class=Response,
    responses={**model_answer(EntityResponse, *_MEDIA, headers=_LINK), **ngsi_problems(404, 503)},
)
def retrieve_entity(
    request: Request,
    entity: str,
    form: FormAsked,
    names: Names,
    type_: Annotated[str | None, Query(alias="type")] = None,
) -> Response:
    """One entity by its URN."""
    context = context_of(request)
    given, _, id_ = _uri(entity).rpartition(":")
    kind = _BY_NAME.get(given.removeprefix("urn:ngsi-ld:").partition(":")[0])
    device = context.city.devices.get(id_)
    matching_type = kind if type_ is None or _BY_NAME.get(type_) is kind else None
    candidates = entities(context, matching_type, names, device) if matching_type and device else []
    if not matching_type or not candidates or candidates[0].id != entity:
        raise HTTPException(404, f"there is no entity {entity!r} with what is asked of it")
    return _answer(request, render(candidates[0], form, names), matching_type.context)


@router.get(
    "/types",
    dependencies=[require("telemetry.read"), only("local")],
    response_class=Response,
    responses={**model_answer(EntityTypesResponse, *_MEDIA, headers=_LINK), **ngsi_problems(400)},
)
def list_types(request: Request) -> Response:
    """The IRIs of the entity types; `type=` also accepts short names."""
    city = context_of(request).city
    names = [entity_type.iri for entity_type in ENTITY_TYPES.values()]
    return _answer(
        request, {"id": f"urn:ngsi-ld:EntityTypeList:{city.id}", "type": "EntityTypeList", "typeList": names}, ""
    )


def entities(
    context: ApiContext, kind: EntityType, names: frozenset[str], device: Device | None = None
) -> list[Entity]:
    """Entities of a type, or of one device, that have at least one of the requested attributes."""
    kinds = kind.kinds
    states = [
        state
        for state in device_states(context, kind=kinds[0] if len(kinds) == 1 else None, device=device)
        if state.device.KIND in kinds
    ]
    bins = {state.device.id for state in states if state.device.KIND == "bin"}
    with_emptying = kind is ENTITY_TYPES["WasteContainer"] and (not names or _EMPTYING in names)
    mapping = MappingContext(context.city, context.demo, emptied_at(context, bins) if with_emptying else {})
    made = [entity for state in states if (entity := kind.make(mapping, state))]
    return [entity for entity in made if not names or names & entity.attributes.keys()]


def _uri(text: str) -> str:
    if not _URI.fullmatch(text):
        raise PayloadError(f"{text!r} is not a URI")
    return text


def _answer(
    request: Request,
    body: dict[str, Any] | list[dict[str, Any]],
    context: str,
    headers: dict[str, str] | None = None,
    links: tuple[str, ...] = (),
) -> Response:
    """JSON with the context in a `Link` header, or JSON-LD with the context in each entity."""
    media = best_match(request.headers.get("accept", ""), (JSON, JSON_LD))
    if media is None:
        raise HTTPException(406, f"{JSON} and {JSON_LD} are what there is")
    contexts = [context, CORE_CONTEXT] if context else [CORE_CONTEXT]
    if media == JSON:
        links = (f'<{contexts[0]}>; rel="http://www.w3.org/ns/json-ld#context"; type="{JSON_LD}"', *links)
    elif isinstance(body, list):
        body = [{**entity, "@context": contexts} for entity in body]
    else:
        body = {**body, "@context": contexts}
    all_headers = {"Vary": "Accept", **(headers or {}), **({"Link": ", ".join(links)} if links else {})}
    return Response(msgspec.json.encode(body), media_type=media, headers=all_headers)


def _neighbours(request: Request, offset: int, limit: int, total: int) -> tuple[str, ...]:
    """`Link` values of the previous and the next page."""
    starts: dict[Literal["prev", "next"], int] = {}
    if limit and offset:
        starts["prev"] = max(0, offset - limit)
    if limit and offset + limit < total:
        starts["next"] = offset + limit
    query = dict(request.query_params)
    return tuple(
        f'<{request.url.path}?{urlencode({**query, "limit": limit, "offset": start})}>; rel="{rel}"; type="{JSON_LD}"'
        for rel, start in starts.items()
    )
