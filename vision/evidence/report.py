"""The report on a case for the officials who act on it: A4, in Bahasa Indonesia or English."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any, Final

from babel.numbers import format_decimal
from fpdf.errors import FPDFException

from city.i18n.catalogue import REPORT_TEXTS, Lang
from city.inventory.model import City
from city.paper import FONT, GAP_MM, SMALL_PT, Paper
from vision.capture.picture_size import is_too_large, size_of
from vision.evidence.subject import ReportSubject, describe

PICTURES: Final = ("before", "deposit", "after")
PICTURE_MM: Final = 88.0
ENTRIES_MAX: Final = 40
"""Maximum entries in the report; the archive holds all of them."""


def to_pdf(subject: ReportSubject, city: City, lang: Lang, now: datetime) -> bytes:
    """The report as PDF.

    Args:
        subject: The case; its pictures are read from its folder.
        city: Gives names of places and the time zone.
        lang: The language.
        now: Time of the report.
    """
    made = REPORT_TEXTS.text("made", lang, time=_time(now, city))
    foot = f"Jaga Kota, {city.name}  |  {subject.record.case}  |  {made}"
    paper = Paper(foot, lambda number: REPORT_TEXTS.text("page", lang, n=number))
    paper.set_title(f"{REPORT_TEXTS.text('title', lang)} {subject.record.case}")
    paper.set_creation_date(now)
    paper.add_page()
    _head(paper, subject, city, lang)
    _facts(paper, subject, city, lang)
    _pictures(paper, subject, lang)
    _files(paper, subject, lang)
    _custody(paper, subject, city, lang)
    paper.write_heading(REPORT_TEXTS.text("check", lang))
    paper.write_paragraph(REPORT_TEXTS.text("check_text", lang, fingerprint=subject.key))
    return bytes(paper.output())


def _head(paper: Paper, subject: ReportSubject, city: City, lang: Lang) -> None:
    paper.write_title(REPORT_TEXTS.text("title", lang))
    paper.write_line(city.name, 6)
    if subject.about.get("simulated"):
        paper.set_font(FONT, "B", 13)
        paper.set_text_color(190, 0, 0)
        paper.write_line(REPORT_TEXTS.text("simulated", lang), 8)
        paper.set_text_color(0, 0, 0)


def _facts(paper: Paper, subject: ReportSubject, city: City, lang: Lang) -> None:
    paper.write_heading(REPORT_TEXTS.text("facts", lang))
    rows = [(REPORT_TEXTS.text(key, lang), value) for key, value in facts(subject, city, lang) if value]
    paper.write_table(rows, (50, 124))
    paper.write_paragraph(REPORT_TEXTS.text("privacy", lang), SMALL_PT + 1)


def facts(subject: ReportSubject, city: City, lang: Lang) -> list[tuple[str, str]]:
    """Facts of a case as (key of the label, text); the text is empty if a fact is unknown."""
    about, record = subject.about, subject.record
    site = city.sites.get(str(about.get("site", "")))
    kelurahan = city.kelurahan.get(site.kelurahan) if site else None
    verdict = REPORT_TEXTS.text(f"verdict_{record.verdict}", lang)
    judged = f"{verdict}, {_time(record.judged_at, city)}" if record.judged_at else verdict
    return [
        ("case", record.case),
        ("place", site.name if site else str(about.get("site", ""))),
        ("kelurahan", kelurahan.name if kelurahan else ""),
        ("camera", str(about.get("camera", ""))),
        ("since", _since(about, city)),
        ("hours", str(about.get("outside_hours", ""))),
        ("zone", _word("zone", about, lang)),
        ("by", _word("by", about, lang)),
        ("heading", _word("heading", about, lang)),
        ("stop", REPORT_TEXTS.text("without_stop", lang) if about.get("in_passing") is True else ""),
        ("size", _size(about, lang)),
        ("verdict", judged),
    ]


def _pictures(paper: Paper, subject: ReportSubject, lang: Lang) -> None:
    paper.write_heading(REPORT_TEXTS.text("pictures", lang))
    for role in PICTURES:
        path = subject.folder / f"{role}.jpg"
        if f"{role}.jpg" not in subject.record.sha256:
            continue
        if paper.will_page_break(PICTURE_MM + 8):
            paper.add_page()
        paper.write_line(REPORT_TEXTS.text(role, lang), 6)
        write_picture(paper, path.read_bytes(), lang)
        paper.ln(GAP_MM)
    if "clip.webm" in subject.record.sha256:
        paper.write_paragraph(REPORT_TEXTS.text("clip", lang, name="clip.webm"))


def write_picture(paper: Paper, content: bytes, lang: Lang) -> None:
    """A picture, or a text that it cannot be shown: a file in the folder may hold anything."""
    size = size_of(content)
    if size is None or is_too_large(size):
        paper.write_paragraph(REPORT_TEXTS.text("no_picture", lang))
        return
    try:
        paper.image(io.BytesIO(content), h=PICTURE_MM, w=paper.epw, keep_aspect_ratio=True)
    except (OSError, ValueError, SyntaxError, FPDFException):
        paper.write_paragraph(REPORT_TEXTS.text("no_picture", lang))


def _files(paper: Paper, subject: ReportSubject, lang: Lang) -> None:
    paper.write_heading(REPORT_TEXTS.text("files", lang))
    paper.write_table(sorted(subject.record.sha256.items()), (42, 132), SMALL_PT)


def _custody(paper: Paper, subject: ReportSubject, city: City, lang: Lang) -> None:
    paper.write_heading(REPORT_TEXTS.text("custody", lang))
    newest = subject.entries[-ENTRIES_MAX:]
    rows = [(_time(entry.at, city), REPORT_TEXTS.text(entry.kind, lang), describe(entry, lang)) for entry in newest]
    paper.write_table(rows, (48, 42, 84), SMALL_PT)
    rest = len(subject.entries) - len(newest)
    if rest:
        paper.write_paragraph(REPORT_TEXTS.plural("older", lang, rest), SMALL_PT)


def _word(key: str, about: dict[str, Any], lang: Lang) -> str:
    text_key = f"{key}_{about.get(key, '')}"
    return REPORT_TEXTS.text(text_key, lang) if text_key in REPORT_TEXTS else ""


def _size(about: dict[str, Any], lang: Lang) -> str:
    heights = about.get("size_person_heights")
    if isinstance(heights, bool) or not isinstance(heights, int | float):
        return ""
    return REPORT_TEXTS.text("size_heights", lang, heights=format_decimal(heights, "0.#", lang))


def _since(about: dict[str, Any], city: City) -> str:
    try:
        at = datetime.fromisoformat(str(about.get("since", "")))
        return f"{_time(at, city)} ({at:%H:%M:%S} UTC)"
    except ValueError:
        return ""


def _time(at: datetime, city: City) -> str:
    return f"{at.astimezone(city.time_zone):%Y-%m-%d %H:%M:%S %Z}"
