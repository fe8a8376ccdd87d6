"""Which learned detector the cameras of this machine use: written by vision, read by `kota status` and the console."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

import msgspec

from city.errors import StorageError
from city.storage.atomic_files import replace_file

_FILE: Final = Path("vision", "detector.json")


class DetectorState(msgspec.Struct, frozen=True):
    """The learned detector in use; `model` is empty without one. `reason`: why a model cannot be used, else empty."""

    model: str = ""
    reason: str = ""


def write_detector_state(data: Path, state: DetectorState) -> None:
    """Write the state; a disk that refuses keeps nobody from watching."""
    with contextlib.suppress(StorageError):
        replace_file(data / _FILE, msgspec.json.encode(state), parents=True)


def read_detector_state(data: Path) -> DetectorState | None:
    """The state; None if no camera has run here."""
    try:
        return msgspec.json.decode((data / _FILE).read_bytes(), type=DetectorState)
    except (OSError, msgspec.MsgspecError):
        return None
