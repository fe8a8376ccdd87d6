"""OpenCV's FFmpeg: how videos and streams are opened, and that it keeps addresses to itself."""

from __future__ import annotations

import os
from typing import Final

import cv2

OPTIONS: Final = "rtsp_transport;tcp|allowed_media_types;video|fpsprobesize;0"
"""TCP: over UDP a lost packet smears the picture into a false change. No sound. Without a frame rate to guess a stream
opens in 1 s instead of 3 s. Files are opened with the same options, as OpenCV reads them from the environment alone."""
_QUIET: Final = "-8"


def open_capture(text: str, open_ms: int | None = None, read_ms: int | None = None) -> cv2.VideoCapture:
    """Open a file's path or an address; whether that went well is asked of what is given back.

    Args:
        text: Path or address.
        open_ms: Give up after this.
        read_ms: Give up on a picture after this.
    """
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", OPTIONS)
    # FFmpeg and OpenCV print to stderr what they could not open, in words nobody has checked for passwords.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _QUIET)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    # One thread a camera: more would each hold pictures of their own, and cameras are many.
    options = [cv2.CAP_PROP_N_THREADS, 1]
    if open_ms is not None:
        options += [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, open_ms]
    if read_ms is not None:
        options += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, read_ms]
    return cv2.VideoCapture(text, cv2.CAP_FFMPEG, options)


def position_s(capture: cv2.VideoCapture) -> float:
    """The time stamp of the picture that was grabbed last; 0.0 where it has none."""
    return float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
