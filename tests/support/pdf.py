"""Reads the texts of a PDF that fpdf2 has written with the standard fonts."""

from __future__ import annotations

import re
import zlib

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_SHOWN = re.compile(rb"\(((?:[^()\\]|\\.)*)\) Tj")


def pages_of_pdf(content: bytes) -> int:
    """The number of pages."""
    return len(re.findall(rb"/Type /Page\b(?!s)", content))


def text_of_pdf(content: bytes) -> str:
    """All texts in the order in which they are written, a line each."""
    lines: list[str] = []
    for stream in _STREAM.findall(content):
        try:
            drawn = zlib.decompress(stream)
        except zlib.error:
            continue  # a picture
        lines += [re.sub(rb"\\(.)", rb"\1", text).decode("latin-1") for text in _SHOWN.findall(drawn)]
    return "\n".join(lines)
