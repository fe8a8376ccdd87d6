"""Dependencies of routes and pages, in FastAPI's sense: the context, parameter types, and what a path names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final

from fastapi import Path, Query, Request
from pydantic import AfterValidator, AwareDatetime
from starlette.exceptions import HTTPException

from api.context import ApiContext
from api.queries.cases import cases
from broker.contract.topics import ID_PATTERN
from city.errors import PayloadError
from city.inventory.model import Camera, Device
from dispatch.alarms.service import Alarm
from dispatch.orders.records import WorkOrder
from dispatch.shifts.errors import DispatchError, DispatchRefusal
from dispatch.shifts.records import Stop
from ingest.store.parked.quarantine import UnknownDevice
from ingest.store.views.cases import Case
from people.areas import Place

PAGE_MAX: Final = 1_000
RANGE_MAX: Final = timedelta(days=400)
BUCKET_MAX_S: Final = RANGE_MAX.total_seconds()
YEARS: Final = (1970, 2200)
"""Range of accepted years, the last one excluded; stores count time from the first."""
NUMBER_MAX: Final = 2**63 - 1
"""Maximum of a signed 64-bit integer, which the stores use."""


def _within_years(at: datetime) -> datetime:
    # A zone may push a time out of all years that there are.
    try:
        is_known = YEARS[0] <= at.astimezone(UTC).year < YEARS[1]
    except OverflowError:
        is_known = False
    if not is_known:
        raise ValueError(f"a time lies between {YEARS[0]} and {YEARS[1]}")
    return at


REFUSAL_STATUS: Final[dict[DispatchRefusal, int]] = {
    **dict.fromkeys(("shift_unknown", "stop_unknown", "order_unknown", "change_unknown"), 404),
    **dict.fromkeys(("proposal_unknown", "plan_not_current", "no_plan", "planning_busy", "shift_closed"), 409),
    **dict.fromkeys(("stop_done", "order_closed", "order_open", "undo_too_late"), 409),
}
"""Status of what dispatch refuses; 422 of others."""

Moment = Annotated[AwareDatetime, AfterValidator(_within_years)]
DeviceId = Annotated[str, Path(pattern=f"^{ID_PATTERN}$", examples=["bin-0451"])]
CaseId = Annotated[str, Path(pattern=f"^{ID_PATTERN}$")]
AccountId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
RowId = Annotated[int, Path(ge=1, le=NUMBER_MAX)]
UnknownDeviceId = Annotated[int, Path(ge=1, le=NUMBER_MAX)]
From = Annotated[
    Moment | None, Query(alias="from", description="Start, inclusive, with a time zone; default: a day ago.")
]
To = Annotated[Moment | None, Query(description="End, exclusive, with a time zone; default: now.")]


def context_of(request: Request) -> ApiContext:
    """The context of the app."""
    context: ApiContext = request.app.state.context
    return context


def device_of(context: ApiContext, device_id: str) -> Device:
    """A device of the inventory; 404 if there is none."""
    device = context.city.devices.get(device_id)
    if device is None:
        raise HTTPException(404, f"device {device_id!r} is not in the inventory of {context.city.id}")
    return device


def camera_of(context: ApiContext, camera_id: str) -> Camera:
    """A camera of the inventory; 404 if there is none."""
    camera = context.city.cameras.get(camera_id)
    if camera is None:
        raise HTTPException(404, f"camera {camera_id!r} is not in the inventory of {context.city.id}")
    return camera


def case_of(context: ApiContext, case_id: str) -> Case:
    """A listed case; 404 if there is none."""
    case = next((listed for listed in cases(context) if listed.id == case_id), None)
    if case is None:
        raise HTTPException(404, f"there is no case {case_id!r}")
    return case


def place_of_case(case: Case) -> Place:
    """Where a case is, for areas of persons."""
    return Place(case.kelurahan, case.site, case.camera)


def place_of_alarm(alarm: Alarm) -> Place | None:
    """Where an alarm is, for areas of persons; None for the platform's, which are everybody's."""
    if alarm.subject_kind == "platform":
        return None
    camera = str(alarm.detail.get("camera", "")) or (alarm.subject if alarm.subject_kind == "camera" else "")
    return Place(alarm.kelurahan, alarm.site, camera)


def place_of_stop(stop: Stop) -> Place:
    """Where a stop is, for areas of persons."""
    return Place(stop.kelurahan, stop.site, stream=stop.stream)


def place_of_order(order: WorkOrder) -> Place:
    """Where a work order is, for areas of persons."""
    return Place(order.kelurahan, order.site, stream=order.stream)


def day_of(context: ApiContext) -> date:
    """The local day of now."""
    return context.clock().astimezone(context.city.time_zone).date()


@contextmanager
def dispatch_refusals() -> Iterator[None]:
    """What dispatch refuses, as an answer."""
    try:
        yield
    except DispatchError as exc:
        raise HTTPException(REFUSAL_STATUS.get(exc.reason, 422), str(exc)) from exc


def place_of_camera(context: ApiContext, camera: Camera) -> Place:
    """Where a camera is, for areas of persons."""
    site = context.city.sites.get(camera.site)
    return Place(site.kelurahan if site else "", camera.site, camera.id)


def unknown_device_of(context: ApiContext, number: int) -> UnknownDevice:
    """An unknown device; 404 if there is none."""
    device = context.quarantine.get(number)
    if device is None:
        raise HTTPException(404, f"there is no unknown device {number}; it may have been adopted")
    return device


def time_range(context: ApiContext, start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """The requested time range; one day by default.

    Raises:
        PayloadError: The range is empty or longer than `RANGE_MAX`.
    """
    end = end or context.clock() + timedelta(minutes=5)
    start = start or end - timedelta(days=1)
    if start >= end:
        raise PayloadError("`from` must lie before `to`")
    if end - start > RANGE_MAX:
        raise PayloadError(f"a range is at most {RANGE_MAX.days} days")
    return start, end
