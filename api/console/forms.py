"""Parts of questions that the address keeps: choices, and the way to other pages of the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api.console.markup import Markup, link, tag
from api.console.view import View

Choice = tuple[str, str]
"""A value and what is shown for it."""


def select(name: str, label: str, choices: Sequence[Choice], chosen: str) -> Markup:
    """A labelled list to choose one of."""
    options = [tag("option", words, value=value, selected=value == chosen) for value, words in choices]
    return tag("label", label, tag("select", *options, name=name))


def pager(view: View, address: Callable[[int], str], page: int, pages: int) -> Markup:
    """Where in the answer this is, and the way to its neighbours; `address` is that of a page."""
    parts: list[object] = [tag("span", view.t("page", n=page, of=pages))]
    if page > 1:
        parts.insert(0, link(address(page - 1), view.t("previous"), rel="prev"))
    if page < pages:
        parts.append(link(address(page + 1), view.t("next"), rel="next"))
    return tag("nav", *parts, class_="pager")
