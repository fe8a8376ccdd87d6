"""Whether evidence is as it was kept: files against the custody log, the log against its own chain and signatures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from vision.evidence.case_files import hash_file, kept_cases
from vision.evidence.chain import GENESIS, Entry, is_genuine, parse_head, sha256_of
from vision.evidence.custody import HEAD_NAME, read_lines
from vision.evidence.keys import PublicKeys
from vision.evidence.records import Record, records_of

FaultKind = Literal["changed", "missing", "not_in_log", "chain_broken", "tail_cut", "torn"]

NOTES: Final = frozenset({"torn"})
"""What a power cut may do, and nobody has to answer for."""
_NOTED: Final[dict[str, FaultKind]] = {"torn": "torn", "damaged": "chain_broken"}


@dataclass(frozen=True)
class Fault:
    """What is wrong, where: a file or an entry of the log; in words."""

    kind: FaultKind
    where: str
    detail: str


@dataclass(frozen=True)
class Verdict:
    """What was looked at, and everything that is wrong with it. `head` is the newest line's SHA-256."""

    cases: int
    files: int
    entries: int
    head: str
    faults: tuple[Fault, ...]

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong that anybody has to answer for."""
        return all(fault.kind in NOTES for fault in self.faults)


def verify(folder: Path, keys: PublicKeys, case: str | None = None, noted: Path | None = None) -> Verdict:
    """Check the whole log, and the files of one case or of all.

    Args:
        folder: Of all cases.
        keys: Public keys of the city; from its own file, or from one that was kept elsewhere.
        case: Look at this one only.
        noted: Where the newest entry was noted outside the folder; a folder deleted as a whole is told by it alone.
    """
    lines = list(read_lines(folder))
    entries = [entry for _, entry in lines if entry]
    records = {id_: one for id_, one in records_of(entries).items() if case in (None, id_)}
    on_disk = [path for path in kept_cases(folder) if case in (None, path.name)]
    faults = [
        *_chain_faults(lines, keys),
        *_tail_faults(folder / HEAD_NAME, lines, keys),
        *(_tail_faults(noted, lines, keys) if noted and noted.exists() else ()),
        *_file_faults(folder, records, on_disk),
    ]
    kept = [record for record in records.values() if record.sha256 and not record.deleted]
    head = sha256_of(lines[-1][0]) if lines else GENESIS
    return Verdict(len(kept), sum(len(one.sha256) for one in kept), len(entries), head, tuple(faults))


def _chain_faults(lines: list[tuple[bytes, Entry | None]], keys: PublicKeys) -> Iterator[Fault]:
    prev, number = GENESIS, 0
    for index, (line, entry) in enumerate(lines, 1):
        if entry is None:
            yield Fault("chain_broken", f"line {index}", "is no entry")
        else:
            number += 1
            where = f"entry {entry.n}"
            if entry.n != number:
                yield Fault("chain_broken", where, f"stands where entry {number} belongs")
                number = entry.n
            if entry.prev != prev:
                yield Fault("chain_broken", where, "does not follow the entry before it")
            if not is_genuine(line, entry, keys):
                yield Fault("chain_broken", where, "its signature is not the city's")
            if entry.kind == "fault":
                yield _noted(entry)
        prev = sha256_of(line)


def _noted(entry: Entry) -> Fault:
    why = str(entry.detail.get("why", ""))
    return Fault(_NOTED.get(why, "tail_cut"), f"entry {entry.n}", f"noted on {entry.at:%Y-%m-%dT%H:%M:%SZ}: {why}")


def _tail_faults(path: Path, lines: list[tuple[bytes, Entry | None]], keys: PublicKeys) -> Iterator[Fault]:
    """What the head's file knows of entries that are no longer there."""
    try:
        content = path.read_bytes().rstrip(b"\n")
    except FileNotFoundError:
        if len(lines) > 1:
            yield Fault("tail_cut", path.name, "is missing: nothing tells whether the log has been cut")
        return
    head = parse_head(content)
    if head is None or not is_genuine(content, head, keys):
        yield Fault("tail_cut", path.name, "was not written by the city")
        return
    at_head = {entry.n: line for line, entry in lines if entry}.get(head.n)
    if at_head is None:
        yield Fault("tail_cut", f"entry {head.n}", "was the newest one, and is not there")
    elif sha256_of(at_head) != head.sha256:
        yield Fault("tail_cut", f"entry {head.n}", "is not the one that was the newest")


def _file_faults(folder: Path, records: dict[str, Record], on_disk: list[Path]) -> Iterator[Fault]:
    for record in records.values():
        for name, sha256 in ({} if record.deleted else record.sha256).items():
            found = hash_file(folder / record.case / name)
            if found is None:
                yield Fault("missing", f"{record.case}/{name}", "is not there")
            elif found != sha256:
                yield Fault("changed", f"{record.case}/{name}", f"has SHA-256 {found}, was kept with {sha256}")
    for path in on_disk:
        known = records.get(path.name, Record(path.name))
        for file in sorted(path.rglob("*")):
            if known.deleted or file.name not in known.sha256 or file.parent != path:
                yield Fault("not_in_log", f"{path.name}/{file.relative_to(path)}", "the log knows no such file")
