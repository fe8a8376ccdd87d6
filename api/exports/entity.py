"""NGSI-LD entities and their representations.

Source: ETSI GS CIM 009, clauses 4.5.1 (normalized), 4.5.4 (simplified), 4.5.17 (concise).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

import msgspec

AttributeType = Literal["Property", "GeoProperty", "Relationship"]
Form = Literal["normalized", "concise", "simplified"]


class Attribute(msgspec.Struct, frozen=True):
    """An attribute: its value, its time of measurement (None for facts of the inventory), and its UN/CEFACT unit.

    A time is a `datetime`; the value of a relationship is a URN or a list of URNs.
    """

    type: AttributeType
    value: Any
    observed_at: datetime | None = None
    unit: str = ""


class Entity(msgspec.Struct, frozen=True):
    """An entity: its URN, the short name of its type, and its attributes."""

    id: str
    type: str
    attributes: dict[str, Attribute]


def fact(value: object, observed_at: datetime | None = None, unit: str = "") -> Attribute:
    """A property."""
    return Attribute("Property", value, observed_at, unit)


def relationship(to: str | list[str]) -> Attribute:
    """A relationship to one or several entities."""
    return Attribute("Relationship", to)


def drop_none(**attributes: Attribute | None) -> dict[str, Attribute]:
    """The attributes that are not None: an unknown attribute is absent from an entity."""
    return {name: attribute for name, attribute in attributes.items() if attribute is not None}


def urn(type_: str, city: str, id_: str) -> str:
    """The URN of an entity of a city."""
    return f"urn:ngsi-ld:{type_}:{city}:{quote(id_, safe='')}"


def render(entity: Entity, form: Form, names: Collection[str] = ()) -> dict[str, Any]:
    """The entity as JSON without `@context`; with `names`, only these attributes."""
    chosen = {name: attribute for name, attribute in entity.attributes.items() if not names or name in names}
    write = _FORMS[form]
    return {"id": entity.id, "type": entity.type, **{name: write(attribute) for name, attribute in chosen.items()}}


def iso(at: datetime) -> str:
    """A time in UTC, as ISO 8601 with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _to_normalized(attribute: Attribute) -> dict[str, Any]:
    return {"type": attribute.type, **_members(attribute)}


def _to_concise(attribute: Attribute) -> Any:  # noqa: ANN401 - a bare value or an object
    members = _members(attribute)
    return members["value"] if members.keys() == {"value"} else members


def _members(attribute: Attribute) -> dict[str, Any]:
    key = "object" if attribute.type == "Relationship" else "value"
    value = (
        {"@type": "DateTime", "@value": iso(attribute.value)}
        if isinstance(attribute.value, datetime)
        else attribute.value
    )
    members: dict[str, Any] = {key: value}
    if attribute.unit:
        members["unitCode"] = attribute.unit
    if attribute.observed_at is not None:
        members["observedAt"] = iso(attribute.observed_at)
    return members


def _to_simplified(attribute: Attribute) -> Any:  # noqa: ANN401 - any JSON value
    return iso(attribute.value) if isinstance(attribute.value, datetime) else attribute.value


_FORMS = {"normalized": _to_normalized, "concise": _to_concise, "simplified": _to_simplified}
