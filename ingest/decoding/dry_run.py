"""Dry run of a profile on a message, without storing: for `kota device try` and the console's preview."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from city.errors import ConfigError, PayloadError, TopicError
from city.inventory.model import AccessPoint, Bin, Binding, Camera, City, Codec, Device, Profile, Truck
from ingest.decoding.decoder import Decoder
from ingest.decoding.formats.port import CodecRunner, DeviceReport
from ingest.decoding.formats.registry import adapter_for
from ingest.decoding.results import DecodeResult
from ingest.messages import Arrival
from ingest.store.records import EventRecord, Reading, Record, Value

LATE_AFTER: Final = timedelta(minutes=15)


class DryRunRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One record as it would be stored."""

    sort: str
    device: str
    at: datetime
    values: Annotated[dict[str, Value], Meta(description="By field of the contract, whose name ends in its unit.")] = {}
    quality: tuple[str, ...] = ()
    event: str = ""
    state: str = ""
    detail: Annotated[dict[str, Any], Meta(description="What the event says besides.")] = {}


class DryRunResult(msgspec.Struct, frozen=True):
    """The outcome. `names`: the device names in the message; `problems`: why parts would not be stored."""

    adapter: str
    names: tuple[str, ...]
    records: tuple[DryRunRecord, ...]
    problems: tuple[str, ...]


def dry_run(
    city: City, profile: str | Profile, arrival: Arrival, *, model: str = "", codecs: CodecRunner | None = None
) -> DryRunResult:
    """Decode a message as if each of its devices were in the inventory and had this profile.

    Args:
        city: For its profiles, container models and time zone.
        profile: The profile's id, or a profile that the city need not have.
        arrival: The message.
        model: The container model, for a fill level; empty takes the city's first.
        codecs: Runs the profile's codec.

    Raises:
        ConfigError: There is no such profile or model.
    """
    chosen = find_profile(city, profile) if isinstance(profile, str) else profile
    if model and model not in city.models:
        raise ConfigError(f"there is no model {model!r}; known: {', '.join(sorted(city.models))}")
    try:
        adapter = adapter_for(arrival.topic)
        decoded = adapter.decode(arrival.topic, arrival.payload)
        reports = [report for report in decoded if isinstance(report, DeviceReport)]
    except (TopicError, PayloadError) as exc:
        return DryRunResult("", (), (), (str(exc),))
    names = tuple(dict.fromkeys(report.names[0] for report in reports if report.names))
    devices = [_device(chosen, adapter.name, name, number, city, model) for number, name in enumerate(names)]
    trial_city = city.with_devices({device.id: device for device in devices}, {chosen.id: chosen})
    result = Decoder(trial_city, late_after=LATE_AFTER, codecs=codecs).decode(arrival)
    return DryRunResult(
        adapter.name,
        names,
        tuple(map(_to_dry_run_record, result.records)),
        _problems(result, len(names) + len(decoded) - len(reports)),
    )


def with_codec(city: City, profile: str, codec: Codec) -> City:
    """The city with a codec that decodes the frames of a profile, in place of its frame decoder.

    Raises:
        ConfigError: There is no such profile.
    """
    chosen = replace(find_profile(city, profile), codec=codec.id, frames="")
    return replace(city, codecs={**city.codecs, codec.id: codec}, profiles={**city.profiles, profile: chosen})


def find_profile(city: City, profile: str) -> Profile:
    """A profile of the city.

    Raises:
        ConfigError: There is no such profile.
    """
    if profile not in city.profiles:
        raise ConfigError(f"there is no profile {profile!r}; `kota device profiles` lists them")
    return city.profiles[profile]


def _problems(result: DecodeResult, devices: int) -> tuple[str, ...]:
    problems = [rejected.reason for rejected in result.rejected]
    if not devices:
        problems.append("understood, and it says nothing of how a device is")
    return tuple(problems)


def _device(profile: Profile, adapter: str, name: str, number: int, city: City, model: str) -> Device:
    binding = Binding(adapter, name, profile.id)
    id_ = f"device-{number + 1}"
    match profile.kind:
        case "bin":
            chosen = model or next(iter(city.models))
            return Bin(id=id_, binding=binding, model=chosen, waste_kind="organic", color="yellow")
        case "truck":
            return Truck(id=id_, binding=binding, plate=id_, depot="", capacity_kg=1)
        case "ap":
            return AccessPoint(id=id_, binding=binding, model="", ssids=())
        case "camera":
            return Camera(id=id_, binding=binding)


def _to_dry_run_record(record: Record) -> DryRunRecord:
    match record:
        case Reading(origin=origin, values=values):
            return DryRunRecord("reading", origin.device, origin.measured_at, values, origin.quality)
        case EventRecord(origin=origin):
            sort = "condition" if record.is_level else "event"
            description = (record.type, record.state, record.detail)
            return DryRunRecord(sort, origin.device, origin.measured_at, {}, origin.quality, *description)
        case _:
            return DryRunRecord("status", record.device, record.received_at, state=record.state, event=record.reason)
