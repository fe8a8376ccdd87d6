"""Reads the streets of a city from an OpenStreetMap extract; loads osmium.

Tags and their meaning: https://wiki.openstreetmap.org/wiki/Key:highway.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from city.errors import ConfigError
from dispatch.street_map.tiles import CLASSES, Position, Street

NAME_MAX: Final = 80
"""Characters of a name; longer ones are cut."""


class Bounds(NamedTuple):
    """Sides of an area in degrees."""

    south: float
    west: float
    north: float
    east: float

    def contains(self, position: Position) -> bool:
        """Whether a position lies in it."""
        return self.south <= position[0] <= self.north and self.west <= position[1] <= self.east


def bounds_around(positions: list[Position], margin_deg: float) -> Bounds:
    """The area of positions, with a margin."""
    lats, lons = [lat for lat, _ in positions], [lon for _, lon in positions]
    return Bounds(min(lats) - margin_deg, min(lons) - margin_deg, max(lats) + margin_deg, max(lons) + margin_deg)


def read_streets(path: Path, bounds: Bounds) -> Iterator[Street]:
    """The streets of an extract (`.osm.pbf`, `.osm`, `.osm.bz2`) that touch an area, one at a time.

    Raises:
        ConfigError: The file cannot be read, or osmium is missing.
    """
    try:
        import osmium  # noqa: PLC0415 - an extra of its own
    except ImportError:
        raise ConfigError("osmium is not installed; install the extra `planning`") from None
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    try:
        for way in osmium.FileProcessor(str(path), osmium.osm.WAY | osmium.osm.NODE).with_locations():
            if not isinstance(way, osmium.osm.Way):
                continue
            tags = dict(way.tags)
            class_ = CLASSES.get(tags.get("highway", ""))
            if class_ is None or tags.get("area") == "yes":
                continue
            corners = [(node.lat, node.lon) for node in way.nodes if node.location.valid()]
            if len(corners) > 1 and any(bounds.contains(corner) for corner in corners):
                yield Street(class_, tags.get("name", "")[:NAME_MAX], corners)
    except (RuntimeError, osmium.InvalidLocationError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
