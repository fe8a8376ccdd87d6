"""Payloads of the bus as structs: telemetry of each kind, events, status and receipts, with their ranges.

Units are part of the names (`broker.contract.units`). Writers encode these structs and nothing else; readers ignore
and count unknown fields. An array is a catch-up after an outage: a bad element does not affect the others.
"""

from __future__ import annotations

import difflib
from datetime import datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from broker.contract.topics import Kind

T = TypeVar("T")

MAX_PAYLOAD_BYTES: Final = 262_144
GATEWAY_PAYLOAD_BYTES: Final = 8_388_608
"""Upper limit of a third-party server's message: a controller's answer lists all access points or clients of a site."""
MAX_BATCH: Final = 1_000
MAX_EPOCHS: Final = 8
"""Upper limit of epochs in one message: each costs a receipt of its own."""

Epoch = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9]{1,16}$", description="Epoch of the device's outbox: a new one starts with a new outbox."),
]
Seq = Annotated[int, Meta(ge=0, le=2**53, description="Counts the readings of one epoch.")]
Time = Annotated[datetime, Meta(tz=True, description="Device clock, UTC.")]
Percent = Annotated[float, Meta(ge=0, le=100)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Rate = Annotated[float, Meta(ge=0, le=100_000_000)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Text = Annotated[str, Meta(max_length=200)]
Short = Annotated[str, Meta(max_length=64)]


class SequencedMessage(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """Base of readings and events: time and sequence id; `(device, epoch, seq)` is unique for ever."""

    ts: Time
    epoch: Epoch = msgspec.field(name="boot")
    seq: Seq


class BinTelemetry(SequencedMessage, kw_only=True, omit_defaults=True):
    """A waste container. `distance_mm` is measured downwards from the sensor; fill follows from the inventory."""

    distance_mm: Annotated[float, Meta(ge=0, le=20_000)] | None = None
    fill_pct: Percent | None = None
    weight_kg: Annotated[float, Meta(ge=0, le=50_000)] | None = None
    temperature_c: Annotated[float, Meta(ge=-60, le=500)] | None = None
    tilt_deg: Annotated[float, Meta(ge=0, le=180)] | None = None
    lid_open: bool | None = None
    battery_pct: Percent | None = None
    battery_v: Annotated[float, Meta(ge=0, le=60)] | None = None
    rssi_dbm: Annotated[float, Meta(ge=-200, le=20)] | None = None
    lat_deg: Latitude | None = None
    lon_deg: Longitude | None = None


class TruckTelemetry(SequencedMessage, kw_only=True, omit_defaults=True):
    """A garbage truck. `pto`: the power take-off that drives the compactor is engaged.

    `power_v` is the vehicle's own voltage, `battery_v` and `battery_pct` the tracker's.
    """

    lat_deg: Latitude | None = None
    lon_deg: Longitude | None = None
    speed_kmh: Annotated[float, Meta(ge=0, le=250)] | None = None
    heading_deg: Annotated[float, Meta(ge=0, le=360)] | None = None
    hdop: Annotated[float, Meta(ge=0, le=100)] | None = None
    ignition: bool | None = None
    odometer_km: Annotated[float, Meta(ge=0, le=10_000_000)] | None = None
    fuel_pct: Percent | None = None
    load_kg: Annotated[float, Meta(ge=0, le=60_000)] | None = None
    pto: bool | None = None
    engine_temp_c: Annotated[float, Meta(ge=-60, le=300)] | None = None
    fault_codes: Annotated[list[Short], Meta(max_length=64)] | None = None
    satellites: Annotated[int, Meta(ge=0, le=200)] | None = None
    power_v: Annotated[float, Meta(ge=0, le=100)] | None = None
    battery_v: Annotated[float, Meta(ge=0, le=60)] | None = None
    battery_pct: Percent | None = None
    engine_h: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    engine_rpm: Annotated[float, Meta(ge=0, le=20_000)] | None = None
    fuel_used_l: Annotated[float, Meta(ge=0, le=10_000_000)] | None = None
    lift_arm: bool | None = None
    tailgate_open: bool | None = None


class ApTelemetry(SequencedMessage, kw_only=True, omit_defaults=True):
    """A Wi-Fi access point, as it sees its clients: `rx_` is what it receives from them.

    Byte counters start again at a reboot (`uptime_s` tells); the rates follow from them in ingest, or are the device's.
    """

    clients: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    rx_bytes: Count | None = None
    tx_bytes: Count | None = None
    channel_busy_pct: Percent | None = None
    noise_dbm: Annotated[float, Meta(ge=-150, le=0)] | None = None
    latency_ms: Annotated[float, Meta(ge=0, le=60_000)] | None = None
    loss_pct: Percent | None = None
    cpu_pct: Percent | None = None
    memory_pct: Percent | None = None
    uptime_s: Count | None = None
    clients_by_radio: Annotated[dict[Short, Count], Meta(max_length=16)] | None = None
    clients_by_ssid: Annotated[dict[Short, Count], Meta(max_length=32)] | None = None
    rx_kbps: Rate | None = None
    tx_kbps: Rate | None = None
    signal_dbm: Annotated[float, Meta(ge=-150, le=20)] | None = None
    disk_pct: Percent | None = None


Scene = Literal["armed", "warming_up", "light", "covered", "moved", "defocused", "frozen", "no_stream", "too_large"]


class CameraTelemetry(SequencedMessage, kw_only=True, omit_defaults=True):
    """Health of a camera. `scene_ok` is false while the watcher is blind or not armed, `scene` says why.

    `blind_s` are the seconds it was not armed since it began (`uptime_s`), `reconnects` how often its stream came back.
    """

    fps: Annotated[float, Meta(ge=0, le=1_000)] | None = None
    dropped_frames: Count | None = None
    bitrate_kbps: Rate | None = None
    scene_ok: bool | None = None
    uptime_s: Count | None = None
    scene: Scene | None = None
    blind_s: Count | None = None
    reconnects: Count | None = None


Telemetry = BinTelemetry | TruckTelemetry | ApTelemetry | CameraTelemetry

TELEMETRY: Final[dict[Kind, type[Telemetry]]] = {
    "bin": BinTelemetry,
    "truck": TruckTelemetry,
    "ap": ApTelemetry,
    "camera": CameraTelemetry,
}

EVENT_TYPES: Final[dict[Kind, tuple[str, ...]]] = {
    "bin": ("fire", "tilt", "lid_open", "collected", "moved", "low_battery", "tamper"),
    "truck": (
        *("breakdown", "panic", "collected", "harsh_braking", "power_cut", "tamper", "harsh_acceleration"),
        *("harsh_cornering", "overspeed", "tow", "jamming", "low_battery", "accident", "fuel_leak", "door"),
        *("geofence_enter", "geofence_exit"),
    ),
    "ap": ("rogue_ap", "quota_exceeded", "reboot", "tamper", "session"),
    "camera": (
        *("dumping", "deposit", "blind", "covered", "moved", "tamper", "review", "motion", "object", "intrusion"),
        *("line_crossed", "activity"),
    ),
}

PLATFORM_EVENT_TYPES: Final = frozenset({"review"})
"""Events that people cause at the API: stored beside a device's, never accepted from a device or the bus."""

CREW_EVENT_TYPES: Final = frozenset({"breakdown", "panic"})
"""Events of a truck that its crew may cause at the API as well."""


def device_event_types(kind: Kind) -> tuple[str, ...]:
    """Event types that a device of a kind may send."""
    return tuple(name for name in EVENT_TYPES[kind] if name not in PLATFORM_EVENT_TYPES)


Detail = dict[str, Any]


class Event(SequencedMessage, kw_only=True, omit_defaults=True):
    """Something happened. `raised` and `cleared` start and end a condition, `noted` has no duration."""

    type: Short
    state: Literal["raised", "cleared", "noted"]
    detail: Detail = {}


class Online(msgspec.Struct, tag_field="state", tag="online", kw_only=True, omit_defaults=True):
    """Birth: the device is online and starts, or continues, the epoch (`boot` on the wire) of its outbox.

    `outbox_waiting` readings are pending there; `outbox_dropped` were dropped at its bound in this epoch and are lost.
    """

    ts: Time
    epoch: Epoch = msgspec.field(name="boot")
    fw: Text = ""
    model: Text = ""
    outbox_waiting: Count | None = None
    outbox_dropped: Count | None = None


class Offline(msgspec.Struct, tag_field="state", tag="offline", kw_only=True, omit_defaults=True):
    """The device went offline: `stop` is its own message, `lost` its last will, sent by the broker without a time."""

    reason: Literal["stop", "lost"]
    ts: Time | None = None


class Sleeping(msgspec.Struct, tag_field="state", tag="sleeping", kw_only=True, omit_defaults=True):
    """The device sleeps and will report again within `next_s` seconds."""

    next_s: Annotated[float, Meta(gt=0, le=1_000_000)]
    ts: Time | None = None


Status = Online | Offline | Sleeping


class Receipt(msgspec.Struct, kw_only=True):
    """Durable readings of one epoch: inclusive ranges of sequence numbers."""

    epoch: Epoch = msgspec.field(name="boot")
    seqs: Annotated[list[tuple[Seq, Seq]], Meta(max_length=10_000)]


SEQUENCE_FIELDS: Final = frozenset(SequencedMessage.__struct_fields__)


def fields_of(kind: Kind) -> tuple[str, ...]:
    """The measured fields of a kind's telemetry, in the order of the contract, without time and sequence id."""
    return tuple(name for name in TELEMETRY[kind].__struct_fields__ if name not in SEQUENCE_FIELDS)


def similar_field(name: str, kind: Kind) -> str:
    """The field of a kind that a misspelt name may mean; empty if none is similar."""
    fields = fields_of(kind)
    starts = [field for field in fields if field.startswith(f"{name}_")]  # without its unit
    return next(iter(starts or difflib.get_close_matches(name, fields, n=1)), "")


def values_of(reading: Telemetry) -> dict[str, Any]:
    """The measured fields that a reading has, in the order of the contract."""
    names, values = (
        reading.__struct_fields__[len(SEQUENCE_FIELDS) :],
        msgspec.structs.astuple(reading)[len(SEQUENCE_FIELDS) :],
    )
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """An element that could not be decoded: its bytes, the reason, and the device where the topic does not name it."""

    raw: bytes
    reason: str
    device: str = ""


class Parsed(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """A decoded payload: valid elements in order, rejected ones with reasons, and the names of unknown fields.

    A name stands once for each element that has it.
    """

    items: list[T]
    rejected: list[Rejected]
    unknown_fields: tuple[str, ...] = ()
