"""What the custody log says of each case: what was kept and when, the last verdict, whether it has been deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from vision.evidence.chain import Entry


@dataclass(frozen=True)
class Record:
    """One case, as its entries tell. `verdict` is the last one said, at `judged_at`; empty when there is none."""

    case: str
    kept_at: datetime | None = None
    sha256: dict[str, str] = field(default_factory=dict)
    verdict: str = ""
    judged_at: datetime | None = None
    deleted: str = ""


def records_of(entries: Iterable[Entry]) -> dict[str, Record]:
    """Each case's record, by its id."""
    found: dict[str, Record] = {}
    for entry in entries:
        record = found.get(entry.case, Record(entry.case))
        if entry.kind == "kept":
            hashes = {str(name): str(value) for name, value in dict(entry.detail.get("sha256", {})).items()}
            record = replace(record, kept_at=time_of(entry), sha256=hashes, deleted="")
        elif entry.kind == "reviewed":
            record = replace(record, verdict=str(entry.detail.get("verdict", "")), judged_at=time_of(entry))
        elif entry.kind == "deleted":
            record = replace(record, deleted=str(entry.detail.get("why", "unknown")))
        else:
            continue
        found[entry.case] = record
    return found


def time_of(entry: Entry) -> datetime:
    """When an entry was made, by the clock of that time."""
    return datetime.fromisoformat(entry.at)
