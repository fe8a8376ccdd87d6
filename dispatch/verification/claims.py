"""Claims that a stop was served: taps of crews, stays of trucks, and counted lifts, put together where they meet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from dispatch.verification.signals import CrewTap, StopFacts, StopSignals
from dispatch.verification.states import StopEvidence
from dispatch.verification.stays import Stay, nearest_m, stays_at

EARLY: Final = timedelta(hours=1)
"""What happens so long before the window belongs to it: crews begin early."""
LONGER: Final = 2.0
LONGER_MIN_S: Final = 180.0
"""A truck that does not say whether it works must stand so many times longer, and longer than at traffic lights."""
MEETS: Final = timedelta(minutes=30)
"""A tap so long before or after a stay means that stay: crews tap at the next stop, or when they have time."""
TAP_EARLY: Final = timedelta(minutes=30)
TAP_LATE: Final = timedelta(minutes=10)
"""A tap without a stay means a collection that ended at most so long before it, or so long after."""
LIFT_LASTS: Final = timedelta(minutes=2)
FAR_M: Final = 500.0
"""A truck that was nowhere nearer around a tap was not there."""


class Claim(msgspec.Struct, frozen=True):
    """That the stop was served between two times. `counted`: lifts say so. `photo_at`: of a photo from there.

    `truck_was_far`: positions of the truck contradict the claim.
    """

    start: datetime
    end: datetime
    evidence: tuple[StopEvidence, ...]
    counted: bool = False
    photo_at: datetime | None = None
    truck_was_far: bool = False


def claims_of(stop: StopFacts, signals: StopSignals, now: datetime) -> list[Claim]:
    """Claims until now, in order of time; taps that the crew took back by "not possible" are none."""
    since = stop.opens_at - EARLY
    stays = [stay for stay in stays_at(stop, signals.fixes, now) if stay.end >= since and _is_ours(stop, stay)]
    refusal = refusal_of(stop, signals, now)
    taps = [
        tap
        for tap in _taps(signals.taps, since, now)
        if tap.kind == "collected" or (tap.kind == "photo" and not _is_of_obstacle(tap, refusal))
    ]
    claims = [_of_stay(stop, signals, stay, taps) for stay in stays if _is_service(stop, stay) or _meets(stay, taps)]
    alone = [tap for tap in taps if not any(_meets(stay, [tap]) for stay in stays)]
    claims += [_of_taps(stop, signals, group) for group in _groups(alone)]
    claims += [
        Claim(lift.at - LIFT_LASTS, lift.at + LIFT_LASTS, (StopEvidence("lift", lift.at, _lift(lift.truck)),), True)
        for lift in signals.lifts
        if lift.container == stop.container and stop.container and since <= lift.at <= now
    ]
    return sorted(claims, key=lambda claim: (claim.start, claim.end))


def refusal_of(stop: StopFacts, signals: StopSignals, now: datetime) -> CrewTap | None:
    """The crew's "not possible" that no later "collected" takes back."""
    taps = [tap for tap in _taps(signals.taps, stop.opens_at - EARLY, now) if tap.kind != "photo"]
    return taps[-1] if taps and taps[-1].kind == "not_possible" else None


def _is_of_obstacle(photo: CrewTap, refusal: CrewTap | None) -> bool:
    """Whether a photo shows why it was not possible."""
    return refusal is not None and abs(photo.at - refusal.at) <= MEETS


def _taps(taps: Sequence[CrewTap], since: datetime, now: datetime) -> list[CrewTap]:
    return sorted((tap for tap in set(taps) if since <= tap.at <= now), key=lambda tap: (tap.at, tap.kind, tap.reason))


def _is_service(stop: StopFacts, stay: Stay) -> bool:
    """Whether a stay is a collection by itself: it worked for long enough, or nobody knows and it was longer."""
    if stay.worked is None:
        return stay.stood_s >= max(LONGER * stop.service_s, LONGER_MIN_S)
    return stay.worked and stay.stood_s >= stop.service_s


def _is_ours(stop: StopFacts, stay: Stay) -> bool:
    """Whether a stay is the one that the plan has for this stop, and not one for another stream at this place."""
    if stop.planned_at is None:
        return True
    middle = stay.start + (stay.end - stay.start) / 2
    off = abs(middle - stop.planned_at)
    return all(off <= abs(middle - other) for other in stop.other_times)


def _meets(stay: Stay, taps: Sequence[CrewTap]) -> bool:
    return any(stay.start - MEETS <= tap.at <= stay.end + MEETS for tap in taps)


def _of_stay(stop: StopFacts, signals: StopSignals, stay: Stay, taps: Sequence[CrewTap]) -> Claim:
    met = [tap for tap in taps if _meets(stay, [tap])]
    evidence = [_tap(stop, signals, tap) for tap in met]
    detail: dict[str, Any] = {"truck": stay.truck, "stood_s": round(stay.stood_s), "away_m": round(stay.away_m)}
    if stay.worked is None:
        detail["has_pto_signal"] = False
    evidence.append(StopEvidence("standing", stay.start, detail))
    if stay.worked:
        evidence.append(StopEvidence("working", stay.start, {"truck": stay.truck}))
    needed = stop.beside + 1
    if stay.lifts:
        counts = {"truck": stay.truck, "counted": stay.lifts, "needed": needed}
        evidence.append(StopEvidence("lift", stay.end, counts))
    photo_at = next((tap.at for tap in met if tap.kind == "photo"), None)
    return Claim(stay.start, stay.end, tuple(evidence), stay.lifts >= needed, photo_at)


def _groups(taps: Sequence[CrewTap]) -> list[list[CrewTap]]:
    """Taps of one visit together: a crew taps and takes a photo."""
    groups: list[list[CrewTap]] = []
    for tap in taps:
        if groups and tap.at - groups[-1][-1].at <= MEETS:
            groups[-1].append(tap)
        else:
            groups.append([tap])
    return groups


def _of_taps(stop: StopFacts, signals: StopSignals, taps: Sequence[CrewTap]) -> Claim:
    nearest = [away_m for tap in taps if (away_m := nearest_m(stop, signals.fixes, tap.at, MEETS)) is not None]
    return Claim(
        taps[0].at - TAP_EARLY,
        taps[-1].at + TAP_LATE,
        tuple(_tap(stop, signals, tap) for tap in taps),
        photo_at=next((tap.at for tap in taps if tap.kind == "photo"), None),
        truck_was_far=bool(nearest) and min(nearest) > FAR_M,
    )


def _tap(stop: StopFacts, signals: StopSignals, tap: CrewTap) -> StopEvidence:
    away_m = nearest_m(stop, signals.fixes, tap.at, MEETS)
    detail = {} if away_m is None else {"truck_m": round(away_m)}
    return StopEvidence("photo" if tap.kind == "photo" else "tap", tap.at, detail)


def _lift(truck: str) -> dict[str, Any]:
    return {"truck": truck} if truck else {}
