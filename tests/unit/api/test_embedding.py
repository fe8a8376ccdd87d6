"""NiceGUI within our apps: each app serves its assets, and leaves NiceGUI's one app of the process as it is."""

from __future__ import annotations

import re

from nicegui import app as nicegui_app
from nicegui.translations import translations

from api.console.embedding import LOCALES, RECONNECT_S
from city.i18n.catalogue import CONSOLE_TEXTS
from tests.unit.api.conftest import Stage

ASSET = re.compile(r'"(/_nicegui/[^"]+/html\.js)"|(/_nicegui/[^"\']+\.css)')


def test_one_app_after_another_serves_pages_and_assets(stage: Stage) -> None:
    for _ in range(2):
        with stage.client() as client:
            page = client.get("/")
            assert page.status_code == 200
            found = ASSET.search(page.text)
            assert found
            asset = client.get(found[1] or found[2], headers={"Accept-Encoding": "gzip"})
            assert (asset.status_code, asset.headers["content-encoding"]) == (200, "gzip")
            assert "immutable" in asset.headers["cache-control"]
            assert client.get("/_nicegui_ws/socket.io/?EIO=4&transport=polling").status_code == 200


def test_nothing_is_added_to_the_app_of_the_process(stage: Stage) -> None:
    before = list(nicegui_app.user_middleware)
    clients = [stage.client() for _ in range(3)]
    assert len({id(client.app) for client in clients}) == 3
    assert nicegui_app.user_middleware == before == []
    assert nicegui_app.config.reconnect_timeout == RECONNECT_S


def test_what_a_browser_says_without_us_is_in_its_language(stage: Stage) -> None:
    stage.client()
    assert translations[LOCALES["id"]]["connection_lost"] == CONSOLE_TEXTS.text("connection_lost", "id")
