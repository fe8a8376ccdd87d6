"""What would be stored of a message if its device had a profile: for `kota device try` and the console's preview."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from broker.contract.errors import ConfigError, PayloadError, TopicError
from city.model import AccessPoint, Bin, Binding, Camera, City, Device, Profile, Truck
from ingest.adapters.registry import adapter_for
from ingest.decode import Decoded, Decoder
from ingest.journal import Arrival
from ingest.store.records import EventRecord, Reading, Record

LATE_AFTER: Final = timedelta(minutes=15)


class TriedRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One record as it would be stored."""

    sort: str
    device: str
    at: datetime
    values: dict[str, Any] = {}
    quality: tuple[str, ...] = ()
    event: str = ""
    state: str = ""
    detail: dict[str, Any] = {}


class Tried(msgspec.Struct, frozen=True):
    """What would become of a message: `names` are those it gives its devices, `problems` why a part is not stored."""

    adapter: str
    names: tuple[str, ...]
    records: tuple[TriedRecord, ...]
    problems: tuple[str, ...]


def try_profile(city: City, profile: str, arrival: Arrival, *, model: str = "") -> Tried:
    """Decode a message as if every device it speaks of were known and had this profile.

    Args:
        city: For its profiles, container models and time zone.
        profile: The profile's id.
        arrival: The message.
        model: The container's model, for a fill level; the first of the city's when empty.

    Raises:
        ConfigError: There is no such profile or model.
    """
    if profile not in city.profiles:
        raise ConfigError(f"there is no profile {profile!r}; `kota device profiles` lists them")
    if model and model not in city.models:
        raise ConfigError(f"there is no model {model!r}; known: {', '.join(sorted(city.models))}")
    try:
        adapter = adapter_for(arrival.topic)
        heard = adapter.decode(arrival.topic, arrival.payload)
    except (TopicError, PayloadError) as exc:
        return Tried("", (), (), (str(exc),))
    names = tuple(dict.fromkeys(one.names[0] for one in heard if one.names))
    made = [
        _device(city.profiles[profile], adapter.name, name, number, city, model) for number, name in enumerate(names)
    ]
    town = msgspec.structs.replace(city)
    town.replace_devices({device.id: device for device in made})
    decoded = Decoder(town, late_after=LATE_AFTER).decode(arrival)
    return Tried(adapter.name, names, tuple(map(_shown, decoded.records)), _problems(decoded, len(heard)))


def _problems(decoded: Decoded, heard: int) -> tuple[str, ...]:
    found = [rejected.reason for rejected in decoded.dead]
    if not heard:
        found.append("understood, and it says nothing of how a device is")
    return tuple(found)


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


def _shown(record: Record) -> TriedRecord:
    match record:
        case Reading(origin=origin, values=values):
            return TriedRecord("reading", origin.device, origin.measured_at, values, origin.quality)
        case EventRecord(origin=origin):
            sort = "condition" if record.lasting else "event"
            said = (record.type, record.state, record.detail)
            return TriedRecord(sort, origin.device, origin.measured_at, {}, origin.quality, *said)
        case _:
            return TriedRecord("status", record.device, record.received_at, state=record.state, event=record.reason)
