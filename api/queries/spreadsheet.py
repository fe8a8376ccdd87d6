"""Protection of CSV cells against formula injection."""

from __future__ import annotations

from typing import Final

_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
"""First characters of texts that a spreadsheet program evaluates as formulas."""


def escape_formula(value: object) -> object:
    """The value; a text that a spreadsheet program would evaluate gets a leading apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
