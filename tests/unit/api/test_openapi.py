"""The OpenAPI description: every route, every status, no empty schema, and real answers that are as described."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from fastapi.openapi.models import OpenAPI
from fastapi.routing import APIRoute
from httpx import Response
from jsonschema import Draft202012Validator

from api.app import create_app
from api.auth.access import each_route, rights_of
from api.http.openapi import describe
from broker.contract.units import SYMBOLS, UNITLESS
from tests.support.openapi import PREFIXES, Contract
from tests.unit.api.conftest import Stage

COUNTS: Final = frozenset(
    [
        *("change", "changes", "tours", "stops", "collected", "verified", "contradicted", "missed", "not_possible"),
        *("open", "phones", "number", "shift", "shift_id", "stop_id", "order_id", "plan_id"),
        "ended",
        "acknowledged",
        "removed",
        "n",
        "next",
        "outbox_waiting",
        "outbox_dropped",
        "total",
        "rows",
        "duplicates",
        "seqs",
        "dead",
        "dead_letters",
        "waiting",
        "messages",
        "dropped",
        "times",
        "replayed",
        "id",
        "ids",
        "port",
        "positions",
        "pto_times",
        "cases",
        "confirmed",
        "rejected",
        "merged",
        "reasons",
        "rejects",
        "zone",
        "n",
        "first",
        "last",
        "bad",
        "of",
        "status",
        "journal_depth",
        "received_total",
        "stored_total",
        "duplicates_total",
        "dead_letters_total",
        "unknown_fields_total",
        "ignored_total",
        "quarantined_total",
        "strangers",
        "lost_readings",
        "connections",
        "signed_in_total",
        "refused_total",
        "silent_total",
        "shed_total",
        "over_quota_total",
        "refused_topics_total",
        "waiting_messages",
        "devices",
        "left_out",
        "open_cases",
        "clients",
        "unknown_device",
        "alarm_id",
        "attempts",
    ]
)
"""Numbers without a unit: counts and numbers of things. A new one is a decision."""


def test_every_route_is_described(stage: Stage, contract: Contract) -> None:
    routes = [route for route in each_route(create_app(stage.context()).routes) if isinstance(route, APIRoute)]
    served = {
        (method, route.path_format)
        for route in routes
        for method in route.methods or ()
        if route.path.startswith(PREFIXES)
    }
    assert served == {(method, path) for method, path, _ in contract.operations()}
    for route in routes:
        if route.path.startswith(PREFIXES):
            for method in route.methods or ():
                security = contract.document["paths"][route.path_format][method.lower()]["security"]
                assert bool(security) is bool(rights_of(route)), route.path


def empty_schemas(schema: Any, at: str) -> Iterator[str]:
    """Where a schema says nothing: without a type, or an object of which nothing is said."""
    if isinstance(schema, bool):
        return
    says = schema.keys() & {"$ref", "type", "enum", "const", "anyOf", "oneOf", "allOf", "required"}
    is_bare = schema.get("type") == "object" and not schema.keys() & {
        "properties",
        "additionalProperties",
        "description",
    }
    if not says or is_bare:
        yield at
    for name in ("properties",):
        for key, part in schema.get(name, {}).items():
            yield from empty_schemas(part, f"{at}.{key}")
    for name in ("items", "additionalProperties", "contentSchema"):
        if name in schema:
            yield from empty_schemas(schema[name], f"{at}.{name}")
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for number, part in enumerate(schema.get(name, ())):
            yield from empty_schemas(part, f"{at}.{name}{number}")


def test_the_description_is_openapi(contract: Contract) -> None:
    """As FastAPI's own models of OpenAPI read it."""
    read = OpenAPI.model_validate(contract.document)
    assert read.openapi.startswith("3.1")
    ids = [operation["operationId"] for _, _, operation in contract.operations()]
    assert len(set(ids)) == len(ids)


def test_no_schema_is_empty(contract: Contract) -> None:
    found = []
    for method, path, operation in contract.operations():
        for status, answer in operation["responses"].items():
            assert bool(answer.get("content")) is (status != "204"), (method, path, status)
            assert answer["description"]
            for media, content in answer.get("content", {}).items():
                found += empty_schemas(content["schema"], f"{method} {path} {status} {media}")
    for name, schema in contract.document["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        found += empty_schemas(schema, name)
    assert found == []


def test_no_component_is_left_over_or_missing(contract: Contract) -> None:
    text = json.dumps(contract.document)
    for name in contract.document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name
    used = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert used == set(contract.document["components"]["schemas"])


def test_numbers_say_their_unit(contract: Contract) -> None:
    """By their names, as everywhere, and in words; what has none is a count that somebody has decided on."""
    unsaid = []
    for name, schema in contract.document["components"]["schemas"].items():
        for field, part in schema.get("properties", {}).items():
            suffix = field.rpartition("_")[2] if "_" in field and field not in UNITLESS else ""
            if '"number"' not in json.dumps(part) and '"integer"' not in json.dumps(part):
                continue
            if suffix in SYMBOLS:
                assert f"Unit: {SYMBOLS[suffix]}." in part["description"], (name, field)
            elif field not in COUNTS and not re.search(r"\bunit\b|0 to 1|0\.\.1", json.dumps(part), re.IGNORECASE):
                unsaid.append(f"{name}.{field}")
    assert unsaid == []


def test_a_description_is_made_once(stage: Stage) -> None:
    app = create_app(stage.context())
    assert describe(app) is describe(app)


def test_a_wrong_answer_is_found_out(stage: Stage, contract: Contract) -> None:
    """The check that every test of the API runs under can fail."""
    client = stage.client()
    answer = client.get("/api/v1/devices/bin-0451")
    for change in ({"id": 7}, {"unknown": 1}, {"values": {"fill_pct": {"value": 1.0}}}, {"kind": "plane"}):
        body = {**answer.json(), **change}
        schema = contract.document["components"]["schemas"]["DeviceResponse"]
        assert contract.faults({**schema, "additionalProperties": False}, body), change
    with pytest.raises(AssertionError, match="status is not described"):
        contract.check(Response(418, request=answer.request))
