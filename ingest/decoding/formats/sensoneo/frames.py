"""Sensoneo single sensor 3.0: 17 bytes with up to four sonars, over LoRaWAN and NB-IoT; values are little-endian.

Source: Sensoneo, "Single sensor 3.0, Payload description for LoRa and NB-IoT".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from city.errors import PayloadError
from ingest.decoding.formats.port import DecodedFrame, FrameDecoder, FrameReading

LENGTH: Final = 17
_HEAD: Final = b"\xff\xff"
_SINGLE_SENSOR: Final = 2
_NO_ECHO: Final = (0, 255)
FIRE: Final = 0x02
TILT: Final = 0x04


def decode(port: int, data: bytes) -> DecodedFrame:
    """One measurement; `distance` is the median of the sonars with an echo.

    Raises:
        PayloadError: No frame of a single sensor.
    """
    del port
    if len(data) != LENGTH or not data.startswith(_HEAD) or data[2] >> 4 != _SINGLE_SENSOR:
        raise PayloadError(f"no frame of a Sensoneo single sensor: {len(data)} bytes, {data[:3].hex()}")
    sonars = {f"sonar{number}": _echo(data[9 + number]) for number in range(4)}
    seen = sorted(distance for distance in sonars.values() if isinstance(distance, int))
    fields: dict[str, Any] = {
        "c_id": int.from_bytes(data[4:8], "little"),
        "events": data[8],
        "fire": bool(data[8] & FIRE),
        "tilt_event": bool(data[8] & TILT),
        **sonars,
        # Of an even number the nearer of the middle two: rather too full than too empty.
        "distance": seen[(len(seen) - 1) // 2] if seen else "no echo",
        "voltage": 2500 + data[13] * 10,
        "temperature": int.from_bytes(data[14:15], "little", signed=True),
        "tilt": data[15],
    }
    return DecodedFrame((FrameReading(fields),))


def _echo(raw: int) -> int | str:
    """Distance in centimetres."""
    return "no echo" if raw in _NO_ECHO else raw * 2


DECODERS: Final[Mapping[str, FrameDecoder]] = {"sensoneo-single-3": decode}
"""Name in a profile's `frames` to decoder."""
