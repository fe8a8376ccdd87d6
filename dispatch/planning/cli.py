"""`kota roads`: the road network from which plans have their travel times."""

from __future__ import annotations

import argparse
from pathlib import Path

from city.runtime.options import add_settings, settings_from
from dispatch.planning.osm_import import import_roads
from dispatch.planning.roads import save_roads


def run(argv: list[str]) -> int:
    """Import the roads of an extract into the data folder; an extract that cannot be read changes nothing."""
    parser = argparse.ArgumentParser(prog="kota roads", description="Roads for travel times.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    importer = verbs.add_parser("import", help="Read an OpenStreetMap extract; it replaces what was imported before.")
    importer.add_argument("file", type=Path, metavar="FILE.osm.pbf")
    add_settings(importer, ("data",))
    args = parser.parse_args(argv)
    graph = import_roads(args.file)
    save_roads(settings_from(args).data, graph)
    closed = int((~graph.is_open_to_large).sum())
    print(
        f"{len(graph.starts)} road pieces between {len(graph.lat_deg)} junctions,"
        f" {graph.metres.sum() / 1000:.0f} km in all directions; {closed} closed to large trucks"
    )
    return 0
