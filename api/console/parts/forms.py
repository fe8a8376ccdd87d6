"""Form parts of lists: selects, and links to other pages of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import link, tag

Choice = tuple[str, str]
"""A value and its label."""


def select(name: str, label: str, choices: Sequence[Choice], chosen: str) -> Markup:
    """A labelled select."""
    options = [tag("option", words, value=value, selected=value == chosen) for value, words in choices]
    return tag("label", label, tag("select", *options, name=name))


def pager(page: PageContext, address: Callable[[int], str], page_number: int, pages: int) -> Markup:
    """Page number, and links to the previous and next page. `address`: URL of a page by its number."""
    parts: list[object] = [tag("span", page.t("page", n=page_number, of=pages))]
    if page_number > 1:
        parts.insert(0, link(address(page_number - 1), page.t("previous"), rel="prev"))
    if page_number < pages:
        parts.append(link(address(page_number + 1), page.t("next"), rel="next"))
    return tag("nav", *parts, class_="pager")
