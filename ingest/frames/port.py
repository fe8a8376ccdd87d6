"""The frame decoder port: bytes of one port to fields, named as the maker's own decoder names them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec


class FrameReading(msgspec.Struct, frozen=True):
    """One set of measurements in a frame; `at` for those a device had stored, None for the moment of sending."""

    fields: dict[str, Any]
    at: datetime | None = None


class DecodedFrame(msgspec.Struct, frozen=True):
    """What was in a frame, newest first; `rest` are bytes of a sort that is not known."""

    readings: tuple[FrameReading, ...]
    rest: bytes = b""


class FrameDecoder(Protocol):
    """Decodes one maker's frames."""

    def __call__(self, port: int, data: bytes) -> DecodedFrame:
        """Decode a frame.

        Raises:
            PayloadError: It is not of this maker, or is cut off.
        """
