"""Golden examples, batches with bad elements, and the refusal of everything else with a reason."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract import codec, schema
from broker.contract.payloads import MAX_BATCH, MAX_PAYLOAD_BYTES, TELEMETRY, fields_of, similar_field
from broker.contract.topics import KINDS
from broker.contract.units import unit_of
from city.errors import PayloadError

EXAMPLES = Path(codec.__file__).parent / "examples"
STAMP = {"ts": "2026-03-01T08:15:30.250Z", "boot": "k3f9"}


def outcome(path: Path) -> tuple[list[Any], list[str]]:
    """What a file's payload gives, by the kind and channel its name begins with: items and reasons."""
    kind, channel = path.stem.split("-")[:2]
    raw = path.read_bytes()
    try:
        if channel == "status":
            return [codec.parse_status(raw)], []
        if channel == "receipt":
            return [codec.parse_receipt(raw)], []
        parse = codec.parse_telemetry if channel == "telemetry" else codec.parse_events
        parsed = parse(kind, raw)
    except PayloadError as exc:
        return [], [str(exc)]
    return list(parsed.items), [rejected.reason for rejected in parsed.rejected]


@pytest.mark.parametrize("path", sorted((EXAMPLES / "valid").glob("*.json")), ids=lambda p: p.stem)
def test_valid_examples_are_understood_and_survive_a_round_trip(path: Path) -> None:
    items, reasons = outcome(path)
    assert items
    assert not reasons
    for item in items:
        assert codec.encode(item) == codec.encode(type(item)(**{f: getattr(item, f) for f in item.__struct_fields__}))


@pytest.mark.parametrize("path", sorted((EXAMPLES / "invalid").glob("*.json")), ids=lambda p: p.stem)
def test_invalid_examples_are_refused_with_the_reason_beside_them(path: Path) -> None:
    items, reasons = outcome(path)
    assert not items
    assert reasons == [path.with_suffix(".txt").read_text().rstrip("\n")]


def test_a_bad_element_does_not_spoil_its_neighbours() -> None:
    raw = json.dumps([{**STAMP, "seq": 1, "distance_mm": 5}, {**STAMP, "seq": 2, "battery_pct": 500}, 7]).encode()
    parsed = codec.parse_telemetry("bin", raw)
    assert [item.seq for item in parsed.items] == [1]
    assert [json.loads(rejected.raw) for rejected in parsed.rejected] == [{**STAMP, "seq": 2, "battery_pct": 500}, 7]


def test_unknown_fields_are_counted() -> None:
    raw = json.dumps({**STAMP, "seq": 1, "distance_mm": 5, "a": 1, "b": {"c": 2}}).encode()
    assert sorted(codec.parse_telemetry("bin", raw).unknown_fields) == ["a", "b"]


def test_everything_that_is_wrong_with_a_message_is_said_at_once() -> None:
    raw = json.dumps({"seq": -1, "battery_pct": 500, "lid_open": "yes", "distance": 480}).encode()
    (rejected,) = codec.parse_telemetry("bin", raw).rejected
    assert rejected.reason.split("; ") == [
        "Object missing required field `ts`",
        "Object missing required field `boot`",
        "Expected `int` >= 0 - at `$.seq`",
        "Expected `bool | null`, got `str` - at `$.lid_open`",
        "Expected `float` <= 100.0 - at `$.battery_pct`",
    ]


def test_what_is_wrong_inside_a_field_has_its_place() -> None:
    raw = json.dumps({**STAMP, "seq": 1, "fault_codes": ["P0101", 7]}).encode()
    (rejected,) = codec.parse_telemetry("truck", raw).rejected
    assert rejected.reason == "Expected `str`, got `int` - at `$.fault_codes[1]`"


@pytest.mark.parametrize(
    ("name", "similar"),
    [("distance", "distance_mm"), ("distnace_mm", "distance_mm"), ("batery_pct", "battery_pct"), ("humidity_pct", "")],
)
def test_a_misspelt_field_has_a_similar_one(name: str, similar: str) -> None:
    assert similar_field(name, "bin") == similar


@pytest.mark.parametrize(
    "fields",
    [
        {"a": 1, "battery_pct": 500},
        {"battery_pct": 500, "a": 1},
        {"battery_pct": 500, "unknown field": 1},
    ],
)
def test_an_unknown_field_hides_no_mistake_in_another(fields: dict[str, Any]) -> None:
    parsed = codec.parse_telemetry("bin", json.dumps({**STAMP, "seq": 1, **fields}).encode())
    assert not parsed.items
    assert [rejected.reason for rejected in parsed.rejected] == ["Expected `float` <= 100.0 - at `$.battery_pct`"]
    assert parsed.unknown_fields == ()


def test_receipts_cover_bad_readings_too() -> None:
    raw = json.dumps([{**STAMP, "seq": 1}, {**STAMP, "seq": 2, "battery_pct": 500}, 7, {"seq": 3}]).encode()
    assert codec.sequence_ids_of(raw) == [("k3f9", 1), ("k3f9", 2)]


def test_too_large_and_too_long_are_refused() -> None:
    with pytest.raises(PayloadError, match="bytes are more than"):
        codec.parse_telemetry("bin", b" " * (MAX_PAYLOAD_BYTES + 1))
    with pytest.raises(PayloadError, match="is longer than"):
        codec.parse_telemetry("bin", b"[" + b",".join([b"{}"] * (MAX_BATCH + 1)) + b"]")


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_the_contracts_own_error(raw: bytes) -> None:
    for kind in KINDS:
        for parse in (codec.parse_telemetry, codec.parse_events):
            with contextlib.suppress(PayloadError):
                parse(kind, raw)
    for parse_one in (codec.parse_status, codec.parse_receipt):
        with pytest.raises(PayloadError):
            parse_one(raw)
    codec.sequence_ids_of(raw)


def test_endless_nesting_is_a_payload_error() -> None:
    deep = (
        b'{"ts":"2026-03-01T08:15:30Z","boot":"a","seq":1,"type":"fire","state":"raised","detail":' + b'{"a":' * 60_000
    )
    assert codec.parse_events("bin", deep[:MAX_PAYLOAD_BYTES]).rejected
    assert codec.sequence_ids_of(b"[" * 100_000) == []


def test_every_field_has_a_unit_or_is_listed_without_one() -> None:
    for kind in KINDS:
        for field in fields_of(kind):
            unit_of(field)


def test_every_kind_has_examples() -> None:
    names = {path.stem.rsplit("-")[0] for path in (EXAMPLES / "valid").glob("*.json")}
    assert set(TELEMETRY) <= names


def test_generated_files_equal_their_generators_output() -> None:
    for path, text in schema.generated_files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run python -m broker.contract.schema"
