"""The adapter port: pure functions from a foreign topic and payload to what was heard of which device.

An adapter knows a format and nothing of the city: `Heard` names the device as the sender does. `ingest.foreign` finds
it in the inventory and reads its fields by the profile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol

import msgspec

from broker.contract.codec import decode_json
from broker.contract.errors import PayloadError
from city.units import number_and_unit

_FRACTION: Final = re.compile(r"(\.\d{6})\d+")
_OFFSET: Final = re.compile(r"([+-]\d\d)(\d\d)$")
_COMPACT: Final = re.compile(r"\d{14}")
MILLISECONDS_FROM: Final = 1e11
"""Epoch times from here on are milliseconds: as seconds they would lie in the year 5138."""

_ACCURACY_MAX_M: Final = 200.0

_decoder: Final = msgspec.json.Decoder(dict[str, Any])
_list_decoder: Final = msgspec.json.Decoder(list[Any])


class Frame(msgspec.Struct, frozen=True):
    """A device's own bytes, which its network server did not decode, and their port (LoRaWAN's fPort)."""

    port: int
    data: bytes


class Personal(msgspec.Struct, frozen=True):
    """A value that names a person or their device; it becomes a keyed hash before anything is kept.

    `lasting`: one that never changes, for what must be told again on another day and names nobody by itself.
    """

    value: str
    lasting: bool = False


class Happening(msgspec.Struct, frozen=True):
    """An event of the contract.

    `lasting`: what the device says each time of a condition that lasts; it becomes an event only when it changes.
    `key` tells it from others of its moment, where it may come in several messages; otherwise the message's key does.
    """

    type: str
    state: Literal["raised", "cleared", "noted"]
    detail: dict[str, Any] = {}
    lasting: bool = False
    key: bytes = b""


class Presence(msgspec.Struct, frozen=True):
    """A device came or went, as its sender says. `everybody`: all devices of the inventory that this sender speaks for.

    `beneath` is how the addresses of those begin. `past`: it tells of the moment it was measured at, perhaps long ago,
    and not of now.
    """

    state: Literal["online", "offline"]
    reason: str = ""
    everybody: bool = False
    beneath: str = ""
    past: bool = False


class Hint(msgspec.Struct, frozen=True):
    """What a message tells of a device that nobody knows: to suggest a profile and a place (`position`) for it."""

    model: str = ""
    label: str = ""
    place: dict[str, float] = {}


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What one message, or one record of it, says of one device.

    Attributes:
        names: Under which the inventory may have it, the best first.
        at: When it was measured; without a zone it is the city's local time; None when the message does not say.
        key: What tells two records of one moment apart: a frame counter, else the bytes.
        known: Fields of the contract that the format itself defines; those of another kind of device are left out.
        fields: What else was decoded, by the sender's names; the device's profile says what it means.
        frame: What was not decoded.
        fix_at: When its position was found, where that is another time.
        quality: Words on what is missing from `known`.
        events: What happened.
        presence: Whether it came or went.
        hint: For a device that nobody knows.
        raw: This record alone, as a message of the same topic; empty when the message holds no other.
    """

    names: tuple[str, ...]
    at: datetime | None
    key: bytes
    known: dict[str, Any] = {}
    fields: Mapping[str, Any] = {}
    frame: Frame | None = None
    fix_at: datetime | None = None
    quality: tuple[str, ...] = ()
    events: tuple[Happening, ...] = ()
    presence: Presence | None = None
    hint: Hint = Hint()
    raw: bytes = b""


class Adapter(Protocol):
    """One format. `topics` says how to connect it; `docs/adapters.md` has a section of its name."""

    @property
    def name(self) -> str:
        """As the inventory names it."""

    @property
    def filters(self) -> tuple[str, ...]:
        """What ingest subscribes for it."""

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether `decode` should see messages of this topic, given its levels."""

    def decode(self, topic: str, payload: bytes) -> list[Heard]:
        """What was heard; nothing when the message is of a sort that says nothing of a device's state.

        Raises:
            PayloadError: It cannot be understood; says what was expected.
        """


def json_object(payload: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        PayloadError: It is none.
    """
    return decode_json(_decoder, payload.removeprefix(b"\xef\xbb\xbf"))


def json_records(payload: bytes) -> list[dict[str, Any]]:
    """A JSON object, or the objects of an array.

    Raises:
        PayloadError: It is neither.
    """
    if not payload.lstrip().startswith(b"["):
        return [json_object(payload)]
    found = decode_json(_list_decoder, payload)
    if not all(isinstance(one, dict) for one in found):
        raise PayloadError("an array that holds something that is no object")
    return found


def mapping_at(body: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The object at a path, empty when there is none."""
    found: Any = body
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def objects_at(body: Mapping[str, Any], *path: str) -> Iterator[Mapping[str, Any]]:
    """The objects of the list at a path, none when there is no list."""
    found = mapping_at(body, *path[:-1]).get(path[-1])
    return (one for one in found if isinstance(one, dict)) if isinstance(found, list) else iter(())


def text_at(body: Mapping[str, Any], key: str) -> str:
    """A text or a number as text; empty when it is absent or something else."""
    value = body.get(key)
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def parse_time(text: object) -> datetime | None:
    """An ISO 8601 time with any number of fraction digits, or `YYYYMMDDhhmmss`; None when it is absent or no time.

    One without a zone stays without.
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
    """Seconds or milliseconds since 1970 as a number or a text; None when it is neither or no time."""
    number = parse_number(value)
    if number is None:
        return None
    try:
        return datetime.fromtimestamp(number / 1000 if abs(number) >= MILLISECONDS_FROM else number, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def parse_any_time(value: object) -> datetime | None:
    """A time in either way."""
    return parse_time(value) or parse_epoch(value)


def parse_number(value: object) -> float | None:
    """A number, or the number a text begins with ("2799 mm", "25 ℃"); None otherwise, for booleans too."""
    found = number_and_unit(value)
    return found[0] if found else None


def present(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the contract has
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def position(lat: object, lon: object) -> dict[str, float]:
    """A position as fields of the contract; empty where either is no number or lies outside the earth."""
    lat_deg, lon_deg = parse_number(lat), parse_number(lon)
    if lat_deg is None or lon_deg is None or abs(lat_deg) > 90 or abs(lon_deg) > 180:  # noqa: PLR2004 - degrees
        return {}
    return {"lat_deg": lat_deg, "lon_deg": lon_deg}


def is_coarse(accuracy_m: object) -> bool:
    """Whether a position may be hundreds of metres off, as a phone's from radio masts: it says nothing of a truck."""
    metres = parse_number(accuracy_m)
    return metres is not None and metres > _ACCURACY_MAX_M


def is_true(value: object) -> bool | None:
    """What a flag says, written in any usual way; None when it says nothing."""
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
