"""HTML made of text: whatever is not markup already is escaped, so names and reasons from outside stay text."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Literal

Narrow = Literal["pairs", "lines", "keep"]

_EMPTY = frozenset({"br", "img", "input", "link"})


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


def markup(value: object) -> Markup:
    """HTML of anything: markup as it is, None as nothing, everything else as escaped text."""
    if isinstance(value, Markup):
        return value
    return Markup("" if value is None else escape(str(value)))


def join(parts: Iterable[object], between: str = "") -> Markup:
    """Parts one after another."""
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
    """A table; `narrow` says what becomes of it on a narrow screen.

    Args:
        headings: One for each column.
        rows: As many cells each.
        narrow: `pairs` and `lines` make each row a card, its cells two side by side or one a line; `keep` leaves it.
    """
    names = list(headings)
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in names)))
    body = [tag("tr", *(tag("td", cell, data_label=n) for n, cell in zip(names, row, strict=True))) for row in rows]
    return tag("table", head, tag("tbody", *body), class_=narrow)
