"""Cases from the field: messages of a few devices, and what must become of them. The grammar is in the folder's README.

A case runs in process, message by message: decoder, stateful rules, store with its deduplication, device state.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from city.inventory.model import Bin, City, Device
from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from ingest.pipeline.stateful_rules import StatefulRules
from ingest.store.memory import MemoryStore
from ingest.store.port import Latest
from ingest.store.records import EventRecord, Reading, Record, RecordOrigin
from ingest.store.views.device_state import evaluate, raised_by_device
from tests.support.brokers import ROOT
from tests.support.decoding import city_of, device

FOLDER: Final = Path(os.environ.get("KOTA_CASES") or ROOT.parent / "shared" / "cases")
CLOCK: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATE_AFTER: Final = timedelta(minutes=15)
PSEUDONYM_KEY: Final = b"c" * 32
CLOSE: Final = 1e-6
INTERVAL_S: Final = 600.0
MODEL: Final = "steel-6m3"


@dataclass
class Outcome:
    """What became of a case's messages: stored records with the number of their step, and what is kept besides."""

    city: City
    store: MemoryStore = field(default_factory=MemoryStore)
    stored: list[tuple[int, Reading | EventRecord]] = field(default_factory=list)
    dead_letters: dict[tuple[str, bytes], str] = field(default_factory=dict)
    unknown_devices: set[tuple[str, str]] = field(default_factory=set)
    kept: list[str] = field(default_factory=list)
    """Everything that is kept of unknown devices and dead letters, as text."""
    snapshots: list[tuple[float, dict[str, Latest], list[EventRecord]]] = field(default_factory=list)
    """After each step: its time in seconds, the last values by device, and all events until then."""

    def events(self) -> list[EventRecord]:
        """Stored events in order of arrival."""
        return [record for _, record in self.stored if isinstance(record, EventRecord)]


def case_files() -> list[Path]:
    """Files of the cases that run in process; empty without the folder."""
    return sorted(FOLDER.glob("*.json"))


def run_case(case: Mapping[str, Any]) -> Outcome:
    """Send a case's messages through decoding, rules and store."""
    devices = [_device(entry) for entry in case["devices"]]
    outcome = Outcome(city_of(*devices))
    decoder = Decoder(outcome.city, late_after=LATE_AFTER, pseudonym_key=PSEUDONYM_KEY)
    now = [CLOCK]
    rules = StatefulRules(outcome.store, lambda: now[0], decoder.level_events())
    for number, step in enumerate(case["steps"], 1):
        now[0] = CLOCK + timedelta(seconds=step.get("after_s", 0))
        arrival = Arrival(step["topic"], _payload_of(step), now[0], step.get("retained", False))
        result = decoder.decode(arrival)
        records = [record for record in rules.apply(result.records) if record is not None]
        _store(outcome, number, records)
        rules.commit()
        for rejected in result.rejected:
            outcome.dead_letters[arrival.topic, rejected.raw] = rejected.reason
            outcome.kept += [arrival.topic, _text(rejected.raw), rejected.reason]
        for unknown in result.unknown_devices:
            outcome.unknown_devices.add((unknown.adapter, unknown.names[0].lower() if unknown.names else ""))
            hint = unknown.hint
            outcome.kept += [arrival.topic, *unknown.names, _text(unknown.raw), hint.model, hint.label, str(hint.place)]
        latest = {known.device: known for known in outcome.store.latest()}
        outcome.snapshots.append((step.get("after_s", 0), latest, outcome.events()))
    return outcome


def faults_of(case: Mapping[str, Any], outcome: Outcome) -> list[str]:
    """Each expectation of a case that does not hold."""
    return list(_faults(case["expect"], outcome))


def _faults(expect: Mapping[str, Any], outcome: Outcome) -> Iterator[str]:
    for key, wanted in expect.items():
        if key == "any_of":
            tried = [list(_faults(option, outcome)) for option in wanted]
            if all(tried):
                yield f"none of: {tried}"
        else:
            yield from _CHECKS[key](wanted, outcome)


def _count_check(name: str, count: Callable[[Outcome], int]) -> Callable[[Any, Outcome], Iterator[str]]:
    def check(wanted: Any, outcome: Outcome) -> Iterator[str]:
        number = count(outcome)
        if not holds(wanted, number):
            yield f"{name}: {number}, not {wanted}"

    return check


def _contains(wanted: Sequence[Mapping[str, Any]], outcome: Outcome) -> Iterator[str]:
    for matcher in wanted:
        if not any(_matches(matcher, number, record, outcome) for number, record in outcome.stored):
            yield f"nothing matches {matcher}; stored: {_shown(outcome)}"


def _contains_not(wanted: Sequence[Mapping[str, Any]], outcome: Outcome) -> Iterator[str]:
    for matcher in wanted:
        for number, record in outcome.stored:
            if _matches(matcher, number, record, outcome):
                yield f"{matcher} is matched by {_show(number, record)}"


def _last(wanted: Mapping[str, Mapping[str, Any]], outcome: Outcome) -> Iterator[str]:
    for name, fields in wanted.items():
        values = {
            key: entry.value for known in outcome.store.latest(device=name) for key, entry in known.values.items()
        }
        for key, value in fields.items():
            if not holds(value, _plain(values.get(key))):
                yield f"last {name}.{key}: {values.get(key)!r}, not {value!r}"


