"""Event topics of cameras, and what they mean."""

from __future__ import annotations

import pytest

from ingest.decoding.formats.camera_topics import notification_event

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
