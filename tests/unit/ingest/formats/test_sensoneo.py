"""Sensoneo: what the maker's documents say is what comes out, and anything else is refused."""

from __future__ import annotations

import pytest

from city.errors import PayloadError
from ingest.decoding.formats.registry import decode_frame
from tests.support.decoding import frame_fields


def test_sensoneo_takes_the_median_of_what_was_seen() -> None:
    head = "FFFF2001" + "01020304"
    found = frame_fields("sensoneo-single-3", f"{head}0732FF00346E1E0005")
    assert (found["distance"], found["voltage"], found["temperature"]) == (100, 3600, 30)
    assert (found["fire"], found["tilt_event"], found["sonar1"]) == (True, True, "no echo")
    assert frame_fields("sensoneo-single-3", f"{head}01000000006EFE0005") | {"c_id": 0} == {
        "c_id": 0,
        "events": 1,
        "fire": False,
        "tilt_event": False,
        "distance": "no echo",
        **dict.fromkeys(("sonar0", "sonar1", "sonar2", "sonar3"), "no echo"),
        "voltage": 3600,
        "temperature": -2,
        "tilt": 0,
    }


@pytest.mark.parametrize(
    ("name", "frame_hex", "reason"),
    [
        ("sensoneo-single-3", "FFFF30010102030401323300006E1E0005", "no frame of a Sensoneo"),
    ],
)
def test_what_is_no_frame_is_refused_with_a_reason(name: str, frame_hex: str, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason):
        decode_frame(name, 2, bytes.fromhex(frame_hex))
