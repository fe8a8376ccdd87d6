"""Subject of a report on a case, and its log entries as text; the report itself is `vision.evidence.report`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from city.i18n.catalogue import REPORT_TEXTS, Lang
from vision.evidence.custody.chain import Entry
from vision.evidence.custody.records import CaseRecord


@dataclass(frozen=True)
class ReportSubject:
    """Subject of a report: the folder of the case, its `case.json`, and its entries of the log."""

    record: CaseRecord
    about: dict[str, Any]
    folder: Path
    entries: Sequence[Entry]
    key: str


def describe(entry: Entry, lang: Lang = "en") -> str:
    """The details of an entry as text."""
    details = {key: value for key, value in entry.detail.items() if key != "sha256" and value}
    words = {key: REPORT_TEXTS.text(f"said_{key}", lang) if f"said_{key}" in REPORT_TEXTS else key for key in details}
    return ", ".join(f"{words[key]} {value}" for key, value in details.items())
