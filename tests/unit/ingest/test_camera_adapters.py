"""Cameras' formats on messages that no sample has: Frigate, ONVIF bridges, Axis."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from ingest.decoding.adapters.camera_topics import notification_event
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
        [one for one in found.records if isinstance(one, EventRecord)] for found in (new, update, end)
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
    assert sorted(one.device for one in gone if isinstance(one, StatusRecord)) == ["it", "other"]
    stats = {"cameras": {"pasar": {"camera_fps": 5.1}, "terminal": {"camera_fps": 0.0}}, "service": {"uptime": 60}}
    found = decoder.decode(Arrival("frigate/stats", json.dumps(stats).encode(), NOW)).records
    assert {one.origin.device: one.values["fps"] for one in found if isinstance(one, Reading)} == {
        "it": 5.1,
        "other": 0.0,
    }
    (state,) = decoder.decode(Arrival("frigate/pasar/status/detect", b"offline", NOW)).records
    assert isinstance(state, StatusRecord)
    assert (state.device, state.state, state.reason) == ("it", "offline", "lost")
    assert [(one.device, one.state) for one in found if isinstance(one, StatusRecord)] == [("other", "offline")]
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


@pytest.mark.parametrize(
    ("topic", "payload", "expected"),
    [
        ("onvif2mqtt/pasar/motion", b"on", [("motion", "raised")]),
        ("onvif2mqtt/pasar/motion/", b"off", [("motion", "cleared")]),
        ("onvif2mqtt/camera/pasar/event/TamperDetector", b"true", [("tamper", "raised")]),
        (
            "onvif/pasar/event",
            {"topic": "tns1:VideoSource/GlobalSceneChange", "data": {"State": "1"}},
            [("moved", "raised")],
        ),
        ("onvif/pasar", {"topic": "tns1:VideoSource/SignalLoss", "data": {"State": "false"}}, [("blind", "cleared")]),
        (
            "onvif/pasar/event",
            {"topic": "tns1:Device/HardwareFailure", "data": {"Failed": "true"}},
            [],
        ),
        ("onvif/pasar/event", {"eventType": "motion", "state": "on"}, [("motion", "raised")]),
    ],
)
def test_onvif_bridges(topic: str, payload: Any, expected: list[tuple[str, str]]) -> None:
    assert events(decoded(device("onvif", "pasar", "onvif-camera"), topic, payload)) == expected


def test_onvif_a_repeated_state_without_a_time_is_no_news_and_what_is_none_is_dead() -> None:
    one = device("onvif", "pasar", "onvif-camera")
    assert decoded(one, "onvif2mqtt/pasar/motion", b"on", retained=True).ignored
    assert decoded(one, "onvif2mqtt/pasar/motion", b"perhaps").rejected
    assert decoded(one, "onvif/pasar/event", {"op": "Changed"}).rejected[0].reason.startswith("a notification without")
    (record,) = decoded(one, "onvif2mqtt/status", b"offline").records
    assert isinstance(record, StatusRecord)


RULE = "tns1:RuleEngine/"
APPLICATION = "axis:CameraApplicationPlatform/ObjectAnalytics/Device1Scenario1"


@pytest.mark.parametrize(
    ("topic", "data", "expected"),
    [
        (f"{RULE}FieldDetector/ObjectsInside", {"IsInside": "false", "ObjectId": "1"}, ("intrusion", "cleared")),
        (f"{RULE}FieldDetector/ObjectsInside", {"IsInside": "true"}, ("intrusion", "raised")),
        (f"{RULE}LineDetector/Crossed", {"ObjectId": "1"}, ("line_crossed", "noted")),
        (APPLICATION, {"classTypes": "human", "active": "0"}, ("object", "cleared")),
        (APPLICATION, {"classTypes": "", "active": "1"}, ("object", "raised")),
        ("tns1:OpenApp/WiseAI/ObjectDetection", {"ClassTypes": "Person", "State": "false"}, ("object", "cleared")),
        ("tnsaxis:Device/tnsaxis:Sensor/PIR", {"state": "1"}, ("motion", "raised")),
        ("tnsaxis:Device/tnsaxis:Casing/Open", {"Open": "1"}, ("tamper", "raised")),
        (f"{RULE}MyRule/Package", {"State": "true"}, ("activity", "noted")),
        (f"{RULE}CellMotionDetector/Motion", {}, None),
        (f"{RULE}CountAggregation/Counter", {"Count": "1"}, None),
        ("tns1:Monitoring/ProcessorUsage", {"Value": "1"}, None),
        ("tns1:Monitoring/OperatingTime/LastReboot", {"Status": "2026-03-01T11:59:40Z"}, None),
        ("tns1:Media/ProfileChanged", {"ProfileToken": "p"}, None),
        ("tns1:RecordingConfig/JobState", {"State": "Active"}, None),
        ("tns1:Device/HardwareFailure/StorageFailure", {"Failed": "true"}, None),
        ("tns1:Device/Trigger/Relay", {"LogicalState": "active"}, None),
        ("axis:IO/Port", {"port": "1", "state": "0"}, None),
        ("tns1:VideoSource/DayNightVision", {"day": "1"}, None),
    ],
)
def test_what_cameras_tell_of_what_they_see_and_of_themselves(
    topic: str, data: dict[str, str], expected: tuple[str, str] | None
) -> None:
    found = notification_event(topic, data)
    assert (found and (found.type, found.state)) == expected


ENDED = {"UtcTime": "2026-03-01T11:59:40Z", "PropertyOperation": "Changed"}
ENDING = [
    {
        "Topic": {"_value_1": "tns1:RuleEngine/CellMotionDetector/Motion"},
        "Message": {"_value_1": {**ENDED, "Data": {"SimpleItem": {"Name": "IsMotion", "Value": "false"}}}},
    },
    {
        "Topic": {"_value_1": "tns1:RuleEngine/CellMotionDetector/Motion"},
        "Message": {"_value_1": {**ENDED, "Data": {"SimpleItem": [{"@Name": "IsMotion", "@Value": "false"}]}}},
    },
    {
        "topic": {"_": "tns1:RuleEngine/CellMotionDetector/Motion"},
        "message": {
            "message": {"$": ENDED, "data": {"simpleItem": {"$": {"Name": "IsMotion", "Value": False}}}},
        },
    },
    {"topic": "tns1:RuleEngine/CellMotionDetector/Motion", "op": "Deleted", "data": {"IsMotion": "true"}},
    {"source": "x", "type": "Motion", "state": False, "timestamp": "2026-03-01T11:59:40Z"},
]


@pytest.mark.parametrize("body", ENDING)
def test_the_end_of_motion_is_its_end_whoever_parsed_it(body: dict[str, Any]) -> None:
    one = device("onvif", "pasar", "onvif-camera")
    assert events(decoded(one, "onvif/pasar/event", body)) == [("motion", "cleared")]
    assert events(decoded(one, "onvif2mqtt/camera/pasar/event", body)) == [("motion", "cleared")]


def test_bridges_say_which_camera_is_gone() -> None:
    one = device("onvif", "pasar", "onvif-camera")
    for topic, word, state in (
        ("onvif2mqtt/camera/pasar/status", b"offline", "offline"),
        ("onvif2mqtt/camera/pasar/status", b"online", "online"),
        ("onvif2mqtt/status", b"OFF", "offline"),
        ("onvif2mqtt/status", b"ON", "online"),
    ):
        (record,) = decoded(one, topic, word).records
        assert isinstance(record, StatusRecord)
        assert record.state == state


NAMED = [
    (
        "frigate/events",
        {
            "type": "new",
            "before": {"sub_label": "John Smith"},
            "after": {
                "id": "1.1-a",
                "camera": "pasar",
                "label": "car",
                "sub_label": ["John Smith", 0.9],
                "recognized_license_plate": "DH1234AB",
                "start_time": 1772366380.1,
                "false_positive": False,
            },
        },
    ),
    (
        "frigate/reviews",
        {
            "type": "end",
            "after": {
                "id": "2.1-a",
                "camera": "pasar",
                "severity": "alert",
                "start_time": 1772366300.1,
                "end_time": 1772366310.1,
                "data": {"objects": ["person"], "sub_labels": ["John Smith"], "zones": ["gate"]},
            },
        },
    ),
    (
        "onvif/pasar/event",
        {"topic": f"{RULE}ObjectDetection/X", "data": {"LicensePlateInfo": "DH1234AB", "FaceName": "John"}},
    ),
    (
        "axis/pasar/event/x",
        {
            "topic": "axis:CameraApplicationPlatform/ALPV.AllPlates",
            "message": {"data": {"text": "DH1234AB", "state": "1"}},
        },
    ),
]


@pytest.mark.parametrize(("topic", "body"), NAMED, ids=[topic for topic, _ in NAMED])
def test_who_was_recognised_is_nowhere_and_what_waits_tells_the_same(topic: str, body: dict[str, Any]) -> None:
    adapter = topic.partition("/")[0]
    one = device(adapter, "pasar", f"{adapter}-camera")
    nobody = device(adapter, "elsewhere", f"{adapter}-camera")
    (unknown,) = decoded(nobody, topic, body).unknown_devices
    assert events(decoded(one, topic, unknown.raw)) == events(decoded(one, topic, body))
    cut = json.dumps(body).encode()[:-3]
    (letter,) = decoded(nobody, topic, cut).rejected
    for kept in (unknown.raw, letter.raw):
        assert b"John" not in kept
        assert b"DH1234AB" not in kept


def test_axis() -> None:
    one = device("axis", "ACCC8E000001", "axis-camera")
    body = {
        "topic": "tnsaxis:CameraApplicationPlatform/ObjectAnalytics/Device1Scenario1",
        "timestamp": 1772366340000,
        "serial": "ACCC8E000001",
        "message": {"source": {}, "key": {}, "data": {"active": "1", "classTypes": "human"}},
    }
    found = decoded(one, "axis/x/event/tns:axis/CameraApplicationPlatform/ObjectAnalytics", body)
    assert events(found) == [("object", "raised")]
