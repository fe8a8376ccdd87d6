"""`kota chaos`: break things on purpose and count every reading."""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from tests.chaos.harness import Harness, Report, Run, StoreName

STORES: Final[dict[str, StoreName]] = {
    "duckdb": "duckdb",
    "influx": "influx-1",
    "influx-1": "influx-1",
    "influx-2": "influx-2",
}


def run(argv: list[str]) -> int:
    """Run once; 1 unless nothing was lost and nothing stored twice."""
    parser = argparse.ArgumentParser(prog="kota chaos", description="Break things on purpose and count every reading.")
    parser.add_argument("--broker", choices=("embedded", "mosquitto"), default="embedded")
    parser.add_argument("--store", choices=STORES, default="duckdb")
    parser.add_argument("--devices", type=int, default=12)
    parser.add_argument("--readings", type=int, default=1_200, help="In all, over all devices.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="The same seed gives the same schedule again.")
    parser.add_argument("--long-freezes", type=int, default=0, help="On top: of 70 s, of broker, ingest and edge.")
    parser.add_argument("--json", action="store_true", help="The report as one JSON object.")
    args = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="kota-chaos-"))
    asked = Run(
        folder,
        args.broker,
        STORES[args.store],
        args.devices,
        args.readings,
        args.kills,
        args.seed,
        long_freezes=args.long_freezes,
    )
    try:
        report = Harness(asked).run()
    except AssertionError as exc:
        print(f"the run did not end: {exc}\nits files and logs are in {folder}")
        return 1
    if report.lost or report.twice:
        print(f"its files and logs are in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    if args.json:
        print(msgspec.json.encode(report).decode())
    else:
        _print(report)
    return 1 if report.lost or report.twice else 0


def _print(report: Report) -> None:
    for recovery in report.recoveries:
        fault = recovery.fault
        what = f"{fault.kind} {fault.moment}" if fault.kind == "moment" else fault.kind
        print(f"{recovery.at_s:8.1f} s  {fault.target:9} {what:40} recovered after {recovery.recovered_s:5.1f} s")
    times = [recovery.recovered_s for recovery in report.recoveries] or [0.0]
    print(f"recovery median {statistics.median(times):.1f} s, worst {max(times):.1f} s; run {report.seconds:.0f} s")
    print(f"published {report.published} stored {report.stored} dead letters {report.dead}")
    print(f"lost {report.lost} twice {report.twice}")
