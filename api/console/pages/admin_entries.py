"""The pages of entries of the city's files: a list of each file, and the form of one entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup
from starlette.exceptions import HTTPException

from api.console.page_context import PageContext
from api.console.pages.admin import add_script, call, wrong_files
from api.console.pages.new_devices import next_id
from api.console.parts.access_forms import panel
from api.console.parts.entry_form import entry_form
from api.console.parts.forms import pager
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.queries.city_editing import DEVICE_TABLES, EntryAbsentError, read_entries, read_entry
from api.queries.url_filter import read_texts, write_query
from broker.contract.topics import KINDS
from city.errors import ConfigError
from city.inventory.adoption import adoption_path
from city.inventory.editing.editor import ADOPTED, FileState
from city.inventory.editing.entries import ENTRY_TABLES, FILE_OF, EntryTable, InventoryEntry
from dispatch.alarms.rules import KINDS as ALARM_KINDS
from dispatch.alarms.rules import load_rules

A_PAGE: Final = 50
_SHOWN: Final[Mapping[EntryTable, tuple[str, ...]]] = {
    "bin": ("model", "waste_kind", "kelurahan", "site"),
    "truck": ("plate", "depot", "capacity_kg"),
    "ap": ("model", "ssids", "site"),
    "camera": ("source", "site"),
    "site": ("name", "kind", "kelurahan", "hours"),
    "hours": ("name", "every_day"),
    "alarm": ("priority", "enabled"),
}
"""Columns of the lists."""


def table_of(word: str) -> EntryTable | None:
    """The table of a word in an address; None if there is none."""
    return next((table_ for table_ in ENTRY_TABLES if table_ == word), None)


def title(page: PageContext, table_: EntryTable, name: str = "") -> str:
    """The name of a table, and what of it a page is about."""
    words = page.t(table_ if table_ in KINDS else f"admin_{table_}")
    return f"{words} › {name}" if name else words  # noqa: RUF001 - a path


def build_list(page: PageContext, screen: Screen, table_: EntryTable, query: Mapping[str, str]) -> None:
    """Add the list of a table's entries."""
    if not _may(page, table_):
        screen.show(tag("p", page.t("admin_only"), class_="warn"))
        return
    wanted = read_texts(query, ("q", "page"))
    screen.show(lambda: wrong_files(page))
    try:
        state, entries = read_entries(page.context, table_)
    except ConfigError as exc:
        screen.show(tag("p", str(exc), class_="warn"))
        return
    if table_ == "alarm":
        differing = {entry.id: entry for entry in entries}
        entries = [differing.get(kind) or InventoryEntry(kind, {"id": kind}, 0) for kind in ALARM_KINDS]
    elif table_ in DEVICE_TABLES:
        entries += _adoptions(page, table_, {entry.id for entry in entries})
    matching = [entry for entry in entries if wanted["q"].casefold() in _words_of(entry)]
    add = None if table_ == "alarm" else link(f"/admin/new/{table_}", page.t("admin_add"), class_="button")
    screen.show(join([_file_words(page, state), _search(page, table_, wanted["q"]), add]))
    screen.show(_list(page, table_, matching, wanted))


def build_entry(page: PageContext, screen: Screen, table_: EntryTable, id_: str) -> None:
    """Add the form of an entry."""
    if not _may(page, table_):
        screen.show(tag("p", page.t("admin_only"), class_="warn"))
        return
    add_script(page, screen)
    try:
        state, entry = _read(page, table_, id_)
    except EntryAbsentError as exc:
        raise HTTPException(404, f"{FILE_OF[table_]} has no {id_!r}") from exc
    except ConfigError as exc:
        screen.show(tag("p", str(exc), class_="warn"))
        return
    shipped = next((rule for kind, rule in load_rules().items() if table_ == "alarm" and kind == id_), None)
    fields = {} if shipped and not entry.line else entry.fields
    screen.show(join([_file_words(page, state, entry.line), _adoption(page, table_, id_, state)]))
    screen.show(panel(id_, entry_form(page, table_, id_, fields, state.version, shipped=shipped)))


def build_new(page: PageContext, screen: Screen, table_: EntryTable) -> None:
    """Add the form of a new entry."""
    if not _may(page, table_):
        screen.show(tag("p", page.t("admin_only"), class_="warn"))
        return
    add_script(page, screen)
    state = page.context.editor.state(FILE_OF[table_])
    screen.show(_file_words(page, state))
    proposed = next((page.t("admin_next_id", id=next_id(page, kind)) for kind in KINDS if kind == table_), "")
    hint = tag("p", proposed) if proposed else None
    screen.show(panel(page.t("admin_add"), hint, entry_form(page, table_, "", {}, state.version)))


