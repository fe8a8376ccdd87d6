"""Frigate (video recorder with object detection): objects, reviews, camera health, its own last will.

Topics below `frigate/`; pictures are not subscribed. Names of recognised people and number plates are dropped.
Addresses are Frigate's camera names.
Source: Frigate documentation, "MQTT".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from city.errors import PayloadError
from ingest.decoding.formats.parsing import (
    content_key,
    json_object,
    mapping_at,
    parse_epoch,
    parse_number,
    text_at,
    without_none,
)
from ingest.decoding.formats.port import Adapter, AdapterEvent, ConnectivityReport, DeviceReport

_STEPS: Final = {"new": "raised", "update": "raised", "end": "cleared"}
"""An update has the state of the first message, in case that one was missed; what it adds is stored."""
_NEWS: Final = ("label", "severity", "objects", "zones")
"""Details whose change makes an update an event of its own; a score changes with every picture."""
_OBJECT_KEPT: Final = (
    *("id", "camera", "label", "start_time", "end_time", "frame_time", "false_positive", "top_score", "score"),
    "entered_zones",
)
_REVIEW_KEPT: Final = ("id", "camera", "severity", "start_time", "end_time", "data")
_AVAILABLE: Final = {b"online": "online", b"offline": "offline", b"stopped": "offline"}
_STREAMS: Final = {
    b"online": ConnectivityReport("online"),
    b"offline": ConnectivityReport("offline", "lost"),
    b"disabled": ConnectivityReport("offline", "disabled"),
}
_BLIND: Final = ConnectivityReport("offline", "no pictures")
_NOT_CAMERAS: Final = frozenset({"service", "detectors", "cpu_usages", "gpu_usages", "processes", "bandwidth_usages"})


class Frigate:
    """Objects and reviews become events, statistics become readings, availability becomes connectivity reports."""

    name = "frigate"
    filters = (
        *("frigate/available", "frigate/events", "frigate/reviews", "frigate/stats", "frigate/tracked_object_update"),
        *("frigate/+/motion", "frigate/+/status/+"),
    )
    precedence = 3
    personal_keys: tuple[str, ...] = ("sub_label", "sub_labels", "recognized_license_plate", "plate")
    lists_clients = False
    level_events: frozenset[str] = frozenset({"motion"})

    def claims(self, levels: Sequence[str]) -> bool:
        """Whether a topic is Frigate's."""
        return levels[0] == "frigate" and len(levels) in (2, 3, 4)

    def decode(self, topic: str, payload: bytes) -> list[DeviceReport]:
        """Reports of objects, reviews, statistics or availability.

        Raises:
            PayloadError: Not Frigate's format for this topic.
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


def _available(payload: bytes) -> DeviceReport:
    state = _AVAILABLE.get(payload.strip().lower())
    if state is None:
        raise PayloadError(f"`frigate/available` says {payload[:20]!r}")
    connectivity = ConnectivityReport(state, "" if state == "online" else payload.decode().strip(), all_devices=True)  # type: ignore[arg-type]
    return DeviceReport(names=(), at=None, key=payload, connectivity=connectivity)


def _stream(camera: str, payload: bytes) -> DeviceReport:
    """The status of the detection stream; recording and audio streams do not measure the camera."""
    word = payload.strip().lower()
    if word not in _STREAMS:
        raise PayloadError(f"the status of a stream is {payload[:20]!r}")
    connectivity = _STREAMS[word]
    return DeviceReport(names=(camera,), at=None, key=payload, connectivity=connectivity)


def _motion(camera: str, payload: bytes) -> DeviceReport:
    word = payload.strip().upper()
    if word not in (b"ON", b"OFF"):
        raise PayloadError(f"motion is {payload[:20]!r}, neither ON nor OFF")
    event = AdapterEvent("motion", "raised" if word == b"ON" else "cleared")
    return DeviceReport(names=(camera,), at=None, key=payload, events=(event,))


def _step(body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The step of an object's life, and its present state."""
    after = mapping_at(body, "after")
    if not text_at(after, "camera") or not text_at(after, "id"):
        raise PayloadError("no `after` with `camera` and `id`")
    return text_at(body, "type"), after


