"""Shifts, stops, taps of crews and messages, as services give them. Times are UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta

from dispatch.verification.states import StopEvidence, StopState

ShiftState = Literal["planned", "under_way", "closed", "cancelled"]
"""planned: no crew has begun. under_way: a phone is signed in, or a stop is done. closed: it is over. cancelled: the
plan that made it was taken back."""
StopKind = Literal["container", "order", "landfill"]
PhoneEventKind = Literal[
    "collected", "not_possible", "photo", "panic", "breakdown", "message_read", "shift_begun", "shift_ended"
]
"""What a crew reports. panic and breakdown are about the truck; the others name a stop, or a message."""
NotPossibleReason = Literal[
    "blocked", "no_access", "locked", "empty", "hazardous", "broken_container", "truck_full", "other"
]
"""Why a crew cannot collect: the street is blocked; the place cannot be reached; it is locked; there is nothing; it is
dangerous; the container is broken; the truck is full; something else."""
RemovedReason = Literal["", "not_worth", "no_capacity", "too_large", "no_truck", "closed", "street_blocked", "undone"]

PHONE_EVENT_KINDS: Final[tuple[PhoneEventKind, ...]] = get_args(PhoneEventKind)
NOT_POSSIBLE_REASONS: Final[tuple[NotPossibleReason, ...]] = get_args(NotPossibleReason)
WAITING_STATES: Final[tuple[StopState, ...]] = ("planned", "under_way")
"""States of stops to which nobody has come yet."""
TEXT_MAX: Final = 500
ID_MAX: Final = 64


class StopCounts(msgspec.Struct, frozen=True):
    """Stops of a shift by what has become of them; landfills do not count."""

    total: int = 0
    collected: Annotated[int, Meta(description="Claimed, verified, or recovered.")] = 0
    verified: Annotated[int, Meta(description="Verified or recovered.")] = 0
    contradicted: int = 0
    missed: int = 0
    not_possible: int = 0
    open: Annotated[int, Meta(description="Planned or under way.")] = 0


def sum_counts(counts: Iterable[StopCounts]) -> StopCounts:
    """The counts of several shifts together."""
    listed = list(counts)
    return StopCounts(*(sum(getattr(count, name) for count in listed) for name in StopCounts.__struct_fields__))


class CrewShift(msgspec.Struct, frozen=True):
    """One truck's work of one day. `starts_at` and `ends_at` bound it, `departs_at` and `returns_at` are planned."""

    id: int
    day: date
    truck: str
    crew: Annotated[str, Meta(description="Number of the crew; never a name.")]
    state: ShiftState
    starts_at: datetime
    ends_at: datetime
    departs_at: datetime
    returns_at: datetime
    break_at: datetime | None
    metres: Annotated[float, Meta(description="Planned distance. Unit: m.")]
    opened_at: datetime
    closed_at: datetime | None
    plan_id: int | None
    counts: StopCounts = StopCounts()


class StopRuling(msgspec.Struct, frozen=True):
    """What a person decided of a stop; it outweighs all signals."""

    state: StopState
    at: datetime
    by: str
    reason: str


class Stop(msgspec.Struct, frozen=True):
    """A stop of a shift. `removed_at`: it is on no tour any more, and `removed_reason` says why."""

    id: int
    shift_id: int
    number: Annotated[int, Meta(description="Place in the order of the tour, from 1.")]
    kind: StopKind
    subject: Annotated[str, Meta(description="Id of the container, case or site.")]
    order_id: int | None
    name: str
    stream: str
    site: str
    kelurahan: str
    lat_deg: float
    lon_deg: float
    load_kg: Annotated[float, Meta(description="Expected load. Unit: kg.")]
    service_s: Annotated[float, Meta(description="Time that collecting takes. Unit: s.")]
    arrives_at: datetime
    starts_at: datetime
    leaves_at: datetime
    window_from: datetime
    window_to: datetime
    why: Annotated[dict[str, Any], Meta(description="`cause`, and what the forecast said of a container.")]
    state: StopState
    state_at: datetime
    evidence: tuple[StopEvidence, ...]
    reason: Annotated[str, Meta(description="Why it is not possible; empty otherwise.")]
    ruling: StopRuling | None
    removed_at: datetime | None
    removed_reason: str


class StopHistoryEntry(msgspec.Struct, frozen=True):
    """A state that a stop was in, from a time on."""

    at: datetime
    state: StopState
    evidence: tuple[StopEvidence, ...]


class PhoneEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a crew's phone. (phone, boot, seq) identifies it; `at` is the phone's clock.

    `stop` is the id of a stop of the phone's shift. `detail`: `text`, `message` (id), `photo` (name of a file),
    `lat_deg` and `lon_deg`.
    """

    phone: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    boot: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    seq: Annotated[int, Meta(ge=0, le=2**53)]
    at: Annotated[datetime, Meta(tz=True)]
    kind: PhoneEventKind
    stop: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    reason: NotPossibleReason | Literal[""] = ""
    detail: dict[str, Any] = {}


class TapReceipt(msgspec.Struct, frozen=True):
    """What has become of an event of a phone: stored now or before; or refused for ever, with the reason."""

    boot: str
    seq: int
    outcome: Literal["stored", "known", "refused"]
    reason: str = ""


class StoredTap(msgspec.Struct, frozen=True):
    """A tap as it is kept."""

    id: int
    shift_id: int
    stop_id: int | None
    phone: str
    kind: PhoneEventKind
    at: datetime
    received_at: datetime
    reason: str
    detail: Annotated[dict[str, Any], Meta(description="What else the phone said, by `kind`.")]


class CrewMessage(msgspec.Struct, frozen=True):
    """A message to a crew. `read_at`: when it was read on a phone; None if it was not."""

    id: int
    shift_id: int
    text: str
    sent_by: str
    sent_at: datetime
    read_at: datetime | None


class ShiftCode(msgspec.Struct, frozen=True):
    """How phones sign in to a shift: six digits, or the key of a QR code; nothing keeps either."""

    shift_id: int
    code: Annotated[str, Meta(description="Six digits.")]
    key: Annotated[str, Meta(description="Part of the address behind the QR code.")]
    expires_at: datetime


class CrewSession(msgspec.Struct, frozen=True):
    """A phone that is signed in to a shift. `token` is there only when it has just signed in."""

    id: int
    shift_id: int
    phone: str
    expires_at: datetime
    token: str = ""


class DispatchChange(msgspec.Struct, frozen=True):
    """Something that a person did and may take back until `undo_until`."""

    id: int
    at: datetime
    name: str
    action: str
    object: Annotated[str, Meta(description="What it was about, as `shift:7`.")]
    undo_until: datetime
    undone_at: datetime | None
