"""Verification of evidence: files against the custody log, and the log against its chain and signatures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from city.storage.signatures import GENESIS, PublicKeys, is_genuine, sha256_of
from vision.evidence.case_files import hash_file, kept_cases
from vision.evidence.custody.chain import Entry, parse_head
from vision.evidence.custody.log import HEAD_NAME, read_lines
from vision.evidence.custody.records import CaseRecord, records_of

FaultKind = Literal["changed", "missing", "not_in_log", "chain_broken", "tail_cut", "torn"]

HARMLESS: Final = frozenset({"torn"})
"""Faults that a power cut may cause."""
_LOGGED_FAULTS: Final[dict[str, FaultKind]] = {"torn": "torn", "damaged": "chain_broken"}


@dataclass(frozen=True)
class IntegrityFault:
    """A fault of a file or of an entry of the log; `detail` is text."""

    kind: FaultKind
    where: str
    detail: str


@dataclass(frozen=True)
class VerificationReport:
    """Numbers of items checked, and all faults. `head` is the newest line's SHA-256."""

    cases: int
    files: int
    entries: int
    head: str
    faults: tuple[IntegrityFault, ...]

    @property
    def intact(self) -> bool:
        """Whether there is no fault but harmless ones."""
        return all(fault.kind in HARMLESS for fault in self.faults)


def verify(
    folder: Path, keys: PublicKeys, case: str | None = None, head_copy: Path | None = None
) -> VerificationReport:
    """Check the whole log, and the files of one case or of all.

    Args:
        folder: Folder of all cases.
        keys: Public keys of the city; from its own file, or from one that was kept elsewhere.
        case: Check this one only.
        head_copy: Copy of the log's head, outside of the folder; only this shows that the whole folder was deleted.
    """
    lines = list(read_lines(folder))
    entries = [entry for _, entry in lines if entry]
    records = {id_: record for id_, record in records_of(entries).items() if case in (None, id_)}
    on_disk = [path for path in kept_cases(folder) if case in (None, path.name)]
    faults = [
        *_chain_faults(lines, keys),
        *_tail_faults(folder / HEAD_NAME, lines, keys),
        *(_tail_faults(head_copy, lines, keys) if head_copy and head_copy.exists() else ()),
        *_file_faults(folder, records, on_disk),
    ]
    kept = [record for record in records.values() if record.sha256 and not record.deleted]
    head = sha256_of(lines[-1][0]) if lines else GENESIS
    return VerificationReport(len(kept), sum(len(record.sha256) for record in kept), len(entries), head, tuple(faults))


def _chain_faults(lines: list[tuple[bytes, Entry | None]], keys: PublicKeys) -> Iterator[IntegrityFault]:
    prev, number = GENESIS, 0
    for index, (line, entry) in enumerate(lines, 1):
        if entry is None:
            yield IntegrityFault("chain_broken", f"line {index}", "is no entry")
        else:
            number += 1
            where = f"entry {entry.n}"
            if entry.n != number:
                yield IntegrityFault("chain_broken", where, f"stands where entry {number} belongs")
                number = entry.n
            if entry.prev != prev:
                yield IntegrityFault("chain_broken", where, "does not follow the entry before it")
            if not is_genuine(line, keys, entry.key, entry.sig):
                yield IntegrityFault("chain_broken", where, "its signature is not the city's")
            if entry.kind == "fault":
                yield _logged_fault(entry)
        prev = sha256_of(line)


def _logged_fault(entry: Entry) -> IntegrityFault:
    why = str(entry.detail.get("why", ""))
    return IntegrityFault(
        _LOGGED_FAULTS.get(why, "tail_cut"), f"entry {entry.n}", f"noted on {entry.at:%Y-%m-%dT%H:%M:%SZ}: {why}"
    )


def _tail_faults(path: Path, lines: list[tuple[bytes, Entry | None]], keys: PublicKeys) -> Iterator[IntegrityFault]:
    """Faults of the log's end compared with a head file."""
    try:
        content = path.read_bytes().rstrip(b"\n")
    except FileNotFoundError:
        if len(lines) > 1:
            yield IntegrityFault("tail_cut", path.name, "is missing: nothing tells whether the log has been cut")
        return
    head = parse_head(content)
    if head is None or not is_genuine(content, keys, head.key, head.sig):
        yield IntegrityFault("tail_cut", path.name, "was not written by the city")
        return
    at_head = {entry.n: line for line, entry in lines if entry}.get(head.n)
    if at_head is None:
        yield IntegrityFault("tail_cut", f"entry {head.n}", "was the newest one, and is not there")
    elif sha256_of(at_head) != head.sha256:
        yield IntegrityFault("tail_cut", f"entry {head.n}", "is not the one that was the newest")


def _file_faults(folder: Path, records: dict[str, CaseRecord], on_disk: list[Path]) -> Iterator[IntegrityFault]:
    for record in records.values():
        for name, sha256 in ({} if record.deleted else record.sha256).items():
            actual = hash_file(folder / record.case / name)
            if actual is None:
                yield IntegrityFault("missing", f"{record.case}/{name}", "is not there")
            elif actual != sha256:
                yield IntegrityFault(
                    "changed", f"{record.case}/{name}", f"has SHA-256 {actual}, was kept with {sha256}"
                )
    for path in on_disk:
        known = records.get(path.name, CaseRecord(path.name))
        for file in sorted(path.rglob("*")):
            if known.deleted or file.name not in known.sha256 or file.parent != path:
                yield IntegrityFault(
                    "not_in_log", f"{path.name}/{file.relative_to(path)}", "the log knows no such file"
                )
