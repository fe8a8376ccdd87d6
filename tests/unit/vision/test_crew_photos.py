"""Photos of crews: people are hidden, nothing of the file is kept, and what is no photo is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from city.errors import RetryLaterError
from tests.unit.vision.test_onnx_detector import model_at
from vision.evidence.photos import PhotoRedactor, PhotoRefusedError
from vision.evidence.pictures import PIXELS_MAX, from_jpeg, to_jpeg

RANDOM = np.random.default_rng(7)
NOISE = RANDOM.integers(0, 255, (480, 640, 3), np.uint8)
"""Every pixel differs from its neighbours: what is not noise any more was changed."""
PERSON = [16.0, 30.0, 8.0, 24.0, 0.3, 0.0, 0.0, 0.0]
"""In the picture of 640 x 480: left 120, top 100, width 80, height 240."""
EXIF = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08" + b"\x00\x01\x01\x0f\x00\x02\x00\x00\x00\x0f\x00\x00\x00\x1a" + bytes(4)
"""A maker of fifteen letters follows."""
MAKER = b"SECRET PHONE 9\x00"


def redactor(model: Path | None = None) -> PhotoRedactor:
    return PhotoRedactor(lambda: model)


def with_exif(jpeg: bytes) -> bytes:
    """The JPEG with the maker of a telephone in its metadata."""
    segment = EXIF + MAKER
    return jpeg[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]


def spread_of(picture: np.ndarray) -> float:
    """The mean difference of neighbouring pixels."""
    return float(np.abs(np.diff(picture.astype(int), axis=1)).mean())


def test_without_a_learned_detector_everything_is_pixelated() -> None:
    photo = redactor().redact(to_jpeg(NOISE, 95))
    assert photo.hidden == "everything"
    kept = from_jpeg(photo.jpeg)
    assert kept.shape == (480, 640, 3)
    assert spread_of(kept) < 0.1 * spread_of(NOISE)


def test_with_one_the_people_are_pixelated_and_the_rest_is_sharp(tmp_path: Path) -> None:
    photo = redactor(model_at(tmp_path, np.array([PERSON]))).redact(to_jpeg(NOISE, 95))
    assert photo.hidden == "people"
    kept = from_jpeg(photo.jpeg)
    assert spread_of(kept[100:340, 120:200]) < 0.2 * spread_of(NOISE)
    assert spread_of(kept[:40, 400:]) > 0.5 * spread_of(NOISE)


def test_a_model_that_cannot_be_used_hides_everything(tmp_path: Path) -> None:
    model = tmp_path / "boxes.onnx"
    model.write_bytes(b"no model")
    assert redactor(model).redact(to_jpeg(NOISE)).hidden == "everything"
    assert redactor(tmp_path / "gone.onnx").redact(to_jpeg(NOISE)).hidden == "everything"


def test_nothing_of_the_file_is_left(tmp_path: Path) -> None:
    content = with_exif(to_jpeg(NOISE))
    assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) is not None, "it is a JPEG"
    for model in (None, model_at(tmp_path, np.array([PERSON]))):
        kept = redactor(model).redact(content).jpeg
        assert b"Exif" not in kept
        assert b"SECRET" not in kept


def test_a_large_photo_becomes_as_small_as_evidence() -> None:
    large = cv2.resize(NOISE, (1280, 960))
    height, width = from_jpeg(redactor().redact(to_jpeg(large)).jpeg).shape[:2]
    assert height * width <= PIXELS_MAX


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html></html>",
        cv2.imencode(".png", NOISE)[1].tobytes(),
        b"GIF89a" + bytes(100),
        to_jpeg(NOISE)[:3],
        b"\xff\xd8\xff\xe0" + bytes(200),
    ],
    ids=["empty", "html", "png", "gif", "start", "zeros"],
)
def test_what_is_no_jpeg_is_refused(content: bytes) -> None:
    with pytest.raises(PhotoRefusedError):
        redactor().redact(content)


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    jpeg = bytearray(to_jpeg(np.zeros((16, 16, 3), np.uint8)))
    place = jpeg.index(b"\xff\xc0")
    jpeg[place + 5 : place + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(PhotoRefusedError, match="at most"):
        redactor().redact(bytes(jpeg))


@pytest.mark.parametrize(
    ("program", "words"),
    [("import time; time.sleep(60)", "not redacted within"), ("raise SystemExit(3)", "exit 3")],
    ids=["hangs", "fails"],
)
def test_a_process_that_hangs_or_fails_is_tried_again_later(program: str, words: str) -> None:
    failing = PhotoRedactor(lambda: None, (sys.executable, "-c", program), deadline_s=0.5)
    with pytest.raises(RetryLaterError, match=words):
        failing.redact(to_jpeg(NOISE))


def test_the_process_gets_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOTA_SECRET", "not for it")
    program = "import os, sys; sys.stderr.write(' '.join(os.environ)); sys.exit(1)"
    with pytest.raises(RetryLaterError) as refused:
        PhotoRedactor(lambda: None, (sys.executable, "-c", program)).redact(to_jpeg(NOISE))
    assert "KOTA_SECRET" not in str(refused.value)
