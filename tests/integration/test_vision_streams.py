"""Real streams: they play, stall, end, change their size and refuse, and the camera says what is the matter."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from city.inventory.loader import builtin_city, load_city
from city.inventory.model import Camera
from tests.support import rtsp
from tests.support.brokers import free_port
from tests.support.evidence_stores import evidence_store_in
from tests.support.large_pictures import claiming, large_jpeg
from tests.support.mjpeg import mjpeg_camera
from tests.support.require import require_nothing_missing
from tests.support.rtsp import RtspCamera
from tests.support.waiting import wait_for
from tests.support.words import Words
from vision.camera.worker import CameraWorker
from vision.capture.port import Frame, FrameSource
from vision.capture.sources import open_source
from vision.capture.watchdog import STREAMED

CITY = load_city(builtin_city("kupang"))


class Noted:
    """A source, and the size and times of its pictures."""

    def __init__(self, source: FrameSource) -> None:
        """Pass on what a source gives."""
        self._source = source
        self.sizes: list[tuple[int, ...]] = []
        self.times: list[float] = []

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Its pictures."""
        for frame in self._source.frames(stop):
            self.sizes.append(frame.image.shape[:2])
            self.times.append(frame.at_s)
            yield frame


@contextmanager
def watching(address: str, folder: Path) -> Iterator[tuple[Noted, Words]]:
    """A camera's worker on a stream."""
    source = Noted(open_source(address, start_at=datetime.now(UTC), realtime=True, fps=10))
    words, stop = Words(), threading.Event()
    camera = Camera(id="cam-01", site="tps-oebobo")
    hours = CITY.hours_at(camera.site)
    worker = CameraWorker(
        camera,
        lambda: hours,
        CITY.time_zone,
        source,
        words,
        evidence_store_in(folder),
        simulated=False,
        timeouts=STREAMED,
        blind_file=folder / "note",
    )
    thread = threading.Thread(target=worker.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield source, words
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    """A camera over RTSP."""
    require_nothing_missing(rtsp.missing())
    with RtspCamera(free_port()) as running:
        yield running


def test_rtsp_plays_and_says_when_its_pictures_cease(
    camera: RtspCamera, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with watching(camera.address(), tmp_path) as (source, words):
        wait_for(lambda: words.scene == "armed", "an armed camera")
        wait_for(lambda: (words.reports[-1].get("fps") or 0) >= 5, "pictures at their rate")
        assert set(source.sizes) == {(480, 640)}
        camera.order("stall")
        wait_for(lambda: words.scene == "no_stream", "the stall to be told")
        wait_for(lambda: words.events, "the blindness to be told")
        camera.order("resume")
        wait_for(lambda: len(words.events) == 2, "its end to be told")
        wait_for(lambda: words.reports[-1]["reconnects"] == 1, "the reconnect to be counted")
        assert words.scene == "armed"
        assert source.times == sorted(source.times)
    raised, (type_, state, detail) = words.events
    assert raised == ("blind", "raised", {"reason": "no_stream"})
    assert (type_, state, detail["reason"]) == ("blind", "cleared", "no_stream")
    assert detail["lasted_s"] >= 9
    assert rtsp.PASSWORD not in "".join(capfd.readouterr())


def test_rtsp_survives_other_sizes_and_a_camera_that_starts_anew(camera: RtspCamera, tmp_path: Path) -> None:
    with watching(camera.address(), tmp_path) as (source, words):
        wait_for(lambda: words.scene == "armed", "an armed camera")
        camera.order("size 320x240")
        seen = len(source.sizes)
        wait_for(lambda: len(source.sizes) > seen + 30, "pictures of another size")
        camera.kill()
        wait_for(lambda: words.scene == "no_stream", "the end to be told")
        camera.start("800x600")
        wait_for(lambda: words.scene == "armed", "an armed camera, again")
        assert source.sizes[-1] == (600, 800)
        wait_for(lambda: words.reports[-1]["reconnects"] == 1, "the reconnect to be counted")
    assert {type_ for type_, _, _ in words.events} <= {"blind"}


@pytest.mark.parametrize("why", ["cannot be opened", "does not answer: ConnectionRefusedError"])
def test_rtsp_that_never_plays_is_no_stream(
    why: str, camera: RtspCamera, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither with a wrong password nor where nobody listens."""
    if why != "cannot be opened":
        camera.kill()
    with watching(camera.address("salah-sandi"), tmp_path) as (source, words):
        wait_for(lambda: words.scene == "no_stream", "a camera without a stream")
        assert not source.sizes
    said = "".join(capfd.readouterr())
    assert "salah-sandi" not in said
    assert f"rtsp://127.0.0.1:{camera.port} {why}" in said


def test_jpeg_over_http_plays_stalls_and_comes_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with mjpeg_camera() as camera, watching(camera.address(), tmp_path) as (source, words):
        wait_for(lambda: words.scene == "armed", "an armed camera")
        wait_for(lambda: len(source.times) > 20, "some pictures")
        assert source.sizes[0] == (240, 320)
        assert source.times[20] - source.times[10] > 1.5
        camera.stalled.set()
        wait_for(lambda: words.scene == "no_stream", "the stall to be told")
        wait_for(lambda: camera.connections >= 2, "another connection")
        camera.stalled.clear()
        wait_for(lambda: words.scene == "armed", "an armed camera, again")
    assert camera.address().split("@")[0].split(":")[-1] not in "".join(capfd.readouterr())


def test_jpeg_over_http_with_a_wrong_password_is_no_stream(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with mjpeg_camera() as camera, watching(camera.address("salah-sandi"), tmp_path) as (source, words):
        wait_for(lambda: words.scene == "no_stream", "a camera without a stream")
        assert not source.sizes
    assert "salah-sandi" not in "".join(capfd.readouterr())


def test_a_camera_that_accepts_and_says_nothing_keeps_no_other_one_waiting(tmp_path: Path) -> None:
    """OpenCV opens one stream after the other; whoever hangs there would hold up all."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent, mjpeg_camera() as camera, ExitStack() as cameras:
        address = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/cam"
        hung = [cameras.enter_context(watching(address, tmp_path / str(index)))[1] for index in range(4)]
        _, words = cameras.enter_context(watching(camera.address(), tmp_path / "plays"))
        wait_for(lambda: words.scene == "armed", "an armed camera")
        assert not any(other.scene == "armed" for other in hung)
        wait_for(lambda: all(other.scene == "no_stream" for other in hung), "cameras without a stream")


def test_a_camera_whose_pictures_become_too_large_says_so_and_others_go_on(tmp_path: Path) -> None:
    with ExitStack() as stack:
        camera, other = stack.enter_context(mjpeg_camera()), stack.enter_context(mjpeg_camera())
        source, words = stack.enter_context(watching(camera.address(), tmp_path / "one"))
        beside, others = stack.enter_context(watching(other.address(), tmp_path / "other"))
        wait_for(lambda: words.scene == others.scene == "armed", "two armed cameras")
        camera.instead = large_jpeg()
        wait_for(lambda: words.scene == "too_large", "the size to be told")
        wait_for(lambda: words.events, "the blindness to be told")
        assert words.events[0] == ("blind", "raised", {"reason": "too_large"})
        camera.instead = claiming(65_535, 65_535)
        seen, connections = len(beside.sizes), camera.connections
        wait_for(lambda: camera.connections > connections + 1, "another try")
        wait_for(lambda: len(beside.sizes) > seen + 5, "the other camera's pictures")
        camera.instead = b""
        wait_for(lambda: words.scene == "armed", "an armed camera, again")
        assert set(source.sizes) == {(240, 320)}
        assert (others.scene, others.events) == ("armed", [])
