"""Dragino distance sensors: fixed layouts, one per family; values are big-endian.

Port 2 carries measurements, port 3 measurements stored while offline, port 5 the device's status after a join.
The LDDS75 family: battery (mV), distance (mm), interrupt, DS18B20, sensor. Frames of eleven bytes, from later firmware
of DDS75-LB and DDS45-LB, have the probe first and a time at the end.
Source: the maker's user manuals, "Uplink Payload" and "Datalog", and its published decoders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from city.errors import PayloadError
from ingest.decoding.formats.port import DecodedFrame, FrameDecoder, FrameReading
from ingest.decoding.validation import EARLIEST

PORT: Final = 2
STORED_PORT: Final = 3
STATUS_PORT: Final = 5
_BATTERY_MASK: Final = 0x3FFF
_HAS_MORE: Final = 0x10
"""In the first byte: further distances of the same minute follow."""
_BATTERY_BEFORE_MORE: Final = 0x0FFF
_NO_SENSOR_MM: Final = 0
_INVALID_MM: Final = (20, 0x3FFF)
"""No echo: the first of ultrasonic sensors, the second of radars."""
_WARMEST_C: Final = 125.0
"""Upper limit of a DS18B20; a larger value is in hundredths of a degree, as DDS75-LB sends it."""
_NO_PROBE: Final = (0x7FFF, -1)
_NO_SIGNAL: Final = 0xFFFF
_WEAKEST: Final = 100
"""Below this signal strength a LiDAR's distance is not reliable."""
_UNSEEN: Final = "Invalid Reading"
_ABSENT: Final = "No Sensor"
_DDS: Final = 8
_DDS_WITH_TIME: Final = 11
_LDDS04: Final = 10
_LLDS12: Final = 11
_LMDS200: Final = 7
_DS20L: Final = 6
_STATUS: Final = 7
_STORED: Final = 11
"""Bytes of one stored measurement; the last four are its time."""
_TIME_AT: Final = 7
_Fields = dict[str, Any]


def decode_dds(port: int, data: bytes) -> DecodedFrame:
    """Ultrasonic sensors of the LDDS75 family, and the radar MDS120.

    Raises:
        PayloadError: Another port, or too short.
    """
    return _decode(port, data, _DDS, _dds, _dds_stored)


def decode_ldds04(port: int, data: bytes) -> DecodedFrame:
    """Four distances in tenths of a centimetre; three of those it had stored.

    Raises:
        PayloadError: Another port, too short, or an answer to a command.
    """
    return _decode(port, data, _LDDS04, _ldds04, _ldds04_stored)


def decode_llds12(port: int, data: bytes) -> DecodedFrame:
    """LiDARs: battery, DS18B20, distance in tenths of a centimetre, signal, interrupt, LiDAR's temperature, sort.

    Raises:
        PayloadError: Another port, too short, or an answer to a command.
    """
    return _decode(port, data, _LLDS12, _llds12, _llds12_stored)


def decode_lmds200(port: int, data: bytes) -> DecodedFrame:
    """Microwave radar: the nearest and the second target in mm.

    Raises:
        PayloadError: Another port, or too short.
    """
    return _decode(port, data, _LMDS200, _lmds200, _lmds200_stored)


def decode_ds20l(port: int, data: bytes) -> DecodedFrame:
    """A LiDAR for short ways: battery, mode and flags, distance in mm; in its counting mode there is no distance.

    Raises:
        PayloadError: Another port, or too short.
    """
    if port == STATUS_PORT and len(data) > _STATUS:
        return DecodedFrame((FrameReading({"BatV": _number(data, 6) / 1000}),))
    return _decode(port, data, _DS20L, _ds20l, None)


def _decode(
    port: int,
    data: bytes,
    length: int,
    measured: Callable[[bytes], FrameReading],
    stored: Callable[[bytes], _Fields] | None,
) -> DecodedFrame:
    if port == STATUS_PORT:
        _require(data, _STATUS)
        return DecodedFrame((FrameReading({"Bat": _number(data, 5) / 1000}),))
    if port == STORED_PORT and stored is not None:
        return _history(data, stored)
    if port != PORT:
        raise PayloadError(f"Dragino's distance sensors measure on port {PORT}, not {port}")
    _require(data, length)
    return DecodedFrame((measured(data),))


def _history(data: bytes, stored: Callable[[bytes], _Fields]) -> DecodedFrame:
    """Stored measurements with a valid time, newest first; the others stay undecoded."""
    _require(data, _STORED)
    entries: list[tuple[datetime, bytes]] = []
    rest = b""
    for start in range(0, len(data), _STORED):
        entry = data[start : start + _STORED]
        if len(entry) < _STORED or (at := _time(entry)) is None:
            rest += entry
        else:
            entries.append((at, entry))
    entries.sort(reverse=True)
    return DecodedFrame(tuple(FrameReading(stored(entry), at) for at, entry in entries), rest)


