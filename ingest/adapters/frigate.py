"""Frigate (video recorder with object detection): objects, reviews, health of cameras, its own last will.

Topics below `frigate/`; pictures are not subscribed. Names of recognised people and number plates are left out: who was
seen is nobody's business here, that somebody was is. Addresses are Frigate's names of the cameras.
Source: Frigate documentation, "MQTT".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from broker.contract.errors import PayloadError
from ingest.adapters.port import (
    Happening,
    Heard,
    Presence,
    json_object,
    mapping_at,
    parse_epoch,
    parse_number,
    present,
    text_at,
)

_STEPS: Final = {"new": "raised", "update": "raised", "end": "cleared"}
"""What an update says was said when the thing was new: it is the same event, in case that one was missed."""
_OBJECT_KEPT: Final = (
    *("id", "camera", "label", "start_time", "end_time", "frame_time", "false_positive", "top_score", "score"),
    "entered_zones",
)
_REVIEW_KEPT: Final = ("id", "camera", "severity", "start_time", "end_time", "data")
_AVAILABLE: Final = {b"online": "online", b"offline": "offline", b"stopped": "offline"}
_STREAMS: Final = {
    b"online": Presence("online"),
    b"offline": Presence("offline", "lost"),
    b"disabled": Presence("offline", "disabled"),
}
_BLIND: Final = Presence("offline", "no pictures")
_NOT_CAMERAS: Final = frozenset({"service", "detectors", "cpu_usages", "gpu_usages", "processes", "bandwidth_usages"})


class Frigate:
    """Objects and reviews become events, statistics readings; availability says whether a camera is there."""

    name = "frigate"
    filters = (
        *("frigate/available", "frigate/events", "frigate/reviews", "frigate/stats", "frigate/tracked_object_update"),
        *("frigate/+/motion", "frigate/+/status/+"),
    )

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is Frigate's."""
        return levels[0] == "frigate" and len(levels) in (2, 3, 4)

    def decode(self, topic: str, payload: bytes) -> list[Heard]:
        """What was seen, or how cameras do.

        Raises:
            PayloadError: Not what Frigate says on this topic.
        """
        match topic.split("/")[1:]:
            case ["available"]:
                return [_available(payload)]
            case [camera, "status", "detect"]:
                return [_stream(camera, payload)]
            case [camera, "motion"]:
                return [_motion(camera, payload)]
            case [sort] if sort in _SORTS:
                return list(_SORTS[sort](json_object(payload)))
        return []


def _available(payload: bytes) -> Heard:
    state = _AVAILABLE.get(payload.strip().lower())
    if state is None:
        raise PayloadError(f"`frigate/available` says {payload[:20]!r}")
    said = Presence(state, "" if state == "online" else payload.decode().strip(), everybody=True)  # type: ignore[arg-type]
    return Heard(names=(), at=None, key=payload, presence=said)


def _stream(camera: str, payload: bytes) -> Heard:
    """The stream that things are looked for in; those that are recorded or listened to are no measure of the camera."""
    word = payload.strip().lower()
    if word not in _STREAMS:
        raise PayloadError(f"the status of a stream is {payload[:20]!r}")
    said = _STREAMS[word]
    return Heard(names=(camera,), at=None, key=payload, presence=said)


def _motion(camera: str, payload: bytes) -> Heard:
    word = payload.strip().upper()
    if word not in (b"ON", b"OFF"):
        raise PayloadError(f"motion is {payload[:20]!r}, neither ON nor OFF")
    event = Happening("motion", "raised" if word == b"ON" else "cleared", lasting=True)
    return Heard(names=(camera,), at=None, key=payload, events=(event,))


def _step(body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Which step of its life a thing is in, and what it is now."""
    after = mapping_at(body, "after")
    if not text_at(after, "camera") or not text_at(after, "id"):
        raise PayloadError("no `after` with `camera` and `id`")
    return text_at(body, "type"), after


def _object(body: Mapping[str, Any]) -> Iterator[Heard]:
    """An object is noted when it appears and when it has gone."""
    step, after = _step(body)
    if step not in _STEPS or after.get("false_positive") is True:
        return
    began, ended = parse_epoch(after.get("start_time")), parse_epoch(after.get("end_time"))
    at = (ended or parse_epoch(after.get("frame_time"))) if step == "end" else began
    detail = present(
        object=text_at(after, "id"),
        label=text_at(after, "label"),
        step="gone" if step == "end" else "seen",
        score=_rounded(after.get("top_score", after.get("score"))),
        zones=_texts(after.get("entered_zones")),
        seconds=_seconds(began, ended) if step == "end" else None,
    )
    yield _seen(step, after, _OBJECT_KEPT, at, Happening("object", "noted", detail))


def _review(body: Mapping[str, Any]) -> Iterator[Heard]:
    step, after = _step(body)
    if step not in _STEPS:
        return
    began, ended = parse_epoch(after.get("start_time")), parse_epoch(after.get("end_time"))
    data = mapping_at(after, "data")
    detail = present(
        review=text_at(after, "id"),
        severity=text_at(after, "severity"),
        objects=_texts(data.get("objects")),
        zones=_texts(data.get("zones")),
        seconds=_seconds(began, ended) if step == "end" else None,
    )
    event = Happening("activity", _STEPS[step], detail)  # type: ignore[arg-type]
    of_review = {**after, "data": {name: data.get(name) for name in ("objects", "zones")}}
    yield _seen(step, of_review, _REVIEW_KEPT, ended or began if step == "end" else began, event)


def _seen(step: str, after: Mapping[str, Any], keys: Sequence[str], at: datetime | None, event: Happening) -> Heard:
    """What was seen; for a camera that nobody knows only these keys wait, without names and number plates."""
    if at is None:
        raise PayloadError("no readable `start_time` or `end_time`")
    camera = text_at(after, "camera")
    key = f"{text_at(after, 'id')}/{event.detail.get('step', event.state)}".encode()
    raw = msgspec.json.encode({"type": step, "after": {name: after[name] for name in keys if name in after}})
    return Heard(names=(camera,), at=at, key=key, events=(event,), raw=raw)


def _stats(body: Mapping[str, Any]) -> Iterator[Heard]:
    """One reading per camera; before version 0.13 they stood at the top level."""
    service = mapping_at(body, "service")
    at = parse_epoch(service.get("last_updated"))
    cameras = mapping_at(body, "cameras") or body
    found = False
    for name in cameras:
        figures = mapping_at(cameras, name)
        fps = parse_number(figures.get("camera_fps"))
        if name in _NOT_CAMERAS or fps is None:
            continue
        found = True
        # The recorder tells of cameras it gets no pictures from, too.
        yield Heard(
            names=(name,),
            at=at,
            key=f"stats/{name}".encode(),
            known={"fps": fps},
            presence=None if fps > 0 else _BLIND,
            raw=msgspec.json.encode({"cameras": {name: {"camera_fps": fps}}, "service": _moment(service)}),
        )
    if not found:
        raise PayloadError("statistics without a camera")


def _moment(service: Mapping[str, Any]) -> dict[str, Any]:
    return {"last_updated": service["last_updated"]} if "last_updated" in service else {}


_SORTS: Final = {"events": _object, "reviews": _review, "stats": _stats}


def _texts(value: object) -> list[str] | None:
    return [one for one in value if isinstance(one, str)][:16] if isinstance(value, list) else None


def _rounded(value: object) -> float | None:
    number = parse_number(value)
    return None if number is None else round(number, 3)


def _seconds(began: datetime | None, ended: datetime | None) -> float | None:
    return round((ended - began).total_seconds(), 1) if began and ended else None
