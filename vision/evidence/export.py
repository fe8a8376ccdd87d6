"""A case as one archive: its files, a report, its entries of the custody log, and how to check all of it."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from typing import Final

from city.model import City
from vision.evidence.case_files import read_about
from vision.evidence.custody import LOG_NAME, read_lines
from vision.evidence.encryption import SUFFIX
from vision.evidence.keys import PUBLIC_NAME
from vision.evidence.records import Record
from vision.evidence.report_texts import Lang, text
from vision.evidence.store import EvidenceError, EvidenceRoom
from vision.evidence.subject import Subject

PACKED: Final = (".jpg", ".webm")
"""What no compression makes smaller."""


def export_case(room: EvidenceRoom, city: City, case: str, lang: Lang, **who: str) -> bytes:
    """A ZIP archive of a case; that it was made is in the custody log before.

    Args:
        room: Where it is kept.
        city: Names places and the time zone.
        case: Its id.
        lang: Of the report.
        who: What the log shall say of whom it is for.

    Raises:
        EvidenceError: There is no such case, or a file is not as it was kept.
        ConfigError: A newer version of this program has written the case.
        RetryLaterError: The log refuses; nothing was exported.
    """
    files = checked_files(room, case)
    about = read_about(room.folder, case)
    entry = room.custody.add("exported", case, who)
    lines = [(line, found) for line, found in read_lines(room.folder) if found and found.case == case]
    record = room.records()[case]
    shown = Record(case, record.kept_at, _open_to_all(record.sha256), record.verdict, record.judged_at)
    entries = [found for _, found in lines]
    now = entry.at
    from vision.evidence.report import to_pdf  # noqa: PLC0415 - PDF takes 20 MB, for a file now and then

    report = to_pdf(Subject(shown, about, room.folder / case, entries, entry.key), city, lang, now)
    beside = {
        text("report", lang): report,
        text("readme", lang): text("readme_text", lang, case=case).encode(),
        LOG_NAME: b"".join(line + b"\n" for line, _ in lines),
        PUBLIC_NAME: (room.folder / PUBLIC_NAME).read_bytes(),
    }
    return _zipped(case, {**files, **beside}, now)


def checked_files(room: EvidenceRoom, case: str) -> dict[str, bytes]:
    """Every file of a case but the sealed ones, each as it was kept.

    Raises:
        EvidenceError: There is no such case, or a file is not as it was kept.
    """
    record = room.records().get(case)
    if record is None or not record.sha256:
        raise EvidenceError("unknown", f"the custody log knows no evidence of case {case!r}")
    return {name: room.looked_up(case, name).read_bytes() for name in _open_to_all(record.sha256)}


def _open_to_all(sha256: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in sha256.items() if not name.endswith(SUFFIX)}


def _zipped(folder: str, files: dict[str, bytes], at: datetime) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in sorted(files.items()):
            told = zipfile.ZipInfo(f"{folder}/{name}", at.timetuple()[:6])
            told.compress_type = zipfile.ZIP_STORED if name.endswith(PACKED) else zipfile.ZIP_DEFLATED
            told.external_attr = 0o600 << 16
            archive.writestr(told, content)
    return packed.getvalue()
