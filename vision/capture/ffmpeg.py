"""OpenCV's FFmpeg: how videos and streams are opened, one after the other, and that it keeps addresses to itself.

OpenCV 4 opens under one lock for the whole process, for readers and writers: whoever waits for a dead camera there
makes every other camera wait, and evidence too. So streams are opened only after a knock (`knock.py`), in a hurry, and
whoever waits for its turn waits here, where it can be told to stop.
"""

from __future__ import annotations

import os
import threading
from typing import Final

import cv2

_STREAM: Final = "rtsp_transport;tcp|allowed_media_types;video|fpsprobesize;0"
"""TCP: over UDP a lost packet smears the picture into a false change. No sound, no frame rate to be guessed."""
QUICK: Final = f"{_STREAM}|probesize;32"
"""Opens with the first packet what says in its description how its pictures are made, as most cameras do: in a quarter
of a second instead of three."""
THOROUGH: Final = _STREAM
PLAIN: Final = ""
TURN_S: Final = 0.2

_OPTIONS: Final = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_opening: Final = threading.Lock()

# FFmpeg and OpenCV print to stderr what they could not open, in words nobody has checked for passwords.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
# There from the start: later it is only replaced, which other threads may not notice but survive.
os.environ[_OPTIONS] = PLAIN


def open_capture(
    text: str, stop: threading.Event, options: str = PLAIN, *, open_ms: int = 0, read_ms: int = 0
) -> cv2.VideoCapture:
    """Open a file's path or an address; whether that went well is asked of what is given back.

    Args:
        text: Path or address.
        stop: Ends the wait for a turn.
        options: FFmpeg's, as OpenCV reads them.
        open_ms: Give up after this; 0 leaves OpenCV's own limit.
        read_ms: Give up on a picture after this; the same.
    """
    while not _opening.acquire(timeout=TURN_S):
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


def position_s(capture: cv2.VideoCapture) -> float:
    """The time stamp of the picture that was grabbed last; 0.0 where it has none."""
    return float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
