"""Evidence of one case: pictures before and after and a short clip, people pixelated before anything is written.

Privacy comes first: everything that differs from the background is taken for a person, generously, except the object.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from broker.contract.errors import RetryLaterError
from vision.capture.port import Image

Box = tuple[int, int, int, int]

WIDTH_MAX_PX: Final = 640
BEFORE_S: Final = 12.0
"""Of the past that a clip shows."""
CLIP_FPS: Final = 5
BLOCKS_ACROSS: Final = 8
"""Mosaic blocks across a person: a face is less than one."""
MARGIN: Final = 0.35
JPEG_QUALITY: Final = 85


@dataclass(frozen=True)
class KeptFrame:
    """A picture as it may be stored: pixelated, downscaled, JPEG."""

    at_s: float
    jpeg: bytes


def pixelate(image: Image, boxes: Sequence[Box], spare: Box | None = None) -> Image:
    """Coarse mosaic over boxes grown by `MARGIN`, outside of the object's own box.

    Args:
        image: (height, width, 3) uint8, BGR; not changed.
        boxes: What to hide, in the picture's pixels.
        spare: The object, which stays clear.
    """
    hidden = image.copy()
    height, width = image.shape[:2]
    for left, top, box_width, box_height in boxes:
        grow_x, grow_y = int(box_width * MARGIN) + 4, int(box_height * MARGIN) + 4
        x0, y0 = max(0, left - grow_x), max(0, top - grow_y)
        x1, y1 = min(width, left + box_width + grow_x), min(height, top + box_height + grow_y)
        if x1 - x0 > 1 and y1 - y0 > 1:
            hidden[y0:y1, x0:x1] = _mosaic(hidden[y0:y1, x0:x1])
    if spare:
        x, y, w, h = spare
        clear = _outside(boxes, spare)
        if clear:
            hidden[y : y + h, x : x + w] = image[y : y + h, x : x + w]
    return hidden


def _outside(boxes: Sequence[Box], spare: Box) -> bool:
    """Whether no box reaches over the middle of the object: then nobody stands before it."""
    x, y = spare[0] + spare[2] / 2, spare[1] + spare[3] / 2
    return not any(b[0] <= x <= b[0] + b[2] and b[1] <= y <= b[1] + b[3] for b in boxes)


def _mosaic(part: Image) -> Image:
    height, width = part.shape[:2]
    block = max(8, max(height, width) // BLOCKS_ACROSS)
    small = cv2.resize(part, (max(1, width // block), max(1, height // block)), interpolation=cv2.INTER_AREA)
    blocks: Image = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    return blocks


class Recorder:
    """The last seconds of a camera in memory, already pixelated; bounded by time and rate."""

    def __init__(self) -> None:
        """Start without a past."""
        self._frames: deque[KeptFrame] = deque()

    def add(self, image: Image, at_s: float, people: Sequence[Box], spare: Box | None = None) -> None:
        """Keep a picture; those that come faster than the clip's rate are passed over."""
        if self._frames and at_s - self._frames[-1].at_s < 0.9 / CLIP_FPS:
            return
        self._frames.append(KeptFrame(at_s, to_jpeg(pixelate(image, people, spare))))
        while self._frames[0].at_s < at_s - BEFORE_S:
            self._frames.popleft()

    def clip(self) -> list[KeptFrame]:
        """What is kept, oldest first."""
        return list(self._frames)


def to_jpeg(image: Image) -> bytes:
    """A picture no wider than `WIDTH_MAX_PX` as JPEG."""
    height, width = image.shape[:2]
    if width > WIDTH_MAX_PX:
        size = (WIDTH_MAX_PX, round(height * WIDTH_MAX_PX / width))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    encoded: NDArray[np.uint8] = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return encoded.tobytes()


def write_evidence(
    folder: Path, case: str, *, before: Image, after: Image, clip: Sequence[KeptFrame], about: dict[str, Any]
) -> dict[str, str]:
    """Write a case's files durably, all or none, and give their SHA-256 by name.

    Args:
        folder: Where cases lie; `folder/case` is made.
        case: The case's id.
        before: The scene without people or object.
        after: The scene with the object, people pixelated already.
        clip: Pixelated pictures.
        about: What `case.json` says.

    Raises:
        RetryLaterError: The disk is full or refuses; nothing of the case is left.
    """
    part = folder / f".{case}.part"
    try:
        part.mkdir(parents=True, exist_ok=True)
        (part / "before.jpg").write_bytes(to_jpeg(before))
        (part / "after.jpg").write_bytes(to_jpeg(after))
        _write_clip(part / "clip.webm", clip)
        hashes = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(part.iterdir())}
        (part / "case.json").write_text(json.dumps({**about, "case": case, "sha256": hashes}, default=str, indent=1))
        for path in part.iterdir():
            _sync(path)
        _sync(part)
        part.rename(folder / case)
        _sync(folder)
    except OSError as exc:
        shutil.rmtree(part, ignore_errors=True)
        raise RetryLaterError(f"evidence of {case}: {exc}") from exc
    return hashes


def _write_clip(path: Path, clip: Sequence[KeptFrame]) -> None:
    """VP8 in WebM, which browsers play and the wheel of OpenCV can write."""
    decoded = (cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR) for frame in clip)
    pictures = [picture for picture in decoded if picture is not None]
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP80"), CLIP_FPS, (width, height))
    try:
        for picture in pictures:
            writer.write(picture)
    finally:
        writer.release()
        _give_memory_back()
    if not path.exists() or path.stat().st_size == 0:
        raise OSError(f"{path.name} could not be encoded")


def _give_memory_back() -> None:
    """Return what the encoder used to the system: glibc would keep 60 MB for the next case, hours later."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def forget_before(folder: Path, time: datetime) -> int:
    """Delete cases whose folder is older than a time (retention); how many went."""
    gone = 0
    for case in folder.iterdir() if folder.is_dir() else ():
        if case.is_dir() and case.stat().st_mtime < time.timestamp():
            shutil.rmtree(case)
            gone += 1
    return gone
