"""Templates of notifications: what, where, since when, what to do, and links, in Indonesian and English.

The templates have no variables of their own (`$`), which provisioning would expand as environment variables. Functions
for time zones are not in every version of Grafana, so the times are UTC shifted by the city's offset.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from city.i18n.catalogue import DASHBOARD_TEXTS, DEFAULT_LANG, LANGS, Lang
from city.inventory.model import City

TEMPLATE: Final = "kota"
"""Name of the group of templates in Grafana."""

WORDS: Final = ("since", "todo", "link", "picture", "ended")
"""Keys of the texts below `messages.`"""

SUBJECT: Final = '{{ template "kota.subject" . }}'
MESSAGE: Final = '{{ template "kota.message" . }}'

_SOME_DAY: Final = datetime(2026, 1, 1)  # noqa: DTZ001 - local by intent: which offset the city has then
_NANOSECONDS: Final = 1_000_000_000


def template(city: City) -> str:
    """The text of the templates `kota.subject` and `kota.message`, for e-mail and for messengers."""
    parts = {
        "kota.at": f'{{{{ ({_local("StartsAt", city)}).Format "02/01 15.04" }}}} {_zone(city)}',
        "kota.first": _first(),
        "kota.subject": (
            '{{ if .Alerts.Firing }}{{ template "kota.first" .Alerts.Firing }}'
            f'{{{{ else }}}}{_text("ended")}: {{{{ template "kota.first" .Alerts }}}}{{{{ end }}}}'
        ),
        "kota.alert": "\n\n".join(_alert(lang) for lang in LANGS),
        "kota.message": (
            '{{ range .Alerts.Firing }}{{ template "kota.alert" . }}\n\n{{ end }}'
            f"{{{{ if .Alerts.Resolved }}}}{_text('ended')}:\n"
            "{{ range .Alerts.Resolved }}- {{ .Annotations.summary }}\n{{ end }}{{ end }}"
        ),
    }
    return "\n".join(f'{{{{ define "{name}" }}}}{text}{{{{ end }}}}' for name, text in parts.items())


def names_of_sites(city: City, label: str) -> str:
    """A template of the name of the site whose id a label has; of sites with a camera, which dumping cases are at."""
    watched = sorted({camera.site for camera in city.cameras.values()} & city.sites.keys())
    tests = [
        f'{{{{ {"else if" if place else "if"} eq .Labels.{label} "{site}" }}}}{city.sites[site].name}'
        for place, site in enumerate(watched)
    ]
    own = f"{{{{ .Labels.{label} }}}}"
    return f"{''.join(tests)}{{{{ else }}}}{own}{{{{ end }}}}" if tests else own


def _first() -> str:
    """The first alert of a group with its time, and how many more there are."""
    return (
        '{{ with index . 0 }}{{ .Annotations.summary }}, {{ template "kota.at" . }}{{ end }}'
        "{{ if gt (len .) 1 }} (+{{ len (slice . 1) }}){{ end }}"
    )


def _alert(lang: Lang) -> str:
    ending = "" if lang == DEFAULT_LANG else f"_{lang}"
    lines = [
        f"{{{{ .Annotations.summary{ending} }}}}",
        f'{_label("since", lang)}: {{{{ template "kota.at" . }}}}',
        f"{_label('todo', lang)}: {{{{ .Annotations.description{ending} }}}}",
        f"{{{{ if .Annotations.link }}}}{_label('link', lang)}: {{{{ .Annotations.link }}}}{{{{ end }}}}",
        f"{{{{ if .Annotations.picture }}}}{_label('picture', lang)}: {{{{ .Annotations.picture }}}}{{{{ end }}}}",
    ]
    return "\n".join(lines)


def _label(key: str, lang: Lang) -> str:
    return DASHBOARD_TEXTS.text(f"messages.{key}", lang)


def _text(key: str) -> str:
    return DASHBOARD_TEXTS.in_all(f"messages.{key}")


def _local(field: str, city: City) -> str:
    offset = city.time_zone.utcoffset(_SOME_DAY)
    return f".{field}.UTC.Add {int(offset.total_seconds()) * _NANOSECONDS if offset else 0}"


def _zone(city: City) -> str:
    """The short name of the city's time zone, such as WITA."""
    return city.time_zone.tzname(_SOME_DAY) or "UTC"
