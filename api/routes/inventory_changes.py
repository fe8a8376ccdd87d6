"""REST of the history of the city's files: what was changed, and putting it back."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from api.auth.access import require, require_area, require_identity
from api.city_changes import (
    ChangeResponse,
    CityChangesResponse,
    DryRun,
    RevertRequest,
    answer_change,
    file_response,
    past_change,
)
from api.dependencies import RowId, context_of
from api.http.description import problems
from api.http.routing import ApiRoute
from city.inventory.city_files import EDITABLE
from city.inventory.editing.editor import Proposal
from people.areas import Place

router = APIRouter(prefix="/api/v1/inventory", tags=["inventory"], responses=problems(503), route_class=ApiRoute)

_CITY_FILES: Final = ("sites.csv", "city.toml", "alarms.toml")
FileName = Annotated[str, Path(max_length=64, examples=["bins.csv"])]


@router.get("/changes", dependencies=[require("devices.write")])
def list_inventory_changes(request: Request) -> CityChangesResponse:
    """The files of the city and the changes that were made here."""
    editor = context_of(request).editor
    files = [file_response(editor.state(name)) for name in EDITABLE]
    return CityChangesResponse(files, [past_change(change) for change in editor.history.newest()])


@router.post("/changes/{change}/revert", dependencies=[require("devices.write")], responses=problems(404, 409))
def revert_inventory_change(
    request: Request, change: RowId, body: RevertRequest, *, dry_run: DryRun = False
) -> ChangeResponse | Response:
    """Put a file back to what it was before a change; later changes of the file are taken back as well."""
    context = context_of(request)

    def propose() -> Proposal:
        try:
            known = context.editor.history.get(change)
            _require_right_to(request, known.file)
            return context.editor.propose_revert(change, body.version)
        except KeyError as exc:
            raise HTTPException(404, f"change {change} is not kept") from exc

    return answer_change(request, propose, dry_run=dry_run)


@router.post("/files/{file}/discard", dependencies=[require("city.write")], responses=problems(404, 409))
def discard_changed_copy(
    request: Request, file: FileName, body: RevertRequest, *, dry_run: DryRun = False
) -> ChangeResponse | Response:
    """Use the file of the city's folder again instead of the copy that was changed here."""
    if file not in EDITABLE:
        raise HTTPException(404, f"{file!r} is no file that is changed here")
    require_area(request, Place())
    editor = context_of(request).editor
    return answer_change(request, lambda: editor.propose_discard(file, body.version), dry_run=dry_run)


def _require_right_to(request: Request, file: str) -> None:
    """Require what a whole file takes: all areas, and the right to change the city where it is none of devices.

    Raises:
        HTTPException: 403.
    """
    require_area(request, Place())
    if file in _CITY_FILES and not require_identity(request).may("city.write"):
        raise HTTPException(403, "this needs the right city.write")
