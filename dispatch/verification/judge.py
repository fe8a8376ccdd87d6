"""The verdict on a stop, a pure function of all that is known: later signals may change it.

```
taps, positions, lifts -> claims (claims.py) --+
levels -> fell, stayed, unknown (levels.py) ---+-> verdict
window, photos, camera, supervisor ------------+
```
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from dispatch.verification.claims import EARLY, Claim, claims_of, refusal_of
from dispatch.verification.levels import LevelChange, change_by_claim, emptyings, in_order
from dispatch.verification.signals import LevelReading, StopFacts, StopSignals
from dispatch.verification.states import StopEvidence, StopState, StopVerdict
from dispatch.verification.stays import is_there

MISSED_AFTER: Final = timedelta(minutes=10)
"""How long after its window a stop is called missed: signals need some minutes."""
PRESENT: Final = timedelta(minutes=5)
"""Age up to which a position says where a truck is now."""
SENSOR_SILENT: Final = timedelta(hours=4)
"""A sensor that reports nothing for so long after a collection has no say."""
SUPERVISED_OPEN: Final[frozenset[StopState]] = frozenset(
    {"planned", "under_way", "claimed", "contradicted", "missed", "not_possible"}
)
"""What a supervisor decided and proof from afterwards changes."""


class _Served(NamedTuple):
    """Proof that a stop was served at a time."""

    at: datetime
    evidence: tuple[StopEvidence, ...]


def judge_stop(stop: StopFacts, signals: StopSignals, now: datetime) -> StopVerdict:
    """The state of a stop at a time, with its evidence in order of time.

    Args:
        stop: As it was planned.
        signals: What is known, in any order; what happened after `now` is ignored.
        now: UTC.
    """
    claims = claims_of(stop, signals, now)
    levels = in_order(signals.levels, now)
    changes = [(claim, change_by_claim(levels, claim.start, claim.end, now)) for claim in claims]
    served = _first([*_by_claims(stop, changes, now), *_by_levels(stop, levels), *_by_camera(signals, now)])
    supervisor = signals.supervisor
    if supervisor is not None and supervisor.at <= now:
        decided = StopEvidence("supervisor", supervisor.at, {"state": supervisor.state, "reason": supervisor.reason})
        if served is None or served.at <= supervisor.at or supervisor.state not in SUPERVISED_OPEN:
            return StopVerdict(supervisor.state, (decided,))
        return _verdict(_served_state(stop, served), (decided, *served.evidence))
    if served is not None:
        return _verdict(_served_state(stop, served), _with_window(stop, served.at, served.evidence))
    return _verdict_without_proof(stop, signals, changes, now)


def _verdict_without_proof(
    stop: StopFacts, signals: StopSignals, changes: Sequence[tuple[Claim, LevelChange]], now: datetime
) -> StopVerdict:
    """The verdict without proof of service."""
    refusal = refusal_of(stop, signals, now)
    if refusal is not None and all(claim.start <= refusal.at for claim, _ in changes):
        return StopVerdict("not_possible", (StopEvidence("reason", refusal.at, {"reason": refusal.reason}),))
    if changes:
        claim, change = changes[-1]
        state: StopState = "contradicted" if change.says == "stayed" else "claimed"
        evidence = (*claim.evidence, *_level_evidence(change))
        return _verdict(state, _with_window(stop, claim.start, evidence))
    if is_there(stop, signals.fixes, now, PRESENT) and now >= stop.opens_at - EARLY:
        return StopVerdict("under_way")
    if now > stop.closes_at + MISSED_AFTER:
        return StopVerdict("missed", (_window_over(stop),))
    return StopVerdict("under_way" if stop.is_next else "planned")


def _by_claims(stop: StopFacts, changes: Sequence[tuple[Claim, LevelChange]], now: datetime) -> list[_Served]:
    """Claims that the level, lifts or a photo prove. A level that stayed refutes lifts and photos."""
    proved = []
    for claim, change in changes:
        level = _level_evidence(change)
        if change.says == "fell" or (claim.counted and change.says != "stayed"):
            proved.append(_Served(claim.start, (*claim.evidence, *level)))
        elif claim.photo_at is not None and not claim.truck_was_far and _photo_counts(stop, claim, change, now):
            proved.append(_Served(claim.photo_at, (*claim.evidence, *level)))
    return proved


def _photo_counts(stop: StopFacts, claim: Claim, change: LevelChange, now: datetime) -> bool:
    """Whether no sensor has a say: there is none, or it is silent. `change` without a time has no reading."""
    if change.at is not None:
        return False
    return not stop.has_sensor or now - claim.end >= SENSOR_SILENT


def _by_levels(stop: StopFacts, levels: Sequence[LevelReading]) -> list[_Served]:
    """Emptyings that nobody claimed."""
    fallen = emptyings(levels, stop.opens_at - EARLY)
    return [_Served(change.happened_at, _level_evidence(change)) for change in fallen if change.happened_at]


def _by_camera(signals: StopSignals, now: datetime) -> list[_Served]:
    removed_at = signals.removed_at
    if removed_at is None or removed_at > now:
        return []
    return [_Served(removed_at, (StopEvidence("removed", removed_at),))]


def _first(served: Sequence[_Served]) -> _Served | None:
    """The earliest proof; of equal ones the one with most evidence."""
    return min(served, key=lambda proof: (proof.at, -len(proof.evidence)), default=None)


def _served_state(stop: StopFacts, served: _Served) -> StopState:
    return "recovered" if served.at > stop.closes_at + MISSED_AFTER else "verified"


def _level_evidence(change: LevelChange) -> tuple[StopEvidence, ...]:
    if change.at is None or change.says == "unknown":
        return ()
    detail = {"after_pct": _one_decimal(change.after_pct)}
    if change.before_pct is not None:
        detail = {"before_pct": _one_decimal(change.before_pct), **detail}
    return (StopEvidence("level_fell" if change.says == "fell" else "level_stayed", change.at, detail),)


def _with_window(stop: StopFacts, at: datetime, evidence: tuple[StopEvidence, ...]) -> tuple[StopEvidence, ...]:
    """The evidence, with the end of the window if that was earlier."""
    return (_window_over(stop), *evidence) if at > stop.closes_at + MISSED_AFTER else evidence


def _window_over(stop: StopFacts) -> StopEvidence:
    return StopEvidence("window_over", stop.closes_at)


def _verdict(state: StopState, evidence: tuple[StopEvidence, ...]) -> StopVerdict:
    return StopVerdict(state, tuple(sorted(evidence, key=lambda fact: fact.at)))


def _one_decimal(level_pct: float | None) -> float | None:
    return None if level_pct is None else round(level_pct, 1)
