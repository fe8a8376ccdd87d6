"""HTML builders. Everything that is not `Markup` is escaped, so external texts stay text."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Literal

Narrow = Literal["pairs", "lines", "keep"]

_EMPTY = frozenset({"br", "img", "input", "link"})


class Markup(str):
    """Text that is already HTML."""

    __slots__ = ()


def markup(value: object) -> Markup:
    """HTML of a value: markup unchanged, None as an empty text, anything else escaped."""
    if isinstance(value, Markup):
        return value
    return Markup("" if value is None else escape(str(value)))


def join(parts: Iterable[object], between: str = "") -> Markup:
    """The parts joined."""
    return Markup(between.join(markup(part) for part in parts))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element: `class_` is the attribute `class`, `data_id` is `data-id`; None and False leave one out."""
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Markup(f"<{name}{given}>" if name in _EMPTY else f"<{name}{given}>{join(children)}</{name}>")


def link(to: str, text: object, **attributes: object) -> Markup:
    """A link."""
    return tag("a", text, href=to, **attributes)


def table(headings: Iterable[str], rows: Iterable[Iterable[object]], *, narrow: Narrow = "pairs") -> Markup:
    """A table.

    Args:
        headings: Column headings.
        rows: Cells of each row, one per column.
        narrow: Layout on a narrow screen. `pairs` and `lines` turn rows into cards with two cells or one cell per line;
            `keep` keeps the table.
    """
    names = list(headings)
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in names)))
    body = [tag("tr", *(tag("td", cell, data_label=n) for n, cell in zip(names, row, strict=True))) for row in rows]
    return tag("table", head, tag("tbody", *body), class_=narrow)
