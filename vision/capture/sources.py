"""Makes the frame source that the inventory names."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from vision.capture.address import kind_of
from vision.capture.file import FileSource
from vision.capture.folder import FolderSource
from vision.capture.port import FrameSource
from vision.capture.stream import StreamSource


def open_source(
    text: str, *, start_at: datetime, realtime: bool, fps: float | None = None, numbered_fps: float | None = None
) -> FrameSource:
    """Make the source that a text names: an address (`rtsp://`, `rtsps://`, `http://`, `https://`), a folder or a file.

    Args:
        text: Source of the inventory.
        start_at: Capture time of second 0 of a recording.
        realtime: Whether a recording plays at its own speed, or without waiting.
        fps: Maximum rate; pictures beyond it are dropped.
        numbered_fps: See `FolderSource`.

    Raises:
        ConfigError: It is no address, and there is no such folder or file.
    """
    match kind_of(text):
        case "stream":
            return StreamSource(text, fps=fps)
        case "folder":
            return FolderSource(Path(text), start_at=start_at, realtime=realtime, numbered_fps=numbered_fps)
        case _:
            return FileSource(Path(text), start_at=start_at, realtime=realtime, fps=fps)
