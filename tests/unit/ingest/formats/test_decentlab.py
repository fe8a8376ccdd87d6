"""Decentlab: what the maker's documents say is what comes out, and anything else is refused."""

from __future__ import annotations

import pytest

from city.errors import PayloadError
from ingest.decoding.formats.registry import decode_frame
from tests.support.decoding import frame_fields


def test_decentlab_flags_say_what_is_there() -> None:
    assert frame_fields("decentlab-dl-mbx", "02012F00020BB1", 1) == {"device_id": 303, "battery_voltage": 2.993}
    assert frame_fields("decentlab-dl-mbx", "02012F000304D200000BB1", 1)["distance"] == "no valid sample"
    lidar = frame_fields("decentlab-dl-lid", "0211C90003" + "".join(f"{n:04x}" for n in range(100, 111)) + "0B96", 1)
    assert (lidar["distance_median"], lidar["number_of_samples"], lidar["battery_voltage"]) == (103, 109, 2.966)


@pytest.mark.parametrize(
    ("name", "frame_hex", "reason"),
    [
        ("decentlab-dl-mbx", "01012F00020BB1", "protocol version 2: 01"),
        ("decentlab-dl-mbx", "02012F000304D2", "cut off after 7 bytes, in sensor 0"),
    ],
)
def test_what_is_no_frame_is_refused_with_a_reason(name: str, frame_hex: str, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason):
        decode_frame(name, 2, bytes.fromhex(frame_hex))
