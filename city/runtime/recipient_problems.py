"""Which recipients get no notifications: written by the API, read by `kota status`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from city.errors import StorageError
from city.storage.atomic_files import replace_file

NOTIFICATIONS_FOLDER: Final = "notifications"
_FILE: Final = Path(NOTIFICATIONS_FOLDER, "state.json")


class RecipientProblems(msgspec.Struct, frozen=True):
    """Recipients whose newest attempt has failed, with since when; `problem`: why their file cannot be read."""

    failing: Mapping[str, datetime] = {}
    problem: str = ""


def write_recipient_problems(data: Path, state: RecipientProblems) -> None:
    """Write the state; a disk that refuses keeps no message back."""
    with contextlib.suppress(StorageError):
        replace_file(data / _FILE, msgspec.json.encode(state), parents=True)


def read_recipient_problems(data: Path) -> RecipientProblems | None:
    """The state; None if no API has run here."""
    try:
        return msgspec.json.decode((data / _FILE).read_bytes(), type=RecipientProblems)
    except (OSError, msgspec.MsgspecError):
        return None
