"""The pages of administration: what can be changed, the files of the city, and the history of changes."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.access_forms import panel
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.queries.city_editing import redact_lines
from broker.contract.topics import KINDS
from city.inventory.city_files import EDITABLE
from city.inventory.editing.editor import FileState
from city.inventory.editing.history import Change
from people.rights import Right

SHOWN: Final = 50
LINKS: Final[tuple[tuple[str, str, Right], ...]] = (
    *((kind, f"/admin/entries/{kind}", "devices.write") for kind in KINDS),
    ("admin_site", "/admin/entries/site", "city.write"),
    ("admin_hours", "/admin/entries/hours", "city.write"),
    ("admin_alarm", "/admin/entries/alarm", "city.write"),
    ("new_devices", "/strangers", "devices.write"),
    ("broker_accounts", "/admin/accounts", "broker.write"),
    ("people", "/people", "people.write"),
    ("admin_changes", "/admin/changes", "devices.write"),
)
SCRIPT_TEXTS: Final = (
    "admin_check_ok",
    "admin_check_bad",
    "admin_no_change",
    "admin_conflict",
    "admin_save_sure",
    "not_done",
)


def build(page: PageContext, screen: Screen) -> None:
    """Add what can be changed, and the files."""
    screen.show(tag("p", page.t("admin_intro"), class_="intro"))
    links = [tag("li", link(to, page.t(key))) for key, to, right in LINKS if page.may(right)]
    if not links:
        screen.show(tag("p", page.t("admin_only"), class_="warn"))
        return
    screen.show(panel(page.t("admin_what"), tag("ul", *links, class_="admin-links")))
    screen.show(lambda: wrong_files(page))
    if page.may("devices.write"):
        add_script(page, screen)
        screen.show(lambda: panel(page.t("admin_files"), _files(page)))


def build_changes(page: PageContext, screen: Screen) -> None:
    """Add the history of changes."""
    if not page.may("devices.write"):
        screen.show(tag("p", page.t("admin_only"), class_="warn"))
        return
    add_script(page, screen)
    screen.show(tag("p", page.t("admin_changes_intro"), class_="intro"))
    changes = page.context.editor.history.newest()
    screen.show(_changes(page, changes) if changes else tag("p", page.t("admin_no_changes"), class_="empty"))


def add_script(page: PageContext, screen: Screen) -> None:
    """Add the script of administration, and its texts."""
    screen.script("admin.js")
    texts = msgspec.json.encode(page.texts(SCRIPT_TEXTS)).decode()
    screen.show(tag("span", hidden=True, data_admin_texts=texts), "texts")


def wrong_files(page: PageContext) -> Markup:
    """What is wrong with the files of now; what was read before is in force."""
    faults = page.context.file_problems()
    if not faults or not page.may("devices.write"):
        return Markup()
    listed = [tag("li", str(fault)) for fault in faults[:SHOWN]]
    return tag("section", tag("h2", page.t("admin_files_wrong")), tag("ul", *listed), class_="panel bad", role="alert")


def call(words: str, to: str, body: dict[str, Any] | None, sure: str, method: str = "POST") -> Markup:
    """A button that makes one call of the API after a confirmation."""
    return tag(
        "form",
        tag("button", words, type="submit", class_="quiet"),
        tag("div", class_="check", aria_live="polite"),
        class_="admin-call",
        data_to=to,
        data_method=method,
        data_body=None if body is None else msgspec.json.encode(body).decode(),
        data_sure=sure,
    )


def _files(page: PageContext) -> Markup:
    headings = [page.t(key) for key in ("admin_file", "admin_where", "state", "admin_actions")]
    return table(headings, [_file_row(page, page.context.editor.state(name)) for name in EDITABLE])


def _file_row(page: PageContext, state: FileState) -> list[object]:
    words = page.t("admin_copy" if state.is_edited else "admin_folder" if state.text is not None else "admin_absent")
    action: object = "-"
    if state.is_edited and page.may("city.write"):
        to, sure = f"/api/v1/inventory/files/{state.name}/discard", page.t("admin_discard_sure", file=state.name)
        action = call(page.t("admin_discard"), to, {"version": state.version}, sure)
    hides = tag("p", page.t("admin_hides"), class_="warn") if state.hides_newer else None
    return [tag("code", state.name), tag("code", state.path), join([words, hides]), action]


def _changes(page: PageContext, changes: list[Change]) -> Markup:
    headings = [page.t(key) for key in ("when", "audit_who", "admin_entry", "admin_lines", "admin_actions")]
    versions = {name: page.context.editor.state(name).version for name in {change.file for change in changes}}
    later: dict[str, int] = {}
    rows = []
    for change in changes[:SHOWN]:
        number = later.get(change.file, 0)
        rows.append(_change_row(page, change, versions[change.file], number))
        later[change.file] = number + 1
    return table(headings, rows, narrow="lines", keys=[change.n for change in changes[:SHOWN]])


def _change_row(page: PageContext, change: Change, version: str, later: int) -> list[object]:
    lines = redact_lines(change.lines)
    what = join([tag("span", page.t(f"admin_what_{change.what}"), class_="what"), tag("br"), tag("b", change.entry)])
    sure = page.t("admin_revert_sure", file=change.file, n=change.n)
    if later:
        sure += "\n" + page.plural("admin_revert_later", later)
    to = f"/api/v1/inventory/changes/{change.n}/revert"
    return [
        join([f"{change.n}", tag("br"), page.time(change.at)]),
        change.by.name or change.by.id,
        what,
        join([tag("code", f"{change.file}:{lines.line}"), difference(lines.before, lines.after)]),
        call(page.t("admin_revert"), to, {"version": version}, sure),
    ]


def difference(before: tuple[str, ...], after: tuple[str, ...]) -> Markup:
    """Lines before and after a change."""
    old = [tag("del", f"- {line}\n") for line in before]
    return tag("pre", *old, *(tag("ins", f"+ {line}\n") for line in after), class_="diff", tabindex="0")
