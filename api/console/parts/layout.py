"""The layout of every page: head, menu, language switch and banners. A page is read without scripts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import fastapi_offline
import js_lib_leaflet
import msgspec
from fastapi import Request
from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.alarm_words import alarm_signal, urgent_banners
from api.console.parts.markup import join, link, tag
from api.console.parts.screen import Screen
from api.queries.system import BEHIND_S
from city.i18n.catalogue import LANGS
from people.rights import Right

STATIC: Final = Path(__file__).parents[1] / "static"
LEAFLET: Final = Path(js_lib_leaflet.__file__).parent / "static" / "js_lib_leaflet"
"""Leaflet's scripts, style and pictures, as they are in its wheel."""
SWAGGER: Final = Path(fastapi_offline.__file__).parent / "static"
"""Swagger UI's script and style, as they are in a wheel."""
VERSION: Final = hashlib.sha256(
    f"{js_lib_leaflet.__version__} {version('fastapi-offline')}".encode()
    + b"".join(path.read_bytes() for path in sorted(STATIC.iterdir()) if path.is_file())
).hexdigest()[:12]
MenuEntry = tuple[str, str]
"""The key of a page's name, and its path."""
MENU: Final[tuple[MenuEntry, ...]] = (
    ("today", "/today"),
    ("map", "/map"),
    ("alarms", "/alarms"),
    ("plan", "/plan"),
    ("tours", "/tours"),
    ("orders", "/orders"),
    ("dumping", "/dumping"),
    ("event_log", "/events"),
)
MENU_GROUPS: Final[tuple[tuple[str, tuple[MenuEntry, ...]], ...]] = (
    (
        "menu_devices",
        (
            ("bin", "/devices/bin"),
            ("truck", "/devices/truck"),
            ("ap", "/devices/ap"),
            ("camera", "/devices/camera"),
            ("network", "/network"),
            ("cameras", "/cameras"),
            ("new_devices", "/strangers"),
        ),
    ),
    ("menu_platform", (("system", "/system"),)),
)
"""Menus that open, each with its pages."""
MENU_BY_RIGHT: Final[tuple[tuple[str, str, Right], ...]] = (
    ("people", "/people", "people.write"),
    ("audit", "/audit", "audit.read"),
)
"""Pages of the last group, for who has the right."""
SCRIPTS: Final = ("live.js", "console.js", "alarm-signal.js", "undo-bar.js")
"""Scripts of every page."""
LIVE_TEXTS: Final = ("connection_lost", "live_seen_at", "new_version", "reload")


def asset(name: str) -> str:
    """The URL of a static file. It contains a hash of all files, so browsers may cache it permanently."""
    return f"/console/{VERSION}/{name}"


def add_warnings(page: PageContext, screen: Screen) -> None:
    """Add the banners of every page, and what the script of every page reads."""
    screen.live("warnings", ("alarms", "warnings"), lambda: _warnings(page))


def document(page: PageContext, request: Request, active: str, title: str, screen: Screen) -> str:
    """The HTML of a page. Its first section is that of the warnings."""
    warnings, *sections = screen.html()
    body = join(
        [
            _banner(page),
            _header(page, request, active),
            warnings,
            tag("main", *sections, id="content", tabindex="-1"),
            data_block("live-texts", page.texts(LIVE_TEXTS) | {"version": VERSION}),
        ]
    )
    head = _head(f"{title} - Jaga Kota {page.context.city.name}", screen)
    return f"<!doctype html>\n{tag('html', tag('head', head), tag('body', body), lang=page.lang)}"


def data_block(id_: str, value: object) -> Markup:
    """A value for the scripts of a page, as JSON that no browser runs."""
    encoded = msgspec.json.encode(value).decode().replace("<", "\\u003c")
    return tag("script", Markup(encoded), type="application/json", id=id_)  # noqa: S704 - without "<" it ends nothing


def _head(title: str, screen: Screen) -> Markup:
    styles = [tag("link", rel="stylesheet", href=asset(name)) for name in (*screen.styles, "console.css")]
    scripts = [tag("script", src=asset(name), defer=True) for name in (*SCRIPTS, *screen.scripts)]
    return join(
        [
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("title", title),
            tag("link", rel="icon", href="/favicon.ico", type="image/svg+xml"),
            *styles,
            *scripts,
        ]
    )


def _banner(page: PageContext) -> Markup:
    return tag("p", page.t("demo"), class_="banner", role="note") if page.context.demo else Markup()


def _warnings(page: PageContext) -> Markup:
    """Warnings that the page's data is not current; live, since control rooms leave pages open for days."""
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
    brand = link("/", join([tag("strong", "Jaga Kota"), " ", tag("span", page.context.city.name)]), class_="brand")
    sound = tag("button", page.t("alarm_sound_on"), type="button", data_sound=True, class_="sound")
    ends = tag("div", _languages(page, request), sound, _sign_out(page), class_="ends")
    groups = [(name, _entries(page, name, entries)) for name, entries in MENU_GROUPS]
    first = join(_menu_link(page, entry, active) for entry in MENU)
    opened = join(_menu_group(page, name, entries, active) for name, entries in groups)
    wide = tag("nav", first, opened, _grafana(page), class_="wide", aria_label=page.t("menu"))
    others = join(_menu_link(page, entry, active) for _, entries in groups for entry in entries)
    narrow = tag(
        "details",
        tag("summary", page.t("menu")),
        tag("nav", first, others, _grafana(page), aria_label=page.t("menu")),
        class_="narrow",
    )
    skip = link("#content", page.t("skip"), class_="skip")
    return tag("header", skip, brand, _search(page), ends, narrow, wide, class_="top")


def _entries(page: PageContext, group: str, entries: Sequence[MenuEntry]) -> list[MenuEntry]:
    """The pages of a group that the user may see."""
    by_right = MENU_BY_RIGHT if group == MENU_GROUPS[-1][0] else ()
    return [*entries, *((key, to) for key, to, right in by_right if page.may(right))]


def _menu_link(page: PageContext, entry: MenuEntry, active: str) -> Markup:
    key, to = entry
    is_here = key == active
    return link(to, page.t(key), class_="here" if is_here else None, aria_current="page" if is_here else None)


def _menu_group(page: PageContext, name: str, entries: Sequence[MenuEntry], active: str) -> Markup:
    is_here = any(key == active for key, _ in entries)
    summary = tag("summary", page.t(name), class_="here" if is_here else None)
    return tag("details", summary, tag("div", *(_menu_link(page, entry, active) for entry in entries)), class_="group")


def _search(page: PageContext) -> Markup:
    words = page.t("search_all")
    box = tag("input", type="search", name="q", maxlength=80, placeholder=words, aria_label=words)
    return tag("form", box, method="get", action="/search", class_="search", role="search")


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
