"""Prints the result of a dry run."""

from __future__ import annotations

import sys

from ingest.decoding.dry_run import DryRunResult


def print_result(result: DryRunResult) -> None:
    """Print the records that would be stored, and on stderr why others would not."""
    if result.names:
        print(f"adapter {result.adapter}, address {', '.join(result.names)}")
    for record in result.records:
        head = f"{record.sort:9} {record.device}  {record.at.isoformat(timespec='milliseconds')}"
        print(" ".join((head, record.event, record.state, " ".join(f"[{word}]" for word in record.quality))).rstrip())
        for name, value in {**record.values, **record.detail}.items():
            print(f"    {name:18} {value}")
    for problem in result.problems:
        print(f"not stored: {problem}", file=sys.stderr)
