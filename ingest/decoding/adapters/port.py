"""The adapter port: pure functions from a third-party topic and payload to device reports.

An adapter knows a format and nothing of the city: a `DeviceReport` names the device as the sender does.
`ingest.decoding.third_party` finds the device in the inventory and maps its fields by the profile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol

import msgspec

from broker.contract.codec import decode_json
from city.errors import PayloadError
from city.inventory.units import number_and_unit

_FRACTION: Final = re.compile(r"(\.\d{6})\d+")
_OFFSET: Final = re.compile(r"([+-]\d\d)(\d\d)$")
_COMPACT: Final = re.compile(r"\d{14}")
MILLISECONDS_FROM: Final = 1e11
"""Epoch times from here on are milliseconds: as seconds they would be in the year 5138."""

_ACCURACY_MAX_M: Final = 200.0

_decoder: Final = msgspec.json.Decoder(dict[str, Any])
_list_decoder: Final = msgspec.json.Decoder(list[Any])


class RawFrame(msgspec.Struct, frozen=True):
    """A device's raw frame, not decoded by the network server, and its port (LoRaWAN's fPort)."""

    port: int
    data: bytes


class Personal(msgspec.Struct, frozen=True):
    """A value that identifies a person or their device; it becomes a keyed hash before anything is kept.

    `is_stable`: the hash does not change from day to day; for identifiers that must match across days and name nobody.
    """

    value: str
    is_stable: bool = False


class AdapterEvent(msgspec.Struct, frozen=True):
    """An event of the contract.

    `is_level`: the device repeats the state of a condition; only changes are stored. `key`: idempotency key among the
    device's events of one moment, for events that may come in several messages; empty uses the message's key.
    """

    type: str
    state: Literal["raised", "cleared", "noted"]
    detail: dict[str, Any] = {}
    is_level: bool = False
    key: bytes = b""


class ConnectivityReport(msgspec.Struct, frozen=True):
    """A device came online or went offline, as its sender says.

    `all_devices`: the report concerns all devices of the inventory that this sender serves;
    `address_prefix` limits them to addresses with this prefix. `historical`: the report concerns the moment it was
    measured at, not the present.
    """

    state: Literal["online", "offline"]
    reason: str = ""
    all_devices: bool = False
    address_prefix: str = ""
    historical: bool = False


class Hint(msgspec.Struct, frozen=True):
    """Facts about an unknown device, from which a profile and a position are suggested."""

    model: str = ""
    label: str = ""
    place: dict[str, float] = {}


class DeviceReport(msgspec.Struct, frozen=True, kw_only=True):
    """One message, or one record of it, about one device.

    Attributes:
        names: Names under which the inventory may have the device, the best first.
        at: Time of measurement; without a zone, the city's local time; None when the message has none.
        key: Idempotency key among records of one moment: a frame counter, else the bytes.
        known: Fields of the contract that the format itself defines; fields of other kinds of device are ignored.
        fields: Other decoded fields, by the sender's names; the device's profile maps them.
        frame: A raw frame that was not decoded.
        fix_at: Time of the position fix, where it differs.
        quality: Quality flags for values missing from `known`.
        events: Events in the message.
        connectivity: Whether the device came online or went offline.
        hint: For an unknown device.
        raw: This record alone, as a message of the same topic; empty when the message has no other record.
    """

    names: tuple[str, ...]
    at: datetime | None
    key: bytes
    known: dict[str, Any] = {}
    fields: Mapping[str, Any] = {}
    frame: RawFrame | None = None
    fix_at: datetime | None = None
    quality: tuple[str, ...] = ()
    events: tuple[AdapterEvent, ...] = ()
    connectivity: ConnectivityReport | None = None
    hint: Hint = Hint()
    raw: bytes = b""


class Adapter(Protocol):
    """One format. `docs/adapters.md` has a section of its name."""

    @property
    def name(self) -> str:
        """The format's name in the inventory."""

    @property
    def filters(self) -> tuple[str, ...]:
        """Topic filters that ingest subscribes to."""

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether this adapter decodes messages of a topic, given its levels."""

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """Device reports of one message; empty when the message says nothing of a device's state.

        Raises:
            PayloadError: It cannot be decoded; says what was expected.
        """


def json_object(payload: bytes) -> dict[str, Any]:
    """Decode a JSON object.

    Raises:
        PayloadError: It is no JSON object.
    """
    return decode_json(_decoder, payload.removeprefix(b"\xef\xbb\xbf"))


def json_records(payload: bytes) -> list[dict[str, Any]]:
    """Decode a JSON object, or the objects of an array.

    Raises:
        PayloadError: It is neither.
    """
    if not payload.lstrip().startswith(b"["):
        return [json_object(payload)]
    found = decode_json(_list_decoder, payload)
    if not all(isinstance(element, dict) for element in found):
        raise PayloadError("an array that holds something that is no object")
    return found


def mapping_at(body: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The object at a path; empty when it is absent."""
    found: Any = body
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def objects_at(body: Mapping[str, Any], *path: str) -> Iterator[Mapping[str, Any]]:
    """The objects of the list at a path; none when it is absent."""
    found = mapping_at(body, *path[:-1]).get(path[-1])
    return (element for element in found if isinstance(element, dict)) if isinstance(found, list) else iter(())


