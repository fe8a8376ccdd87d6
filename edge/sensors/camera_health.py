"""Camera health: requests a camera's stream as a viewer does, and counts frames for some seconds.

Nothing is decoded: the last packet of a frame is marked. The content is the vision worker's to judge, so `scene_ok`
stays unknown. A camera has one agent: this driver or the vision worker, not both.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Annotated, Any, Final
from urllib.parse import quote, urlunsplit

import msgspec
from msgspec import Meta

from city.errors import RetryLaterError
from city.inventory.model import Camera
from edge.sensors.driver_status import DriverStatus
from edge.sensors.polled import PolledSensor
from edge.sensors.port import Assignment, Sensor
from edge.sensors.rtsp import RtspError, RtspSession
from edge.sensors.source import options_of, url_of

RTP_HEAD_BYTES: Final = 12
RTP_VERSION: Final = 2
MARKER: Final = 0x80
CLOCK_HZ: Final = 90_000
"""RTP clock of video, unless the camera says otherwise. Source: RFC 3551, section 5."""
HALF: Final = 1 << 31


class CameraHealthOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options in `--source`; `seconds` is the duration of the count."""

    seconds: Annotated[float, Meta(gt=0, le=60)] = 5.0
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 5.0


class VideoTrack(msgspec.Struct, frozen=True):
    """The video track in a camera's description."""

    url: str
    clock_hz: int = CLOCK_HZ


class StreamCounts(msgspec.Struct):
    """Frames and bytes received of a stream."""

    frames: int = 0
    payload_bytes: int = 0
    first_at_s: float = 0.0
    first_ticks: int = 0
    last_ticks: int = 0


class CameraProbe:
    """Measures one camera once.

    Args:
        address: URL of its stream, with credentials.
        options: Durations.
    """

    def __init__(self, address: str, options: CameraHealthOptions) -> None:
        self._address = address
        self._options = options

    def measure(self) -> Mapping[str, Any]:
        """`fps` and `bitrate_kbps`, both 0 for a camera that accepts PLAY and sends nothing."""
        try:
            with closing(RtspSession(self._address, self._options.timeout_s)) as session:
                track = _start_playback(session)
                counts = count(session.packets(first_s=self._options.timeout_s, for_s=self._options.seconds))
                ended_s = time.monotonic()
        except OSError as exc:
            raise RetryLaterError(f"the camera does not answer: {exc}") from exc
        if counts.first_at_s == 0:
            return {"fps": 0.0, "bitrate_kbps": 0.0}
        # A server that begins with pictures it has kept sends seconds of them at once; one that stalls is slower.
        ticks = (counts.last_ticks - counts.first_ticks) % (1 << 32)
        lasted_s = max(ended_s - counts.first_at_s, ticks / track.clock_hz if ticks < HALF else 0.0)
        values = {"bitrate_kbps": round(counts.payload_bytes * 8 / 1000 / lasted_s, 1)}
        if counts.frames:
            values["fps"] = round((counts.frames - 1) / lasted_s, 1)  # the first one begins the time
        return values


def _start_playback(session: RtspSession) -> VideoTrack:
    """Have the video sent over this connection."""
    session.request("OPTIONS", session.url)
    described = session.request("DESCRIBE", session.url, Accept="application/sdp")
    base = described.headers.get("content-base") or described.headers.get("content-location") or session.url
    track = video_of(described.body.decode("utf-8", "replace"), base)
    session.request("SETUP", track.url, Transport="RTP/AVP/TCP;unicast;interleaved=0-1")
    session.request("PLAY", session.url, Range="npt=0.000-")
    return track


def video_of(description: str, base: str) -> VideoTrack:
    """The video track of an SDP.

    Raises:
        RtspError: There is none.
    """
    lines = list(_video_lines(description))
    if not lines:
        raise RtspError("the camera offers no video")
    control = next((line[len("a=control:") :] for line in lines if line.startswith("a=control:")), "*")
    clocks = [line.split("/")[1] for line in lines if line.startswith("a=rtpmap:") and "/" in line]
    clock_hz = int(clocks[0]) if clocks and re.fullmatch("[0-9]{1,9}", clocks[0]) else 0
    if control == "*":
        url = base
    elif "://" in control:
        url = control
    else:
        url = f"{base.rstrip('/')}/{control}"
    return VideoTrack(url, clock_hz or CLOCK_HZ)


def _video_lines(description: str) -> Iterator[str]:
    inside = False
    for line in map(str.strip, description.splitlines()):
        if line.startswith("m="):
            if inside:
                return
            inside = line.startswith("m=video")
        if inside:
            yield line


def count(packets: Iterable[bytes]) -> StreamCounts:
    """Count frames and bytes of RTP packets; anything else is skipped."""
    counts = StreamCounts()
    for packet in packets:
        if len(packet) < RTP_HEAD_BYTES or packet[0] >> 6 != RTP_VERSION:
            continue
        ticks = int.from_bytes(packet[4:8], "big")
        if counts.first_at_s == 0:
            counts.first_at_s, counts.first_ticks = time.monotonic(), ticks
        counts.last_ticks = ticks
        counts.payload_bytes += len(packet) - RTP_HEAD_BYTES
        counts.frames += bool(packet[1] & MARKER)
    return counts


def open_sensor(assignment: Assignment) -> Sensor:
    """The camera at `--source rtsp://HOST/PATH`, else at its address in the inventory."""
    options, device, settings = (
        options_of(assignment.source, CameraHealthOptions),
        assignment.device,
        assignment.settings,
    )
    address = assignment.source.address or (device.source if isinstance(device, Camera) else "")
    parts = url_of(address, ("rtsp", "rtsps"), "name the camera's stream, rtsp://HOST/PATH or rtsps://HOST/PATH")
    if settings.sensor_user:
        account = (
            f"{quote(settings.sensor_user, safe='')}:{quote(settings.sensor_password.get_secret_value(), safe='')}"
        )
        address = urlunsplit(parts._replace(netloc=f"{account}@{parts.netloc.rpartition('@')[2]}"))
    probe = CameraProbe(address, options)
    return PolledSensor(probe, DriverStatus("camera-health", device), interval_s=assignment.interval_s)
