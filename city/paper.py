"""Documents on paper: A4 as PDF, with a footer on every page. It takes 20 MB; import it where a document is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from fpdf import FPDF
from fpdf.enums import TableBordersLayout, XPos, YPos

FONT: Final = "helvetica"
TEXT_PT: Final = 11
SMALL_PT: Final = 8
GAP_MM: Final = 4.0
_REPLACED: Final = str.maketrans(
    {
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{HORIZONTAL ELLIPSIS}": "...",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{BULLET}": "-",
    }
)
"""What the standard fonts of PDF lack, in what they have."""


class Paper(FPDF):
    """A4 with a footer on every page.

    Args:
        foot: The footer.
        page_words: The words for the number of a page.
    """

    def __init__(self, foot: str, page_words: Callable[[int], str]) -> None:
        super().__init__(format="A4")
        self._foot, self._page_words = foot, page_words
        self.set_margins(18, 16)
        self.set_auto_page_break(auto=True, margin=18)

    def footer(self) -> None:
        """Write the footer of a page."""
        self.set_y(-13)
        self.set_font(FONT, size=SMALL_PT)
        self.cell(0, 5, to_latin1(f"{self._foot}  |  {self._page_words(self.page_no())}"), align="C")

    def write_title(self, words: str, size_pt: float = 17) -> None:
        """Write the title of the document."""
        self.set_font(FONT, "B", size_pt)
        self.write_line(words, 9)
        self.set_font(FONT, size=TEXT_PT)

    def write_heading(self, words: str) -> None:
        """Write the heading of a section; it stays with what follows."""
        self.ln(GAP_MM)
        if self.will_page_break(24):
            self.add_page()
        self.set_font(FONT, "B", 13)
        self.write_line(words, 8)
        self.set_font(FONT, size=TEXT_PT)

    def write_line(self, words: str, height_mm: float = 6) -> None:
        """Write one line."""
        self.cell(0, height_mm, to_latin1(words), new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def write_paragraph(self, words: str, size_pt: float = TEXT_PT) -> None:
        """Write a paragraph."""
        self.ln(GAP_MM / 2)
        self.set_font(FONT, size=size_pt)
        self.multi_cell(0, size_pt * 0.5, to_latin1(words), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_font(FONT, size=TEXT_PT)

    def write_table(
        self,
        rows: Iterable[Sequence[str]],
        widths_mm: Sequence[int],
        size_pt: float = TEXT_PT,
        *,
        headings: Sequence[str] = (),
        line_mm: float = 0.0,
    ) -> None:
        """Write a table.

        Args:
            rows: Cells.
            widths_mm: Width of each column.
            size_pt: Size of the text.
            headings: Of the columns, repeated on each page; none without.
            line_mm: Height of a line; by the size of the text without it.
        """
        self.set_font(FONT, size=size_pt)
        with self.table(
            col_widths=tuple(widths_mm),
            first_row_as_headings=bool(headings),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            line_height=line_mm or size_pt * 0.55,
            align="LEFT",
            text_align="LEFT",
        ) as table:
            for row in ([headings] if headings else []) + list(rows):
                table.row([to_latin1(cell) for cell in row])
        self.set_font(FONT, size=TEXT_PT)


def to_latin1(words: str) -> str:
    """Replace characters that the standard PDF fonts lack."""
    return words.translate(_REPLACED).encode("latin-1", "replace").decode("latin-1")
