"""Entries of the city's files as the API and the console show and change them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from api.context import ApiContext
from city.inventory.adoption import Adoption, adoption_path, read_adoption
from city.inventory.editing.editor import ADOPTED, FileState, Proposal
from city.inventory.editing.entries import FILE_OF, EntryTable, InventoryEntry, entries_of, with_entry, without_entry
from city.inventory.editing.history import ChangedLines
from city.inventory.problems import InventoryError, InventoryProblem
from people.areas import Place
from vision.capture.address import DEMO, SCHEMES, redact_address

DRAWN: Final = ("zone", "zones", "person_height")
"""Fields of a camera that are drawn, and not changed here."""
DEVICE_TABLES: Final = ("bin", "truck", "ap", "camera")
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"',]*")


class EntryAbsentError(KeyError):
    """There is no entry of that id."""


class EntryExistsError(ValueError):
    """There is an entry of that id already."""


def read_entries(context: ApiContext, table: EntryTable) -> tuple[FileState, list[InventoryEntry]]:
    """The file of a table, and its entries; addresses of cameras without passwords.

    Raises:
        ConfigError: The file cannot be read.
    """
    state = context.editor.state(FILE_OF[table])
    try:
        entries = entries_of(table, state.text) if state.text else []
    except ValueError as exc:
        raise InventoryError([InventoryProblem(state.name, "", str(exc))]) from exc
    return state, [_redact(entry) for entry in entries]


def read_entry(context: ApiContext, table: EntryTable, id_: str) -> tuple[FileState, InventoryEntry]:
    """An entry and its file: of a device that was adopted whole, the file of its adoption.

    Raises:
        EntryAbsentError: There is none.
        ConfigError: The file cannot be read.
    """
    if adoption := adoption_of_device(context, table, id_):
        state = context.editor.state(f"{ADOPTED}{id_}.json")
        return state, _redact(InventoryEntry(id_, {"id": id_, **adoption.fields}, 1))
    state, entries = read_entries(context, table)
    entry = next((entry for entry in entries if entry.id == id_), None)
    if entry is None:
        raise EntryAbsentError(id_)
    return state, entry


def adoption_of_device(context: ApiContext, table: EntryTable, id_: str) -> Adoption | None:
    """The adoption of a device that is in no file of the city; None if it is in one, or was not adopted."""
    path = adoption_path(context.data, id_)
    if table not in DEVICE_TABLES or not path.is_file():
        return None
    adoption = read_adoption(path)
    return None if adoption.attach or adoption.kind != table else adoption


def propose_put(
    context: ApiContext, table: EntryTable, id_: str, fields: Mapping[str, Any], version: str, *, is_new: bool
) -> Proposal:
    """A change of an entry, or a new one.

    Raises:
        EntryAbsentError: It is to be changed, and there is none.
        EntryExistsError: It is to be new, and there is one.
        ConfigError: The file has another version, or cannot be read or changed.
    """
    if is_new:
        _require_free(context, table, id_)
        _require_address(table, {}, fields)
        name = FILE_OF[table]
        return context.editor.propose(name, version, "add", id_, lambda text: with_entry(table, text, id_, fields))
    state, entry = read_entry(context, table, id_)
    if state.name.startswith(ADOPTED):
        adoption = read_adoption(adoption_path(context.data, id_))
        given = _with_secrets(entry.fields, adoption.fields, fields)
        _require_address(table, adoption.fields, given)
        drawn = {name: value for name, value in adoption.fields.items() if name in DRAWN}
        content = {"id": id_, "kind": adoption.kind, "fields": {**drawn, **_without_empty(given)}, "attach": False}
        text = msgspec.json.format(msgspec.json.encode(content), indent=1).decode()
        return context.editor.propose(state.name, version, "change", id_, lambda _: text)
    own = next(known.fields for known in entries_of(table, state.text or "") if known.id == id_)
    given = _with_secrets(entry.fields, own, fields)
    _require_address(table, own, given)
    return context.editor.propose(state.name, version, "change", id_, lambda text: with_entry(table, text, id_, given))


def propose_removal(context: ApiContext, table: EntryTable, id_: str, version: str) -> Proposal:
    """The removal of an entry.

    Raises:
        EntryAbsentError: There is none.
        ConfigError: The file has another version, or cannot be read or changed.
    """
    state, _ = read_entry(context, table, id_)
    if state.name.startswith(ADOPTED):
        return context.editor.propose(state.name, version, "remove", id_, lambda _: None)
    return context.editor.propose(state.name, version, "remove", id_, lambda text: without_entry(table, text, id_))


def propose_forgetting(context: ApiContext, device: str, version: str) -> Proposal:
    """The end of an adoption.

    Raises:
        EntryAbsentError: The device was not adopted.
        ConfigError: The file has another version.
    """
    if not adoption_path(context.data, device).is_file():
        raise EntryAbsentError(device)
    return context.editor.propose(f"{ADOPTED}{device}.json", version, "remove", device, lambda _: None)


def place_of_fields(context: ApiContext, table: EntryTable, id_: str, fields: Mapping[str, Any]) -> Place:
    """Where an entry with some fields is, for areas of persons."""
    site = context.city.sites.get(str(fields.get("site", "")))
    kelurahan = str(fields.get("kelurahan") or "") or (site.kelurahan if site else "")
    if table == "site":
        return Place(str(fields.get("kelurahan") or ""), id_)
    stream = str(fields.get("waste_kind") or "") if table == "bin" else ""
    return Place(kelurahan, site.id if site else "", id_ if table == "camera" else "", stream)


def redact_lines(lines: ChangedLines) -> ChangedLines:
    """Changed lines without the passwords in addresses of cameras."""
    before, after = (
        tuple(_ADDRESS.sub(_without_secrets, line) for line in part) for part in (lines.before, lines.after)
    )
    return ChangedLines(lines.line, before, after)


def _require_free(context: ApiContext, table: EntryTable, id_: str) -> None:
    known = any(entry.id == id_ for entry in read_entries(context, table)[1])
    if known or (table in DEVICE_TABLES and id_ in context.city.devices):
        raise EntryExistsError(id_)


def _require_address(table: EntryTable, own: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Require that a camera's source is an address: who changes it here may not have this machine's files read.

    Raises:
        InventoryError: It is none, and another one than before.
    """
    source = str(given.get("source") or "")
    if table != "camera" or source in ("", DEMO, own.get("source")):
        return
    scheme, colon, _ = source.partition("://")
    if not colon or scheme.lower() not in SCHEMES:
        message = f"is neither {DEMO!r} nor an address that begins with {', '.join(SCHEMES)}"
        raise InventoryError([InventoryProblem(FILE_OF[table], "source", message)])


def _redact(entry: InventoryEntry) -> InventoryEntry:
    source = entry.fields.get("source")
    if not isinstance(source, str):
        return entry
    return InventoryEntry(entry.id, {**entry.fields, "source": redact_address(source)}, entry.line)


def _with_secrets(shown: Mapping[str, Any], own: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given fields; an address of a camera that was given as it is shown keeps its password."""
    if "source" in own and given.get("source") == shown.get("source"):
        return {**given, "source": own["source"]}
    return dict(given)


def _without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "id" and value not in (None, "")}


def _without_secrets(match: re.Match[str]) -> str:
    return redact_address(match.group())
