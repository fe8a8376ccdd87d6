"""What cameras' own event topics mean: ONVIF's, and those that Axis adds; shared by both adapters.

Source: ONVIF Core, Imaging, Media and Analytics service specifications, "Events".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ingest.adapters.port import Happening, is_true

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
)
"""The first of these words in a topic says what it is about; the order matters."""
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
"""Names of values that say it better: some cameras tell everything under the topic of motion."""
_LABELS: Final = ("ClassTypes", "classTypes", "ClassType")
_DETAIL_MAX: Final = 120


def happening(topic: str, data: Mapping[str, Any], *, initialized: bool) -> Happening | None:
    """The event that a notification stands for; None when it says nothing of the camera or of what it sees.

    Args:
        topic: As the camera names it.
        data: Its values, all texts.
        initialized: Whether it repeats the present state at the start of a subscription.
    """
    flat = topic.lower().replace("/", "")
    named = next((_VALUES[name.lower()] for name in data if name.lower() in _VALUES), "")
    type_ = named or next((meaning for word, meaning in _MEANINGS if word in flat), "")
    state = _state(data)
    detail = {"topic": topic[:_DETAIL_MAX], **_labels(data)}
    if type_ and state is not None:
        return Happening(type_, "raised" if state else "cleared", detail if state else {}, lasting=True)
    if initialized or (state is False and not type_) or any(name.startswith("IsNot") for name in data):
        return None
    return Happening(type_ or "activity", "noted", detail)


def _state(data: Mapping[str, Any]) -> bool | None:
    """Whether the condition holds: the first value that says yes or no, or whether anything was recognised."""
    for name, value in data.items():
        if name in _LABELS:
            return bool(str(value).strip())
        if "id" not in name.lower() and not name.startswith("IsNot") and (found := is_true(value)) is not None:
            return found
    return None


def _labels(data: Mapping[str, Any]) -> dict[str, Any]:
    found = next((data[name] for name in _LABELS if name in data), None)
    if found is None:
        found = next((name[2:].lower() for name in data if _VALUES.get(name.lower()) == "object"), None)
    return {"classes": str(found).split()[:8]} if found else {}
