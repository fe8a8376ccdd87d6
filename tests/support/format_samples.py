"""Samples of the formats: small messages, each in a file that says what is made of it.

A sample lies in `ingest/decoding/formats/FORMAT/samples/NAME.toml`. Run this module with the path of one to print what
the decoder makes of its message, in the form in which the file says it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from city.inventory.profiles import FORMATS
from ingest.decoding.decoder import Decoder
from ingest.decoding.results import DecodeResult
from ingest.messages import Arrival
from ingest.store.records import EventRecord, Reading, RecordOrigin, StatusRecord
from tests.support.decoding import NOW, city_of, device

PSEUDONYM_KEY: Final = b"k" * 32
_UPLINK_TOPIC: Final = "loriot/samples"
_UPLINK_EUI: Final = "0011223344556677"


class SampleDevice(msgspec.Struct, forbid_unknown_fields=True):
    """The inventory's entry for the device; `format` is that of the folder unless another one carries its frames."""

    profile: str
    address: str = _UPLINK_EUI
    format: str = ""


class SampleReading(msgspec.Struct, forbid_unknown_fields=True):
    """A reading as it is stored. `id` is its epoch and seq, which never change: databases have them."""

    id: str
    values: dict[str, Any]
    measured_at: datetime = NOW
    quality: list[str] = []


class SampleEvent(msgspec.Struct, forbid_unknown_fields=True):
    """An event as it is decoded; of a `level` only changes are stored. `id` is as of a reading."""

    id: str
    type: str
    state: Literal["raised", "cleared", "noted"]
    measured_at: datetime = NOW
    level: bool = False
    detail: dict[str, Any] = {}


class SampleStatus(msgspec.Struct, forbid_unknown_fields=True):
    """A device came online or went offline."""

    state: str
    reason: str = ""


class Outcome(msgspec.Struct, forbid_unknown_fields=True):
    """What is made of a message.

    `rejected` are the reasons of dead letters, `unknown` the names of each device that is not in the inventory.
    """

    rejected: list[str] = []
    unknown: list[list[str]] = []
    readings: list[SampleReading] = []
    events: list[SampleEvent] = []
    statuses: list[SampleStatus] = []


class FormatSample(Outcome, kw_only=True, forbid_unknown_fields=True):
    """A message, and its outcome.

    Attributes:
        about: What it shows, in a sentence.
        topic: Topic of the message; with `frame_hex` alone, that of a plain LoRaWAN uplink around it.
        payload: The message as text.
        payload_hex: The message as bytes.
        frame_hex: A device's frame, in place of a message.
        port: fPort of the frame.
        received_at: Time of receipt.
        retained: Whether the broker had retained it.
        device: The inventory's only device; None leaves the inventory empty.
    """

    about: str
    topic: str = _UPLINK_TOPIC
    payload: str = ""
    payload_hex: str = ""
    frame_hex: str | None = None
    port: int = 1
    received_at: datetime = NOW
    retained: bool = False
    device: SampleDevice | None = None


def sample_paths() -> list[Path]:
    """Every sample of every format."""
    return sorted(FORMATS.glob("*/samples/*.toml"))


def read_sample(path: Path) -> FormatSample:
    """The sample in a file.

    Raises:
        msgspec.ValidationError: The file has an unknown key, or a value of another type.
    """
    return msgspec.toml.decode(path.read_bytes(), type=FormatSample)


def expected_outcome(sample: FormatSample) -> Outcome:
    """What the file says."""
    return Outcome(**{name: getattr(sample, name) for name in Outcome.__struct_fields__})


def decode_sample(sample: FormatSample, folder: str) -> DecodeResult:
    """What the whole decoder makes of the message, in a city that has its device alone."""
    devices = []
    if sample.device is not None:
        carrier = sample.device.format or ("loriot" if sample.frame_hex is not None else folder)
        devices = [device(carrier, sample.device.address, sample.device.profile)]
    decoder = Decoder(city_of(*devices), late_after=timedelta(minutes=15), pseudonym_key=PSEUDONYM_KEY)
    return decoder.decode(Arrival(sample.topic, _payload(sample), sample.received_at, sample.retained))


def outcome_of(result: DecodeResult) -> Outcome:
    """The outcome of decoding, in the form of a sample."""
    return Outcome(
        [rejected.reason for rejected in result.rejected],
        [list(unknown.names) for unknown in result.unknown_devices],
        [
            SampleReading(_id(record.origin), record.values, record.origin.measured_at, list(record.origin.quality))
            for record in result.records
            if isinstance(record, Reading)
        ],
        [
            SampleEvent(
                _id(record.origin), record.type, record.state, record.origin.measured_at, record.is_level, record.detail
            )
            for record in result.records
            if isinstance(record, EventRecord)
        ],
        [SampleStatus(record.state, record.reason) for record in result.records if isinstance(record, StatusRecord)],
    )


def outcome_text(outcome: Outcome) -> str:
    """The outcome as a sample file says it."""
    return "\n".join(_lines(outcome)) + "\n"


def _id(origin: RecordOrigin) -> str:
    return f"{origin.epoch}:{origin.seq}"


def _payload(sample: FormatSample) -> bytes:
    if sample.frame_hex is None:
        return bytes.fromhex(sample.payload_hex) if sample.payload_hex else sample.payload.encode()
    uplink = {"cmd": "rx", "EUI": _UPLINK_EUI, "ts": NOW.timestamp() * 1000, "fcnt": 1, "port": sample.port}
    return json.dumps({**uplink, "data": sample.frame_hex}).encode()


def _lines(outcome: Outcome) -> Iterator[str]:
    for name in ("rejected", "unknown"):
        if getattr(outcome, name):
            yield f"{name} = {_toml(getattr(outcome, name))}"
    for table in ("readings", "events", "statuses"):
        for row in getattr(outcome, table):
            yield f"\n[[{table}]]"
            for name, value, default in zip(
                row.__struct_fields__, msgspec.structs.astuple(row), _defaults(row), strict=True
            ):
                if value != default:
                    yield f"{name} = {_toml(value)}"


def _defaults(row: msgspec.Struct) -> Iterable[object]:
    for field in msgspec.structs.fields(row):
        yield field.default_factory() if callable(field.default_factory) else field.default


def _toml(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        if not value:
            return "{}"
        return "{ " + ", ".join(f"{key} = {_toml(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str) and '"' in value and "'" not in value:
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        path = Path(argument).resolve()
        print(outcome_text(outcome_of(decode_sample(read_sample(path), path.parent.parent.name))), end="")
