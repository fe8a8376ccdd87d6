"""Answers of pages: a whole document, or one live section of it."""

from __future__ import annotations

import gzip
import hashlib
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final

from fastapi import Request, Response
from markupsafe import Markup

from api.console.page_context import LANG_COOKIE, PageContext, page_context_of
from api.console.parts.dispatch_forms import undo_bar
from api.console.parts.layout import VERSION, add_warnings, document
from api.console.parts.markup import link, tag
from api.console.parts.screen import Screen, Section
from api.dependencies import context_of

PART: Final = "part"
"""The parameter of an address that asks for one live section."""
KEPT_S: Final = 1.0
_YEAR_S: Final = 31_536_000
_LISTS: Final = {"new_devices": "/strangers", "alarms": "/alarms", "tours": "/tours", "orders": "/orders"}

Build = Callable[[PageContext, Screen], None]


@dataclass(frozen=True)
class Content:
    """HTML as it is sent."""

    plain: bytes
    zipped: bytes
    etag: str

    @classmethod
    def of(cls, html: str) -> Content:
        """The content of HTML."""
        plain = html.encode()
        zipped = gzip.compress(plain, compresslevel=3, mtime=0)
        return cls(plain, zipped, f'"{hashlib.sha256(plain).hexdigest()[:24]}"')

    def answer(self, request: Request) -> Response:
        """The answer to a request, compressed where the browser can read it."""
        headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(self.plain, media_type="text/html", headers=headers)
        return Response(self.zipped, media_type="text/html", headers=headers | {"Content-Encoding": "gzip"})


@dataclass
class _Kept:
    lock: threading.Lock = field(default_factory=threading.Lock)
    revision: int = -1
    until_s: float = 0.0
    content: Content | None = None


class SectionCache:
    """Live sections that several visitors ask for at the same time are built once. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Hashable, _Kept] = {}

    def get(self, key: Hashable, revision: int, build: Callable[[], str]) -> Content:
        """A section as of a revision of the change feed, at most `KEPT_S` old."""
        with self._lock:
            now_s = time.monotonic()
            self._kept = {known: kept for known, kept in self._kept.items() if kept.until_s > now_s or known == key}
            kept = self._kept.setdefault(key, _Kept())
        with kept.lock:
            if kept.content is None or kept.revision != revision or kept.until_s <= time.monotonic():
                kept.content = Content.of(build())
                kept.revision, kept.until_s = revision, time.monotonic() + KEPT_S
            return kept.content


def answer(request: Request, key: str, build: Build, name: str = "") -> Response:
    """A page, or the live section that the address names.

    Args:
        request: The request.
        key: The text of the heading, and the page's place in the menu.
        build: Adds the page's sections.
        name: What the page is about, if it is one of a list.
    """
    page, screen = page_context_of(request, context_of(request)), Screen()
    add_warnings(page, screen)
    screen.show(heading(page, key, name))
    screen.show(lambda: undo_bar(page))
    build(page, screen)
    if PART in request.query_params:
        return _section(request, page, screen.section(request.query_params[PART]))
    html = document(page, request, key, f"{page.t(key)} {name}".strip(), screen)
    answered = Content.of(html).answer(request)
    if page.lang_chosen:
        answered.set_cookie(LANG_COOKIE, page.lang, max_age=_YEAR_S, samesite="lax")
    return answered


def heading(page: PageContext, key: str, name: str) -> Markup:
    """The heading; that of one thing links to its list."""
    if not name:
        return tag("h1", page.t(key))
    return tag("h1", link(_LISTS.get(key, f"/devices/{key}"), page.t(key)), " › ", name)  # noqa: RUF001 - a path


def _section(request: Request, page: PageContext, section: Section | None) -> Response:
    """A live section; 304 if it is the one that the browser has, 404 if the page has none of that id."""
    if section is None:
        return Response(status_code=404)
    state = request.app.state
    key = (request.url.path, request.url.query, page.lang, page.identity.rights, page.identity.areas)
    content = state.sections.get(key, state.change_feed.revision, section.build)
    is_known = request.headers.get("if-none-match") == content.etag
    answered = Response(status_code=304) if is_known else content.answer(request)
    answered.headers.update({"ETag": content.etag, "Cache-Control": "no-store", "Kota-Version": VERSION})
    return answered
