"""The QR code by which a crew's phone opens the app and signs in to its shift."""

from __future__ import annotations

from io import BytesIO
from typing import Final

import segno

MODULE_PX: Final = 6
MARGIN_MODULES: Final = 4
"""Quiet zone.

Source: ISO/IEC 18004, 6.3.8.
"""


def crew_address(public_url: str, key: str) -> str:
    """The address behind a shift's QR code. The key stands behind `#`: no browser sends that to a server."""
    return f"{public_url}/crew/#k={key}"


def qr_svg(text: str) -> str:
    """A QR code as an SVG document for a page: black on white, no style, no script."""
    out = BytesIO()
    code = segno.make(text, error="m", micro=False)
    code.save(
        out, kind="svg", scale=MODULE_PX, border=MARGIN_MODULES, dark="#000", light="#fff", xmldecl=False, nl=False
    )
    return out.getvalue().decode()
