"""What a source's text names and shows, and when pictures were taken."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from city.errors import ConfigError
from tests.unit.vision.scenes import Scene
from vision.capture.address import kind_of, redact_address
from vision.capture.clock import LIMIT_S, Clock, RateLimiter, StreamClock
from vision.capture.ffmpeg import QUICK, THOROUGH
from vision.capture.file import FileSource
from vision.capture.port import StreamLostError
from vision.capture.queue import DroppingQueue
from vision.capture.reachability import probe
from vision.capture.sources import open_source
from vision.capture.stream import StreamSource

SECRET = "s3cret"  # noqa: S105 - nobody's
WITH_SECRETS = (
    f"rtsp://admin:{SECRET}@10.0.0.5:554/sub",
    f"RTSP://admin:{SECRET}@10.0.0.5/sub",
    f"rtsps://admin:p@{SECRET}@10.0.0.5/sub",
    f"http://10.0.0.5/video.mjpg?user=admin&pwd={SECRET}",
    f"rtsp://10.0.0.5:554/user=admin_password={SECRET}_channel=1_stream=1.sdp",
    f"rtsp://admin:{SECRET}/with/slashes@10.0.0.5/sub",
    f"rtsp://admin:{SECRET}@[broken/sub",
    f"rtsp://admin:{SECRET}@10.0.0.5:port/sub",
    f"rstp://admin:{SECRET}@10.0.0.5/misspelt",
)


@pytest.mark.parametrize("text", WITH_SECRETS)
def test_an_address_shows_its_host_at_most(text: str) -> None:
    assert SECRET not in redact_address(text)


def test_a_misspelt_address_is_refused_without_its_password() -> None:
    with pytest.raises(ConfigError) as caught:
        kind_of(f"rstp://admin:{SECRET}@10.0.0.5/sub")
    assert str(caught.value) == "rstp://10.0.0.5: an address of a camera begins with rtsp, rtsps, http, https"


def test_what_a_text_names(tmp_path: Path) -> None:
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"")
    assert [kind_of(text) for text in ("demo", str(tmp_path), str(video), "rtsps://h/s", "https://h/v.mjpg")] == [
        "demo",
        "folder",
        "file",
        "stream",
        "stream",
    ]


@pytest.mark.parametrize("text", ["no-such-file.mp4", "no/such/folder", "ftp://host/clip.mp4", "udp://host"])
def test_a_source_that_is_not_there_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigError):
        open_source(text, start_at=datetime.now(UTC), realtime=False)


def test_a_stream_that_cannot_be_opened_may_come_back_and_keeps_its_password(
    capfd: pytest.CaptureFixture[str],
) -> None:
    source = StreamSource(f"rtsp://admin:{SECRET}@127.0.0.1:1/sub")
    with pytest.raises(StreamLostError) as caught:
        list(source.frames(threading.Event()))
    assert str(caught.value) == "rtsp://127.0.0.1:1 does not answer: ConnectionRefusedError"
    out, err = capfd.readouterr()
    assert SECRET not in out + err


def test_a_file_that_is_no_video_is_a_configuration_error(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no video at all")
    with pytest.raises(ConfigError, match="not a video"):
        list(FileSource(path, start_at=datetime.now(UTC), realtime=False).frames(threading.Event()))


def test_a_file_is_thinned_and_keeps_its_own_times(tmp_path: Path) -> None:
    path, scene = tmp_path / "clip.avi", Scene()
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (320, 240))
    for _ in range(40):
        writer.write(scene.picture())
    writer.release()
    start = datetime(2026, 3, 1, tzinfo=UTC)
    frames = list(FileSource(path, start_at=start, realtime=False, fps=5).frames(threading.Event()))
    assert [round(frame.at_s, 2) for frame in frames] == [round(index / 5, 2) for index in range(10)]
    assert frames[5].captured_at == start + timedelta(seconds=frames[5].at_s)


def played(stamps: list[float], arrivals: list[float]) -> tuple[StreamClock, list[float]]:
    clock = StreamClock(arrivals[0])
    return clock, [clock.capture_time_s(stamp, arrived) for stamp, arrived in zip(stamps, arrivals, strict=True)]


def test_uneven_arrival_leaves_the_streams_own_distances() -> None:
    dice = random.Random(1)
    stamps = [index / 5 for index in range(500)]
    arrivals = [100 + stamp + dice.uniform(0, 0.15) for stamp in stamps]
    _, times = played(stamps, arrivals)
    steps = [after - before for before, after in pairwise(times[50:])]
    assert max(abs(step - 0.2) for step in steps) < 0.03


def test_pictures_that_a_connection_begins_with_are_not_of_the_future() -> None:
    """Thirty pictures of three seconds come at once, then one after the other."""
    stamps = [index / 10 for index in range(100)]
    arrivals = [100 + max(0.0, stamp - 3.0) for stamp in stamps]
    clock, times = played(stamps, arrivals)
    assert all(at_s <= arrived for at_s, arrived in zip(times, arrivals, strict=True))
    assert times[-1] == pytest.approx(arrivals[-1], abs=0.01)
    assert clock.resyncs == 0


@pytest.mark.parametrize("jump_s", [-3_600.0, -3.0, 3.0, 3_600.0, 95_443.7])
def test_a_jump_of_the_streams_clock_is_counted_and_moves_nothing_backwards(jump_s: float) -> None:
    stamps = [index / 5 + (jump_s if index >= 50 else 0.0) for index in range(100)]
    arrivals = [100 + index / 5 for index in range(100)]
    clock, times = played(stamps, arrivals)
    assert clock.resyncs == 1
    assert times == sorted(times)
    assert max(abs(at_s - arrived) for at_s, arrived in zip(times, arrivals, strict=True)) < 0.01


@pytest.mark.parametrize("rate", [0.9998, 1.0002])
def test_a_camera_clock_that_runs_at_its_own_speed_is_followed(rate: float) -> None:
    arrivals = [100 + index / 5 for index in range(3_600 * 5 * 4)]
    clock, times = played([arrived * rate for arrived in arrivals], arrivals)
    assert clock.resyncs == 0
    assert max(abs(at_s - arrived) for at_s, arrived in zip(times, arrivals, strict=True)) < 0.05


def test_stamps_that_are_no_clock_are_not_trusted_for_long() -> None:
    """A server that counts 25 pictures a second and sends 5."""
    arrivals = [100 + index / 5 for index in range(500)]
    clock, times = played([index / 25 for index in range(500)], arrivals)
    assert clock.resyncs == 3
    assert times[-100:] == arrivals[-100:]
    assert max(arrived - at_s for at_s, arrived in zip(times, arrivals, strict=True)) < LIMIT_S + 0.3


def test_without_stamps_arrival_is_the_time() -> None:
    clock = StreamClock(100.0)
    assert [clock.capture_time_s(None, arrived) for arrived in (100.5, 101.0, 101.0)] == [100.5, 101.0, 101.0]


def test_no_time_is_before_the_one_before() -> None:
    dice = random.Random(2)
    stamps = [dice.uniform(0, 50) for _ in range(300)]
    arrivals = sorted(dice.uniform(0, 60) for _ in range(300))
    _, times = played(stamps, arrivals)
    assert times == sorted(times)


@pytest.mark.parametrize(("fps", "wanted"), [(5, 5), (10, 5), (12, 5), (25, 5), (4, 4), (5.01, 5)])
def test_a_stream_is_thinned_to_what_is_wanted(fps: float, wanted: float) -> None:
    dice, limiter = random.Random(3), RateLimiter(5)
    kept = sum(limiter.accepts(index / fps + dice.uniform(0, 0.01)) for index in range(int(100 * fps)))
    assert kept == pytest.approx(100 * wanted, rel=0.03)


def test_nothing_is_passed_over_unless_asked() -> None:
    limiter = RateLimiter(None)
    assert all(limiter.accepts(index / 100) for index in range(50))


class SteppedClock:
    """Steady seconds, and a wall clock that is set once."""

    def __init__(self) -> None:
        """Begin at noon."""
        self.steady_s = 50.0
        self.wall = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def clock(self) -> Clock:
        """As a source wants it."""
        return Clock(lambda: self.steady_s, lambda: self.wall)


class FakeConnection:
    """A camera of five pictures a second that ends after four seconds; the wall clock is set in between."""

    def __init__(self, clock: SteppedClock, set_by: timedelta) -> None:
        """Begin."""
        self._clock = clock
        self._set_by = set_by
        self._index = 0

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """As OpenCV's."""
        return True

    def grab(self) -> bool:
        """As OpenCV's; takes as long as the picture lets wait for itself."""
        self._index += 1
        self._clock.steady_s += 0.2
        self._clock.wall += timedelta(seconds=0.2) + (self._set_by if self._index == 10 else timedelta())
        return self._index <= 20

    def get(self, _property: int) -> float:
        """As OpenCV's, for the position alone."""
        return self._index * 200.0

    def retrieve(self) -> tuple[bool, object]:
        """As OpenCV's."""
        return True, Scene().picture()

    def release(self) -> None:
        """As OpenCV's."""


