"""Folders, data source and boards in a Grafana that is there already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from grafana.house import DATASOURCE_UID
from grafana.provision import datasource_file, folder_uid, folders
from grafana.remote import Part, asked, found, unequal

Api = Any
"""`grafana_client.GrafanaApi`, which has no types."""


def folder_parts(api: Api) -> list[Part]:
    """The folders of both languages."""
    return [_folder(api, uid, title) for uid, title in folders().items()]


def _folder(api: Api, uid: str, title: str) -> Part:
    def differs() -> str:
        theirs = found(lambda: api.folder.get_folder(uid))
        return "missing" if theirs is None else unequal({"title": title}, theirs)

    def mend() -> None:
        if found(lambda: api.folder.get_folder(uid)) is None:
            asked(lambda: api.folder.create_folder(title, uid))
        else:
            asked(lambda: api.folder.update_folder(uid, title, overwrite=True))

    return Part(f"folder {title}", differs, mend)


def datasource_part(api: Api, access: Mapping[str, str]) -> Part:
    """The data source.

    Args:
        api: Of that Grafana.
        access: Values of the variables that the provisioning file names, as this Grafana shall have them.
    """
    ours = _filled(datasource_file(), access)
    del ours["orgId"], ours["editable"]

    def differs() -> str:
        theirs = found(lambda: api.datasource.get_datasource_by_uid(DATASOURCE_UID))
        if theirs is None:
            return "missing"
        # Passwords are never told; whether there is one is.
        if not (theirs.get("secureJsonFields") or {}).get("password"):
            return "has no password"
        seen = {name: value for name, value in ours.items() if name != "secureJsonData"}
        return unequal(seen, {**theirs, "database": _database(theirs)})

    def mend() -> None:
        if found(lambda: api.datasource.get_datasource_by_uid(DATASOURCE_UID)) is None:
            asked(lambda: api.datasource.create_datasource(ours))
        else:
            asked(lambda: api.datasource.update_datasource_by_uid(DATASOURCE_UID, ours))

    return Part("data source", differs, mend)


def _database(theirs: Mapping[str, Any]) -> str:
    """New versions keep it in one place only."""
    return str(theirs.get("database") or (theirs.get("jsonData") or {}).get("dbName", ""))


def _filled(value: Any, access: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {name: _filled(inner, access) for name, inner in value.items()}
    return access[value[1:]] if isinstance(value, str) and value.startswith("$") else value


def board_parts(api: Api, contents: Mapping[str, str]) -> list[Part]:
    """Boards.

    Args:
        api: Of that Grafana.
        contents: Files of the provisioning folder by path; the boards among them are taken.
    """
    boards = {path: json.loads(text) for path, text in contents.items() if path.endswith(".json")}
    return [_board(api, path.split("/")[1], board) for path, board in boards.items()]


def _board(api: Api, lang: str, ours: dict[str, Any]) -> Part:
    uid = str(ours["uid"])

    def differs() -> str:
        theirs = found(lambda: api.dashboard.get_dashboard(uid))
        return "missing" if theirs is None else unequal(gist(ours), gist(theirs["dashboard"]))

    def mend() -> None:
        body = {"dashboard": {**ours, "id": None}, "folderUid": folder_uid(lang), "overwrite": True}
        asked(lambda: api.dashboard.update_dashboard({**body, "message": "kota grafana push"}))

    return Part(f"board {ours['title']} ({lang})", differs, mend)


def gist(board: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a board the same board; the rest differs as soon as a newer Grafana has lifted its JSON."""
    listed = board.get("templating", {}).get("list", [])
    return {
        **{name: board.get(name) for name in ("title", "tags", "timezone", "refresh")},
        "time range": board.get("time"),
        "variables": [(one.get("name"), _query_text(one.get("query"))) for one in listed],
        "panels": [_panel_gist(panel) for panel in board.get("panels", [])],
    }


def _panel_gist(panel: Mapping[str, Any]) -> dict[str, Any]:
    place = panel.get("gridPos", {})
    return {
        **{name: panel.get(name, "") for name in ("id", "type", "title", "description")},
        "place": [place.get(name) for name in ("x", "y", "w", "h")],
        "queries": [_query_text(target.get("query")) for target in panel.get("targets", [])],
    }


def _query_text(query: Any) -> str:  # noqa: ANN401 - a text, or in newer versions an object around it
    return str(query.get("query", "")) if isinstance(query, dict) else str(query or "")
