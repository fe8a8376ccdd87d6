"""What is known of a stop: the plan's facts, and signals of trucks, sensors, crews, cameras and supervisors."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from dispatch.verification.states import StopState

TapKind = Literal["collected", "not_possible", "photo"]


class StopFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A stop as it was planned.

    `container`: its id; empty for dumped waste. `has_sensor`: a sensor measures its level. `radius_m`: of the site's
    circle. `service_s`: what emptying the container takes. `opens_at`, `closes_at`: its window, UTC. `planned_at`: when
    the plan has the truck there. `is_next`: it is the first open stop of a shift that has begun.

    `beside`: number of other containers that the truck is to empty in the same stay. `other_times`: when the plan has
    the same truck within this circle for other stays, such as those of the other stream: a stay belongs to the nearest
    time. `other_places`: latitude and longitude of other stops within 300 m: a stay belongs to the nearest place.
    """

    id: str
    lat_deg: float
    lon_deg: float
    opens_at: datetime
    closes_at: datetime
    container: str = ""
    has_sensor: bool = False
    radius_m: float = 60.0
    service_s: float = 60.0
    planned_at: datetime | None = None
    is_next: bool = False
    beside: int = 0
    other_times: tuple[datetime, ...] = ()
    other_places: tuple[tuple[float, float], ...] = ()


class LevelReading(msgspec.Struct, frozen=True):
    """The level of the container, percent."""

    at: datetime
    fill_pct: float


class TruckFix(msgspec.Struct, frozen=True):
    """A position of a truck that may serve the stop. None is not known: a truck without the signal never has it.

    `working`: its PTO runs. `lifting`: its lift is raised.
    """

    at: datetime
    lat_deg: float
    lon_deg: float
    truck: str = ""
    speed_kmh: float | None = None
    working: bool | None = None
    lifting: bool | None = None


class CountedLift(msgspec.Struct, frozen=True):
    """A lift that a truck counted, with the container that it identified (its `collected` event)."""

    at: datetime
    container: str
    truck: str = ""


class CrewTap(msgspec.Struct, frozen=True):
    """A tap of the crew at this stop; `reason` of one that was not possible."""

    at: datetime
    kind: TapKind
    reason: str = ""


class SupervisorVerdict(msgspec.Struct, frozen=True):
    """What a supervisor decided; the account is in the audit, not here."""

    at: datetime
    state: StopState
    reason: str


class StopSignals(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a stop, in any order, repeated or late.

    `levels` and `fixes` begin some hours before the window, so that there is a level before. `removed_at`: the camera
    saw the dumped waste go.
    """

    levels: tuple[LevelReading, ...] = ()
    fixes: tuple[TruckFix, ...] = ()
    lifts: tuple[CountedLift, ...] = ()
    taps: tuple[CrewTap, ...] = ()
    removed_at: datetime | None = None
    supervisor: SupervisorVerdict | None = None
