"""Tables for spreadsheet programs: texts that none of them takes for a formula."""

from __future__ import annotations

from typing import Final

_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
"""How texts begin that a spreadsheet program would compute."""


def harmless(value: object) -> object:
    """A value as it is; a text that could be a formula gets an apostrophe before it, a number never does."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
