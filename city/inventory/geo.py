"""Geographic distances."""

from __future__ import annotations

import math
from typing import Final

RADIUS_KM: Final = 6371.0


def distance_km(lat_deg: float, lon_deg: float, other_lat_deg: float, other_lon_deg: float) -> float:
    """Great-circle distance of two positions in kilometres (haversine formula)."""
    lat, other_lat = math.radians(lat_deg), math.radians(other_lat_deg)
    half_lat, half_lon = (other_lat - lat) / 2, math.radians(other_lon_deg - lon_deg) / 2
    share = math.sin(half_lat) ** 2 + math.cos(lat) * math.cos(other_lat) * math.sin(half_lon) ** 2
    return 2 * RADIUS_KM * math.asin(min(1.0, math.sqrt(share)))
