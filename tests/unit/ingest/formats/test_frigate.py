"""Frigate: objects, reviews, health, and nobody's name."""

from __future__ import annotations

import json
from datetime import timedelta

from ingest.decoding.decoder import Decoder
from ingest.messages import Arrival
from ingest.store.records import EventRecord, Reading, StatusRecord
from tests.support.decoding import NOW, city_of, decoded, device, events

CAM = device("frigate", "pasar", "frigate-camera")


def test_frigate_an_object_is_noted_when_it_comes_and_when_it_has_gone_and_nobody_is_named() -> None:
    after = {
        "id": "1.2-x",
        "camera": "pasar",
        "label": "person",
        "sub_label": ["John Smith", 0.8],
        "start_time": 1772366300.5,
        "end_time": None,
        "top_score": 0.958984,
        "entered_zones": ["tps"],
        "recognized_license_plate": "DH 1",
    }
    new = decoded(CAM, "frigate/events", {"type": "new", "before": {}, "after": after})
    update = decoded(CAM, "frigate/events", {"type": "update", "before": {}, "after": after})
    end = decoded(CAM, "frigate/events", {"type": "end", "before": {}, "after": {**after, "end_time": 1772366310.0}})
    (seen,), (again,), (gone,) = (
        [record for record in result.records if isinstance(record, EventRecord)] for result in (new, update, end)
    )
    assert (seen.origin.seq, seen.origin.epoch) == (again.origin.seq, again.origin.epoch)
    assert gone.detail == {
        "object": "1.2-x",
        "label": "person",
        "step": "gone",
        "score": 0.959,
        "zones": ["tps"],
        "seconds": 9.5,
    }
    assert "John" not in str(end.records) + str(new.records)
    assert "DH 1" not in str(end.records)


def test_frigate_health() -> None:
    two = city_of(CAM, device("frigate", "terminal", "frigate-camera", "other"))
    decoder = Decoder(two, late_after=timedelta(minutes=15))
    gone = decoder.decode(Arrival("frigate/available", b"offline", NOW)).records
    assert sorted(record.device for record in gone if isinstance(record, StatusRecord)) == ["it", "other"]
    stats = {"cameras": {"pasar": {"camera_fps": 5.1}, "terminal": {"camera_fps": 0.0}}, "service": {"uptime": 60}}
    found = decoder.decode(Arrival("frigate/stats", json.dumps(stats).encode(), NOW)).records
    assert {record.origin.device: record.values["fps"] for record in found if isinstance(record, Reading)} == {
        "it": 5.1,
        "other": 0.0,
    }
    (state,) = decoder.decode(Arrival("frigate/pasar/status/detect", b"offline", NOW)).records
    assert isinstance(state, StatusRecord)
    assert (state.device, state.state, state.reason) == ("it", "offline", "lost")
    assert [(record.device, record.state) for record in found if isinstance(record, StatusRecord)] == [
        ("other", "offline")
    ]
    (state,) = decoder.decode(Arrival("frigate/pasar/status/detect", b"disabled", NOW)).records
    assert isinstance(state, StatusRecord)
    assert (state.state, state.reason) == ("offline", "disabled")
    assert decoder.decode(Arrival("frigate/pasar/status/record", b"online", NOW)).ignored
    assert decoder.decode(Arrival("frigate/available", b"?", NOW)).rejected


def test_frigate_reviews_bracket_an_activity() -> None:
    after = {
        "id": "r",
        "camera": "pasar",
        "severity": "alert",
        "start_time": 1772366300.5,
        "end_time": 1772366330.5,
        "data": {"objects": ["car"], "zones": [], "sub_labels": ["Name"]},
    }
    found = [events(decoded(CAM, "frigate/reviews", {"type": step, "after": after})) for step in ("new", "end")]
    assert found == [[("activity", "raised")], [("activity", "cleared")]]
