"""Texts in every language, read from the gettext catalogues below `locale/`.

A domain has one file for each language, `locale/LANG/LC_MESSAGES/DOMAIN.po`. In all of them `msgid` is the key of a
text, and `msgstr` is the text. `docs/translating.md` says how catalogues are edited.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final, Literal, NamedTuple

Lang = Literal["id", "en"]

LANGS: Final[dict[Lang, str]] = {"id": "Bahasa Indonesia", "en": "English"}
"""Languages with their native names, the default first."""

DEFAULT_LANG: Final[Lang] = next(iter(LANGS))

LOCALE: Final = Path(__file__).parent / "locale"


class _Translations(NamedTuple):
    """The texts of a domain in a language; a text with plural forms is a tuple. `plural_index`: count to form."""

    texts: Mapping[str, str | tuple[str, ...]]
    plural_index: Callable[[int], int]


class Catalogue:
    """The texts of one domain in every language.

    The file of a language is read once in a process, when its first text is needed.
    """

    def __init__(self, domain: str, folder: Path = LOCALE) -> None:
        self.domain = domain
        self._folder = folder

    def _translations(self, lang: Lang) -> _Translations:
        return _read(path_of(self.domain, lang, self._folder))

    def __contains__(self, key: object) -> bool:
        return key in self._translations(DEFAULT_LANG).texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._translations(DEFAULT_LANG).texts)

    def text(self, key: str, lang: Lang, /, **values: object) -> str:
        """A text with its placeholders filled in; without values braces stay as they are.

        Raises:
            KeyError: The key is unknown, or its text has plural forms.
        """
        text = self._translations(lang).texts[key]
        if isinstance(text, tuple):
            raise KeyError(f"{key} has plural forms")
        return text.format(**values) if values else text

    def plural(self, key: str, lang: Lang, count: int, /, **values: object) -> str:
        """The plural form for a count, with its placeholders filled in. `{n}` is the count unless `values` has `n`.

        Raises:
            KeyError: The key is unknown, or its text has no plural forms.
        """
        return self.forms(key, lang)[self._translations(lang).plural_index(count)].format(**{"n": count, **values})

    def forms(self, key: str, lang: Lang) -> tuple[str, ...]:
        """The plural forms of a text with unfilled placeholders, in the order of the language's plural rule.

        Raises:
            KeyError: The key is unknown, or its text has no plural forms.
        """
        forms = self._translations(lang).texts[key]
        if isinstance(forms, str):
            raise KeyError(f"{key} has no plural forms")
        return forms

    def has_forms(self, key: str) -> bool:
        """Whether a text has plural forms.

        Raises:
            KeyError: The key is unknown.
        """
        return isinstance(self._translations(DEFAULT_LANG).texts[key], tuple)

    def below(self, path: str, lang: Lang) -> dict[str, str]:
        """The texts directly below a path of dotted keys, by the last part of their keys; used for codes."""
        start = f"{path}."
        names = [key.removeprefix(start) for key in self if key.startswith(start)]
        return {name: self.text(start + name, lang) for name in names if "." not in name}

    def in_all(self, key: str, **values: object) -> str:
        """A text in all languages, for readers whose language is not known."""
        return " / ".join(self.text(key, lang, **values) for lang in LANGS)


@cache
def _read(path: Path) -> _Translations:
    """The content of a catalogue's file.

    Raises:
        OSError: There is no such file.
        PoFileError: The file is not valid.
    """
    # Edge agents and ingest import this module and show no text; Babel costs them nothing.
    from babel.messages.pofile import read_po  # noqa: PLC0415

    with path.open("rb") as file:
        catalog = read_po(file, abort_invalid=True)
    texts = {_key_of(message.id): _text_of(message.string) for message in catalog if message.id}
    # The plural rule is a C expression, and the standard library has the parser of these.
    return _Translations(texts, gettext.c2py(catalog.plural_expr))


def path_of(domain: str, lang: Lang, folder: Path = LOCALE) -> Path:
    """The file of a domain's texts in a language."""
    return folder / lang / "LC_MESSAGES" / f"{domain}.po"


def _key_of(msgid: str | list[str] | tuple[str, ...]) -> str:
    return msgid if isinstance(msgid, str) else msgid[0]


def _text_of(msgstr: str | list[str] | tuple[str, ...] | None) -> str | tuple[str, ...]:
    return msgstr if isinstance(msgstr, str) else tuple(msgstr or ())


API_TEXTS: Final = Catalogue("api")
"""Pages of the API outside the console: sign-in, unknown pages, refusals."""

CONSOLE_TEXTS: Final = Catalogue("console")
"""Pages of the console."""

CREW_TEXTS: Final = Catalogue("crew")
"""The app of crews."""

DASHBOARD_TEXTS: Final = Catalogue("dashboards")
"""Grafana's dashboards and alert rules."""

NOTIFICATION_TEXTS: Final = Catalogue("notifications")
"""Messages about alarms that leave the city."""
FORECAST_TEXTS: Final = Catalogue("forecast")
"""Reasons and reliability of forecasts."""
PLANNING_TEXTS: Final = Catalogue("planning")
"""Plans of collection: why a stop is on one, and what a new one changes."""

REPORT_TEXTS: Final = Catalogue("report")
"""The report on a case, the README of its archive, and entries of the custody log."""

STATUS_TEXTS: Final = Catalogue("status")
"""`kota status`, and the problems that other places show."""

CATALOGUES: Final = (
    API_TEXTS,
    CONSOLE_TEXTS,
    CREW_TEXTS,
    DASHBOARD_TEXTS,
    FORECAST_TEXTS,
    NOTIFICATION_TEXTS,
    PLANNING_TEXTS,
    REPORT_TEXTS,
    STATUS_TEXTS,
)
