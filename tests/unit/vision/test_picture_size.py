"""Pictures are refused by their header, before memory is taken for their pixels, whatever source they come from."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from city.errors import ConfigError
from tests.support.brokers import ROOT
from tests.support.large_pictures import LARGE, claiming, large_jpeg, png_claiming, small_jpeg
from tests.support.mjpeg import PASSWORD, MjpegCamera, mjpeg_camera
from vision.capture.file import FileSource
from vision.capture.picture_size import PIXELS_MAX, is_too_large, size_of
from vision.capture.port import Frame, FrameSource, PictureTooLargeError
from vision.capture.sources import open_source

GIGANTIC = {
    "claims 65535 x 65535": claiming(65_535, 65_535),
    "claims a long line": claiming(65_535, 200),
    "is 8000 x 8000": large_jpeg(),
}


def taken(source: FrameSource) -> list[Frame]:
    return list(source.frames(threading.Event()))


@pytest.mark.parametrize("size", [(1, 1), (640, 480), (3_840, 2_160), (4_096, 2_304), (4_097, 2_304), (65_000, 1)])
@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_the_size_is_in_the_header(size: tuple[int, int], ending: str) -> None:
    coded = bytes(cv2.imencode(ending, np.zeros((size[1], size[0], 3), np.uint8))[1])
    assert size_of(coded) == size
    assert size_of(coded[:4_000]) == size, "the header is enough"
    assert is_too_large(size) is (size[0] * size[1] > PIXELS_MAX)


def test_progressive_pictures_and_long_headers_say_it_too() -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    progressive = bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1])
    assert size_of(progressive) == (320, 240)
    inner = small_jpeg(16, 16)
    segment = b"\xff\xe1" + (len(inner) + 2).to_bytes(2, "big") + inner
    filled = b"\xff\xd8" + segment * 40 + b"\xff\xff\xff" + small_jpeg()[2:]
    assert size_of(filled) == (320, 240), "a thumbnail's header is not the picture's"


@pytest.mark.parametrize(
    "coded",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xc0\x00\x11\x08\x00",
        b"\xff\xd8" + b"\xff\xe0\x00\x00" * 1_000,
        b"\xff\xd8" + b"\xff" * 100_000,
        claiming(0, 100),
        claiming(100, 0),
        b"GIF89a\xff\xff\xff\xff",
        b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        b"\x89PNG\r\n\x1a\n",
        png_claiming(0, 5),
        b"<svg width='99999'/>",
    ],
    ids=lambda coded: repr(coded[:12]),
)
def test_what_says_no_size_has_none(coded: bytes) -> None:
    assert size_of(coded) is None


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff\xc0", b"\x89PNG\r\n\x1a\n"]))
def test_no_bytes_break_it(rest: bytes, start: bytes) -> None:
    size = size_of(start + rest)
    assert size is None or min(size) > 0


def test_of_a_folder_what_is_too_large_or_no_picture_is_left_out(tmp_path: Path) -> None:
    webp = bytes(cv2.imencode(".webp", np.zeros((10, 10, 3), np.uint8))[1])
    contents = [small_jpeg(), *GIGANTIC.values(), png_claiming(2**31 - 1, 2**31 - 1), webp, b"", small_jpeg()]
    for second, content in enumerate(contents):
        (tmp_path / f"{second}.jpg").write_bytes(content)
    (tmp_path / "99.png").mkdir()
    with capture_logs() as logs:
        frames = taken(open_source(str(tmp_path), start_at=datetime.now(UTC), realtime=False))
    assert [frame.at_s for frame in frames] == [0.0, 7.0]
    events = [entry["event"] for entry in logs]
    assert (events.count("vision.picture_too_large"), events.count("vision.picture_unreadable")) == (4, 3)


@pytest.mark.parametrize("coded", GIGANTIC.values(), ids=GIGANTIC)
def test_a_video_of_such_pictures_is_refused(tmp_path: Path, coded: bytes) -> None:
    path = tmp_path / "clip.mjpg"
    path.write_bytes(coded * 3)
    # FFmpeg finds no video in pictures that it cannot even measure.
    with pytest.raises((PictureTooLargeError, ConfigError)) as caught:
        taken(FileSource(path, start_at=datetime.now(UTC), realtime=False))
    if coded is large_jpeg():
        assert str(caught.value) == f"{path} sends 8000 x 8000 pixels, more than 9437184"


def test_a_video_that_becomes_too_large_gives_what_came_before_and_no_picture_of_it(tmp_path: Path) -> None:
    path = tmp_path / "clip.mjpg"
    path.write_bytes(small_jpeg() * 5 + large_jpeg() * 2)
    frames = FileSource(path, start_at=datetime.now(UTC), realtime=False).frames(threading.Event())
    sizes: list[tuple[int, ...]] = []
    with contextlib.suppress(PictureTooLargeError):
        sizes.extend(frame.image.shape[:2] for frame in frames)
    assert sizes
    assert set(sizes) == {(240, 320)}


def first_error(camera: MjpegCamera) -> str:
    with pytest.raises(PictureTooLargeError) as caught:
        taken(open_source(camera.address(), start_at=datetime.now(UTC), realtime=True))
    return str(caught.value)


@pytest.mark.parametrize("coded", GIGANTIC.values(), ids=GIGANTIC)
def test_a_camera_over_http_that_sends_such_pictures_is_refused(coded: bytes) -> None:
    with mjpeg_camera() as camera:
        camera.instead = coded
        said = first_error(camera)
    assert said.startswith(f"http://127.0.0.1:{camera.server_port} sends ")
    assert PASSWORD not in said


MEASURED = """
import resource, sys, threading
from datetime import UTC, datetime
from vision.capture.sources import open_source
from vision.capture.port import StreamLostError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    for _ in open_source(sys.argv[1], start_at=datetime.now(UTC), realtime=False).frames(threading.Event()):
        pass
except StreamLostError:
    pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("kind", ["folder", "file", "changing file"])
def test_no_memory_is_taken_for_their_pixels(tmp_path: Path, kind: str) -> None:
    """One of them is 192 MB as pixels and 96 MB as FFmpeg keeps it."""
    path = tmp_path / ("pictures" if kind == "folder" else "clip.mjpg")
    if kind == "folder":
        path.mkdir()
        for second in range(3):
            (path / f"{second}.jpg").write_bytes(large_jpeg())
    else:
        path.write_bytes((small_jpeg() * 5 if kind == "changing file" else b"") + large_jpeg() * 3)
    grown = subprocess.run([sys.executable, "-c", MEASURED, str(path)], cwd=ROOT, capture_output=True, check=True)
    assert int(grown.stdout.split()[-1]) < LARGE[0] * LARGE[1] * 3 // 2 // 2**20, grown.stdout
