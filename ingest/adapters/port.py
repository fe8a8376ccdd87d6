"""The adapter port: pure functions from a foreign topic and payload to readings of devices in the inventory."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from broker.contract.errors import PayloadError
from broker.contract.payloads import TELEMETRY, fields_of
from broker.contract.topics import Kind
from city.model import City, Device, FieldRule, Profile, Scalar

_NUMBER: Final = re.compile(r"\s*([-+]?\d+(?:\.\d+)?)\s*(?:\D.*)?$")
_FRACTION: Final = re.compile(r"(\.\d{6})\d+")
_OFFSET: Final = re.compile(r"([+-]\d\d)(\d\d)$")
_MISSING: Final = object()


class Foreign(msgspec.Struct, frozen=True):
    """A reading of another maker's device; `invalid` when a field was present but a sentinel or impossible."""

    device: str
    kind: Kind
    boot: str
    seq: int
    measured_at: datetime | None
    values: dict[str, Any]
    invalid: bool = False


class Adapter(Protocol):
    """One format."""

    @property
    def name(self) -> str:
        """As the inventory names it."""

    @property
    def filters(self) -> tuple[str, ...]:
        """What ingest subscribes for it."""

    def claims(self, topic: str) -> bool:
        """Whether `decode` should see messages of this topic."""

    def decode(self, topic: str, payload: bytes, book: AddressBook) -> list[Foreign]:
        """Readings in a message; none when it is of a sort that carries none (a join, a goodbye).

        Raises:
            PayloadError: It cannot be understood, or its device is not in the inventory; says what to do.
        """


class AddressBook:
    """Which device of the inventory another maker's name stands for."""

    def __init__(self, city: City) -> None:
        """Index the inventory's addresses, upper and lower case alike."""
        self._profiles = city.profiles
        self._devices: Mapping[tuple[str, str], Device] = {
            (device.reach.adapter, device.reach.address.lower()): device
            for device in city.devices.values()
            if device.reach
        }

    def find(self, adapter: str, candidates: Iterable[str]) -> tuple[Device, Profile]:
        """The device under the first known of several names, and how to read it.

        Raises:
            PayloadError: None of the names is in the inventory.
        """
        names = [name for name in candidates if name]
        for name in names:
            device = self._devices.get((adapter, name.lower()))
            if device is not None and device.reach is not None:
                return device, self._profiles[device.reach.profile]
        known_as = " or ".join(repr(name) for name in names) or "no name"
        raise PayloadError(f"no device of the inventory has adapter {adapter!r} and address {known_as}")


def stamp(at: datetime, payload: bytes) -> int:
    """A seq for devices that have none: the same message has the same, two messages of one moment differ.

    Milliseconds since 1970 in the high bits, ten bits of the payload's checksum below; fits the contract's 2^53.
    """
    return (max(0, int(at.timestamp() * 1000)) << 10) | (zlib.crc32(payload) & 0x3FF)


def parse_time(text: object) -> datetime | None:
    """An ISO 8601 time with any number of fraction digits; None when absent, naive or no time at all."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(_OFFSET.sub(r"\1:\2", _FRACTION.sub(r"\1", text.strip())))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else None


def parse_epoch_s(value: object) -> datetime | None:
    """Seconds since 1970 as a number or as text; None when it is neither or no time."""
    number = parse_number(value)
    if number is None:
        return None
    try:
        return datetime.fromtimestamp(number, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def parse_number(value: object) -> float | None:
    """A number, or the number a text begins with ("2799 mm", "25 ℃"); None otherwise, for booleans too."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    found = _NUMBER.match(value) if isinstance(value, str) else None
    return float(found.group(1)) if found else None


def read_fields(profile: Profile, decoded: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Contract fields out of a decoded payload, by the profile's rules.

    Returns:
        The fields that hold a reading, and whether one was present but a sentinel, unreadable or out of range.
    """
    values: dict[str, Any] = {}
    invalid = False
    for field, rule in profile.fields.items():
        found = _look_up(decoded, rule.source)
        if found is _MISSING or found is None or _is_one_of(found, rule.absent):
            continue
        value = _apply(rule, found)
        if value is None or not _fits(profile.kind, field, value):
            invalid = True
        else:
            values[field] = value
    return values, invalid


def _look_up(decoded: Mapping[str, Any], paths: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    for path in paths:
        value: Any = decoded
        for key in path.split("."):
            value = value.get(key, _MISSING) if isinstance(value, Mapping) else _MISSING
        if value is not _MISSING:
            return value
    return _MISSING


def _apply(rule: FieldRule, found: object) -> Scalar:
    if _is_one_of(found, rule.invalid):
        return None
    if rule.choices:
        return rule.choices.get(str(found).lower(), rule.choices.get(str(found)))
    if isinstance(found, bool):
        return found
    number = parse_number(found)
    return None if number is None else number * rule.scale + rule.shift


def _is_one_of(found: object, listed: tuple[Scalar, ...]) -> bool:
    """Whether a value is listed as itself or, for texts such as "0.00 °C", by the number it begins with."""
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return False
    return found in listed or parse_number(found) in [one for one in listed if not isinstance(one, str)]


_FIELD_TYPES: Final[dict[Kind, dict[str, Any]]] = {
    kind: {f.name: f.type for f in msgspec.structs.fields(type_) if f.name in fields_of(kind)}
    for kind, type_ in TELEMETRY.items()
}


def _fits(kind: Kind, field: str, value: Scalar) -> bool:
    try:
        msgspec.convert(value, _FIELD_TYPES[kind][field])
    except msgspec.ValidationError:
        return False
    return True
