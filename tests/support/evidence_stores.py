"""An evidence room that needs no city."""

from __future__ import annotations

from pathlib import Path

from vision.evidence.keys import Signer
from vision.evidence.store import EvidenceRoom


def room_in(folder: Path) -> EvidenceRoom:
    """A room with a key of its own."""
    return EvidenceRoom(folder, Signer(b"k" * 32), 256 << 20)