@pytest.mark.parametrize("set_by", [timedelta(hours=1), timedelta(hours=-1)])
def test_setting_the_wall_clock_moves_captured_at_alone(set_by: timedelta) -> None:
    stepped = SteppedClock()
    source = StreamSource("rtsp://host/sub", clock=stepped.clock(), connect=lambda *_: FakeConnection(stepped, set_by))
    stop, frames = threading.Event(), []
    for frame in source.frames(stop):
        frames.append(frame)
        if len(frames) == 20:
            stop.set()
    assert [round(frame.at_s, 6) for frame in frames] == [round(0.2 * (index + 1), 6) for index in range(20)]
    steps = [after.captured_at - before.captured_at for before, after in pairwise(frames)]
    assert [round(step.total_seconds(), 3) for step in steps if abs(step) > timedelta(seconds=1)] == [
        round(set_by.total_seconds() + 0.2, 3)
    ]
    assert source.resyncs == 0


def test_the_queue_drops_the_oldest_and_counts() -> None:
    queue: DroppingQueue[int] = DroppingQueue(3)
    for number in range(10):
        queue.put(number)
    assert [queue.get(0), queue.get(0), queue.get(0), queue.get(0)] == [7, 8, 9, None]
    assert queue.dropped == 7


def test_a_stream_that_gives_no_picture_in_a_hurry_is_opened_thoroughly_next() -> None:
    stepped, asked = SteppedClock(), []
    plays = iter([False, True, True, False, False])

    def connect(_address: str, _stop: threading.Event, options: str) -> Any:
        asked.append(options)
        if not next(plays):
            raise StreamLostError("no answer")
        return FakeConnection(stepped, timedelta())

    source = StreamSource("rtsp://host/sub", clock=stepped.clock(), connect=connect)
    for _ in range(5):
        with pytest.raises(StreamLostError):
            list(source.frames(threading.Event()))
    assert asked == [QUICK, THOROUGH, THOROUGH, THOROUGH, QUICK]


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
@pytest.mark.parametrize("answer", [b"", b"?"])
def test_a_probe_asks_without_a_password(scheme: str, answer: bytes) -> None:
    heard: list[bytes] = []

    def listen(server: socket.socket) -> None:
        line, _ = server.accept()
        with line:
            heard.append(line.recv(1_000))
            line.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=listen, args=(server,))
        thread.start()
        address = f"{scheme}://admin:{SECRET}@127.0.0.1:{server.getsockname()[1]}/video.mjpg?quality=1"
        with nullcontext() if answer else pytest.raises(StreamLostError, match=r"127.0.0.1:\d+ closes the connection"):
            probe(address)
        thread.join(10)
    (question,) = heard
    assert question.startswith(b"OPTIONS rtsp://127.0.0.1:" if scheme == "rtsp" else b"GET /video.mjpg?quality=1 HTTP")
    assert SECRET.encode() not in question


