"""What becomes of every message of the sample folder, as the page `docs/field-samples.md`: run it to write the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from city.inventory.loader import builtin_city, load_city
from city.inventory.model import AccessPoint, Bin, Binding, BinModel, Camera, Device, Truck
from city.inventory.provider import LiveInventory
from ingest.decoding.decoder import Decoder
from ingest.decoding.results import DecodeResult
from ingest.messages import Arrival
from ingest.store.records import EventRecord, Reading
from tests.support.field_samples import NO_MESSAGES, Sample, samples

PAGE: Final = Path(__file__).parents[2] / "docs" / "field-samples.md"
NOW: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_SHOWN: Final = 160
DEEP: Final = BinModel("deep", "steel", 6_000, 3_000.0)
"""The container that the samples' bins stand in."""
_HEAD: Final = """# What becomes of real messages

Every message of the collection of real payloads this project is tested with, one line each (sequences as one line),
with what is stored of it. Bins stand in a container 3,000 mm deep, so that a fill level can be compared with its
distance: (3000 - distance) / (3000 - dead zone). `bytes alone` are frames that nobody decoded, in the envelope of
The Things Stack; `decoded` the same with what the maker's own decoder makes of them. An unknown device is one
that nobody has registered: its messages wait in quarantine. Events are those a device says, before repetitions are
taken out.
Regenerate with `python -m tests.support.field_samples_page`.

"""


def device_of(sample: Sample, id_: str = "it") -> Device:
    """The device that a sample is meant to come from."""
    binding = Binding(sample.adapter, sample.address, sample.profile)
    match sample.kind:
        case "bin":
            return Bin(id=id_, model=DEEP.id, waste_kind="organic", color="grey", binding=binding)
        case "truck":
            return Truck(id=id_, plate="DH 1", depot="d", capacity_kg=1, binding=binding)
        case "ap":
            return AccessPoint(id=id_, model="m", ssids=(), binding=binding)
        case "camera":
            return Camera(id=id_, binding=binding)


def results() -> Iterator[tuple[Sample, DecodeResult]]:
    """Each sample and what became of it, in a city that knows its device alone."""
    city = load_city(builtin_city("kupang"))
    inventory = LiveInventory(replace(city, models={**city.models, DEEP.id: DEEP}))
    decoder = Decoder(inventory, late_after=timedelta(days=365 * 20), pseudonym_key=b"k" * 32)
    for sample in samples():
        inventory.publish({"it": device_of(sample)} if sample.address else {})
        yield sample, decoder.decode(Arrival(sample.topic, sample.payload, NOW))


def fate_of(found: DecodeResult) -> str:
    """One word for what became of a message."""
    if found.records:
        return "undecoded" if found.rejected else "stored"
    if found.unknown_devices:
        return "unknown device"
    return "dead letter" if found.rejected else "nothing to store"


def page() -> str:
    """The whole page."""
    lines: dict[str, list[str]] = {}
    sequences: dict[str, Counter[str]] = {}
    fates: Counter[str] = Counter()
    for sample, result in results():
        fates[fate_of(result)] += 1
        if sample.file.endswith(".ndjson"):
            sequences.setdefault(sample.file, Counter()).update(_facts(result))
        else:
            cells = (sample.about, fate_of(result), _said(result))
            line = f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
            lines.setdefault(sample.file, []).append(line)
    parts = [_HEAD, ", ".join(f"{fate}: {count:,}" for fate, count in fates.most_common()), "\n"]
    for file, rows in lines.items():
        parts.append(
            f"\n## {file}\n\n| message | fate | stored |\n|---|---|---|\n" + "\n".join(dict.fromkeys(rows)) + "\n"
        )
    for file, counted in sequences.items():
        told = "\n".join(f"| {fact} | {count} |" for fact, count in sorted(counted.items()))
        parts.append(f"\n## {file}\n\n| of its messages | |\n|---|---|\n{told}\n")
    told = "\n".join(f"| {file} | {what} |" for file, what in NO_MESSAGES.items())
    parts.append(f"\n## Files that hold no messages\n\n| file | what it is |\n|---|---|\n{told}\n")
    return "".join(parts)


def _facts(found: DecodeResult) -> Iterator[str]:
    yield f"fate: {fate_of(found)}"
    for record in found.records:
        if isinstance(record, Reading):
            yield from (f"with `{name}`" for name in record.values)
            yield from (f"quality `{word}`" for word in record.origin.quality)
        elif isinstance(record, EventRecord):
            yield f"event `{record.type}` {record.state}"


def _said(found: DecodeResult) -> str:
    told = []
    for record in found.records:
        if isinstance(record, Reading):
            told += [f"{name} {value}" for name, value in record.values.items()]
            told += [f"[{word}]" for word in record.origin.quality]
        elif isinstance(record, EventRecord):
            told.append(f"{record.type} {record.state}")
            told += [f"({name} {value})" for name, value in record.detail.items() if name not in ("client", "session")]
        else:
            told.append(record.state)
    told += [letter.reason[:_SHOWN] for letter in found.rejected]
    told += [f"known as {' or '.join(unknown_device.names[:2])}" for unknown_device in found.unknown_devices]
    return ", ".join(told) or "-"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
