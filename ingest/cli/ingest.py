"""`kota deadletters`: list, show and replay messages that could not be decoded."""

from __future__ import annotations

import argparse
import json
from typing import Any

from broker.contract.payloads import similar_field
from city.errors import ConfigError
from city.runtime.options import add_settings, settings_from
from city.storage.atomic_files import require_kept
from ingest.pipeline.journal_params import open_journal
from ingest.pipeline.replay import replay
from ingest.store.parked.dead_letters import DeadLetter, DeadLetterQueue, dead_letters_path
from ingest.store.parked.unknown_fields import UnknownField

SHOWN_BYTES = 120


def run(argv: list[str]) -> int:
    """List dead letters, newest first, or replay some through ingest."""
    parser = argparse.ArgumentParser(prog="kota deadletters", description="Messages that could not be understood.")
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "show", "replay", "fields"),
        default="list",
        help="List them (default), show or replay some, or list fields that the contract does not know.",
    )
    parser.add_argument("ids", nargs="*", type=int, help="Dead letters to show or replay.")
    parser.add_argument("--all", action="store_true", help="Replay all that are waiting; list replayed ones too.")
    parser.add_argument("--limit", type=int, default=50, help="How many to list.")
    parser.add_argument("--json", action="store_true", help="One JSON document.")
    add_settings(parser, ("data", "journal_max_mb"))
    args = parser.parse_args(argv)
    settings = settings_from(args)
    queue = DeadLetterQueue(require_kept(dead_letters_path(settings.data)))
    try:
        if args.action == "replay":
            if bool(args.ids) == args.all:
                raise ConfigError("replay needs ids, or --all")
            journal = open_journal(settings)
            count = replay(queue, journal, args.ids or [dead_letter.id for dead_letter in queue.find(limit=-1)])
            journal.close()
            print(json.dumps({"replayed": count}) if args.json else f"replayed {count}")
        elif args.action == "fields":
            _print_fields(queue.unknown_fields(limit=args.limit), as_json=args.json)
        elif args.action == "show":
            _print([_to_json(dead_letter) for dead_letter in queue.get(args.ids)], as_json=True)
        else:
            dead_letters = queue.find(state=None if args.all else "dead", limit=args.limit)
            _print([_to_row(dead_letter) for dead_letter in dead_letters], as_json=args.json)
    finally:
        queue.close()
    return 0


def _print_fields(fields: list[UnknownField], *, as_json: bool) -> None:
    rows = [
        {
            "device": row.device,
            "field": row.field,
            "times": row.times,
            "last_at": row.received_at.isoformat(timespec="seconds"),
            "similar": similar_field(row.field, row.kind),
        }
        for row in fields
    ]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        hint = f", perhaps {row['similar']}" if row["similar"] else ""
        print(f"{row['device']}: {row['field']!r} {row['times']} times, last {row['last_at']}{hint}")
    print(f"{len(rows)} unknown fields")


def _to_row(dead_letter: DeadLetter) -> dict[str, Any]:
    row = _to_json(dead_letter)
    return {**row, "payload": row["payload"][:SHOWN_BYTES]}


def _to_json(dead_letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": dead_letter.id,
        "received_at": dead_letter.received_at.isoformat(timespec="milliseconds"),
        "topic": dead_letter.topic,
        "reason": dead_letter.reason,
        "state": dead_letter.state,
        "payload": dead_letter.payload.decode("utf-8", "backslashreplace"),
        "payload_hex": dead_letter.payload.hex(),
    }


def _print(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"{row['id']:>6}  {row['received_at']}  {row['topic']}")
        print(f"        {row['reason']}\n        {row['payload']!r}")
    print(f"{len(rows)} dead letters")
