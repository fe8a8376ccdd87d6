"""Photos of crews: redacted, then kept as evidence is, with its custody log and its retention."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from city.errors import RetryLaterError
from vision.evidence.case_files import read_about
from vision.evidence.photos import PhotoRedactor
from vision.evidence.store import EvidenceStore

FILE: Final = "photo.jpg"
_ID_CHARS: Final = 24


class CrewPhotos:
    """Keeps photos, each once. Thread-safe.

    Args:
        room: The evidence of the city.
        redactor: Hides people.
    """

    def __init__(self, room: EvidenceStore, redactor: PhotoRedactor) -> None:
        self._room = room
        self._redactor = redactor

    def keep(self, photo: str, content: bytes, about: Mapping[str, Any]) -> None:
        """Keep a photo durably, if it is not kept; nothing of it is on disk in the clear.

        Args:
            photo: Its id, of `photo_id`.
            content: The JPEG that a phone has sent.
            about: What is known of it.

        Raises:
            PhotoRefusedError: It is no JPEG, or too large.
            RetryLaterError: It could not be redacted, or the disk refuses; send it again.
        """
        if self._is_kept(photo):
            return
        redacted = self._redactor.redact(content)
        try:
            self._room.keep(photo, {FILE: redacted.jpeg}, {**about, "hidden": redacted.hidden})
        except RetryLaterError:
            # The same photo came twice at once.
            if not self._is_kept(photo):
                raise

    def about(self, photo: str) -> dict[str, Any]:
        """What is known of a photo; empty if there is none."""
        return read_about(self._room.folder, photo)

    def _is_kept(self, photo: str) -> bool:
        """Whether a photo is, or was, kept. One whose writing a crash has interrupted is finished, or begun anew."""
        record = self._room.records().get(photo)
        if record is not None and record.kept_at is not None and not record.deleted:
            self._room.resume(photo)
        return record is not None and record.kept_at is not None


def photo_id(phone: str, boot: str, seq: int) -> str:
    """The id of a phone's photo; the same for the same event."""
    digest = hashlib.sha256(f"{phone} {boot} {seq}".encode()).hexdigest()
    return f"photo-{digest[:_ID_CHARS]}"
