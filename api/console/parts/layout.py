"""The layout of every page: head, menu, language switch and banners, rendered before any script runs."""

from __future__ import annotations

import hashlib
from copy import copy
from pathlib import Path
from typing import Final

from fastapi import Request
from markupsafe import Markup
from nicegui import ui

from api.console.embedding import LOCALES
from api.console.page_context import LANG_COOKIE, PageContext
from api.console.parts.alarm_words import alarm_signal, urgent_banners
from api.console.parts.markup import join, link, tag
from api.queries.system import BEHIND_S
from city.i18n.catalogue import LANGS
from people.rights import Right

STATIC: Final = Path(__file__).parents[1] / "static"
VERSION: Final = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(STATIC.iterdir()) if path.is_file())
).hexdigest()[:12]
MENU: Final = (
    ("map", "/"),
    ("alarms", "/alarms"),
    ("event_log", "/events"),
    ("bin", "/devices/bin"),
    ("truck", "/devices/truck"),
    ("ap", "/devices/ap"),
    ("camera", "/devices/camera"),
    ("dumping", "/dumping"),
    ("cameras", "/cameras"),
    ("new_devices", "/strangers"),
    ("system", "/system"),
)
MENU_BY_RIGHT: Final[tuple[tuple[str, str, Right], ...]] = (
    ("people", "/people", "people.write"),
    ("audit", "/audit", "audit.read"),
)
REFRESH_S: Final = 2.0
_YEAR_S: Final = 31_536_000


def asset(name: str) -> str:
    """The URL of a static file. It contains a hash of all files, so browsers may cache it permanently."""
    return f"/console/{VERSION}/{name}"


def render_layout(page: PageContext, request: Request, active: str, title: str) -> None:
    """Add the layout to the page that is being built."""
    _set_language(page)
    ui.page_title(f"{title} - Jaga Kota {page.context.city.name}")
    add_head(_head(page))
    ui.add_body_html(str(join([_banner(page), _header(page, request, active)])))
    warnings = show(_warnings(page))
    ui.timer(REFRESH_S, lambda: replace(warnings, _warnings(page)), immediate=False)


def _set_language(page: PageContext) -> None:
    # NiceGUI gives a page one language for all its visitors; ours have one each.
    client = ui.context.client
    client.page = copy(client.page)
    client.page.language = LOCALES[page.lang]


# NiceGUI gets plain strings: a sum of its own HTML and `Markup` would escape its own.


def show(html: Markup, classes: str = "") -> ui.html:
    """Add escaped HTML to the page."""
    return ui.html(str(html), sanitize=False).classes(classes)


def replace(shown: ui.html, html: Markup) -> None:
    """Replace what `show` added."""
    shown.set_content(str(html))


def add_head(html: Markup) -> None:
    """Add escaped HTML to the head of the page."""
    ui.add_head_html(str(html))


def _head(page: PageContext) -> Markup:
    parts = [tag("link", rel="stylesheet", href=asset("console.css"))]
    if page.lang_chosen:
        cookie = f"{LANG_COOKIE}={page.lang};path=/;max-age={_YEAR_S};samesite=lax"
        parts.append(tag("script", Markup('document.cookie="{}"').format(cookie)))
    scripts = (tag("script", src=asset(name), defer=True) for name in ("console.js", "alarm-signal.js"))
    return join([*parts, *scripts])


def _banner(page: PageContext) -> Markup:
    return tag("p", page.t("demo"), class_="banner", role="note") if page.context.demo else Markup()


def _warnings(page: PageContext) -> Markup:
    """Warnings that the page's data is not current; refreshed, since control rooms leave pages open for days."""
    listed = page.context.alarm_board.listed
    warnings: list[Markup] = [urgent_banners(page, listed), alarm_signal(page, listed)]
    health = page.context.health.read()
    if health is None:
        return join(warnings)
    words = []
    if health.live_lag_s > BEHIND_S:
        words.append(page.t("data_behind", lag=page.duration(health.live_lag_s)))
    elif health.lag_s > BEHIND_S:
        words.append(page.t("catching_up", lag=page.duration(health.lag_s)))
    if health.journal == "full":
        words.append(page.t("queue_full"))
    return join([*warnings, *(tag("p", text, class_="banner behind", role="alert") for text in words)])


def _header(page: PageContext, request: Request, active: str) -> Markup:
    links = join(
        link(to, page.t(key), class_="here" if key == active else None, aria_current="page" if key == active else None)
        for key, to in (*MENU, *((key, to) for key, to, right in MENU_BY_RIGHT if page.may(right)))
    )
    links = join([links, _grafana(page)])
    brand = link("/", join([tag("strong", "Jaga Kota"), tag("span", page.context.city.name)]), class_="brand")
    sound = tag("button", page.t("alarm_sound_on"), type="button", data_sound=True, class_="sound")
    ends = join([_languages(page, request), sound, _sign_out(page)])
    wide = tag("nav", links, class_="wide")
    narrow = tag("details", tag("summary", page.t("menu")), tag("nav", links), class_="narrow")
    skip = link("#content", page.t("skip"), class_="skip")
    return tag("header", skip, brand, wide, ends, narrow, class_="top")


def _grafana(page: PageContext) -> Markup:
    """A link to Grafana, in another tab; the redirect to it signs the person in."""
    if not (page.context.grafana.public_url and page.may("telemetry.read")):
        return Markup()
    return link("/grafana", page.t("grafana"), target="_blank", rel="noopener noreferrer")


def _languages(page: PageContext, request: Request) -> Markup:
    others = [
        link(
            str(request.url.include_query_params(lang=lang).replace(scheme="", netloc="")),
            lang.upper(),
            title=name,
            lang=lang,
            class_="here" if lang == page.lang else None,
        )
        for lang, name in LANGS.items()
    ]
    return tag("div", *others, class_="languages", role="group", aria_label=page.t("language"))


def _sign_out(page: PageContext) -> Markup:
    if page.context.is_open:
        return Markup()
    own = link("/account", page.identity.name, class_="own", title=page.t("account")) if page.identity.id else Markup()
    form = tag("form", tag("button", page.t("sign_out")), method="post", action="/logout", class_="out")
    return join([own, form])
