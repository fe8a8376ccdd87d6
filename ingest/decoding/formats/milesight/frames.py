"""Milesight: sequences of channel, type and value; NB-IoT devices wrap them in a frame with identities.

Channels from 0x80 on carry the same measurement followed by an alarm. Values are little-endian. Answers to commands
have channels of their own and no measurements.
Source: the maker's user guides of EM310, EM400, EM410, EM500 and WS201, "Device Payload".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from city.errors import PayloadError
from ingest.decoding.formats.port import DecodedFrame, FrameDecoder, FrameReading

ALARM: Final = 0x80
_SYSTEM: Final = 0xFF
_ANSWER: Final = 0xFE
_EXCEPTION: Final = 0xB4
"""Channel of an invalid distance: too near, no target, or a fault."""
_SYSTEM_LENGTHS: Final = {
    **dict.fromkeys((0x01, 0x0B, 0x0F, 0x28, 0xFE), 1),
    **dict.fromkeys((0x09, 0x0A, 0xFF), 2),
    0x08: 6,
    0x16: 8,
}
"""Type to length of the values that a device sends when it joins: versions, serial number, class, restart."""
_ANSWER_LENGTHS: Final = {
    **dict.fromkeys((0x10, 0x13, 0x27, 0x28, 0x2A, 0x3B, 0x3E, 0x4A, 0x56, 0x68, 0x69, 0x71, 0x84, 0xA1), 1),
    **dict.fromkeys((0xA3, 0xA4, 0xA5, 0xA6, 0xF5), 1),
    **dict.fromkeys((0x02, 0x03, 0x17, 0x1C, 0x70, 0x76, 0x77, 0xA2, 0xBD, 0xF2), 2),
    **dict.fromkeys((0x6A, 0x8E, 0xAB), 3),
    **dict.fromkeys((0x11, 0xF1), 4),
    0x1B: 5,
    0x75: 6,
    0x35: 8,
    0x96: 8,
    0x06: 9,
}
"""Type to length of answers that repeat a setting."""
_SIZES: Final = {0x75: 1, 0x67: 2, 0x82: 2, 0x00: 1, 0xC7: 2, 0xD6: 1, 0x68: 1, 0x88: 9}
_MUTATION: Final = (0x94, 0x82)
_MUTATION_IN_TENTHS: Final = (0x83, 0xE9)
"""The same of EM500-UDL, in tenths."""
_DISASSEMBLED: Final = (0x88, 0x00)
_OWN_SIZES: Final = {_MUTATION: 5, _MUTATION_IN_TENTHS: 5, _DISASSEMBLED: 1}
"""Lengths that differ from those of the type."""
_OF_ONE_BYTE: Final = {0x75: ("battery", 1), 0xD6: ("remaining", 1), 0x68: ("humidity", 0.5)}
_HISTORY: Final = (0x20, 0xCE)
_HISTORY_LENGTHS: Final = (6, 11)
"""Time and distance; radar sensors append temperature, change and event."""
_ALARMS: Final = {0: "threshold_release", 1: "threshold_alarm", 2: "mutation_alarm", 0x11: "threshold_mutation_alarm"}
_POSITIONS: Final = {0: "normal", 1: "tilt"}
_FAULTS: Final = {0xFFFD, 0xFFFE, 0xFFFF}
"""Distances that mean that the sensor could not measure (out of range, switched off, broken)."""
_NO_TEMPERATURE: Final = {0xFFFE, 0xFFFF}
"""Sentinels of a stored temperature."""
_NORTHERNMOST: Final = 90.0
_NBIOT_START: Final = 0x02
_NBIOT_HEAD: Final = 86


def decode(port: int, data: bytes) -> DecodedFrame:
    """A frame of an EM or WS device, on whatever port: 85 is the standard and can be set.

    Raises:
        PayloadError: No frame of this maker.
    """
    del port
    if identity(data):
        return _nbiot(data)
    return _channels(data)


def identity(data: bytes) -> tuple[str, str] | None:
    """Serial number and IMEI of an NB-IoT frame; None for any other."""
    if len(data) <= _NBIOT_HEAD or data[0] != _NBIOT_START or int.from_bytes(data[3:5], "big") != len(data) - 5:
        return None
    return data[17:33].decode("ascii", "replace"), data[33:48].decode("ascii", "replace")


def _nbiot(data: bytes) -> DecodedFrame:
    """Start, id, length, flag, count, protocol, two versions, serial, IMEI, IMSI, ICCID, CSQ, length, channels."""
    length = int.from_bytes(data[84:86], "big")
    body = data[86 : 86 + length]
    if len(body) != length or not body:
        raise PayloadError("an NB-IoT frame that is cut off")
    newest = _newest_group(body)
    frame = _channels(body[newest:])
    return DecodedFrame(frame.readings, body[:newest] + frame.rest)


def _newest_group(data: bytes) -> int:
    """Offset of the last measurement: several in one frame have no times, and each starts with a lower channel."""
    begin, last = 0, 0
    for place, channel, _, _ in _walk(data):
        if channel not in (_SYSTEM, _ANSWER, _HISTORY[0]):
            if channel & 0x0F <= last:
                begin = place
            last = channel & 0x0F
    return begin


def _channels(data: bytes) -> DecodedFrame:
    fields: dict[str, Any] = {}
    stored: list[FrameReading] = []
    end = 0
    for place, channel, type_, value in _walk(data):
        if (channel, type_) == _HISTORY:
            stored.append(_history_reading(value))
        elif channel not in (_SYSTEM, _ANSWER):
            fields.update(_decode_value(channel, type_, value))
        end = place + 2 + len(value)
    rest = data[end:]
    if not fields and not stored and rest == data:
        raise PayloadError(f"no channel of a Milesight device: {data[:8].hex()}")
    now = (FrameReading(fields),) if fields or not stored else ()
    return DecodedFrame((*now, *reversed(stored)), rest)


def _walk(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Offset, channel, type and value of each element; stops at an unknown or truncated one."""
    place = 0
    while place + 2 <= len(data):
        channel, type_ = data[place], data[place + 1]
        size = _size(channel, type_, data[place:])
        value = data[place + 2 : place + 2 + size]
        if size == 0 or len(value) < size:
            return
        yield place, channel, type_, value
        place += 2 + size


