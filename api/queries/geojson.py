"""GeoJSON (RFC 7946): longitude first, WGS 84 degrees; the geometry is null without a position."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

MEDIA: Final = "application/geo+json"
_DIGITS: Final = 6
"""0.1 m, which is finer than any positioning of a device."""


class PointGeometry(msgspec.Struct, frozen=True, tag_field="type", tag="Point"):
    """A GeoJSON point."""

    coordinates: Annotated[tuple[float, float], Meta(description="Longitude and latitude, WGS 84. Unit: °.")]


def rounded_point(lat_deg: float, lon_deg: float) -> PointGeometry:
    """A point with the precision of positioning."""
    return PointGeometry((round(lon_deg, _DIGITS), round(lat_deg, _DIGITS)))
