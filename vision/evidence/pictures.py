"""Scaling and encoding of pictures: JPEG and WebM clips, in memory; nothing here touches the disk."""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Iterable
from math import ceil
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""

PIXELS_MAX: Final = 500_000
"""Maximum pixels of a stored picture: enough to recognise the waste, too few to recognise a person."""
CLIP_FPS: Final = 5
STORED_QUALITY: Final = 85


def to_jpeg(image: Image, quality: int = STORED_QUALITY) -> bytes:
    """Encode a picture as JPEG."""
    encoded: NDArray[np.uint8] = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return encoded.tobytes()


def from_jpeg(jpeg: bytes) -> Image:
    """Decode a JPEG of `to_jpeg` to (height, width, 3) uint8, BGR."""
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def limit_size(image: Image) -> Image:
    """Scale a picture down to at most `PIXELS_MAX` pixels; the same array if it is small enough."""
    height, width = image.shape[:2]
    # By whole numbers, which costs a quarter of what other scales do.
    times = ceil((height * width / PIXELS_MAX) ** 0.5)
    return image if times == 1 else resize(image, width // times, height // times)


def resize(image: Image, width_px: int, height_px: int) -> Image:
    """Scale a picture to a size."""
    method = cv2.INTER_AREA if width_px < image.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width_px, height_px), interpolation=method), np.uint8)


def draw_box(image: Image, box: Box) -> Image:
    """A copy of a picture with a red frame around a box."""
    left, top, width, height = box
    shown = image.copy()
    cv2.rectangle(shown, (left - 3, top - 3), (left + width + 3, top + height + 3), (0, 0, 255), 2)
    return shown


def to_webm(pictures: Iterable[Image], width_px: int, height_px: int) -> bytes:
    """Encode a clip in memory as VP8 in WebM, which browsers play and OpenCV's wheel can write.

    Args:
        pictures: Pictures of the given size, `CLIP_FPS` a second.
        width_px: Width of the pictures.
        height_px: Height of the pictures.

    Raises:
        OSError: The clip could not be encoded.
    """
    handle = os.memfd_create("clip")
    try:
        # OpenCV writes to names only, and takes the format from their ending.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.webm"
            path.symlink_to(f"/proc/self/fd/{handle}")
            _write(path, pictures, width_px, height_px)
        os.lseek(handle, 0, os.SEEK_SET)
        with os.fdopen(os.dup(handle), "rb") as file:
            clip = file.read()
    finally:
        os.close(handle)
    if not clip:
        raise OSError("the clip could not be encoded")
    return clip


def _write(path: Path, pictures: Iterable[Image], width_px: int, height_px: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP80"), CLIP_FPS, (width_px, height_px))
    try:
        for picture in pictures:
            writer.write(picture)
    finally:
        writer.release()
        _trim_heap()


def _trim_heap() -> None:
    """Return the encoder's memory to the system: glibc would keep 60 MB until the next case, hours later."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
