"""GeoJSON as RFC 7946 wants it: longitude first, degrees of WGS 84, null where something has no place."""

from __future__ import annotations

from typing import Any, Final

MEDIA: Final = "application/geo+json"
_DIGITS: Final = 6
"""A tenth of a metre; no device knows more."""


def point(lat_deg: float, lon_deg: float) -> dict[str, Any]:
    """A point."""
    return {"type": "Point", "coordinates": [round(lon_deg, _DIGITS), round(lat_deg, _DIGITS)]}


def feature(position: tuple[float, float] | None, properties: dict[str, Any]) -> dict[str, Any]:
    """A feature at a latitude and longitude, or nowhere."""
    return {"type": "Feature", "geometry": point(*position) if position else None, "properties": properties}


def collection(features: list[dict[str, Any]]) -> dict[str, Any]:
    """All features as one document."""
    return {"type": "FeatureCollection", "features": features}
