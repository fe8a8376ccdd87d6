"""An NGSI-LD entity and the forms it is written in.

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
    """One fact: a value, when it was measured (None: a fact of the inventory), and its UN/CEFACT unit.

    A moment is a `datetime`; a relationship's value is the URN, or the URNs, it leads to.
    """

    type: AttributeType
    value: Any
    observed_at: datetime | None = None
    unit: str = ""


class Entity(msgspec.Struct, frozen=True):
    """A thing with its URN, its type by short name, and what is known of it."""

    id: str
    type: str
    attributes: dict[str, Attribute]


def fact(value: object, observed_at: datetime | None = None, unit: str = "") -> Attribute:
    """A property."""
    return Attribute("Property", value, observed_at, unit)


def relationship(to: str | list[str]) -> Attribute:
    """A relationship to one thing or several."""
    return Attribute("Relationship", to)


def known(**attributes: Attribute | None) -> dict[str, Attribute]:
    """Those that are known; what is not known is absent, never a placeholder."""
    return {name: attribute for name, attribute in attributes.items() if attribute is not None}


def urn(type_: str, city: str, id_: str) -> str:
    """The URN of a thing of a city."""
    return f"urn:ngsi-ld:{type_}:{city}:{quote(id_, safe='')}"


def render(entity: Entity, form: Form, names: Collection[str] = ()) -> dict[str, Any]:
    """The entity as JSON without its context; `names` keeps some attributes only."""
    chosen = {name: one for name, one in entity.attributes.items() if not names or name in names}
    write = _FORMS[form]
    return {"id": entity.id, "type": entity.type, **{name: write(one) for name, one in chosen.items()}}


def iso(at: datetime) -> str:
    """A moment in UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _normalized(one: Attribute) -> dict[str, Any]:
    return {"type": one.type, **_members(one)}


def _concise(one: Attribute) -> Any:  # noqa: ANN401 - a bare value or an object
    members = _members(one)
    return members["value"] if members.keys() == {"value"} else members


def _members(one: Attribute) -> dict[str, Any]:
    key = "object" if one.type == "Relationship" else "value"
    value = {"@type": "DateTime", "@value": iso(one.value)} if isinstance(one.value, datetime) else one.value
    members: dict[str, Any] = {key: value}
    if one.unit:
        members["unitCode"] = one.unit
    if one.observed_at is not None:
        members["observedAt"] = iso(one.observed_at)
    return members


def _simplified(one: Attribute) -> Any:  # noqa: ANN401 - any JSON value
    return iso(one.value) if isinstance(one.value, datetime) else one.value


_FORMS = {"normalized": _normalized, "concise": _concise, "simplified": _simplified}
