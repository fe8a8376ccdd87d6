"""What the crew's app asks: sign-in, the tour, and events, each answered with a receipt after it is stored.

An answer with receipts is sent after the commit. A phone that gets none sends the same events again; (phone, boot, seq)
is unique, so that nothing is stored twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.auth.access import address_of, same_origin
from api.context import ApiContext
from api.crew.access import crew_session, require_crew
from api.crew.tour import TourResponse, tour_of
from api.dependencies import NUMBER_MAX, context_of
from api.http.limiter import ConcurrencyLimiter, TooManyError
from api.http.routing import ApiRoute
from api.queries.crew_alerts import is_alert
from api.queries.crew_photos import photo_id
from dispatch.shifts.errors import DispatchError
from dispatch.shifts.records import CrewSession, PhoneEvent, ShiftState, TapReceipt
from people.errors import TooManyAttemptsError
from vision.evidence.photos import PhotoRefusedError

EVENTS_MAX: Final = 100
"""Events of one request."""
PHOTOS_EACH: Final = 1
PHOTOS_MAX: Final = 4
"""Photos at once, of one phone and of all; one is redacted, the others wait."""
ENDED: Final[tuple[ShiftState, ...]] = ("closed", "cancelled")
ID_PATTERN: Final = r"^[A-Za-z0-9_-]{1,64}$"
_SEQ_MAX: Final = 2**53
YEAR_MIN: Final = 1970
"""A phone without a clock begins here; a year before it is no time."""
_MILLISECOND: Final = timedelta(milliseconds=1)

router = APIRouter(prefix="/crew/api", include_in_schema=False, route_class=ApiRoute)


class SignInRequest(BaseModel):
    """A code of six digits, or the key of a QR code. By `earlier`, its last token, a phone is the same phone."""

    code: str = Field(min_length=6, max_length=100)
    earlier: str = Field(default="", max_length=100)


class EventsRequest(BaseModel):
    """Events of a phone; each is read by itself, so that a bad one stops no good one."""

    events: list[dict[str, Any]] = Field(min_length=1, max_length=EVENTS_MAX)


class SignedInResponse(msgspec.Struct, frozen=True):
    """The phone's token, its name, with which it signs its events, and its shift."""

    token: str
    phone: str
    shift: int
    expires_at: datetime


class ReceiptsResponse(msgspec.Struct, frozen=True):
    """What has become of each event. The phone forgets those that are stored or known, and sets refused ones aside."""

    receipts: list[TapReceipt]


@router.post("/sign-in")
def sign_in(request: Request, answer: Response, body: SignInRequest) -> SignedInResponse:
    """Sign a phone in to a shift. Who often sends a wrong code has to wait."""
    if not same_origin(request):
        raise HTTPException(403, "this request comes from another site")
    crews = context_of(request).dispatch.crews
    try:
        session = crews.enter(body.code, address_of(request), body.earlier)
    except TooManyAttemptsError as exc:
        raise HTTPException(429, str(exc), {"Retry-After": str(int(exc.wait_s) + 1)}) from exc
    except DispatchError as exc:
        raise HTTPException(401, str(exc)) from exc
    answer.headers.update(_UNCACHED)
    return SignedInResponse(session.token, session.phone, session.shift_id, session.expires_at)


@router.post("/sign-out", dependencies=[require_crew()])
def sign_out(request: Request) -> Response:
    """End the phone's session. By its token it is the same phone when it signs in again."""
    context_of(request).dispatch.crews.leave(crew_session(request))
    return Response(status_code=204, headers=_UNCACHED)


@router.get("/tour", dependencies=[require_crew()])
def show_tour(request: Request, answer: Response) -> TourResponse:
    """The shift of the phone with its stops and messages; 410 once it is over. What was tapped is taken still."""
    answer.headers.update(_UNCACHED)
    tour = tour_of(context_of(request), crew_session(request))
    if tour.shift.state in ENDED:
        raise HTTPException(410, "the shift is over")
    return tour


@router.post("/events", dependencies=[require_crew()])
def receive_events(request: Request, body: EventsRequest) -> ReceiptsResponse:
    """Store events of the phone; the receipts hold."""
    taps, receipts = parse_taps(body.events)
    return ReceiptsResponse([*receipts, *_record(context_of(request), crew_session(request), taps)])


