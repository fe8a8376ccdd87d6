"""Event topics of ONVIF and Axis cameras and the contract's event for each; shared by both adapters.

Source: ONVIF Core, Imaging, Media and Analytics service specifications, "Events".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ingest.decoding.formats.parsing import parse_flag
from ingest.decoding.formats.port import AdapterEvent

_MEANINGS: Final = (
    ("tamper", "tamper"),
    ("globalscenechange", "moved"),
    ("imagetoodark", "covered"),
    ("imagetoobright", "covered"),
    ("imagetooblurry", "blind"),
    ("signalloss", "blind"),
    ("videoloss", "blind"),
    ("linecross", "line_crossed"),
    ("linedetector", "line_crossed"),
    ("crossed", "line_crossed"),
    ("intrusion", "intrusion"),
    ("fielddetector", "intrusion"),
    ("objectsinside", "intrusion"),
    ("fenceguard", "intrusion"),
    ("loitering", "intrusion"),
    ("objectdetect", "object"),
    ("objectanalytics", "object"),
    ("peopledetect", "object"),
    ("persondetect", "object"),
    ("vehicledetect", "object"),
    ("dogcatdetect", "object"),
    ("facedetect", "object"),
    ("animal", "object"),
    ("motion", "motion"),
    ("vmd", "motion"),
    ("sensorpir", "motion"),
    ("casingopen", "tamper"),
    ("shock", "tamper"),
)
"""Substring of a topic to event type; the first match counts, so the order matters."""
_VALUES: Final = {
    "istamper": "tamper",
    "isintrusion": "intrusion",
    "islinecross": "line_crossed",
    "ispeople": "object",
    "isperson": "object",
    "isvehicle": "object",
    "ispet": "object",
    "isface": "object",
    "ismotion": "motion",
    "issoundloud": "activity",
}
"""Value name to event type; some cameras report everything under the topic of motion."""
LEVEL_EVENTS: Final = frozenset({*dict(_MEANINGS).values(), *_VALUES.values()})
"""Event types that cameras repeat while a condition lasts."""
_LABELS: Final = ("ClassTypes", "classTypes", "ClassType")
_RULES: Final = ("ruleengine", "cameraapplicationplatform")
"""Topic parts of analytics rules; other topics concern the camera itself."""
_COUNTERS: Final = ("countaggregation", "counter")
_NO_STATES: Final = frozenset({"id", "port", "channel", "index", "priority", "level", "count", "source", "rule"})
_NO_STATE_ENDINGS: Final = ("Id", "ID", "_id", "Token", "token")
_MOMENTARY: Final = frozenset({"line_crossed", "intrusion", "object", "tamper"})
"""Event types that are valid without a state."""
_DETAIL_MAX: Final = 120


def notification_event(
    topic: str, data: Mapping[str, Any], *, initialized: bool = False, deleted: bool = False
) -> AdapterEvent | None:
    """The event of a notification; None when it concerns neither the camera nor its view.

    Args:
        topic: The camera's topic.
        data: Its values, all texts.
        initialized: Whether it repeats the present state at the start of a subscription.
        deleted: Whether it ends the condition.
    """
    flat = topic.lower().replace("/", "")
    named = next((_VALUES[name.lower()] for name in data if name.lower() in _VALUES), "")
    type_ = named or next((meaning for word, meaning in _MEANINGS if word in flat), "")
    state = False if deleted else _state(data)
    detail = {"topic": topic[:_DETAIL_MAX], **_labels(data)}
    if type_ and state is not None:
        return AdapterEvent(type_, "raised" if state else "cleared", detail if state else {})
    if initialized or state is False or any(name.startswith("IsNot") for name in data):
        return None
    if not type_:
        of_a_rule = any(place in flat for place in _RULES) and not any(word in flat for word in _COUNTERS)
        return AdapterEvent("activity", "noted", detail) if of_a_rule and data else None
    return AdapterEvent(type_, "noted", detail) if type_ in _MOMENTARY else None


def without_texts(data: Mapping[str, Any]) -> dict[str, Any]:
    """The values that determine the event; other texts may be names or number plates and become empty."""
    return {name: value if name in _LABELS or parse_flag(value) is not None else "" for name, value in data.items()}


def _state(data: Mapping[str, Any]) -> bool | None:
    """Whether the condition holds: the first boolean value, else whether anything was recognised."""
    for name, value in data.items():
        if _may_be_state(name) and (flag := parse_flag(value)) is not None:
            return flag
    return next((bool(str(data[name]).strip()) for name in _LABELS if name in data), None)


def _may_be_state(name: str) -> bool:
    numbers = name.endswith(_NO_STATE_ENDINGS) or name.lower() in _NO_STATES
    return not (numbers or name in _LABELS or name.startswith("IsNot"))


def _labels(data: Mapping[str, Any]) -> dict[str, Any]:
    labels = next((data[name] for name in _LABELS if name in data), None)
    if labels is None:
        labels = next((name[2:].lower() for name in data if _VALUES.get(name.lower()) == "object"), None)
    return {"classes": str(labels).split()[:8]} if labels else {}
