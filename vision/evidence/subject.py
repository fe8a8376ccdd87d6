"""What a report on a case is about, and its entries in words; the report itself is `vision.evidence.report`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision.evidence.chain import Entry
from vision.evidence.records import Record
from vision.evidence.report_texts import Lang, has_text, text


@dataclass(frozen=True)
class Subject:
    """What a report is about: the case's files in a folder, what its camera said, and its entries of the log."""

    record: Record
    about: dict[str, Any]
    folder: Path
    entries: Sequence[Entry]
    key: str


def describe(entry: Entry, lang: Lang = "en") -> str:
    """Who and what of an entry."""
    said = {key: value for key, value in entry.detail.items() if key != "sha256" and value}
    words = {key: text(f"said_{key}", lang) if has_text(f"said_{key}") else key for key in said}
    return ", ".join(f"{words[key]} {value}" for key, value in said.items())
