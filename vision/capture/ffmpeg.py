"""OpenCV's FFmpeg: opens videos and streams one after the other, and logs no addresses.

OpenCV 4 opens under one lock for the whole process, for readers and writers: a dead camera blocks every other camera,
and evidence too. So streams are opened only after a probe (`reachability.py`), with short timeouts, and a camera that
waits for the lock waits here, where `stop` ends the wait.
"""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path
from typing import Final

import cv2
import structlog

from vision.capture.address import redact_address
from vision.capture.picture_size import PIXELS_MAX, Size, is_too_large, size_of
from vision.capture.port import Image, PictureTooLargeError

log = structlog.get_logger("vision")

_STREAM: Final = "rtsp_transport;tcp|allowed_media_types;video|fpsprobesize;0"
"""TCP: over UDP a lost packet smears the picture into a false change. No sound, no frame rate to be guessed."""
QUICK: Final = f"{_STREAM}|probesize;32"
"""Opens with the first packet, in 0.25 s instead of 3 s, if the stream's description names its codec parameters, as
most do."""
THOROUGH: Final = _STREAM
PLAIN: Final = ""
POLL_S: Final = 0.2
ALLOCATION_MAX_BYTES: Final = 24 << 20
"""Maximum size of one allocation of FFmpeg: a plane of the largest picture with two bytes a pixel, and a little more.
A stream may change its size between two pictures; FFmpeg decodes the new picture before its size can be checked."""

_OPTIONS: Final = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_opening: Final = threading.Lock()

# FFmpeg and OpenCV print to stderr what they could not open, in words nobody has checked for passwords.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
# There from the start: later it is only replaced, which other threads may not notice but survive.
os.environ[_OPTIONS] = PLAIN

PEEK_MS: Final = 5_000


def open_capture(
    text: str, stop: threading.Event, options: str = PLAIN, *, open_ms: int = 0, read_ms: int = 0
) -> cv2.VideoCapture:
    """Open a file or an address; the caller checks with `isOpened` whether that succeeded.

    Args:
        text: Path or address.
        stop: Ends the wait for the lock.
        options: Options of FFmpeg, in OpenCV's notation.
        open_ms: Timeout of opening; 0 leaves OpenCV's own.
        read_ms: Timeout of reading a picture; 0 leaves OpenCV's own.
    """
    while not _opening.acquire(timeout=POLL_S):
        if stop.is_set():
            return cv2.VideoCapture()
    try:
        # OpenCV takes these from the environment alone, at every opening.
        os.environ[_OPTIONS] = options
        limits = {cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: open_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC: read_ms}
        given = [part for name, limit in limits.items() if limit for part in (name, limit)]
        # One thread a camera: more would each hold pictures of their own, and cameras are many.
        return cv2.VideoCapture(text, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1, *given])
    finally:
        _opening.release()


def bound_allocations() -> bool:
    """Limit FFmpeg's allocations to `ALLOCATION_MAX_BYTES`; False if its library was not found (it is on Linux)."""
    try:
        mapped = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
        library = next((line.split()[-1] for line in mapped.splitlines() if "/libavutil" in line), "")
        if library:
            ctypes.CDLL(library).av_max_alloc(ctypes.c_size_t(ALLOCATION_MAX_BYTES))
    except (OSError, AttributeError) as exc:
        log.warning("vision.allocations_unbounded", reason=str(exc))
        return False
    return bool(library)


def require_size(capture: cv2.VideoCapture, text: str, stop: threading.Event) -> None:
    """Check the size that an opened source declares, before anything is decoded.

    Raises:
        PictureTooLargeError: Its pictures have more than `PIXELS_MAX` pixels.
    """
    declared = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    size = declared if all(declared) else _packed_size(text, stop)
    if size and is_too_large(size):
        raise too_large(text, size)


def require_small(image: Image, text: str) -> None:
    """Check the size of a decoded picture: a stream may change it.

    Raises:
        PictureTooLargeError: It has more than `PIXELS_MAX` pixels.
    """
    size = image.shape[1], image.shape[0]
    if is_too_large(size):
        raise too_large(text, size)


def too_large(text: str, size: Size) -> PictureTooLargeError:
    """The error of a source with too large pictures; its text holds no password."""
    return PictureTooLargeError(f"{redact_address(text)} sends {size[0]} x {size[1]} pixels, more than {PIXELS_MAX}")


def _packed_size(text: str, stop: threading.Event) -> Size | None:
    """Size in the header of the first encoded picture; FFmpeg reports no size of a picture that it cannot decode."""
    if text.lower().startswith("rtsp"):
        return None  # its packets are parts of pictures
    capture = open_capture(text, stop, open_ms=PEEK_MS, read_ms=PEEK_MS)
    try:
        if not capture.isOpened() or not capture.set(cv2.CAP_PROP_FORMAT, -1):
            return None
        done, packed = capture.read()
        return size_of(packed.tobytes()) if done else None
    finally:
        capture.release()


def position_s(capture: cv2.VideoCapture) -> float:
    """Time stamp in seconds of the picture that was grabbed last; 0.0 if it has none."""
    return float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000


bound_allocations()