@router.post("/photos", dependencies=[require_crew()])
async def receive_photo(
    request: Request,
    phone: Annotated[str, Query(pattern=ID_PATTERN)],
    boot: Annotated[str, Query(pattern=ID_PATTERN)],
    seq: Annotated[int, Query(ge=0, le=_SEQ_MAX)],
    at: AwareDatetime,
    stop: Annotated[int, Query(ge=1, le=NUMBER_MAX)],
) -> ReceiptsResponse:
    """Store a photo, with people hidden, and its event; the body is the JPEG."""
    detail = {"photo": photo_id(phone, boot, seq)}
    tap = PhoneEvent(phone=phone, boot=boot, seq=seq, at=at, kind="photo", stop=stop, detail=detail)
    limiter: ConcurrencyLimiter = request.app.state.photo_limiter
    try:
        # Whoever sent many at once would take all threads of the API.
        with limiter.acquire(phone):
            content = await request.body()
            return ReceiptsResponse([await run_in_threadpool(_keep_photo, request, tap, content)])
    except TooManyError as exc:
        raise HTTPException(429, str(exc), {"Retry-After": "5"}) from exc


def photo_limiter() -> ConcurrencyLimiter:
    """The limits on photos at once, for an app."""
    return ConcurrencyLimiter("photos", per_client=PHOTOS_EACH, total=PHOTOS_MAX)


def parse_taps(events: Sequence[dict[str, Any]]) -> tuple[list[PhoneEvent], list[TapReceipt]]:
    """The readable events, and refusals of those that can never be stored.

    Raises:
        HTTPException: 422: an event has no identity, so that nothing could be answered.
    """
    taps: list[PhoneEvent] = []
    refused: list[TapReceipt] = []
    for event in events:
        try:
            tap = _parse_tap(event)
        except msgspec.ValidationError:
            boot, seq = event.get("boot"), event.get("seq")
            if not isinstance(boot, str) or not isinstance(seq, int):
                raise HTTPException(422, "an event has neither boot nor seq") from None
            refused.append(TapReceipt(boot, seq, "refused", "event_wrong"))
        else:
            taps.append(tap)
    return taps, refused


def _parse_tap(event: dict[str, Any]) -> PhoneEvent:
    """An event as it may be stored.

    Raises:
        msgspec.ValidationError: It can never be stored.
    """
    tap = msgspec.convert(event, PhoneEvent)
    if tap.kind == "photo" or tap.at.year < YEAR_MIN:
        raise msgspec.ValidationError("a photo comes with its picture, and no time is before 1970")
    try:
        # Python reads more than JSON has: numbers that are none, and halves of characters.
        return msgspec.structs.replace(tap, detail=msgspec.json.decode(msgspec.json.encode(tap.detail)))
    except (UnicodeEncodeError, msgspec.MsgspecError) as exc:
        raise msgspec.ValidationError("its detail is no JSON") from exc


def _record(context: ApiContext, session: CrewSession, taps: Sequence[PhoneEvent]) -> list[TapReceipt]:
    receipts = context.dispatch.crews.record(session, taps)
    alerts = [
        tap for tap, receipt in zip(taps, receipts, strict=True) if is_alert(tap) and receipt.outcome != "refused"
    ]
    if alerts:
        # After a kill between the commit and the journal the phone sends again: known events are journaled too.
        now, truck = context.clock(), context.dispatch.shifts.get(session.shift_id).truck
        for place, tap in enumerate(alerts):
            context.crew_alerts.submit(truck, tap, now + place * _MILLISECOND)
    return receipts


def _keep_photo(request: Request, tap: PhoneEvent, content: bytes) -> TapReceipt:
    context, session = context_of(request), crew_session(request)
    known = context.dispatch.crews.receipt_of(session, tap)
    if known is not None:
        return known
    stop = context.dispatch.shifts.stop(tap.stop or 0)
    about = {"stop": stop.id, "shift": session.shift_id, "site": stop.site, "kelurahan": stop.kelurahan}
    try:
        context.crew_photos.keep(tap.detail["photo"], content, {**about, "stream": stop.stream, "at": tap.at})
    except PhotoRefusedError:
        return TapReceipt(tap.boot, tap.seq, "refused", "photo_wrong")
    (receipt,) = context.dispatch.crews.record(session, [tap])
    return receipt


_UNCACHED: Final = {"Cache-Control": "no-store"}
