"""REST of the city's files: devices, sites, hours and rules of alarms, changed one entry at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from api.auth.access import require, require_area
from api.city_changes import (
    ChangeResponse,
    DryRun,
    EntriesResponse,
    EntryResponse,
    FieldValue,
    Version,
    answer_change,
    file_response,
    listed_entry,
)
from api.context import ApiContext
from api.dependencies import DeviceId, context_of
from api.http.description import problems
from api.http.routing import ApiRoute
from api.queries.city_editing import (
    EntryAbsentError,
    place_of_fields,
    propose_forgetting,
    propose_put,
    propose_removal,
    read_entries,
    read_entry,
)
from broker.contract.topics import ID_PATTERN, Kind
from city.errors import ConfigError
from city.inventory.editing.entries import FILE_OF, EntryTable
from people.areas import Place

log = structlog.get_logger("api")

router = APIRouter(prefix="/api/v1/inventory", tags=["inventory"], responses=problems(503), route_class=ApiRoute)

CityTable = Literal["site", "hours", "alarm"]
EntryId = Annotated[str, Path(pattern=f"^{ID_PATTERN}$|^[a-z_]{{1,32}}$", examples=["tps-oebobo"])]


class EntryRequest(BaseModel):
    """An entry as it is to be. A field that is not given, or is null, has no value."""

    model_config = ConfigDict(extra="forbid")
    fields: dict[Annotated[str, Field(max_length=64)], FieldValue] = Field(
        max_length=64, description="As in the file, each in the unit of its name: of CSV every value is a text."
    )
    version: str = Field(max_length=64, description="Version of the file that was read.")
    is_new: bool = Field(False, description="Whether the entry is added; otherwise it is changed.")


@router.get("/devices/{kind}", dependencies=[require("devices.write")])
def list_device_entries(request: Request, kind: Kind) -> EntriesResponse:
    """Devices of a kind as their file has them."""
    return _entries(request, kind)


@router.get("/devices/{kind}/{device}", dependencies=[require("devices.write")], responses=problems(404))
def show_device_entry(request: Request, kind: Kind, device: DeviceId) -> EntryResponse:
    """A device as its file has it."""
    return _entry(request, kind, device)


@router.put("/devices/{kind}/{device}", dependencies=[require("devices.write")], responses=problems(404, 409))
def put_device_entry(
    request: Request, kind: Kind, device: DeviceId, body: EntryRequest, *, dry_run: DryRun = False
) -> ChangeResponse | Response:
    """Add or change a device. What would be wrong with the city is listed with 422."""
    return _put(request, kind, device, body, dry_run=dry_run)


@router.delete("/devices/{kind}/{device}", dependencies=[require("devices.write")], responses=problems(404, 409))
def remove_device_entry(
    request: Request, kind: Kind, device: DeviceId, version: Version, *, dry_run: DryRun = False
) -> ChangeResponse | Response:
    """Retire a device; its stored data stays."""
    return _remove(request, kind, device, version, dry_run=dry_run)


@router.delete("/adoptions/{device}", dependencies=[require("devices.write")], responses=problems(404, 409))
def forget_adoption(
    request: Request, device: DeviceId, version: Version, *, dry_run: DryRun = False
) -> ChangeResponse | Response:
    """Take the adoption of a device back; its stored data stays."""
    context = context_of(request)
    if known := context.city.devices.get(device):
        fields = {"kelurahan": known.kelurahan, "site": known.site}
        require_area(request, place_of_fields(context, known.KIND, device, fields))
    return answer_change(request, lambda: propose_forgetting(context, device, version), dry_run=dry_run)


@router.get("/city/{table}", dependencies=[require("city.write")])
def list_city_entries(request: Request, table: CityTable) -> EntriesResponse:
    """Sites, dumping hours or rules of alarms as their file has them."""
    return _entries(request, table)


@router.get("/city/{table}/{entry}", dependencies=[require("city.write")], responses=problems(404))
def show_city_entry(request: Request, table: CityTable, entry: EntryId) -> EntryResponse:
    """A site, a table of hours or a rule as its file has it."""
    return _entry(request, table, entry)


@router.put("/city/{table}/{entry}", dependencies=[require("city.write")], responses=problems(404, 409))
def put_city_entry(
    request: Request, table: CityTable, entry: EntryId, body: EntryRequest, *, dry_run: DryRun = False
) -> ChangeResponse | Response:
    """Add or change a site, a table of hours or a rule. What would be wrong with the city is listed with 422."""
    return _put(request, table, entry, body, dry_run=dry_run)


@router.delete("/city/{table}/{entry}", dependencies=[require("city.write")], responses=problems(404, 409))
def remove_city_entry(
    request: Request, table: CityTable, entry: EntryId, version: Version, *, dry_run: DryRun = False
) -> ChangeResponse | Response:
    """Remove a site, a table of hours, or what differs from a shipped rule."""
    return _remove(request, table, entry, version, dry_run=dry_run)


def _entries(request: Request, table: EntryTable) -> EntriesResponse:
    try:
        state, entries = read_entries(context_of(request), table)
    except ConfigError as exc:
        raise HTTPException(503, str(exc), {"Retry-After": "60"}) from exc
    return EntriesResponse(file_response(state), [listed_entry(entry) for entry in entries])


def _entry(request: Request, table: EntryTable, id_: str) -> EntryResponse:
    try:
        state, entry = read_entry(context_of(request), table, id_)
    except EntryAbsentError as exc:
        raise HTTPException(404, f"{FILE_OF[table]} has no {id_!r}") from exc
    except ConfigError as exc:
        raise HTTPException(503, str(exc), {"Retry-After": "60"}) from exc
    shown = listed_entry(entry)
    return EntryResponse(shown.id, shown.fields, shown.line, file_response(state))


def _put(
    request: Request, table: EntryTable, id_: str, body: EntryRequest, *, dry_run: bool
) -> ChangeResponse | Response:
    context = context_of(request)
    _require_areas(request, context, table, id_, body.fields)

    fields, version = body.fields, body.version
    return answer_change(
        request, lambda: propose_put(context, table, id_, fields, version, is_new=body.is_new), dry_run=dry_run
    )


def _remove(request: Request, table: EntryTable, id_: str, version: str, *, dry_run: bool) -> ChangeResponse | Response:
    context = context_of(request)
    _require_areas(request, context, table, id_, None)

    return answer_change(request, lambda: propose_removal(context, table, id_, version), dry_run=dry_run)


def _require_areas(
    request: Request, context: ApiContext, table: EntryTable, id_: str, fields: Mapping[str, Any] | None
) -> None:
    """Require that an entry is in the areas of whoever asks, as it is and as it is to be.

    Raises:
        HTTPException: 403.
    """
    if table in ("hours", "alarm"):
        require_area(request, Place())
        return
    if fields is not None:
        require_area(request, place_of_fields(context, table, id_, fields))
    try:
        _, entry = read_entry(context, table, id_)
    except (EntryAbsentError, ConfigError):
        return  # which is said afterwards
    require_area(request, place_of_fields(context, table, id_, entry.fields))
