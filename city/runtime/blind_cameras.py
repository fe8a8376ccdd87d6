"""Which cameras of this machine cannot see: written by vision, a file for each, and read by `kota status`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

_FOLDER: Final = "vision"


class RaisedBlind(msgspec.Struct, frozen=True):
    """A `blind` event that was raised and not cleared. It is on disk so that the next process clears it."""

    reason: str
    since: datetime


def blind_path(data: Path, camera: str) -> Path:
    """Path of the file of a camera."""
    return data / _FOLDER / f"{camera}.json"


def read_blind(path: Path) -> RaisedBlind | None:
    """The raised event; None if there is none, or the file is of another kind."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=RaisedBlind)
    except (OSError, msgspec.MsgspecError):
        return None


def read_blind_cameras(data: Path) -> Mapping[str, RaisedBlind]:
    """Raised events by camera, sorted by name."""
    events = {path.stem: read_blind(path) for path in sorted((data / _FOLDER).glob("*.json"))}
    return {camera: event for camera, event in events.items() if event is not None}


def forget_other_cameras(data: Path, cameras: Collection[str]) -> None:
    """Delete the events of cameras that are watched no more: nobody would clear them."""
    for camera in read_blind_cameras(data):
        if camera not in cameras:
            blind_path(data, camera).unlink(missing_ok=True)
