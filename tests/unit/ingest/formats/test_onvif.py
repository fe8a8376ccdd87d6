"""ONVIF bridges: notifications in every dress."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.decoding.formats.registry import level_events
from ingest.pipeline.stateful_rules import StatefulRules
from ingest.store.memory import MemoryStore
from ingest.store.records import EventRecord, StatusRecord
from tests.support.decoding import BASE, NOW, decoded, device, events


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
    camera = device("onvif", "pasar", "onvif-camera")
    assert decoded(camera, "onvif2mqtt/pasar/motion", b"on", retained=True).ignored
    assert decoded(camera, "onvif2mqtt/pasar/motion", b"perhaps").rejected
    assert (
        decoded(camera, "onvif/pasar/event", {"op": "Changed"}).rejected[0].reason.startswith("a notification without")
    )
    (record,) = decoded(camera, "onvif2mqtt/status", b"offline").records
    assert isinstance(record, StatusRecord)


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
    camera = device("onvif", "pasar", "onvif-camera")
    assert events(decoded(camera, "onvif/pasar/event", body)) == [("motion", "cleared")]
    assert events(decoded(camera, "onvif2mqtt/camera/pasar/event", body)) == [("motion", "cleared")]


def test_bridges_say_which_camera_is_gone() -> None:
    camera = device("onvif", "pasar", "onvif-camera")
    for topic, word, state in (
        ("onvif2mqtt/camera/pasar/status", b"offline", "offline"),
        ("onvif2mqtt/camera/pasar/status", b"online", "online"),
        ("onvif2mqtt/status", b"OFF", "offline"),
        ("onvif2mqtt/status", b"ON", "online"),
    ):
        (record,) = decoded(camera, topic, word).records
        assert isinstance(record, StatusRecord)
        assert record.state == state


@pytest.mark.parametrize("subject", ["VideoSource/SignalLoss", "VideoSource/GlobalSceneChange"])
def test_a_condition_that_ends_after_a_restart_of_ingest_has_ended(subject: str) -> None:
    """Its beginning is read from the store, or its end would change nothing."""
    camera, store = device("onvif", "pasar", "onvif-camera"), MemoryStore()
    raised, cleared = (
        decoded(camera, "onvif/pasar", {"topic": f"tns1:{subject}", "utc": utc, "data": {"State": state}}).records
        for utc, state in (("2026-03-01T11:58:00Z", "true"), ("2026-03-01T11:59:00Z", "false"))
    )
    store.write(raised, ())
    restarted = StatefulRules(store, lambda: NOW, level_events(BASE.profiles.values()))
    assert [record for record in restarted.apply(cleared) if isinstance(record, EventRecord)] == [
        record for record in cleared if isinstance(record, EventRecord)
    ]
