"""What every page shares: head, menu, language switch and the banner of a demo, ready before any script runs."""

from __future__ import annotations

import hashlib
from copy import copy
from pathlib import Path
from typing import Final

from fastapi import Request
from nicegui import ui
from nicegui.language import Language
from nicegui.translations import translations

from api.console.markup import Markup, join, link, tag
from api.console.texts import LANGS, Lang
from api.console.view import LANG_COOKIE, View
from api.system import BEHIND_S

STATIC: Final = Path(__file__).parent / "static"
VERSION: Final = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(STATIC.iterdir()) if path.is_file())
).hexdigest()[:12]
MENU: Final = (
    ("map", "/"),
    ("bin", "/devices/bin"),
    ("truck", "/devices/truck"),
    ("ap", "/devices/ap"),
    ("camera", "/devices/camera"),
    ("dumping", "/dumping"),
    ("cameras", "/cameras"),
    ("strangers", "/strangers"),
    ("system", "/system"),
)
LOCALES: Final[dict[Lang, Language]] = {"id": "id", "en": "en-US"}
_POPUPS: Final = ("connection_lost", "trying_to_reconnect", "message_too_long", "message_too_long_body")
REFRESH_S: Final = 5.0
_YEAR_S: Final = 31_536_000


def asset(name: str) -> str:
    """The address of a file of ours; it changes with the files, so browsers may keep it."""
    return f"/console/{VERSION}/{name}"


def framed(view: View, request: Request, active: str, title: str) -> None:
    """Put the shared parts around the page that is being built."""
    _speak(view)
    ui.page_title(f"{title} - Jaga Kota {view.context.city.name}")
    ui.add_head_html(_head(view))
    ui.add_body_html(join([_banner(view), _header(view, request, active)]))
    trouble = show(_trouble(view))
    ui.timer(REFRESH_S, lambda: trouble.set_content(_trouble(view)), immediate=False)


def _speak(view: View) -> None:
    # NiceGUI gives a page one language for all its visitors; ours have one each.
    client = ui.context.client
    client.page = copy(client.page)
    client.page.language = LOCALES[view.lang]
    translations.setdefault(LOCALES[view.lang], {key: view.t(key) for key in _POPUPS})


def show(html: Markup, classes: str = "") -> ui.html:
    """Put HTML on the page; it is ours and escaped already."""
    return ui.html(html, sanitize=False).classes(classes)


def _head(view: View) -> Markup:
    parts = [tag("link", rel="stylesheet", href=asset("console.css"))]
    if view.lang_chosen:
        cookie = f"{LANG_COOKIE}={view.lang};path=/;max-age={_YEAR_S};samesite=lax"
        parts.append(tag("script", Markup(f'document.cookie="{cookie}"')))
    return join([*parts, tag("script", src=asset("console.js"), defer=True)])


def _banner(view: View) -> Markup:
    return tag("p", view.t("demo"), class_="banner", role="note") if view.context.demo else Markup()


def _trouble(view: View) -> Markup:
    """What makes the pages less than true just now; a control room leaves them open for days."""
    health = view.context.health.read()
    if health is None:
        return Markup()
    found = []
    if health.live_lag_s > BEHIND_S:
        found.append(view.t("data_behind", lag=view.duration(health.live_lag_s)))
    elif health.lag_s > BEHIND_S:
        found.append(view.t("catching_up", lag=view.duration(health.lag_s)))
    if health.journal == "full":
        found.append(view.t("queue_full"))
    return join(tag("p", words, class_="banner behind", role="alert") for words in found)


def _header(view: View, request: Request, active: str) -> Markup:
    links = join(
        link(to, view.t(key), class_="here" if key == active else None, aria_current="page" if key == active else None)
        for key, to in MENU
    )
    brand = link("/", join([tag("strong", "Jaga Kota"), tag("span", view.context.city.name)]), class_="brand")
    ends = join([_languages(view, request), _sign_out(view)])
    wide = tag("nav", links, class_="wide")
    narrow = tag("details", tag("summary", view.t("menu")), tag("nav", links), class_="narrow")
    skip = link("#content", view.t("skip"), class_="skip")
    return tag("header", skip, brand, wide, ends, narrow, class_="top")


def _languages(view: View, request: Request) -> Markup:
    others = [
        link(
            str(request.url.include_query_params(lang=lang).replace(scheme="", netloc="")),
            lang.upper(),
            title=name,
            lang=lang,
            class_="here" if lang == view.lang else None,
        )
        for lang, name in LANGS.items()
    ]
    return tag("div", *others, class_="languages", role="group", aria_label=view.t("language"))


def _sign_out(view: View) -> Markup:
    if view.context.is_open:
        return Markup()
    return tag("form", tag("button", view.t("sign_out")), method="post", action="/logout", class_="out")
