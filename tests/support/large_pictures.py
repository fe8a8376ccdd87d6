"""Pictures that claim to be, or are, far too large."""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from typing import Final

import cv2
import numpy as np

LARGE: Final = (8_000, 8_000)


@lru_cache(maxsize=1)
def large_jpeg() -> bytes:
    """A real picture of 8,000 x 8,000 pixels, which takes 192 MB when it is decoded."""
    return bytes(cv2.imencode(".jpg", np.full((*LARGE, 3), 90, np.uint8))[1])


def small_jpeg(width: int = 320, height: int = 240) -> bytes:
    """A real picture."""
    return bytes(cv2.imencode(".jpg", np.full((height, width, 3), 90, np.uint8))[1])


def claiming(width: int, height: int, jpeg: bytes | None = None) -> bytes:
    """A small JPEG whose frame header says something else."""
    whole = bytearray(jpeg or small_jpeg())
    place = whole.index(b"\xff\xc0")
    whole[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(whole)


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of nothing with a size in its header."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
