"""A case as one archive: its files, a report, its entries of the custody log, and how to check all of it."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from typing import Final

from city.i18n.catalogue import REPORT_TEXTS, Lang
from city.inventory.model import City
from vision.evidence.case_files import read_about
from vision.evidence.custody.log import LOG_NAME, PUBLIC_NAME, read_lines
from vision.evidence.custody.records import CaseRecord
from vision.evidence.encryption import SUFFIXES
from vision.evidence.store import EvidenceError, EvidenceStore
from vision.evidence.subject import ReportSubject

COMPRESSED_SUFFIXES: Final = (".jpg", ".webm")
"""Suffixes of files that are stored without compression."""


def export_case(store: EvidenceStore, city: City, case: str, lang: Lang, **who: str) -> bytes:
    """A ZIP archive of a case; the export is logged first.

    Args:
        store: Evidence of the city.
        city: Gives names of places and the time zone.
        case: Its id.
        lang: Language of the report.
        who: Details of the log entry: who exports, and for whom.

    Raises:
        EvidenceError: There is no such case, or a file is not as it was kept.
        ConfigError: A newer version of this program has written the case.
        RetryLaterError: The log refuses; nothing was exported.
    """
    files = verified_files(store, case)
    about = read_about(store.folder, case)
    entry = store.custody.add("exported", case, who)
    lines = [(line, logged) for line, logged in read_lines(store.folder) if logged and logged.case == case]
    record = store.records()[case]
    exported = CaseRecord(case, record.kept_at, _without_encrypted(record.sha256), record.verdict, record.judged_at)
    entries = [logged for _, logged in lines]
    now = entry.at
    from vision.evidence.report import to_pdf  # noqa: PLC0415 - PDF takes 20 MB, for a file now and then

    report = to_pdf(ReportSubject(exported, about, store.folder / case, entries, entry.key), city, lang, now)
    beside = {
        REPORT_TEXTS.text("report", lang): report,
        REPORT_TEXTS.text("readme", lang): REPORT_TEXTS.text("readme_text", lang, case=case).encode(),
        LOG_NAME: b"".join(line + b"\n" for line, _ in lines),
        PUBLIC_NAME: (store.folder / PUBLIC_NAME).read_bytes(),
    }
    return _zip(case, {**files, **beside}, now)


def verified_files(store: EvidenceStore, case: str) -> dict[str, bytes]:
    """Contents of all files of a case but the encrypted ones, each verified.

    Raises:
        EvidenceError: There is no such case, or a file is not as it was kept.
    """
    record = store.records().get(case)
    if record is None or not record.sha256:
        raise EvidenceError("unknown", f"the custody log knows no evidence of case {case!r}")
    return {name: store.verified_path(case, name).read_bytes() for name in _without_encrypted(record.sha256)}


def _without_encrypted(sha256: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in sha256.items() if not name.endswith(SUFFIXES)}


def _zip(folder: str, files: dict[str, bytes], at: datetime) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{folder}/{name}", at.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(COMPRESSED_SUFFIXES) else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, content)
    return packed.getvalue()
