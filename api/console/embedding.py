"""NiceGUI in the app: its assets, its websocket, and its start and end.

NiceGUI has one app in a process. What an app of ours needs is wrapped around it, and nothing is added to it:
`ui.run_with` adds its middleware anew for each app, which fails once the process has served a request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from nicegui import app as nicegui_app
from nicegui.language import Language
from nicegui.middlewares import RedirectWithPrefixMiddleware, SetCacheControlMiddleware
from nicegui.translations import translations
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Match, Mount
from starlette.types import Scope

from city.i18n.catalogue import CONSOLE_TEXTS, LANGS, Lang

RECONNECT_S: Final = 10.0
BINDING_REFRESH_S: Final = 0.1
MESSAGES_KEPT: Final = 1_000
"""Messages to a browser that are sent again after an interruption."""
LOCALES: Final[dict[Lang, Language]] = {"id": "id", "en": "en-US"}
_POPUPS: Final = ("connection_lost", "trying_to_reconnect", "message_too_long", "message_too_long_body")
_PATHS: Final = ("/_nicegui/", "/_nicegui_ws/")


class AssetsMount(Mount):
    """Mount of NiceGUI's app, for its assets and websocket only; other unknown paths get our 404."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the paths of NiceGUI's assets and websocket."""
        if not scope.get("path", "").startswith(_PATHS):
            return Match.NONE, {}
        return super().matches(scope)


def embed(app: FastAPI, icon: str) -> None:
    """Serve NiceGUI's assets and websocket below an app, and start and end NiceGUI with it. `icon` is an SVG."""
    _configure(icon)
    assets = GZipMiddleware(SetCacheControlMiddleware(RedirectWithPrefixMiddleware(nicegui_app)))
    app.router.routes.append(AssetsMount("/", assets))
    lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan_with_nicegui(served: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        async with nicegui_app.router.lifespan_context(nicegui_app), lifespan(served) as state:
            yield state or {}

    app.router.lifespan_context = lifespan_with_nicegui


def _configure(icon: str) -> None:
    """Set what NiceGUI keeps for the process. It is the same for every app."""
    nicegui_app.config.add_run_config(
        reload=False,
        title="Jaga Kota",
        viewport="width=device-width, initial-scale=1",
        favicon=icon,
        dark=False,
        language="id",
        binding_refresh_interval=BINDING_REFRESH_S,
        reconnect_timeout=RECONNECT_S,
        message_history_length=MESSAGES_KEPT,
        tailwind=False,
        unocss=None,
        prod_js=True,
        show_welcome_message=False,
        markdown=False,
    )
    for lang in LANGS:
        translations.setdefault(LOCALES[lang], {key: CONSOLE_TEXTS.text(key, lang) for key in _POPUPS})
