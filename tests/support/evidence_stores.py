"""An evidence store that needs no city."""

from __future__ import annotations

from pathlib import Path

from vision.evidence.custody.keys import CustodySigner
from vision.evidence.store import EvidenceStore


def evidence_store_in(folder: Path) -> EvidenceStore:
    """A store with a key of its own."""
    return EvidenceStore(folder, CustodySigner(b"k" * 32), 256 << 20)