def _size(channel: int, type_: int, ahead: bytes) -> int:
    """Length of a value in bytes; 0 when it is unknown."""
    if channel == _SYSTEM:
        return _SYSTEM_LENGTHS.get(type_, 0)
    if channel == _ANSWER:
        return _ANSWER_LENGTHS.get(type_, 0)
    if (channel, type_) == _HISTORY:
        return next((length for length in _HISTORY_LENGTHS if _is_history(ahead, length + 2)), 0)
    if (channel, type_) in _OWN_SIZES:
        return _OWN_SIZES[channel, type_]
    return _SIZES[type_] + (channel >= ALARM) if type_ in _SIZES else 0


def _is_history(ahead: bytes, step: int) -> bool:
    """Whether everything from here on is stored measurements of this length."""
    return len(ahead) % step == 0 and all(ahead[at : at + 2] == bytes(_HISTORY) for at in range(0, len(ahead), step))


def _decode_value(channel: int, type_: int, value: bytes) -> dict[str, Any]:
    if type_ == 0x88:  # noqa: PLR2004 - the type of a position
        return _place(value)
    if type_ == 0x00:
        disassembled = (channel, type_) == _DISASSEMBLED
        return {"disassembly_alarm": value[0]} if disassembled else {"position": _POSITIONS.get(value[0], value[0])}
    if (channel, type_) == _MUTATION_IN_TENTHS:
        distance = int.from_bytes(value[:2], "little")
        return {"distance": distance / 10, "distance_alarm": _ALARMS.get(value[4], value[4])}
    if type_ in _OF_ONE_BYTE:
        name, scale = _OF_ONE_BYTE[type_]
        return {name: value[0] * scale}
    name, number = _number(type_, value[:2])
    values = {name: number}
    if channel == _EXCEPTION:
        return {"distance": number if value[2] == 0 else "sensor exception", "distance_exception": value[2]}
    if channel >= ALARM:
        values[f"{name}_alarm"] = _ALARMS.get(value[-1], value[-1])
    return values


def _place(value: bytes) -> dict[str, Any]:
    """Latitude and longitude; two models document them swapped, which is detectable east of 90°."""
    lat, lon = (int.from_bytes(value[at : at + 4], "little", signed=True) / 1e6 for at in (0, 4))
    if abs(lat) > _NORTHERNMOST:
        lat, lon = lon, lat
    return {"latitude": lat, "longitude": lon, "motion_status": value[8] & 0x0F}


def _number(type_: int, value: bytes) -> tuple[str, float | str]:
    if type_ == 0x67:  # noqa: PLR2004 - the type of a temperature
        return "temperature", int.from_bytes(value, "little", signed=True) / 10
    if type_ == 0xC7:  # noqa: PLR2004 - the type of a signal
        return "radar_signal_rssi", int.from_bytes(value, "little", signed=True) / 100
    distance = int.from_bytes(value, "little")
    return "distance", "sensor fault" if distance in _FAULTS else distance


def _history_reading(value: bytes) -> FrameReading:
    at = datetime.fromtimestamp(int.from_bytes(value[:4], "little"), UTC)
    fields: dict[str, Any] = {"distance": _number(0x82, value[4:6])[1]}
    if len(value) > _HISTORY_LENGTHS[0] and int.from_bytes(value[6:8], "little") not in _NO_TEMPERATURE:
        fields["temperature"] = int.from_bytes(value[6:8], "little", signed=True) / 10
    return FrameReading(fields, at)


DECODERS: Final[Mapping[str, FrameDecoder]] = {"milesight": decode}
"""Name in a profile's `frames` to decoder."""
