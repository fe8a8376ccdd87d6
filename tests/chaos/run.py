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
from tests.chaos.schedule import Kind, on_top_of

STORES: Final[dict[str, StoreName]] = {
    "duckdb": "duckdb",
    "influx": "influx-1",
    "influx-1": "influx-1",
    "influx-2": "influx-2",
}

ON_TOP_HELP: Final[dict[Kind, str]] = {
    "storm": "the whole --fleet loses its connections at once.",
    "takeover": "another device's account connects with the client ids of a publisher, of ingest.",
    "forged": "another device's account forges receipts and wills.",
    "damage": "files of store, journal and broker truncated, overwritten, deleted.",
}


def run(argv: list[str]) -> int:
    """Run once; 1 unless nothing was lost and nothing stored twice."""
    parser = argparse.ArgumentParser(prog="kota chaos", description="Break things on purpose and count every reading.")
    parser.add_argument("--broker", choices=("embedded", "mosquitto"), default="embedded")
    parser.add_argument("--store", choices=STORES, default="duckdb")
    parser.add_argument("--processes", choices=("1", "2"), default="1", help="Of ingest.")
    parser.add_argument("--devices", type=int, default=12)
    parser.add_argument("--readings", type=int, default=1_200, help="In all, over all devices.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="The same seed gives the same schedule again.")
    parser.add_argument("--long-freezes", type=int, default=0, help="On top: of 70 s, of broker, ingest and edge.")
    for kind, what in ON_TOP_HELP.items():
        parser.add_argument(f"--{kind}", type=int, default=0, metavar="N", help=f"On top: {what}")
    parser.add_argument("--fleet", type=int, default=0, metavar="N", help="Devices of one connection each, for storms.")
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
        on_top=on_top_of(
            args.seed, {kind: getattr(args, kind) for kind in ON_TOP_HELP}, args.broker, STORES[args.store]
        ),
        fleet=args.fleet,
        processes=args.processes,
    )
    if args.storm and not args.fleet:
        parser.error("--storm needs --fleet")
    try:
        report = Harness(asked).run()
    except AssertionError as exc:
        print(f"the run did not end: {exc}\nits files and logs are in {folder}")
        return 1
    if not report.holds:
        print(f"its files and logs are in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    if args.json:
        print(msgspec.json.encode(report).decode())
    else:
        _print(report)
    return 0 if report.holds else 1


def _print(report: Report) -> None:
    for recovery in report.recoveries:
        fault = recovery.fault
        what = f"{fault.kind} {fault.moment if fault.kind == 'moment' else fault.detail}".strip()
        print(f"{recovery.at_s:8.1f} s  {fault.target:9} {what:40} recovered after {recovery.recovered_s:5.1f} s")
    times = [recovery.recovered_s for recovery in report.recoveries] or [0.0]
    print(f"recovery median {statistics.median(times):.1f} s, worst {max(times):.1f} s; run {report.seconds:.0f} s")
    print(f"published {report.published} stored {report.stored} dead letters {report.dead}")
    for kind, count in report.attempts.items():
        print(f"{kind}: {count} attempts")
    if report.said_lost:
        print(f"said to be lost {report.said_lost}")
    print(f"lost {report.lost} twice {report.twice}")
