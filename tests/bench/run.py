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
    "embedded": "the embedded broker with ingest, live, after an outage and idle, beside Mosquitto with ingest",
    "routes": "plans for ten real collection problems, beside what is published of them",
    "outage": "catching up after days without a store, while new readings go on arriving",
}


def run(argv: list[str]) -> int:
    """Run one bench."""
    listed = "; ".join(f"{name}: {text}" for name, text in BENCHES.items())
    parser = argparse.ArgumentParser(prog="kota bench", description=f"Measure. {listed}.", add_help=False)
    parser.add_argument("name", choices=sorted(BENCHES))
    args, rest = parser.parse_known_args(argv)
    code: int = importlib.import_module(f"tests.bench.{args.name}").run(rest)
    return code
