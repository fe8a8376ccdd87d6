"""An evidence store that needs no city."""

from __future__ import annotations

from pathlib import Path

from city.storage.signatures import Signer
from vision.evidence.store import EvidenceStore


def evidence_store_in(folder: Path) -> EvidenceStore:
    """A store with a key of its own."""
    return EvidenceStore(folder, Signer(b"k" * 32), 256 << 20)
