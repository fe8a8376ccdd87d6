"""GeoJSON (RFC 7946): longitude first, WGS 84 degrees; the geometry is null without a position."""

from __future__ import annotations

from typing import Any, Final

MEDIA: Final = "application/geo+json"
_DIGITS: Final = 6
"""0.1 m, which is finer than any positioning of a device."""


def point(lat_deg: float, lon_deg: float) -> dict[str, Any]:
    """A point geometry."""
    return {"type": "Point", "coordinates": [round(lon_deg, _DIGITS), round(lat_deg, _DIGITS)]}


def feature(position: tuple[float, float] | None, properties: dict[str, Any]) -> dict[str, Any]:
    """A feature at (latitude, longitude); without a geometry if None."""
    return {"type": "Feature", "geometry": point(*position) if position else None, "properties": properties}


def collection(features: list[dict[str, Any]]) -> dict[str, Any]:
    """A feature collection."""
    return {"type": "FeatureCollection", "features": features}
