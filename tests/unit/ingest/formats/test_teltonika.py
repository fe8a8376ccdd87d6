"""Teltonika: AVL ids, records without satellites, events of one record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ingest.store.records import Reading
from tests.support.decoding import NOW, decoded, device, events, values

IMEI = "359632104100200"


def teltonika(**reported: Any) -> dict[str, Any]:
    return {"state": {"reported": {"ts": 1772366340000, "latlng": "-10.17,123.6", "sat": "7", **reported}}}


def test_teltonika_in_texts_and_numbers_with_inputs_by_profile() -> None:
    tracker = device("teltonika", IMEI, "teltonika-truck")
    reported = {"239": 1, "66": "11922", "16": 10876, "sp": "31", "ang": 90, "182": 9, "2": 1, "252": 0, "pr": 2}
    found = decoded(tracker, f"city/user/teltonika/{IMEI}/data", teltonika(**reported))
    assert values(found) == {
        "lat_deg": -10.17,
        "lon_deg": 123.6,
        "speed_kmh": 31.0,
        "heading_deg": 90.0,
        "hdop": 0.9,
        "satellites": 7,
        "ignition": True,
        "odometer_km": 10.876,
        "power_v": 11.922,
        "pto": True,
    }
    assert events(found) == [("power_cut", "cleared"), ("panic", "noted")]


def test_teltonika_without_satellites_has_no_position_and_a_clock_of_2004_is_not_believed() -> None:
    tracker = device("teltonika", IMEI, "teltonika-truck")
    found = decoded(tracker, f"{IMEI}/data", teltonika(ts=1072915236000, sat=0, sp=0, ang=0))
    (record,) = found.records
    assert isinstance(record, Reading)
    assert record.origin.quality == ("clock", "no_fix")
    assert (record.origin.measured_at, record.origin.device_at) == (NOW, datetime(2004, 1, 1, 0, 0, 36, tzinfo=UTC))
    assert record.values == {"satellites": 0}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"evt": 255, "255": 92}, [("overspeed", "noted")]),
        ({"evt": 240, "255": 92}, []),
        ({"evt": "236", "236": "1"}, [("panic", "noted")]),
        ({"evt": 236, "236": 0}, []),
    ],
)
def test_teltonika_what_made_a_record_is_an_event_of_it_alone(
    record: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    truck = device("teltonika", "860000000000001", "teltonika-truck")
    body = {"state": {"reported": {"ts": int(NOW.timestamp() * 1000), "latlng": "-10.1,123.5", "sat": 9, **record}}}
    assert events(decoded(truck, "860000000000001/data", body)) == expected


def test_teltonika_several_records_in_one_message() -> None:
    tracker = device("teltonika", IMEI, "teltonika-truck")
    both = {"state": {"reported": [{"ts": 1772366340000, "239": 1}, {"ts": 1772366350000, "239": 0}]}}
    found = decoded(tracker, f"{IMEI}/data", both)
    assert [record.values for record in found.records if isinstance(record, Reading)] == [
        {"ignition": True},
        {"ignition": False},
    ]