def _read(page: PageContext, table_: EntryTable, id_: str) -> tuple[FileState, InventoryEntry]:
    """An entry and its file; of a rule that the city has not changed, an empty one."""
    try:
        return read_entry(page.context, table_, id_)
    except EntryAbsentError:
        if table_ != "alarm" or id_ not in ALARM_KINDS:
            raise
        return page.context.editor.state(FILE_OF[table_]), InventoryEntry(id_, {"id": id_}, 0)


def _may(page: PageContext, table_: EntryTable) -> bool:
    return page.may("devices.write" if table_ in DEVICE_TABLES else "city.write")


def _adoptions(page: PageContext, table_: EntryTable, known: set[str]) -> list[InventoryEntry]:
    """Devices of a kind that are in no file of the city."""
    devices = [
        device for device in page.context.city.devices.values() if table_ == device.KIND and device.id not in known
    ]
    return [read_entry(page.context, table_, device.id)[1] for device in devices if _is_adopted(page, device.id)]


def _is_adopted(page: PageContext, device: str) -> bool:
    return adoption_path(page.context.data, device).is_file()


def _adoption(page: PageContext, table_: EntryTable, id_: str, state: FileState) -> Markup:
    """That a device's address was adopted, and the button that takes this back."""
    if table_ not in DEVICE_TABLES or state.name.startswith(ADOPTED) or not _is_adopted(page, id_):
        return Markup()
    file = page.context.editor.state(f"{ADOPTED}{id_}.json")
    to, sure = f"/api/v1/inventory/adoptions/{id_}?version={file.version}", page.t("admin_forget_sure", id=id_)
    words = tag("p", page.t("admin_adopted"), " ", tag("code", file.path))
    return join([words, call(page.t("admin_forget"), to, None, sure, "DELETE")])


def _file_words(page: PageContext, state: FileState, line: int = 0) -> Markup:
    where = f"{state.path}:{line}" if line else state.path
    hides = tag("p", page.t("admin_hides"), class_="warn") if state.hides_newer else None
    copy = None if state.is_edited or state.path == state.writes_to else [" → ", tag("code", state.writes_to)]
    words = [page.t("admin_changes_file"), " ", tag("code", where), *(copy or [])]
    return join([tag("p", *words, class_="intro"), hides])


def _search(page: PageContext, table_: EntryTable, text: str) -> Markup:
    return tag(
        "form",
        tag("label", page.t("search"), tag("input", type="search", name="q", value=text, maxlength=80)),
        tag("button", page.t("show")),
        method="get",
        action=f"/admin/entries/{table_}",
        class_="filters",
    )


def _words_of(entry: InventoryEntry) -> str:
    return " ".join(map(str, entry.fields.values())).casefold()


def _list(page: PageContext, table_: EntryTable, matching: list[InventoryEntry], wanted: dict[str, str]) -> Markup:
    if not matching:
        return tag("p", page.t("nothing"), class_="empty")
    pages = -(-len(matching) // A_PAGE)
    number = min(int(wanted["page"]) if wanted["page"].isdecimal() and len(wanted["page"]) < 6 else 1, pages) or 1  # noqa: PLR2004
    shown = matching[(number - 1) * A_PAGE : number * A_PAGE]
    headings = ["id", *(page.t(f"admin_field_{name}") for name in _SHOWN[table_]), page.t("admin_line")]
    rows = [_row(page, table_, entry) for entry in shown]
    listed = table(headings, rows, keys=[entry.id for entry in shown])
    if pages == 1:
        return listed
    return join([listed, pager(page, lambda n: f"/admin/entries/{table_}?{write_query(wanted, n)}", number, pages)])


def _row(page: PageContext, table_: EntryTable, entry: InventoryEntry) -> list[object]:
    name: object = page.t(f"alarm_{entry.id}") if table_ == "alarm" else entry.id
    cells = [_words(entry.fields.get(field)) for field in _SHOWN[table_]]
    where = f"{entry.line}" if entry.line else page.t("admin_shipped") if table_ == "alarm" else "-"
    return [link(f"/admin/entries/{table_}/{entry.id}", name), *cells, where]


def _words(value: Any) -> str:  # noqa: ANN401 - of any field
    return ", ".join(map(str, value)) if isinstance(value, list) else "-" if value in (None, "") else str(value)
