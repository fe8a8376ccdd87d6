"""`kota bench NAME`: measures of what is promised to be fast, each beside a reference in the same run."""

from __future__ import annotations

import argparse
import importlib
from typing import Final

BENCHES: Final = {
    "adapters": "readings a second through each adapter of other makers' formats, beside plain parsing",
    "ingest": "the same messages to a subscriber that does nothing, to ours, and to Telegraf where it is found",
    "boards": "every board's queries on a week of a large city, beside the same asked of raw points",
    "vision": "the dumping watcher on real clips, what it finds and what it costs, beside a plain dual MOG2",
    "dispatch": "a month of collection by fixed tours and by ours, and proof of simulated stops",
    "embedded": "the embedded broker with ingest, live, after an outage and idle, beside Mosquitto with ingest",
    "forecast": "forecasts of how full containers get, on real observations, written to be judged",
    "routes": "plans for ten real collection problems, beside what is published of them",
    "outage": "catching up after days without a store, while new readings go on arriving",
}


def run(argv: list[str]) -> int:
    """Run one bench."""
    parser = argparse.ArgumentParser(
        prog="kota bench",
        usage="kota bench NAME [options]",
        description="Measure what is to be fast. `kota bench NAME --help` lists the options of one.",
        epilog="\n".join(f"  {name:10}{text}" for name, text in sorted(BENCHES.items())),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=sorted(BENCHES), metavar="NAME", help="One of those below.")
    # What stands behind the name is that bench's.
    args = parser.parse_args(argv[:1])
    code: int = importlib.import_module(f"tests.bench.{args.name}").run(argv[1:])
    return code
