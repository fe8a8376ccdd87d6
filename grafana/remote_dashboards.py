"""Folders, data source and dashboards in an existing Grafana."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from grafana.context import DATASOURCE_UID
from grafana.provision import datasource_file, folder_uid, folders
from grafana.remote import Part, call_api, diff, get_or_none

Api = Any
"""`grafana_client.GrafanaApi`, which has no types."""


def folder_parts(api: Api) -> list[Part]:
    """The folders of both languages."""
    return [_folder(api, uid, title) for uid, title in folders().items()]


def _folder(api: Api, uid: str, title: str) -> Part:
    def differs() -> str:
        theirs = get_or_none(lambda: api.folder.get_folder(uid))
        return "missing" if theirs is None else diff({"title": title}, theirs)

    def apply() -> None:
        if get_or_none(lambda: api.folder.get_folder(uid)) is None:
            call_api(lambda: api.folder.create_folder(title, uid))
        else:
            call_api(lambda: api.folder.update_folder(uid, title, overwrite=True))

    return Part(f"folder {title}", differs, apply)


def datasource_part(api: Api, access: Mapping[str, str]) -> Part:
    """The data source.

    Args:
        api: Client of that Grafana.
        access: Values of the variables in the provisioning file.
    """
    ours = _fill_in(datasource_file(), access)
    del ours["orgId"], ours["editable"]

    def differs() -> str:
        theirs = get_or_none(lambda: api.datasource.get_datasource_by_uid(DATASOURCE_UID))
        if theirs is None:
            return "missing"
        # Passwords are never told; whether there is one is.
        if not (theirs.get("secureJsonFields") or {}).get("password"):
            return "has no password"
        seen = {name: value for name, value in ours.items() if name != "secureJsonData"}
        return diff(seen, {**theirs, "database": _database(theirs)})

    def apply() -> None:
        if get_or_none(lambda: api.datasource.get_datasource_by_uid(DATASOURCE_UID)) is None:
            call_api(lambda: api.datasource.create_datasource(ours))
        else:
            call_api(lambda: api.datasource.update_datasource_by_uid(DATASOURCE_UID, ours))

    return Part("data source", differs, apply)


def _database(theirs: Mapping[str, Any]) -> str:
    """The database name, which newer versions keep in `jsonData` only."""
    return str(theirs.get("database") or (theirs.get("jsonData") or {}).get("dbName", ""))


def _fill_in(value: Any, access: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {name: _fill_in(inner, access) for name, inner in value.items()}
    return access[value[1:]] if isinstance(value, str) and value.startswith("$") else value


def dashboard_parts(api: Api, contents: Mapping[str, str]) -> list[Part]:
    """The dashboards.

    Args:
        api: Client of that Grafana.
        contents: Files of the provisioning folder by path; those in JSON are the dashboards.
    """
    dashboards = {path: json.loads(text) for path, text in contents.items() if path.endswith(".json")}
    return [_dashboard(api, path.split("/")[1], content) for path, content in dashboards.items()]


def _dashboard(api: Api, lang: str, ours: dict[str, Any]) -> Part:
    uid = str(ours["uid"])

    def differs() -> str:
        theirs = get_or_none(lambda: api.dashboard.get_dashboard(uid))
        return (
            "missing" if theirs is None else diff(comparable_dashboard(ours), comparable_dashboard(theirs["dashboard"]))
        )

    def apply() -> None:
        body = {"dashboard": {**ours, "id": None}, "folderUid": folder_uid(lang), "overwrite": True}
        call_api(lambda: api.dashboard.update_dashboard({**body, "message": "kota grafana push"}))

    return Part(f"dashboard {ours['title']} ({lang})", differs, apply)


def comparable_dashboard(content: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a dashboard that are compared; a newer Grafana changes the rest when it migrates the JSON."""
    listed = content.get("templating", {}).get("list", [])
    return {
        **{name: content.get(name) for name in ("title", "tags", "timezone", "refresh")},
        "time range": content.get("time"),
        "variables": [(variable.get("name"), _query_text(variable.get("query"))) for variable in listed],
        "annotations": [note.get("name") for note in _own_annotations(content)],
        "panels": [_comparable_panel(panel) for panel in content.get("panels", [])],
    }


def _own_annotations(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The annotations without the one that Grafana adds to every dashboard."""
    return [note for note in content.get("annotations", {}).get("list") or [] if not note.get("builtIn")]


def _comparable_panel(panel: Mapping[str, Any]) -> dict[str, Any]:
    place = panel.get("gridPos", {})
    return {
        **{name: panel.get(name, "") for name in ("id", "type", "title", "description")},
        "place": [place.get(name) for name in ("x", "y", "w", "h")],
        "queries": [_query_text(target.get("query")) for target in panel.get("targets", [])],
    }


def _query_text(query: Any) -> str:  # noqa: ANN401 - a text, or in newer versions an object around it
    return str(query.get("query", "")) if isinstance(query, dict) else str(query or "")
