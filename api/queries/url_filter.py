"""Filters of lists in a URL: short texts and a page number, read leniently."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlencode

_TEXT_MAX: Final = 80
_PAGE_DIGITS: Final = 5


def read_texts(query: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Text parameters by name; empty if absent, cut at 80 characters."""
    return {name: query.get(name, "").strip()[:_TEXT_MAX] for name in names}


def read_page(query: Mapping[str, str]) -> int:
    """The page, counted from 1; 1 if it is no number."""
    page = query.get("page", "1")
    is_number = page.isascii() and page.isdigit() and len(page) <= _PAGE_DIGITS
    return max(1, int(page)) if is_number else 1


def write_query(texts: Mapping[str, str], page: int) -> str:
    """The query of a page; empty texts are left out."""
    return urlencode({**{name: text for name, text in texts.items() if text}, "page": page})