def text_at(body: Mapping[str, Any], key: str) -> str:
    """A text, or an integer as text; empty when it is absent or of another type."""
    value = body.get(key)
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def parse_time(text: object) -> datetime | None:
    """Parse an ISO 8601 time with any number of fraction digits, or `YYYYMMDDhhmmss`; None when it is neither.

    A time without a zone stays without.
    """
    if not isinstance(text, str):
        return None
    compact = text.strip()
    if _COMPACT.fullmatch(compact):
        compact = f"{compact[:8]}T{compact[8:]}"
    try:
        at = datetime.fromisoformat(_OFFSET.sub(r"\1:\2", _FRACTION.sub(r"\1", compact)))
    except ValueError:
        return None
    try:
        return at.astimezone(UTC) if at.tzinfo else at
    except OverflowError:
        return None


def parse_epoch(value: object) -> datetime | None:
    """Parse seconds or milliseconds since 1970, a number or a text; None when it is neither."""
    number = parse_number(value)
    if number is None:
        return None
    try:
        return datetime.fromtimestamp(number / 1000 if abs(number) >= MILLISECONDS_FROM else number, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def parse_any_time(value: object) -> datetime | None:
    """Parse a time by `parse_time`, else by `parse_epoch`."""
    return parse_time(value) or parse_epoch(value)


def parse_number(value: object) -> float | None:
    """A number, or the number at the start of a text ("2799 mm", "25 ℃"); None otherwise, also for booleans."""
    found = number_and_unit(value)
    return found[0] if found else None


def without_none(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the contract has
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def position(lat: object, lon: object) -> dict[str, float]:
    """A position as fields of the contract; empty where either is no number or lies outside the earth."""
    lat_deg, lon_deg = parse_number(lat), parse_number(lon)
    if lat_deg is None or lon_deg is None or abs(lat_deg) > 90 or abs(lon_deg) > 180:  # noqa: PLR2004 - degrees
        return {}
    return {"lat_deg": lat_deg, "lon_deg": lon_deg}


def is_coarse(accuracy_m: object) -> bool:
    """Whether a position may be hundreds of metres off, as a phone's from radio masts."""
    metres = parse_number(accuracy_m)
    return metres is not None and metres > _ACCURACY_MAX_M


def parse_flag(value: object) -> bool | None:
    """Parse a boolean in any usual spelling; None when it is none."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value != 0
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _YES:
            return True
        return False if word in _NO else None
    return None


_YES: Final = frozenset({"true", "on", "yes", "1", "open", "active", "alarm", "tilt", "high", "raised", "1.0"})
_NO: Final = frozenset(
    {"false", "off", "no", "0", "closed", "inactive", "normal", "ok", "low", "cleared", "none", "0.0"}
)
