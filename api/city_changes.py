"""How a change of the city's files is answered: the models of requests and answers, problems, and the audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Final

import msgspec
import structlog
from fastapi import Query, Request
from fastapi.responses import Response
from msgspec import Meta
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from api.auth.access import audit_action, require_identity
from api.dependencies import context_of
from api.http.problems import FieldErrorResponse, problem
from api.queries.city_editing import DRAWN, EntryAbsentError, EntryExistsError, redact_lines
from city.errors import ConfigError, StorageError
from city.inventory.editing.editor import EditConflictError, FileState, Proposal
from city.inventory.editing.entries import InventoryEntry
from city.inventory.editing.history import Author, Change, What, version_of
from city.inventory.problems import InventoryError
from people.audit import Action

log = structlog.get_logger("api")

PROBLEMS_MAX: Final = 50
"""Problems that an answer lists: a site that is removed may be that of many devices."""
DETAIL_MAX: Final = 1_200
"""Characters of changed lines in the audit, before and after."""
_ACTIONS: Final[Mapping[What, Action]] = {
    "add": "inventory.add",
    "change": "inventory.change",
    "remove": "inventory.remove",
    "revert": "inventory.revert",
    "discard": "inventory.discard",
}
Version = Annotated[str, Query(max_length=64, description="Version of the file that was read.")]
DryRun = Annotated[bool, Query(description="Whether the change is checked and not made.")]


class RevertRequest(BaseModel):
    """A file that is put back. `version`: the version that was read."""

    model_config = ConfigDict(extra="forbid")
    version: str = Field(max_length=64)


class FileResponse(msgspec.Struct, frozen=True):
    """A file of the city. `is_edited`: there is a copy that was changed here, which hides that of the city's folder."""

    name: str
    path: str
    writes_to: Annotated[str, Meta(description="Where a changed text is put.")]
    version: Annotated[str, Meta(description="Empty for a file that does not exist.")]
    is_edited: bool
    hides_newer: Annotated[bool, Meta(description="Whether the city's folder has a newer file since.")]


FieldValue = str | bool | int | float | list[str] | dict[str, str | int | float | list[str]] | None
"""A value of a field: of CSV always a text."""
EntryFields = Annotated[dict[str, FieldValue], Meta(description="As in the file, each in the unit of its name.")]


class ListedEntryResponse(msgspec.Struct, frozen=True):
    """An entry of a file; `line` is where it begins. Addresses of cameras come without passwords."""

    id: str
    fields: EntryFields
    line: int


class EntryResponse(ListedEntryResponse, frozen=True):
    """An entry of a file, with the file."""

    file: FileResponse


class EntriesResponse(msgspec.Struct, frozen=True):
    """The entries of a file, in its order."""

    file: FileResponse
    entries: list[ListedEntryResponse]


class ChangeResponse(msgspec.Struct, frozen=True):
    """A change that is in force, or of a dry run one that could be made. Without any difference `n` is null."""

    n: Annotated[int | None, Meta(description="Number of the change.")]
    file: str
    line: Annotated[int, Meta(description="The first line that is different.")]
    before: tuple[str, ...]
    after: tuple[str, ...]
    version: Annotated[str, Meta(description="Version of the file with the change.")]
    is_applied: bool


class PastChangeResponse(msgspec.Struct, frozen=True):
    """A change that was made."""

    n: int
    at: datetime
    by: str
    what: What
    file: str
    entry: str
    line: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    reverts: Annotated[int | None, Meta(description="Number of the change that it takes back.")]


class CityChangesResponse(msgspec.Struct, frozen=True):
    """The files of the city, the changes that are kept, the newest first, and what is wrong with files of now."""

    files: list[FileResponse]
    changes: list[PastChangeResponse]


def answer_change(request: Request, propose: Callable[[], Proposal], *, dry_run: bool) -> ChangeResponse | Response:
    """Make a change, or only check it; what is wrong becomes a problem document."""
    context = context_of(request)
    try:
        proposal = propose()
        if dry_run:
            if faults := context.editor.problems(proposal):
                raise InventoryError(faults)  # noqa: TRY301 - one answer for both
            return _change(proposal, None)
        identity = require_identity(request)
        change = context.editor.commit(proposal, Author(identity.id or identity.kind, identity.name))
    except EntryAbsentError as exc:
        raise HTTPException(404, f"there is no {exc.args[0]!r}") from exc
    except EntryExistsError as exc:
        raise HTTPException(409, f"there is {exc.args[0]!r} already") from exc
    except EditConflictError as exc:
        raise HTTPException(409, str(exc)) from exc
    except InventoryError as exc:
        listed = exc.problems[:PROBLEMS_MAX]
        errors = [FieldErrorResponse(fault.field, fault.message, where=fault.where) for fault in listed]
        return problem(422, "\n".join(map(str, listed)), errors=errors)
    except StorageError as exc:
        log.error("inventory.refused", reason=str(exc))
        raise HTTPException(503, "the disk refuses; nothing was changed", {"Retry-After": "60"}) from exc
    except ConfigError as exc:
        raise HTTPException(422, str(exc)) from exc
    if change is not None:
        context.refresh()
        _note(request, change)
    return _change(proposal, change)


def _note(request: Request, change: Change) -> None:
    lines = redact_lines(change.lines)
    before, after = ("\n".join(part)[:DETAIL_MAX] for part in (lines.before, lines.after))
    where = f"{change.file}:{lines.line}"
    audit_action(request, _ACTIONS[change.what], change.entry, change=change.n, where=where, before=before, after=after)


def _change(proposal: Proposal, change: Change | None) -> ChangeResponse:
    lines = redact_lines(proposal.lines)
    return ChangeResponse(
        change.n if change else None,
        proposal.file,
        lines.line,
        lines.before,
        lines.after,
        version_of(proposal.text),
        change is not None,
    )


def past_change(change: Change) -> PastChangeResponse:
    """A change as the API shows it."""
    lines = redact_lines(change.lines)
    return PastChangeResponse(
        change.n,
        change.at,
        change.by.name,
        change.what,
        change.file,
        change.entry,
        lines.line,
        lines.before,
        lines.after,
        change.reverts,
    )


def listed_entry(entry: InventoryEntry) -> ListedEntryResponse:
    """An entry as the API shows it, without a camera's zones, which are drawn."""
    fields = {name: value for name, value in entry.fields.items() if name not in DRAWN}
    return ListedEntryResponse(entry.id, fields, entry.line)


def file_response(state: FileState) -> FileResponse:
    """A file as the API shows it."""
    return FileResponse(state.name, state.path, state.writes_to, state.version, state.is_edited, state.hides_newer)
