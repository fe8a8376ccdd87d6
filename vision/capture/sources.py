"""From the text in the inventory to what takes pictures."""

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
    """The source a text names: an address (`rtsp://`, `rtsps://`, `http://`, `https://`), a folder or a file.

    Args:
        text: What the inventory says.
        start_at: When the first second of a recording was.
        realtime: Play a recording at its own speed.
        fps: Pass over pictures that come faster.
        numbered_fps: See `FolderSource`.

    Raises:
        ConfigError: It names nothing that is there.
    """
    match kind_of(text):
        case "stream":
            return StreamSource(text, fps=fps)
        case "folder":
            return FolderSource(Path(text), start_at=start_at, realtime=realtime, numbered_fps=numbered_fps)
        case _:
            return FileSource(Path(text), start_at=start_at, realtime=realtime, fps=fps)
