"""`kota map`: streets and outlines of kelurahan for maps without internet."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from city.errors import ConfigError
from city.inventory.loader import load_city
from city.inventory.model import City
from city.runtime.options import add_settings, settings_from
from city.runtime.service import city_folder
from dispatch.street_map.files import outlines_path, streets_path, write_outlines, write_streets
from dispatch.street_map.osm_streets import Bounds, bounds_around, read_streets
from dispatch.street_map.outlines import convert_outlines
from dispatch.street_map.tiles import Position

MARGIN_DEG: Final = 0.03
"""Streets up to about 3 km beyond the city are imported."""
OUTLINES_MAX: Final = 64 << 20
"""Bytes of a file with outlines."""


def run(argv: list[str]) -> int:
    """Import streets or outlines into the data folder; a file that cannot be read changes nothing."""
    parser = argparse.ArgumentParser(prog="kota map", description="Maps without internet.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    streets = verbs.add_parser(
        "import", help="Read the streets of an OpenStreetMap extract; they replace earlier ones."
    )
    streets.add_argument("file", type=Path, metavar="FILE.osm.pbf")
    outlines = verbs.add_parser("outlines", help="Read outlines of kelurahan, which are matched by their names.")
    outlines.add_argument("file", type=Path, metavar="FILE.geojson")
    for verb in (streets, outlines):
        add_settings(verb, ("data", "city"))
    args = parser.parse_args(argv)
    settings = settings_from(args)
    city = load_city(city_folder(settings.city))
    return (_import_streets if args.verb == "import" else _import_outlines)(settings.data, city, args.file)


def _import_streets(data: Path, city: City, file: Path) -> int:
    about = write_streets(data, read_streets(file, bounds_of(city)), file.name, datetime.now(UTC))
    size_kb = streets_path(data).stat().st_size / 1000
    print(f"{about.streets} streets, {about.named} of them with a name; {size_kb:.0f} kB in {streets_path(data)}")
    return 0


def _import_outlines(data: Path, city: City, file: Path) -> int:
    try:
        with file.open("rb") as opened:
            text = opened.read(OUTLINES_MAX + 1)
    except OSError as exc:
        raise ConfigError(f"{file}: {exc.strerror}") from exc
    if len(text) > OUTLINES_MAX:
        raise ConfigError(f"{file}: has more than {OUTLINES_MAX >> 20} MB")
    try:
        converted = convert_outlines(text, city)
    except ConfigError as exc:
        raise ConfigError(f"{file}: {exc}") from exc
    write_outlines(data, converted)
    print(f"outlines of {len(city.kelurahan)} kelurahan in {outlines_path(data)}")
    return 0


def bounds_of(city: City) -> Bounds:
    """The area of a city: its outlines, sites and devices, with a margin."""
    positions: list[Position] = [(city.lat_deg, city.lon_deg)]
    positions += [(site.lat_deg, site.lon_deg) for site in city.sites.values()]
    positions += [
        (device.lat_deg, device.lon_deg)
        for device in city.devices.values()
        if device.lat_deg is not None and device.lon_deg is not None
    ]
    shapes: dict[str, Any] = msgspec.json.decode(city.shapes) if city.shapes else {}
    for feature in shapes.get("features", []):
        positions += [(lat, lon) for lon, lat in _corners(feature["geometry"]["coordinates"])]
    return bounds_around(positions, MARGIN_DEG)


def _corners(coordinates: Any) -> list[tuple[float, float]]:  # noqa: ANN401 - lists of lists
    if isinstance(coordinates[0], int | float):
        return [(float(coordinates[0]), float(coordinates[1]))]
    return [corner for part in coordinates for corner in _corners(part)]