def _state(wanted: Sequence[Mapping[str, Any]], outcome: Outcome) -> Iterator[str]:
    for entry in wanted:
        now = CLOCK + timedelta(seconds=entry["after_s"])
        _, latest, events = [snapshot for snapshot in outcome.snapshots if snapshot[0] <= entry["after_s"]][-1]
        states = evaluate(outcome.city.devices.values(), latest, raised_by_device(events), now, timedelta(0))
        (state,) = (state.condition.state for state in states if state.device.id == entry["device"])
        if state not in entry.get("is", [state]) or state in entry.get("is_not", []):
            yield f"{entry['device']} after {entry['after_s']} s is {state}, wanted {entry}"


def _text_contains(wanted: Sequence[str], outcome: Outcome) -> Iterator[str]:
    yield from (f"{text!r} is not in what is kept" for text in wanted if not any(text in kept for kept in outcome.kept))


def _text_contains_not(wanted: Sequence[str], outcome: Outcome) -> Iterator[str]:
    yield from (f"{text!r} is in what is kept" for text in wanted if any(text in kept for kept in outcome.kept))


_CHECKS: Final[Mapping[str, Callable[[Any, Outcome], Iterator[str]]]] = {
    "readings": _count_check("readings", lambda found: sum(isinstance(record, Reading) for _, record in found.stored)),
    "events": _count_check("events", lambda found: sum(isinstance(record, EventRecord) for _, record in found.stored)),
    "dead_letters": _count_check("dead letters", lambda outcome: len(outcome.dead_letters)),
    "unknown_devices": _count_check("unknown devices", lambda outcome: len(outcome.unknown_devices)),
    "contains": _contains,
    "contains_not": _contains_not,
    "last": _last,
    "state": _state,
    "stored_text_contains": _text_contains,
    "stored_text_contains_not": _text_contains_not,
}


def holds(wanted: Any, value: Any) -> bool:  # noqa: PLR0911 - a value of the grammar
    """Whether a value of the grammar holds for a value."""
    if isinstance(wanted, dict):
        if "any_of" in wanted:
            return any(holds(option, value) for option in wanted["any_of"])
        if "has" in wanted:
            return isinstance(value, list) and any(holds(wanted["has"], element) for element in value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if "near" in wanted:
            return bool(abs(value - wanted["near"]) <= wanted["within"])
        return bool(wanted.get("at_least", value) <= value <= wanted.get("at_most", value))
    if wanted is None or isinstance(wanted, bool | str):
        return type(wanted) is type(value) and wanted == value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return bool(abs(value - wanted) <= CLOSE)


def _matches(matcher: Mapping[str, Any], number: int, record: Reading | EventRecord, outcome: Outcome) -> bool:
    return all(_holds_for(key, wanted, number, record, outcome) for key, wanted in matcher.items())


def _holds_for(key: str, wanted: Any, number: int, record: Reading | EventRecord, outcome: Outcome) -> bool:
    if key == "any_of":
        return any(_matches(option, number, record, outcome) for option in wanted)
    if key == "step":
        return bool(number == wanted)
    if key == "values":
        return isinstance(record, Reading) and _hold(wanted, record.values)
    if key == "detail":
        return isinstance(record, EventRecord) and _hold(wanted, record.detail)
    if key in ("type", "state"):
        return isinstance(record, EventRecord) and getattr(record, key) == wanted
    return _ORIGIN_CHECKS[key](wanted, record.origin)


def _hold(wanted: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    return all(holds(value, _plain(values.get(name))) for name, value in wanted.items())


def _has_quality(wanted: Any, origin: RecordOrigin) -> bool:
    return bool(origin.quality) if wanted is True else any(holds(wanted, word) for word in origin.quality)


_ORIGIN_CHECKS: Final[Mapping[str, Callable[[Any, RecordOrigin], bool]]] = {
    "device": lambda wanted, origin: bool(origin.device == wanted),
    "measured_at": lambda wanted, origin: origin.measured_at == datetime.fromisoformat(wanted),
    "device_at": lambda wanted, origin: origin.device_at == (datetime.fromisoformat(wanted) if wanted else None),
    "quality": lambda wanted, origin: sorted(origin.quality) == sorted(wanted),
    "has_quality": _has_quality,
}


def _store(outcome: Outcome, number: int, records: Sequence[Record]) -> None:
    for record in records:
        written = outcome.store.write([record], ())
        if written.stored and isinstance(record, Reading | EventRecord):
            outcome.stored.append((number, record))


def _device(entry: Mapping[str, Any]) -> Device:
    made = device(entry["adapter"], entry["address"], entry["profile"], entry["id"])
    made = replace(made, interval_s=entry.get("interval_s", INTERVAL_S))
    return replace(made, model=entry.get("model", MODEL)) if isinstance(made, Bin) else made


def _payload_of(step: Mapping[str, Any]) -> bytes:
    if "payload_hex" in step:
        return bytes.fromhex(step["payload_hex"])
    return step["payload_text"].encode() if "payload_text" in step else json.dumps(step["payload"]).encode()


def _plain(value: Any) -> Any:
    """A list or an object that is stored as JSON, as itself."""
    if isinstance(value, str) and value[:1] in "[{":
        return json.loads(value)
    return value


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _shown(outcome: Outcome) -> str:
    return "; ".join(_show(number, record) for number, record in outcome.stored)


def _show(number: int, record: Reading | EventRecord) -> str:
    what = record.values if isinstance(record, Reading) else (record.type, record.state, record.detail)
    return f"[{number}] {record.origin.measured_at:%d %H:%M:%S} {record.origin.quality} {what}"
