"""FIWARE IoT Agent JSON: topics, wrapped values, times."""

from __future__ import annotations

from datetime import timedelta

from ingest.store.records import Reading
from tests.support.decoding import NOW, decoded, device, values


def test_fiware_by_short_keys_in_every_topic_form() -> None:
    sensor = device("fiware", "key1/bin7", "sensoneo-short")
    for topic in ("/key1/bin7/attrs", "/json/key1/bin7/attrs"):
        assert values(decoded(sensor, topic, {"f": 85, "t": 31})) == {
            "distance_mm": 850.0,
            "fill_pct": 53.57,
            "temperature_c": 31.0,
        }
    assert values(decoded(sensor, "/key1/bin7/attrs/t", b"29.5")) == {"temperature_c": 29.5}
    assert len(decoded(sensor, "/key1/bin7/attrs", [{"f": 85}, {"f": 86}]).records) == 2
    timed = decoded(sensor, "/key1/bin7/attrs", {"f": 85, "TimeInstant": "2026-03-01T11:00:00Z"}).records[0]
    assert isinstance(timed, Reading)
    assert timed.origin.measured_at == NOW - timedelta(hours=1)


def test_fiware_values_in_every_dress() -> None:
    sensor = device("fiware", "k/d", "sensoneo-short")
    several = [{"timestamp": f"2026-03-01T11:5{n}:00Z", "value": 44 + n} for n in range(2)]
    found = decoded(sensor, "/k/d/attrs/f", several).records
    told = [(r.values["distance_mm"], r.origin.measured_at.minute) for r in found if isinstance(r, Reading)]
    assert told == [(440.0, 50), (450.0, 51)]
    wrapped = {
        "id": "e",
        "f": {"type": "Number", "value": 57},
        "TimeInstant": {"type": "DateTime", "value": "2026-03-01T11:59:40"},
    }
    for topic in ("/json/k/d/attrs", "json/k/d/attrs"):
        (reading,) = decoded(sensor, topic, wrapped).records
        assert isinstance(reading, Reading)
        assert reading.values["distance_mm"] == 570.0
        assert reading.origin.measured_at == NOW - timedelta(seconds=20), "without a zone it is UTC"
