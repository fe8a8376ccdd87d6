"""Decentlab: protocol version 2, device id, flags, and 16-bit words of each sensor whose flag is set; big-endian.

Source: the maker's decoder documents of DL-MBX, DL-LID and DL-CWS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from city.errors import PayloadError
from ingest.decoding.formats.port import DecodedFrame, FrameDecoder, FrameReading

VERSION: Final = 2
_HEAD: Final = 5
_BATTERY: Final = ("battery_voltage",)
_MBX: Final = (("distance", "number_of_valid_samples"), _BATTERY)
_LID: Final = (
    (
        *("distance_average", "distance_minimum", "distance_maximum", "distance_median"),
        *("distance_10th_percentile", "distance_25th_percentile", "distance_75th_percentile"),
        *("distance_90th_percentile", "distance_most_frequent_value", "number_of_samples", "total_acquisition_time"),
    ),
    _BATTERY,
)


def decode_mbx(port: int, data: bytes) -> DecodedFrame:
    """DL-MBX, ultrasonic; the distance is absent where no sample was valid.

    Raises:
        PayloadError: No frame of this maker, or cut off.
    """
    del port
    fields = _words(data, _MBX)
    if fields.get("number_of_valid_samples") == 0:
        fields["distance"] = "no valid sample"
    return DecodedFrame((FrameReading(fields),))


def decode_lid(port: int, data: bytes) -> DecodedFrame:
    """DL-LID, laser; statistics of many samples.

    Raises:
        PayloadError: No frame of this maker, or cut off.
    """
    del port
    return DecodedFrame((FrameReading(_words(data, _LID)),))


def _words(data: bytes, sensors: Sequence[Sequence[str]]) -> dict[str, Any]:
    if len(data) < _HEAD or data[0] != VERSION:
        raise PayloadError(f"not Decentlab's protocol version {VERSION}: {data[:1].hex() or 'empty'}")
    flags = int.from_bytes(data[3:5], "big")
    fields: dict[str, Any] = {"device_id": int.from_bytes(data[1:3], "big")}
    place = _HEAD
    for bit, names in enumerate(sensors):
        if not flags >> bit & 1:
            continue
        for name in names:
            if place + 2 > len(data):
                raise PayloadError(f"cut off after {len(data)} bytes, in sensor {bit}")
            fields[name] = int.from_bytes(data[place : place + 2], "big")
            place += 2
    if "battery_voltage" in fields:
        fields["battery_voltage"] /= 1000
    return fields


DECODERS: Final[Mapping[str, FrameDecoder]] = {"decentlab-dl-mbx": decode_mbx, "decentlab-dl-lid": decode_lid}
"""Name in a profile's `frames` to decoder."""
