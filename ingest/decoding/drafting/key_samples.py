"""The keys of a device's messages, with their values over time: the material of which a profile is drafted."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, Literal

import msgspec

from city.errors import PayloadError, TopicError
from city.inventory.addresses import address_key
from city.inventory.model import Codec
from city.inventory.units import number_and_unit, parse_unit
from ingest.decoding.field_mapping import get_path
from ingest.decoding.formats.port import CodecRunner, DeviceReport
from ingest.decoding.formats.registry import adapter_for
from ingest.messages import Arrival

KeyType = Literal["numeric", "flag", "text", "mixed", "empty"]
KEYS_MAX: Final = 200
"""Keys of a message beyond these are counted only."""
PATH_MAX: Final = 200
"""Letters of a dotted path; longer ones are left out."""
VALUES_SHOWN: Final = 5
TEXT_SHOWN: Final = 60
_DEPTH_MAX: Final = 12
_ELEMENTS_MAX: Final = 8
_WALK_MAX: Final = 10_000
"""Members of a record that are looked at."""
_MESSAGES_MAX: Final = 40
"""Newest messages that are read."""
_WORDS_MAX: Final = 12
_UNIT_KEYS: Final = ("unit", "units", "Unit", "uom")
_PLAIN_NUMBER: Final = re.compile(r"[-+]?[\d.,]+(?:[eE][-+]?\d+)?")
_GAPS_MIN: Final = 3
_INTERVALS_S: Final = (60.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 21_600.0, 43_200.0, 86_400.0)
_Plain = str | int | float | bool | None


class KeyValue(msgspec.Struct, frozen=True):
    """A value of a key; `at` is the time of receipt. Long texts are shortened."""

    at: datetime
    value: _Plain


class KeySample(msgspec.Struct, frozen=True, kw_only=True):
    """A key of a device's messages.

    Attributes:
        path: The key; keys within others follow a dot, as profiles have them.
        type: What its values are; numbers with a unit behind them are numeric.
        values: Its last values, newest first.
        messages: Number of records that have it.
        low: Smallest number, None if it has none.
        high: Largest number.
        numbers: All numbers.
        words: Different texts that are no numbers.
        unit: The unit behind its numbers, or of the key `unit` beside it.
    """

    path: str
    type: KeyType
    values: tuple[KeyValue, ...]
    messages: int
    low: float | None = None
    high: float | None = None
    numbers: tuple[float, ...] = ()
    words: tuple[str, ...] = ()
    unit: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether all numbers are whole."""
        return all(number.is_integer() for number in self.numbers)


class Examples(msgspec.Struct, frozen=True, kw_only=True):
    """Records of a device, newest first. `known`: fields of the contract that the format itself gives.

    `codec`: id of the codec that decodes its frames, empty if none does. `has_time`: whether the format has the time of
    each record. `problems`: why messages cannot be decoded.
    """

    adapter: str
    names: tuple[str, ...]
    records: tuple[tuple[datetime, Mapping[str, Any]], ...]
    known: frozenset[str]
    has_time: bool
    has_frames: bool
    codec: str
    problems: tuple[str, ...]


def read_examples(
    messages: Iterable[Arrival],
    addresses: Collection[str] = (),
    codec: Codec | None = None,
    codecs: CodecRunner | None = None,
) -> Examples:
    """Decode messages by the adapter of their topic.

    Args:
        messages: The messages, oldest first.
        addresses: Addresses of the device, in the form of `address_key`; without any, the first device is taken.
        codec: Decodes the frames, in place of what the network server has decoded; None for none.
        codecs: Runs it.
    """
    wanted, adapter, problems = set(addresses), "", []
    reports: list[tuple[datetime, DeviceReport]] = []
    for message in list(messages)[-_MESSAGES_MAX:]:
        try:
            adapter = adapter_for(message.topic).name
            decoded = adapter_for(message.topic).decode(message.topic, message.payload)
        except (TopicError, PayloadError) as exc:
            problems.append(str(exc))
            continue
        for report in decoded:
            if isinstance(report, DeviceReport) and report.names:
                keys = {address_key(adapter, name) for name in report.names}
                wanted = wanted or keys
                if keys & wanted:
                    by_codec, problem = _by_codec(report, message.received_at, codec, codecs)
                    reports.append((message.received_at, by_codec))
                    problems += [problem] if problem else []
    with_fields = [(at, report) for at, report in reversed(reports) if report.fields]
    return Examples(
        adapter=adapter,
        names=tuple(dict.fromkeys(report.names[0] for _, report in reports)),
        records=tuple((at, report.fields) for at, report in with_fields),
        known=frozenset(field for _, report in reports for field in report.known),
        has_time=bool(with_fields) and all(report.at is not None for _, report in with_fields),
        has_frames=any(report.frame for _, report in reports),
        codec=codec.id if codec and codecs else "",
        problems=tuple(dict.fromkeys(problems)),
    )


