"""Dragino distance sensors: fixed layouts on port 2, one for each family; values are big-endian.

LDDS75, LDDS45, LDDS20 and their DDS..-LB successors: battery (14 bits, mV), distance (mm), interrupt, DS18B20, sensor.
Source: the maker's user manuals, "Uplink Payload", and its published decoders.
"""

from __future__ import annotations

from typing import Any, Final

from broker.contract.errors import PayloadError
from ingest.frames.port import DecodedFrame, FrameReading

PORT: Final = 2
STATUS_PORT: Final = 5
_BATTERY_MASK: Final = 0x3FFF
_NO_SENSOR_MM: Final = 0
_INVALID_MM: Final = 20
_WARMEST_C: Final = 125.0
"""A DS18B20 measures no more; what seems warmer counts hundredths and not tenths of a degree, as DDS75-LB does."""
_NO_PROBE: Final = (0x7FFF, -1)
_NO_SIGNAL: Final = 0xFFFF
_WEAKEST: Final = 100
"""A LiDAR's distance is not reliable when less light comes back."""
_UNSEEN: Final = "Invalid Reading"
_ABSENT: Final = "No Sensor"
_DDS: Final = 8
_LDDS04: Final = 11
_LMDS200: Final = 7


def decode_dds(port: int, data: bytes) -> DecodedFrame:
    """Ultrasonic sensors of the LDDS75 family.

    Raises:
        PayloadError: Another port, or too short.
    """
    if port == STATUS_PORT:
        return _status(data)
    _require(port, data, _DDS)
    fields: dict[str, Any] = {
        "Bat": _battery(data),
        "Distance": _distance(data[2:4]) if data[7] else _ABSENT,
        "Interrupt_flag": data[4],
        **_probe(data[5:7]),
        "Sensor_flag": data[7],
    }
    return DecodedFrame((FrameReading(fields),))


def decode_ldds04(port: int, data: bytes) -> DecodedFrame:
    """Four distances in tenths of a centimetre.

    Raises:
        PayloadError: Another port, or too short.
    """
    _require(port, data, _LDDS04 - 1)
    fields: dict[str, Any] = {"BatV": _battery(data)}
    for number in range(1, 5):
        raw = int.from_bytes(data[number * 2 : number * 2 + 2], "big")
        fields[f"distance{number}_cm"] = raw / 10 if raw else _ABSENT
    return DecodedFrame((FrameReading(fields),))


def decode_llds12(port: int, data: bytes) -> DecodedFrame:
    """LiDAR: battery, DS18B20, distance in tenths of a centimetre, signal, interrupt, LiDAR's temperature, sort.

    Raises:
        PayloadError: Another port, or too short.
    """
    _require(port, data, 11)
    strength = int.from_bytes(data[6:8], "big")
    fields: dict[str, Any] = {
        "Bat": _battery(data),
        **_probe(data[2:4]),
        "Lidar_distance": int.from_bytes(data[4:6], "big") / 10 if _WEAKEST <= strength != _NO_SIGNAL else _UNSEEN,
        "Lidar_signal": strength,
        "Lidar_temp": int.from_bytes(data[9:10], "big", signed=True),
    }
    return DecodedFrame((FrameReading(fields),))


def decode_lmds200(port: int, data: bytes) -> DecodedFrame:
    """Microwave radar: the nearest and the second target in mm.

    Raises:
        PayloadError: Another port, or too short.
    """
    _require(port, data, _LMDS200)
    fields = {
        "Bat": _battery(data),
        "dis1": int.from_bytes(data[2:4], "big"),
        "dis2": int.from_bytes(data[4:6], "big"),
        "Distance_alarm": data[6] >> 1 & 1,
    }
    return DecodedFrame((FrameReading(fields),))


def _require(port: int, data: bytes, length: int) -> None:
    if port != PORT:
        raise PayloadError(f"Dragino's distance sensors measure on port {PORT}, not {port}")
    if len(data) < length:
        raise PayloadError(f"{len(data)} bytes where {length} were expected")


def _battery(data: bytes) -> float:
    return (int.from_bytes(data[:2], "big") & _BATTERY_MASK) / 1000


def _distance(raw: bytes) -> float | str:
    distance_mm = int.from_bytes(raw, "big")
    if distance_mm == _NO_SENSOR_MM:
        return _ABSENT
    return _UNSEEN if distance_mm == _INVALID_MM else distance_mm


def _probe(raw: bytes) -> dict[str, float]:
    number = int.from_bytes(raw, "big", signed=True)
    if number in _NO_PROBE:
        return {}
    return {"TempC_DS18B20": number / 10 if abs(number) / 10 <= _WARMEST_C else number / 100}


def _status(data: bytes) -> DecodedFrame:
    """What it says of itself after joining: model, firmware, band, battery."""
    if len(data) < 7:  # noqa: PLR2004 - bytes
        raise PayloadError(f"{len(data)} bytes where 7 were expected")
    return DecodedFrame((FrameReading({"Bat": int.from_bytes(data[5:7], "big") / 1000}),))
