"""JSON Schema and the page of the contract, generated from the structs: `python -m broker.contract.schema`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.contract.payloads import (
    MAX_BATCH,
    MAX_EPOCHS,
    MAX_PAYLOAD_BYTES,
    TELEMETRY,
    Event,
    Receipt,
    Status,
    device_event_types,
    fields_of,
)
from broker.contract.topics import CHANNELS, DOWN_CHANNELS, ID_PATTERN, KINDS, PREFIX, RETAINED_CHANNELS, Kind
from broker.contract.units import unit_of

ROOT: Final = Path(__file__).parents[2]
SCHEMA_PATH: Final = ROOT / "broker" / "contract" / "schema.json"
PAGE_PATH: Final = ROOT / "docs" / "contract.md"
EXAMPLES_PATH: Final = ROOT / "broker" / "contract" / "examples"
EXAMPLE_DEVICES: Final[dict[Kind, str]] = {"bin": "bin-0451", "truck": "truck-07", "ap": "ap-alak", "camera": "cam-01"}


def schema() -> dict[str, Any]:
    """One JSON Schema document (2020-12) with a definition per payload."""
    types = [*TELEMETRY.values(), Event, Status, Receipt]
    _, definitions = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Jaga Kota contract v1",
        "description": f"Payloads on {PREFIX}/{{city}}/{{kind}}/{{device}}/{{channel}}",
        "$defs": definitions,
    }


def page() -> str:
    """The contract as a Markdown page."""
    return "\n".join([*_topics(), *_telemetry(), *_events(), *_states(), ""])


def _topics() -> list[str]:
    rows = [
        f"| `{channel}` | {'down' if channel in DOWN_CHANNELS else 'up'} | {0 if channel == 'receipt' else 1} "
        f"| {'yes' if channel in RETAINED_CHANNELS else 'no'} |"
        for channel in CHANNELS
    ]
    return [
        "# The contract",
        "",
        "Generated from `broker/contract`; do not edit. The same as JSON Schema: `broker/contract/schema.json`.",
        "",
        f"Topic: `{PREFIX}/{{city}}/{{kind}}/{{device}}/{{channel}}`, always six segments.",
        f"Kinds: {', '.join(f'`{kind}`' for kind in KINDS)}. Ids: `{ID_PATTERN}`.",
        "A device publishes below its own id only and subscribes to its own `receipt` and `command`. Its id is its",
        "user and its client id at the broker; it may connect under no other.",
        "",
        "| channel | direction | QoS | retained |",
        "|---|---|---|---|",
        *rows,
        "",
        "Every reading and event carries `ts` (device clock, UTC, RFC 3339 with a zone), `boot` (the epoch of",
        "the outbox: a new outbox starts a new one) and `seq` (counts within it); the three and the device are unique",
        "for ever. A payload is one object or an array of them. Absent means unknown, never zero. Unknown fields are",
        "ignored and counted.",
        f"A message holds at most {MAX_PAYLOAD_BYTES} bytes, {MAX_BATCH} readings and {MAX_EPOCHS} epochs; one with",
        "more is a dead letter as a whole and gets no receipt.",
        "",
    ]


def _telemetry() -> list[str]:
    lines = ["## Telemetry", ""]
    for kind in KINDS:
        properties = schema()["$defs"][TELEMETRY[kind].__name__]["properties"]
        lines += [f"### {kind}", "", "| field | unit | values |", "|---|---|---|"]
        lines += [f"| `{field}` | {unit_of(field) or '-'} | {_range(properties[field])} |" for field in fields_of(kind)]
        lines += ["", f"A whole message, on `{PREFIX}/kupang/{kind}/{EXAMPLE_DEVICES[kind]}/telemetry`:", ""]
        lines += _example(f"{kind}-telemetry")
    return lines


def _example(name: str) -> list[str]:
    """A valid message of the golden files, indented as a block of code."""
    message = json.loads((EXAMPLES_PATH / "valid" / f"{name}.json").read_text(encoding="utf-8"))
    return ["```json", *json.dumps(message, ensure_ascii=False, indent=1).splitlines(), "```", ""]


def _range(field_schema: dict[str, Any]) -> str:
    option = next(
        (part for part in field_schema.get("anyOf", [field_schema]) if part.get("type") != "null"), field_schema
    )
    if "enum" in option:
        return ", ".join(f"`{word}`" for word in option["enum"] if word is not None)
    low, high = option.get("minimum"), option.get("maximum")
    text = str(option.get("type", "object"))
    return f"{text}, {low:g} to {high:g}" if low is not None and high is not None else text


def _events() -> list[str]:
    rows = [f"| {kind} | {', '.join(f'`{name}`' for name in device_event_types(kind))} |" for kind in KINDS]
    return [
        "## Events",
        "",
        "`type` is one of a closed list per kind; `state` is `raised`, `cleared` or `noted`; `detail` is an object.",
        "Events that people cause at the API (`review`) are not on it: a message that brings one is a dead letter.",
        "",
        "| kind | types |",
        "|---|---|",
        *rows,
        "",
        f"A whole message, on `{PREFIX}/kupang/truck/{EXAMPLE_DEVICES['truck']}/event`:",
        "",
        *_example("truck-event"),
    ]


def _states() -> list[str]:
    return [
        "## Status and receipt",
        "",
        "| message | example |",
        "|---|---|",
        '| birth | `{"state":"online","ts":"2026-03-01T08:15:30Z","boot":"k3f9","fw":"1.4","model":"A02YYUW"}` |',
        '| clean stop | `{"state":"offline","reason":"stop","ts":"2026-03-01T09:00:00Z"}` |',
        '| last will | `{"state":"offline","reason":"lost"}` |',
        '| sleeper | `{"state":"sleeping","next_s":600}` |',
        '| receipt | `{"boot":"k3f9","seqs":[[1200,1234],[1236,1236]]}`: exactly these readings are durable |',
        "",
        "More messages, valid and invalid, with the error that each gives: `broker/contract/examples`.",
        "",
        "## What is refused, and what is ignored",
        "",
        "A message that cannot be read is a dead letter: it is kept with everything that is wrong with it, field by",
        "field (`kota deadletters`, the console's system page). It is receipted as well where it has `boot` and",
        "`seq`: the device need not send it again. A field that the contract does not know is ignored; `kota",
        "deadletters fields` and `GET /api/v1/unknown-fields` list such fields by device, with the one that may be",
        "meant.",
        "",
        "Send a first message with the account that `kota credentials bin-0451` prints:",
        "",
        "```",
        "mosquitto_pub -h 127.0.0.1 -u bin-0451 -i bin-0451 -P PASSWORD -q 1 \\",
        f"  -t {PREFIX}/kupang/bin/bin-0451/telemetry \\",
        """  -m '{"ts": "2026-03-01T08:15:30Z", "boot": "a1", "seq": 0, "distance_mm": 840}'""",
        "```",
    ]


def generated_files() -> dict[Path, str]:
    """Path to content of every generated file."""
    return {SCHEMA_PATH: json.dumps(schema(), indent=1, ensure_ascii=False) + "\n", PAGE_PATH: page()}


def main() -> int:
    """Write the files."""
    for path, text in generated_files().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