@pytest.mark.parametrize("address", ["rtsp://127.0.0.1:port/sub", f"rtsp://u:{SECRET}/x@h/sub", "rtsp://[broken/sub"])
def test_what_is_no_address_does_not_answer(address: str) -> None:
    with pytest.raises(StreamLostError) as caught:
        probe(address)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "fps", "seconds"),
    [
        (("3", "12.4", "7"), None, [3.0, 7.0, 12.4]),
        (("0003", "0012"), 1.0, [3.0, 12.0]),
        (("frame_0010", "frame_0002"), 5.0, [0.4, 2.0]),
        (("12.40", "1.20"), 5.0, [1.2, 12.4]),
    ],
)
def test_pictures_are_named_by_their_second_or_numbered(
    tmp_path: Path, names: tuple[str, ...], fps: float | None, seconds: list[float]
) -> None:
    for name in names:
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), np.zeros((8, 8, 3), np.uint8))
    source = open_source(str(tmp_path), start_at=datetime.now(UTC), realtime=False, numbered_fps=fps)
    assert [frame.at_s for frame in source.frames(threading.Event())] == seconds


def test_a_picture_named_by_neither_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "frame_0010.jpg"), np.zeros((8, 8, 3), np.uint8))
    source = open_source(str(tmp_path), start_at=datetime.now(UTC), realtime=False)
    with pytest.raises(ConfigError, match="second it was taken"):
        next(iter(source.frames(threading.Event())))
