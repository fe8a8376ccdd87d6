"""Axis cameras' own events."""

from __future__ import annotations

from tests.support.decoding import decoded, device, events


def test_axis() -> None:
    camera = device("axis", "ACCC8E000001", "axis-camera")
    body = {
        "topic": "tnsaxis:CameraApplicationPlatform/ObjectAnalytics/Device1Scenario1",
        "timestamp": 1772366340000,
        "serial": "ACCC8E000001",
        "message": {"source": {}, "key": {}, "data": {"active": "1", "classTypes": "human"}},
    }
    found = decoded(camera, "axis/x/event/tns:axis/CameraApplicationPlatform/ObjectAnalytics", body)
    assert events(found) == [("object", "raised")]
