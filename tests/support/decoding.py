"""Messages of other makers' devices through the whole decoder, against an inventory of a few devices."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from city.inventory.loader import builtin_city, load_city
from city.inventory.model import AccessPoint, Bin, Binding, Camera, City, Device, Truck
from ingest.decoding.decoder import Decoder
from ingest.decoding.formats.registry import decode_frame
from ingest.decoding.results import DecodeResult
from ingest.messages import Arrival
from ingest.store.records import EventRecord, Reading

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BASE = load_city(builtin_city("kupang"))


def device(adapter: str, address: str, profile: str, id_: str = "it") -> Device:
    """A device of the kind that a profile is for, heard under an address."""
    binding = Binding(adapter, address, profile)
    match BASE.profiles[profile].kind:
        case "bin":
            return Bin(id=id_, model="steel-6m3", waste_kind="organic", color="grey", binding=binding)
        case "truck":
            return Truck(id=id_, plate="DH", depot="d", capacity_kg=1, binding=binding)
        case "ap":
            return AccessPoint(id=id_, model="m", ssids=(), binding=binding)
        case "camera":
            return Camera(id=id_, binding=binding)


def city_of(*devices: Device) -> City:
    """The reference city with these devices alone."""
    return BASE.with_devices({city_device.id: city_device for city_device in devices})


def decoded(one: Device, topic: str, body: Any, *, retained: bool = False) -> DecodeResult:
    """What becomes of a message, a moment after it was sent, in a city of one device."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    decoder = Decoder(city_of(one), late_after=timedelta(minutes=15))
    return decoder.decode(Arrival(topic, raw, NOW, retained))


def values(found: DecodeResult) -> dict[str, Any]:
    """Of its only reading."""
    (record,) = [record for record in found.records if isinstance(record, Reading)]
    return record.values


def quality(found: DecodeResult) -> tuple[str, ...]:
    """Of its only reading."""
    (record,) = [record for record in found.records if isinstance(record, Reading)]
    return record.origin.quality


def events(found: DecodeResult) -> list[tuple[str, str]]:
    """Their types and states."""
    return [(record.type, record.state) for record in found.records if isinstance(record, EventRecord)]


def decoded_ap(
    adapter: str, address: str, topic: str, body: Any, *, key: bytes | None = b"k" * 32, at: datetime = NOW
) -> DecodeResult:
    """What becomes of a message in a city of one access point, of none if the address is empty."""
    profile = next(profile.id for profile in BASE.profiles.values() if profile.adapters == (adapter,))
    access_point = AccessPoint(id="ap", model="m", ssids=(), binding=Binding(adapter, address, profile))
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    decoder = Decoder(city_of(*([access_point] if address else [])), late_after=timedelta(days=9000), pseudonym_key=key)
    return decoder.decode(Arrival(topic, raw, at))


def frame_fields(name: str, frame_hex: str, port: int = 2) -> dict[str, Any]:
    """Fields of a frame's first reading."""
    return decode_frame(name, port, bytes.fromhex(frame_hex)).readings[0].fields
