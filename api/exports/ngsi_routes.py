"""NGSI-LD, read only: entities of the Smart Data Models by type or id, as other platforms of a city ask for them.

Source: ETSI GS CIM 009, sections 5.7, 6.4, 6.5 and 6.3.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response

from api.access import require
from api.exports.entities import (
    CONTEXTS,
    CORE_CONTEXT,
    TYPES,
    Entity,
    EntityType,
    entity_of,
    key_values,
    normalized,
    parse_urn,
    types_of,
)
from api.exports.looking import look
from api.routes import context_of

router = APIRouter(prefix="/ngsi-ld/v1", tags=["exports"])

PAGE_MAX: Final = 1_000
_ERRORS: Final = "https://uri.etsi.org/ngsi-ld/errors/"
_LD: Final = "application/ld+json"
_CONTEXT_LINK: Final = 'rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'

Format = Literal["normalized", "keyValues", "simplified"]


@router.get("/types", dependencies=[require("viewer")])
def list_types(request: Request) -> Response:
    """Which types of entities there are."""
    del request
    body = {"id": "urn:ngsi-ld:EntityTypeList:jaga-kota", "type": "EntityTypeList", "typeList": list(TYPES)}
    return _answer({**body, "@context": CORE_CONTEXT}, _LD)


@router.get("/entities", dependencies=[require("viewer")])
def list_entities(
    request: Request,
    type_: Annotated[str, Query(alias="type", max_length=200)] = "",
    id_: Annotated[str, Query(alias="id", max_length=4_000)] = "",
    attrs: Annotated[str, Query(max_length=1_000)] = "",
    options: Annotated[str, Query(max_length=100)] = "",
    format_: Annotated[str, Query(alias="format", max_length=20)] = "",
    limit: Annotated[int, Query(ge=0, le=PAGE_MAX)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
    *,
    count: bool = False,
) -> Response:
    """Entities of one or several types (`A,B`), or those with given ids, a page at a time.

    `options=keyValues` gives bare values, `attrs` only some attributes, `count=true` the number of all in a header.
    """
    wanted = [one.rpartition("/")[2] for one in type_.split(",") if one]
    ids = [one for one in id_.split(",") if one]
    if not wanted and not ids:
        return _problem(400, "BadRequestData", "ask for a `type` or for ids")
    city = context_of(request).city
    pairs = [
        (one, device)
        for device in sorted(city.devices.values(), key=lambda each: each.id)
        for one in types_of(device)
        if (not wanted or one in wanted) and (not ids or parse_urn_of(ids, city.id, one, device.id))
    ]
    seen = {one.device.id: one for one in look(context_of(request), {d.id: d for _, d in pairs}.values())}
    found = [made for one, device in pairs if (made := entity_of(one, city, seen[device.id])) is not None]
    page = [_shown(one, attrs, _format(options, format_)) for one in found[offset : offset + limit]]
    headers = {"NGSILD-Results-Count": str(len(found))} if count else {}
    return _render(request, page, wanted, headers)


def parse_urn_of(ids: list[str], city: str, type_: EntityType, device: str) -> bool:
    """Whether one of some ids names an entity."""
    return any(parse_urn(one, city) == (type_, device) for one in ids)


@router.get("/entities/{entity_id}", dependencies=[require("viewer")])
def show_entity(
    request: Request,
    entity_id: str,
    attrs: Annotated[str, Query(max_length=1_000)] = "",
    options: Annotated[str, Query(max_length=100)] = "",
    format_: Annotated[str, Query(alias="format", max_length=20)] = "",
) -> Response:
    """One entity by its URN."""
    context = context_of(request)
    if ":" not in entity_id:
        return _problem(400, "BadRequestData", f"{entity_id!r} is no URI")
    parsed = parse_urn(entity_id, context.city.id)
    device = context.city.devices.get(parsed[1]) if parsed else None
    if parsed is None or device is None or parsed[0] not in types_of(device):
        return _problem(404, "ResourceNotFound", f"there is no entity {entity_id!r}")
    found = entity_of(parsed[0], context.city, look(context, [device])[0])
    if found is None:
        return _problem(404, "ResourceNotFound", f"{entity_id!r} has no position yet, and its model asks for one")
    return _render(request, _shown(found, attrs, _format(options, format_)), [parsed[0]], {})


def _format(options: str, format_: str) -> Format:
    said = {*options.split(","), format_}
    return "keyValues" if said & {"keyValues", "simplified"} else "normalized"


def _shown(entity: Entity, attrs: str, format_: Format) -> dict[str, Any]:
    wanted = {one for one in attrs.split(",") if one}
    if wanted:
        kept = {name: one for name, one in entity.attributes.items() if name in wanted}
        entity = msgspec.structs.replace(entity, attributes=kept)
    return normalized(entity) if format_ == "normalized" else key_values(entity)


def _render(
    request: Request, found: dict[str, Any] | list[dict[str, Any]], types: list[str], headers: dict[str, str]
) -> Response:
    """JSON-LD where it is asked for, else JSON with the context in a header."""
    contexts = [CONTEXTS[one] for one in TYPES if one in types] or list(CONTEXTS.values())
    if _LD in request.headers.get("accept", ""):
        context = [*contexts, CORE_CONTEXT]
        entities = found if isinstance(found, list) else [found]
        shown = [{**one, "@context": context} for one in entities]
        return _answer(shown if isinstance(found, list) else shown[0], _LD, headers)
    return _answer(found, "application/json", {**headers, "Link": f"<{contexts[0]}>; {_CONTEXT_LINK}"})


def _answer(body: object, media: str, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), media_type=media, headers=headers)


def _problem(status: int, name: str, detail: str) -> Response:
    body = {"type": _ERRORS + name, "title": name, "status": status, "detail": detail}
    return Response(msgspec.json.encode(body), status, media_type="application/json")
