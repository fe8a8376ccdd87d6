"""The context in which a page is rendered: language, rights, and formats of numbers and times."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from fastapi import Request

from api.auth.access import identity_of
from api.context import ApiContext
from api.dependencies import place_of_case
from broker.contract.units import unit_of
from city.i18n.catalogue import CONSOLE_TEXTS, DEFAULT_LANG, LANGS, Lang
from ingest.store.records import Value
from ingest.store.views.cases import Case
from people.areas import covers
from people.rights import Identity, Right

NOBODY: Final = Identity("demo", "", "", frozenset())
LANG_COOKIE: Final = "kota_lang"
_BYTES_STEP: Final = 1_000.0
_BYTES_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_HOUR_WORDS: Final = ("all_day", "hours_closed", "and")
_STEPS: Final = (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1))


@dataclass(frozen=True)
class PageContext:
    """Context of one page request. `lang_chosen`: the URL names the language."""

    context: ApiContext
    lang: Lang
    identity: Identity
    lang_chosen: bool = False

    def t(self, key: str, **values: object) -> str:
        """A text in the page's language."""
        return CONSOLE_TEXTS.text(key, self.lang, **values)

    def plural(self, key: str, count: int, **values: object) -> str:
        """The plural form of a text for a count, in the page's language; `{n}` is the formatted count."""
        return CONSOLE_TEXTS.plural(key, self.lang, count, **{"n": self.number(count), **values})

    def texts(self, keys: Iterable[str]) -> dict[str, str | tuple[str, ...]]:
        """Texts for scripts of the page; all forms of a text with plural forms."""
        return {
            key: CONSOLE_TEXTS.forms(key, self.lang) if CONSOLE_TEXTS.has_forms(key) else self.t(key) for key in keys
        }

    def word(self, key: str, prefix: str = "") -> str:
        """The text of an external word; without a text, the word itself."""
        return self.t(prefix + key) if prefix + key in CONSOLE_TEXTS else key

    def may(self, right: Right) -> bool:
        """Whether the user has a right."""
        return self.identity.may(right)

    def covers(self, case: Case) -> bool:
        """Whether a case is in the user's areas."""
        return covers(self.identity.areas, place_of_case(case))

    def date(self, day: date) -> str:
        """A day, as in times."""
        return f"{day.day} {self.t('months').split()[day.month - 1]} {day.year}"

    def time(self, at: datetime) -> str:
        """A time in the city's time zone, with the zone's name."""
        local = at.astimezone(self.context.city.time_zone)
        return f"{self.date(local)} {local:%H:%M} {local.tzname()}"

    def hours(self, described: str) -> str:
        """Dumping hours, translated from the description of `city.inventory.windows`."""
        english = [
            *CONSOLE_TEXTS.text("weekdays", "en").split(),
            *(CONSOLE_TEXTS.text(key, "en") for key in _HOUR_WORDS),
        ]
        own = [*self.t("weekdays").split(), *(self.t(key) for key in _HOUR_WORDS)]
        words = dict(zip(english, own, strict=True))
        return re.sub(rf"\b({'|'.join(words)})\b", lambda match: words[match.group()], described)

    def number(self, value: float, digits: int | None = None) -> str:
        """A number in the language's format; by default one decimal below 100, none for whole numbers and above."""
        if digits is None:
            digits = 0 if value == int(value) or abs(value) >= 100 else 1  # noqa: PLR2004 - three digits say enough
        written = f"{value:,.{digits}f}"
        return written.translate(str.maketrans(",.", self.t("thousands_separator") + self.t("decimal_separator")))

    def value(self, field: str, value: Value | None) -> str:
        """A field's value with its unit."""
        if value is None:
            return self.t("none")
        if isinstance(value, bool):
            return self.t("yes" if value else "no")
        if isinstance(value, str):
            words = ", ".join(value.strip("[]{}").replace('"', "").split(",")) or "-"
            return self.word(words, "scene_") if field == "scene" else words
        if field.endswith("_bytes") or field in ("uptime_s", "blind_s"):
            return self.bytes(value) if field.endswith("_bytes") else self.duration(value)
        if field in ("lat_deg", "lon_deg"):
            return f"{value:.5f}°"
        return f"{self.number(value)}\N{NO-BREAK SPACE}{unit_of(field)}".strip()

    def bytes(self, count: float) -> str:
        """A number of bytes in the largest unit that keeps it above one."""
        for unit in _BYTES_UNITS:
            if abs(count) < _BYTES_STEP or unit == _BYTES_UNITS[-1]:
                break
            count /= _BYTES_STEP
        return f"{self.number(count)}\N{NO-BREAK SPACE}{unit}"

    def duration(self, seconds: float) -> str:
        """A duration in its largest unit."""
        name, size = next((step for step in _STEPS if seconds >= step[1]), _STEPS[-1])
        return self.plural(name, int(seconds // size))

    def length(self, seconds: float) -> str:
        """A duration in its two largest units."""
        index, (name, size) = next(
            ((i, step) for i, step in enumerate(_STEPS) if seconds >= step[1]), (len(_STEPS) - 1, _STEPS[-1])
        )
        words = self.plural(name, int(seconds // size))
        if index + 1 == len(_STEPS):
            return words
        smaller, smaller_size = _STEPS[index + 1]
        rest = int(seconds % size // smaller_size)
        return f"{words} {self.plural(smaller, rest)}" if rest else words

    def age(self, at: datetime | None, now: datetime) -> str:
        """The age of a time, in its largest unit."""
        if at is None:
            return self.t("never")
        seconds = max(now - at, timedelta()).total_seconds()
        name, size = next((step for step in _STEPS if seconds >= step[1]), _STEPS[-1])
        return self.plural(f"{name}_ago", int(seconds // size))


def page_context_of(request: Request, context: ApiContext) -> PageContext:
    """The page context of a request. `AuthMiddleware` has checked who asks."""
    identity = identity_of(request, context) or NOBODY
    wanted = request.query_params.get("lang", "")
    chosen = next((lang for lang in LANGS if lang == wanted), None)
    kept = next((lang for lang in LANGS if lang == request.cookies.get(LANG_COOKIE)), DEFAULT_LANG)
    return PageContext(context, chosen or kept, identity, chosen is not None)
