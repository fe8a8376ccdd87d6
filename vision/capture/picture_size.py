"""Size of a picture from its header, before a pixel is decoded; imports no OpenCV, pure.

Source: ITU-T T.81, annex B.1.1.3 (JPEG markers) and B.2.2 (frame header); ISO/IEC 15948, 11.2.2 (PNG, IHDR).
"""

from __future__ import annotations

import struct
from typing import Final

PIXELS_MAX: Final = 4_096 * 2_304
"""Maximum pixels of a picture. Cameras of 8 megapixels send 3,840 x 2,160; decoded, the maximum takes 28 MB, and a
process holds a few pictures of each camera."""

Size = tuple[int, int]
"""Width and height in pixels."""

_JPEG: Final = b"\xff\xd8"
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_FILL: Final = 0xFF


def is_too_large(size: Size) -> bool:
    """Whether a picture has more than `PIXELS_MAX` pixels."""
    return size[0] * size[1] > PIXELS_MAX


def size_of(data: bytes) -> Size | None:
    """Size in the header of a JPEG or PNG; None for other data, and if the header is incomplete."""
    if data.startswith(_PNG):
        return _png_size(data)
    return _jpeg_size(data) if data.startswith(_JPEG) else None


def _png_size(data: bytes) -> Size | None:
    if len(data) < 24 or data[12:16] != b"IHDR":  # noqa: PLR2004 - signature, length, name, two numbers
        return None
    width, height = struct.unpack(">II", data[16:24])
    return (width, height) if width and height else None


def _jpeg_size(data: bytes) -> Size | None:
    place = len(_JPEG)
    while place + 4 <= len(data) and data[place] == _FILL:
        marker = data[place + 1]
        if marker == _FILL:
            place += 1
        elif marker in _WITHOUT_LENGTH:
            place += 2
        elif marker in _FRAME_HEADERS:
            if place + 9 > len(data):
                return None
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return (width, height) if width and height else None
        else:
            place += 2 + max(2, int.from_bytes(data[place + 2 : place + 4], "big"))
    return None