def _by_codec(
    report: DeviceReport, received_at: datetime, codec: Codec | None, codecs: CodecRunner | None
) -> tuple[DeviceReport, str]:
    """The report with what a codec makes of its frame, and why it cannot; a frame that it refuses has no fields."""
    if codec is None or codecs is None or report.frame is None:
        return report, ""
    try:
        fields = codecs.decode(codec, report.frame, report.at or received_at)
    except PayloadError as exc:
        return msgspec.structs.replace(report, fields={}), str(exc)
    return msgspec.structs.replace(report, fields=fields), ""


def collect_keys(records: Sequence[tuple[datetime, Mapping[str, Any]]]) -> tuple[list[KeySample], int]:
    """The keys of records, which are newest first, and the number of keys that were left out at the bound."""
    values: dict[str, list[tuple[datetime, _Plain]]] = {}
    left_out: set[str] = set()
    for at, fields in records:
        for path, value in _leaves(fields):
            if path in values or len(values) < KEYS_MAX:
                if get_path(fields, path) is value:  # another key may stand before it, such as `a.b` before `b` in `a`
                    values.setdefault(path, []).append((at, value))
            elif len(left_out) < _WALK_MAX:
                left_out.add(path)
    units = {path: unit for path, seen in values.items() if (unit := parse_unit(str(seen[0][1])))}
    return [_sample(path, seen, _unit_beside(path, units)) for path, seen in values.items()], len(left_out)


def usual_interval_s(examples: Examples) -> float | None:
    """The interval at which a device reports, in s, rounded up to a usual one; None where its messages do not say.

    Messages that follow each other faster than in a minute were sent by hand, or belong to one report.
    """
    times = sorted({at for at, _ in examples.records})
    gaps = sorted((later - earlier).total_seconds() for earlier, later in pairwise(times))
    middle = gaps[len(gaps) // 2] if len(gaps) >= _GAPS_MIN else 0.0
    if middle < _INTERVALS_S[0] / 2:
        return None
    return next((usual for usual in _INTERVALS_S if middle <= usual * 1.1), _INTERVALS_S[-1])


def _leaves(fields: Mapping[str, Any]) -> Iterator[tuple[str, _Plain]]:
    """Path and value of each leaf."""
    waiting: deque[tuple[str, Any, int]] = deque([("", fields, 0)])
    walked = 0
    while waiting and walked < _WALK_MAX:
        path, value, depth = waiting.popleft()
        walked += 1
        if isinstance(value, Mapping | list):
            if depth < _DEPTH_MAX:
                waiting += [(inner, member, depth + 1) for inner, member in _members(path, value)]
        elif path and _is_text(path):
            yield path, value


def _members(path: str, value: Mapping[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    members = value.items() if isinstance(value, Mapping) else enumerate(value[:_ELEMENTS_MAX])
    for key, member in members:
        inner = f"{path}.{key}" if path else str(key)
        if 0 < len(inner) <= PATH_MAX:
            yield inner, member


def _is_text(path: str) -> bool:
    """Whether a path can stand in a file: halves of surrogate pairs cannot."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unit_beside(path: str, units: Mapping[str, str]) -> str:
    """The unit in a key beside this one, as in `{"value": 4, "unit": "cm"}`."""
    outer, dot, _ = path.rpartition(".")
    return next((unit for key in _UNIT_KEYS if dot and (unit := units.get(f"{outer}.{key}", ""))), "")


def _sample(path: str, seen: Sequence[tuple[datetime, _Plain]], unit: str) -> KeySample:
    values = [value for _, value in seen if value is not None and value != ""]
    parsed = [_number(value) for value in values]
    numbers = tuple(number for number, _ in filter(None, parsed))
    written = {unit for _, unit in filter(None, parsed) if unit}
    words = dict.fromkeys(
        value for value, number in zip(values, parsed, strict=True) if isinstance(value, str) and number is None
    )
    return KeySample(
        path=path,
        type=_type(values, numbers),
        values=tuple(KeyValue(at, _shorten(value)) for at, value in seen[:VALUES_SHOWN]),
        messages=len(seen),
        low=min(numbers, default=None),
        high=max(numbers, default=None),
        numbers=numbers,
        words=tuple(word for word in words if len(word) <= TEXT_SHOWN)[:_WORDS_MAX],
        unit=next(iter(written)) if len(written) == 1 else "" if written else unit,
    )


def _number(value: _Plain) -> tuple[float, str] | None:
    """A number and the unit behind it; None for a text with something else behind its number, such as a time."""
    parsed = number_and_unit(value)
    is_text = isinstance(value, str) and parsed is not None and not parsed[1]
    return None if is_text and not _PLAIN_NUMBER.fullmatch(str(value).strip()) else parsed


def _type(values: Sequence[_Plain], numbers: Sequence[float]) -> KeyType:
    flags = sum(isinstance(value, bool) for value in values)
    if not values:
        return "empty"
    if len(numbers) == len(values):
        return "numeric"
    if flags == len(values):
        return "flag"
    return "mixed" if numbers or flags else "text"


def _shorten(value: _Plain) -> _Plain:
    if isinstance(value, str):
        return value if len(value) <= TEXT_SHOWN else f"{value[:TEXT_SHOWN]}..."
    if isinstance(value, int) and abs(value) > 1 << 53:
        return f"{float(value):.6g}" if value.bit_length() < 1_000 else "a number of hundreds of digits"  # noqa: PLR2004
    return value