def _object(body: Mapping[str, Any]) -> Iterator[DeviceReport]:
    """An object: one event when it appears and one when it has gone."""
    step, after = _step(body)
    if step not in _STEPS or after.get("false_positive") is True:
        return
    began, ended = parse_epoch(after.get("start_time")), parse_epoch(after.get("end_time"))
    at = (ended or parse_epoch(after.get("frame_time"))) if step == "end" else began
    detail = without_none(
        object=text_at(after, "id"),
        label=text_at(after, "label"),
        step="gone" if step == "end" else "seen",
        score=_round(after.get("top_score", after.get("score"))),
        zones=_texts(after.get("entered_zones")),
        seconds=_seconds(began, ended) if step == "end" else None,
    )
    yield _camera_report(step, after, _OBJECT_KEPT, at, AdapterEvent("object", "noted", detail))


def _review(body: Mapping[str, Any]) -> Iterator[DeviceReport]:
    step, after = _step(body)
    if step not in _STEPS:
        return
    began, ended = parse_epoch(after.get("start_time")), parse_epoch(after.get("end_time"))
    data = mapping_at(after, "data")
    detail = without_none(
        review=text_at(after, "id"),
        severity=text_at(after, "severity"),
        objects=_texts(data.get("objects")),
        zones=_texts(data.get("zones")),
        seconds=_seconds(began, ended) if step == "end" else None,
    )
    event = AdapterEvent("activity", _STEPS[step], detail)  # type: ignore[arg-type]
    of_review = {**after, "data": {name: data.get(name) for name in ("objects", "zones")}}
    yield _camera_report(step, of_review, _REVIEW_KEPT, ended or began if step == "end" else began, event)


def _camera_report(
    step: str, after: Mapping[str, Any], keys: Sequence[str], at: datetime | None, event: AdapterEvent
) -> DeviceReport:
    """A report with one event; its raw message has only `keys`, without names and number plates."""
    if at is None:
        raise PayloadError("no readable `start_time` or `end_time`")
    camera = text_at(after, "camera")
    distinctive = content_key({name: event.detail[name] for name in _NEWS if name in event.detail})
    key = f"{text_at(after, 'id')}/{event.detail.get('step', event.state)}/".encode() + distinctive
    raw = msgspec.json.encode({"type": step, "after": {name: after[name] for name in keys if name in after}})
    return DeviceReport(names=(camera,), at=at, key=key, events=(event,), raw=raw)


def _stats(body: Mapping[str, Any]) -> Iterator[DeviceReport]:
    """One reading per camera; before version 0.13 cameras were at the top level."""
    service = mapping_at(body, "service")
    at = parse_epoch(service.get("last_updated"))
    cameras = mapping_at(body, "cameras") or body
    has_camera = False
    for name in cameras:
        figures = mapping_at(cameras, name)
        fps = parse_number(figures.get("camera_fps"))
        if name in _NOT_CAMERAS or fps is None:
            continue
        has_camera = True
        # The recorder tells of cameras it gets no pictures from, too.
        yield DeviceReport(
            names=(name,),
            at=at,
            key=f"stats/{name}".encode(),
            known={"fps": fps},
            connectivity=None if fps > 0 else _BLIND,
            raw=msgspec.json.encode({"cameras": {name: {"camera_fps": fps}}, "service": _moment(service)}),
        )
    if not has_camera:
        raise PayloadError("statistics without a camera")


def _moment(service: Mapping[str, Any]) -> dict[str, Any]:
    return {"last_updated": service["last_updated"]} if "last_updated" in service else {}


_SORTS: Final = {"events": _object, "reviews": _review, "stats": _stats}


def _texts(value: object) -> list[str] | None:
    return [text for text in value if isinstance(text, str)][:16] if isinstance(value, list) else None


def _round(value: object) -> float | None:
    number = parse_number(value)
    return None if number is None else round(number, 3)


def _seconds(began: datetime | None, ended: datetime | None) -> float | None:
    return round((ended - began).total_seconds(), 1) if began and ended else None


ADAPTER: Final[Adapter] = Frigate()
