"""HTML builders on markupsafe: everything that is not `Markup` is escaped, so external texts stay text."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import Final, Literal

from markupsafe import Markup, escape

Narrow = Literal["pairs", "lines", "keep"]

_VOID: Final = frozenset({"br", "img", "input", "link", "meta"})
"""Elements without an end tag."""
_CONTROLS: Final = (*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0))
_DIRECTIONS: Final = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_UNSEEN: Final = dict.fromkeys((*_CONTROLS, *_DIRECTIONS), "\N{REPLACEMENT CHARACTER}")
"""Control characters but tab and line ends, and characters that change the direction of what follows."""


def markup(value: object) -> Markup:
    """HTML of a value: markup unchanged, None as an empty text, anything else escaped."""
    if isinstance(value, Markup):
        return value
    return Markup() if value is None else _escape_text(str(value))


def _escape_text(text: str) -> Markup:
    """The text as HTML, with a replacement character for what a reader could not see or would be misled by."""
    return escape(text if text.isprintable() else text.translate(_UNSEEN))


def join(parts: Iterable[object], between: str = "") -> Markup:
    """The parts joined."""
    return _html(escape(between), map(markup, parts))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element: `class_` is the attribute `class`, `data_id` is `data-id`; None and False leave one out."""
    # An attribute's value is a text, also where it is markup.
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{_escape_text(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return _html("", [f"<{name}{given}>"])
    return _html("", [f"<{name}{given}>", *map(markup, children), f"</{name}>"])


def _html(between: str, escaped: Iterable[str]) -> Markup:
    # `Markup.join` would escape each part again, at seven times the cost.
    return Markup(str.join(between, escaped))  # noqa: S704 - its parts are escaped


def link(to: str, text: object, **attributes: object) -> Markup:
    """A link."""
    return tag("a", text, href=to, **attributes)


def table(
    headings: Iterable[object],
    rows: Iterable[Iterable[object]],
    *,
    narrow: Narrow = "pairs",
    keys: Iterable[object] | None = None,
) -> Markup:
    """A table.

    Args:
        headings: Column headings.
        rows: Cells of each row, one per column.
        narrow: Layout on a narrow screen. `pairs` and `lines` turn rows into cards with two cells or one cell per line;
            `keep` keeps the table.
        keys: What each row is about. The row of a live table keeps its place in the page by it.
    """
    heads = list(headings)
    labels = [heading.striptags() if isinstance(heading, Markup) else heading for heading in heads]
    head = tag("thead", tag("tr", *(_heading_cell(heading) for heading in heads)))
    body = [
        tag("tr", *(tag("td", cell, data_label=n) for n, cell in zip(labels, row, strict=True)), data_key=key)
        for row, key in zip(rows, keys or repeat(None), strict=False)
    ]
    return tag("table", head, tag("tbody", *body), class_=narrow)


def _heading_cell(heading: object) -> Markup:
    is_cell = isinstance(heading, Markup) and heading.startswith("<th ")
    return markup(heading) if is_cell else tag("th", heading, scope="col")