def _dds(data: bytes) -> FrameReading:
    if len(data) == _DDS_WITH_TIME:
        timed = {"Distance": _distance(data, 4), "Interrupt_flag": data[6], **_probe(data, 2)}
        return FrameReading({"Bat": _battery(data), **timed}, _time(data))
    return FrameReading(
        {
            "Bat": _battery(data, _BATTERY_BEFORE_MORE if data[0] & _HAS_MORE else _BATTERY_MASK),
            "Distance": _distance(data, 2) if data[7] else _ABSENT,
            "Interrupt_flag": data[4],
            **_probe(data, 5),
            "Sensor_flag": data[7],
        }
    )


def _dds_stored(entry: bytes) -> _Fields:
    return {"Distance": _distance(entry, 2), **_probe(entry, 4)}


def _ldds04(data: bytes) -> FrameReading:
    _refuse_answers(data)
    distances = {f"distance{number}_cm": _centimetres(data, number * 2) for number in range(1, 5)}
    return FrameReading({"BatV": _battery(data), **distances})


def _ldds04_stored(entry: bytes) -> _Fields:
    return {f"distance{number}_cm": _centimetres(entry, number * 2 - 1) for number in range(1, 4)}


def _llds12(data: bytes) -> FrameReading:
    _refuse_answers(data)
    return FrameReading(
        {
            "Bat": _battery(data),
            **_probe(data, 2),
            **_lidar(data, 4),
            "Lidar_temp": int.from_bytes(data[9:10], "big", signed=True),
        }
    )


def _llds12_stored(entry: bytes) -> _Fields:
    return {**_lidar(entry, 2), "Lidar_temp": int.from_bytes(entry[6:7], "big", signed=True)}


def _lidar(data: bytes, place: int) -> _Fields:
    """A LiDAR's distance and signal strength; the distance is invalid without enough signal."""
    strength = _number(data, place + 2)
    lit = _WEAKEST <= strength != _NO_SIGNAL
    return {"Lidar_distance": _number(data, place) / 10 if lit else _UNSEEN, "Lidar_signal": strength}


def _lmds200(data: bytes) -> FrameReading:
    targets = {"dis1": _number(data, 2), "dis2": _number(data, 4)}
    return FrameReading({"Bat": _battery(data), **targets, "Distance_alarm": data[6] >> 1 & 1})


def _lmds200_stored(entry: bytes) -> _Fields:
    return {"Bat": _battery(entry), "dis1": _number(entry, 2), "dis2": _number(entry, 4)}


def _ds20l(data: bytes) -> FrameReading:
    counts = data[2] >> 6 != 1 and data[2] >> 3 & 1
    return FrameReading({"BatV": _battery(data), **({} if counts else {"Distance_mm": _distance(data, 3)})})


def _require(data: bytes, length: int) -> None:
    if len(data) < length:
        raise PayloadError(f"{len(data)} bytes where {length} were expected")


def _refuse_answers(data: bytes) -> None:
    """Reject answers to commands, which share the port and differ in the first and last byte."""
    if data[0] == 0x03 and data[10:11] == b"\x02":  # noqa: PLR2004 - the maker's mark
        raise PayloadError("an answer to a command, no measurement")


def _number(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 2], "big")


def _battery(data: bytes, mask: int = _BATTERY_MASK) -> float:
    return (_number(data, 0) & mask) / 1000


def _distance(data: bytes, place: int) -> float | str:
    distance_mm = _number(data, place)
    if distance_mm == _NO_SENSOR_MM:
        return _ABSENT
    return _UNSEEN if distance_mm in _INVALID_MM else distance_mm


def _centimetres(data: bytes, place: int) -> float | str:
    raw = _number(data, place)
    return raw / 10 if raw else _ABSENT


def _probe(data: bytes, place: int) -> dict[str, float]:
    number = int.from_bytes(data[place : place + 2], "big", signed=True)
    if number in _NO_PROBE:
        return {}
    return {"TempC_DS18B20": number / 10 if abs(number) / 10 <= _WARMEST_C else number / 100}


def _time(entry: bytes) -> datetime | None:
    """Time of a measurement; None from a clock that was never set."""
    at = datetime.fromtimestamp(int.from_bytes(entry[_TIME_AT : _TIME_AT + 4], "big"), UTC)
    return at if at >= EARLIEST else None


DECODERS: Final[Mapping[str, FrameDecoder]] = {
    "dragino-dds": decode_dds,
    "dragino-ldds04": decode_ldds04,
    "dragino-llds12": decode_llds12,
    "dragino-lmds200": decode_lmds200,
    "dragino-ds20l": decode_ds20l,
}
"""Name in a profile's `frames` to decoder."""
