"""The frame decoder port: bytes of one port to fields, named as the maker's own decoder names them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec


class FrameReading(msgspec.Struct, frozen=True):
    """One set of measurements in a frame; `at` is the time of a stored measurement, None for a live one."""

    fields: dict[str, Any]
    at: datetime | None = None


class DecodedFrame(msgspec.Struct, frozen=True):
    """The readings of a frame, newest first; `rest` are trailing bytes of an unknown type."""

    readings: tuple[FrameReading, ...]
    rest: bytes = b""


class FrameDecoder(Protocol):
    """Decodes one maker's frames."""

    def __call__(self, port: int, data: bytes) -> DecodedFrame:
        """Decode a frame.

        Raises:
            PayloadError: It is not of this maker, or is cut off.
        """
