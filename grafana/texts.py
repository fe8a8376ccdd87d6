"""The texts of dashboards and alert rules in Bahasa Indonesia and English, from `texts.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final, Literal, get_args

Lang = Literal["id", "en"]

LANGS: Final[tuple[Lang, ...]] = get_args(Lang)
"""Languages, the default first."""

_FILE: Final = Path(__file__).parent / "texts.toml"


def _flatten(table: dict[str, Any], path: str = "") -> dict[str, tuple[str, str]]:
    """Dotted key to (Indonesian, English).

    Raises:
        ValueError: A text is missing in one language; the message names its key.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, value in table.items():
        key = f"{path}.{name}" if path else name
        if isinstance(value, dict):
            found |= _flatten(value, key)
        elif isinstance(value, list) and len(value) == len(LANGS) and all(isinstance(v, str) and v for v in value):
            found[key] = (value[0], value[1])
        else:
            raise ValueError(f"{_FILE.name}: {key} is not a text in each of {', '.join(LANGS)}")
    return found


TEXTS: Final = _flatten(tomllib.loads(_FILE.read_text(encoding="utf-8")))


def text(key: str, lang: Lang, **values: object) -> str:
    """A text with its placeholders filled in.

    Raises:
        KeyError: The key is unknown.
    """
    found = TEXTS[key][LANGS.index(lang)]
    return found.format(**values) if values else found


def texts_below(path: str, lang: Lang) -> dict[str, str]:
    """The texts directly below a path, by the last part of their keys; used for codes."""
    start = f"{path}."
    return {
        key.removeprefix(start): found[LANGS.index(lang)]
        for key, found in TEXTS.items()
        if key.startswith(start) and "." not in key.removeprefix(start)
    }
