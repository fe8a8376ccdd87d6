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
    ("objectdetection", "object"),
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
_LABELS: Final = ("ClassTypes", "classTypes", "ClassType", "Likelihood")
_IGNORED: Final = frozenset({"Likelihood"})
_DETAIL_MAX: Final = 120


def happening(topic: str, data: Mapping[str, Any], *, initialized: bool) -> Happening | None:
    """The event that a notification stands for; None when it says nothing of the camera or of what it sees.

    Args:
        topic: As the camera names it.
        data: Its values, all texts.
        initialized: Whether it repeats the present state at the start of a subscription.
    """
    flat = topic.lower().replace("/", "")
    type_ = next((meaning for word, meaning in _MEANINGS if word in flat), "")
    state = _state(data)
    detail = {"topic": topic[:_DETAIL_MAX], **_labels(data)}
    if type_ and state is not None:
        return Happening(type_, "raised" if state else "cleared", detail if state else {}, lasting=True)
    if initialized or (state is False and not type_):
        return None
    return Happening(type_ or "activity", "noted", detail)


def _state(data: Mapping[str, Any]) -> bool | None:
    """Whether the condition holds: the first value that says yes or no, or whether anything was recognised."""
    for name, value in data.items():
        if name in _LABELS and name not in _IGNORED:
            return bool(str(value).strip())
        if (found := is_true(value)) is not None:
            return found
    return None


def _labels(data: Mapping[str, Any]) -> dict[str, Any]:
    found = next((data[name] for name in _LABELS if name in data and name not in _IGNORED), None)
    return {"classes": str(found).split()[:8]} if found else {}
