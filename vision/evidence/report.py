"""The report on a case for the officials who act on it: A4, in Bahasa Indonesia or English."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from babel.numbers import format_decimal
from fpdf import FPDF
from fpdf.enums import TableBordersLayout, XPos, YPos
from fpdf.errors import FPDFException

from city.i18n.catalogue import REPORT_TEXTS, Lang
from city.inventory.model import City
from vision.capture.picture_size import is_too_large, size_of
from vision.evidence.subject import ReportSubject, describe

PICTURES: Final = ("before", "deposit", "after")
FONT: Final = "helvetica"
TEXT_PT: Final = 11
SMALL_PT: Final = 8
GAP_MM: Final = 4.0
PICTURE_MM: Final = 88.0
ENTRIES_MAX: Final = 40
"""Maximum entries in the report; the archive holds all of them."""


class _ReportPdf(FPDF):
    """A4 with a footer on every page."""

    def __init__(self, foot: str, lang: Lang) -> None:
        super().__init__(format="A4")
        self._foot, self._lang = foot, lang
        self.set_margins(18, 16)
        self.set_auto_page_break(auto=True, margin=18)

    def footer(self) -> None:
        self.set_y(-13)
        self.set_font(FONT, size=SMALL_PT)
        words = f"{self._foot}  |  {REPORT_TEXTS.text('page', self._lang, n=self.page_no())}"
        self.cell(0, 5, _to_latin1(words), align="C")


def to_pdf(subject: ReportSubject, city: City, lang: Lang, now: datetime) -> bytes:
    """The report as PDF.

    Args:
        subject: The case; its pictures are read from its folder.
        city: Gives names of places and the time zone.
        lang: The language.
        now: Time of the report.
    """
    made = REPORT_TEXTS.text("made", lang, time=_time(now, city))
    paper = _ReportPdf(f"Jaga Kota, {city.name}  |  {subject.record.case}  |  {made}", lang)
    paper.set_title(f"{REPORT_TEXTS.text('title', lang)} {subject.record.case}")
    paper.set_creation_date(now)
    paper.add_page()
    _head(paper, subject, city, lang)
    _facts(paper, subject, city, lang)
    _pictures(paper, subject, lang)
    _files(paper, subject, lang)
    _custody(paper, subject, city, lang)
    _section(paper, REPORT_TEXTS.text("check", lang))
    _paragraph(paper, REPORT_TEXTS.text("check_text", lang, fingerprint=subject.key))
    return bytes(paper.output())


def _head(paper: FPDF, subject: ReportSubject, city: City, lang: Lang) -> None:
    paper.set_font(FONT, "B", 17)
    _line(paper, REPORT_TEXTS.text("title", lang), 9)
    paper.set_font(FONT, size=TEXT_PT)
    _line(paper, city.name, 6)
    if subject.about.get("simulated"):
        paper.set_font(FONT, "B", 13)
        paper.set_text_color(190, 0, 0)
        _line(paper, REPORT_TEXTS.text("simulated", lang), 8)
        paper.set_text_color(0, 0, 0)


def _facts(paper: FPDF, subject: ReportSubject, city: City, lang: Lang) -> None:
    _section(paper, REPORT_TEXTS.text("facts", lang))
    rows = [(REPORT_TEXTS.text(key, lang), value) for key, value in facts(subject, city, lang) if value]
    _table(paper, rows, (50, 124))
    _paragraph(paper, REPORT_TEXTS.text("privacy", lang), SMALL_PT + 1)


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


def _pictures(paper: FPDF, subject: ReportSubject, lang: Lang) -> None:
    _section(paper, REPORT_TEXTS.text("pictures", lang))
    for role in PICTURES:
        path = subject.folder / f"{role}.jpg"
        if f"{role}.jpg" not in subject.record.sha256:
            continue
        if paper.will_page_break(PICTURE_MM + 8):
            paper.add_page()
        _line(paper, REPORT_TEXTS.text(role, lang), 6)
        _picture(paper, path.read_bytes(), lang)
        paper.ln(GAP_MM)
    if "clip.webm" in subject.record.sha256:
        _paragraph(paper, REPORT_TEXTS.text("clip", lang, name="clip.webm"))


def _picture(paper: FPDF, content: bytes, lang: Lang) -> None:
    """A picture, or a text that it cannot be shown: a file in the folder may hold anything."""
    size = size_of(content)
    if size is None or is_too_large(size):
        _paragraph(paper, REPORT_TEXTS.text("no_picture", lang))
        return
    try:
        paper.image(io.BytesIO(content), h=PICTURE_MM, w=paper.epw, keep_aspect_ratio=True)
    except (OSError, ValueError, SyntaxError, FPDFException):
        _paragraph(paper, REPORT_TEXTS.text("no_picture", lang))


def _files(paper: FPDF, subject: ReportSubject, lang: Lang) -> None:
    _section(paper, REPORT_TEXTS.text("files", lang))
    _table(paper, sorted(subject.record.sha256.items()), (42, 132), SMALL_PT)


def _custody(paper: FPDF, subject: ReportSubject, city: City, lang: Lang) -> None:
    _section(paper, REPORT_TEXTS.text("custody", lang))
    newest = subject.entries[-ENTRIES_MAX:]
    rows = [(_time(entry.at, city), REPORT_TEXTS.text(entry.kind, lang), describe(entry, lang)) for entry in newest]
    _table(paper, rows, (48, 42, 84), SMALL_PT)
    rest = len(subject.entries) - len(newest)
    if rest:
        _paragraph(paper, REPORT_TEXTS.plural("older", lang, rest), SMALL_PT)


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


def _section(paper: FPDF, title: str) -> None:
    paper.ln(GAP_MM)
    if paper.will_page_break(24):
        paper.add_page()
    paper.set_font(FONT, "B", 13)
    _line(paper, title, 8)
    paper.set_font(FONT, size=TEXT_PT)


def _line(paper: FPDF, words: str, height_mm: float) -> None:
    paper.cell(0, height_mm, _to_latin1(words), new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _paragraph(paper: FPDF, words: str, size_pt: float = TEXT_PT) -> None:
    paper.ln(GAP_MM / 2)
    paper.set_font(FONT, size=size_pt)
    paper.multi_cell(0, size_pt * 0.5, _to_latin1(words), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.set_font(FONT, size=TEXT_PT)


def _table(paper: FPDF, rows: Iterable[Sequence[str]], widths_mm: tuple[int, ...], size_pt: float = TEXT_PT) -> None:
    paper.set_font(FONT, size=size_pt)
    with paper.table(
        col_widths=widths_mm,
        first_row_as_headings=False,
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        line_height=size_pt * 0.55,
        align="LEFT",
        text_align="LEFT",
    ) as table:
        for row in rows:
            table.row([_to_latin1(cell) for cell in row])
    paper.set_font(FONT, size=TEXT_PT)


def _to_latin1(words: str) -> str:
    """Replace characters that the standard PDF fonts lack."""
    return words.encode("latin-1", "replace").decode("latin-1")
