"""Proof of stops on simulated shifts: how many true collections are verified, and how many that never happened.

Sensors err, miss readings and spike; positions drift and are missing; crews forget to tap, tap late, and tap without
having come; trucks pass by, and leave one of several containers. The judge sees signals alone.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import msgspec

from dispatch.verification.judge import judge_stop
from dispatch.verification.signals import CountedLift, CrewTap, LevelReading, StopFacts, StopSignals, TruckFix
from dispatch.verification.states import StopState

Truth = Literal["collected", "left", "passed", "never_came", "tapped_only"]
Proof = Literal["sensor", "lifts", "photo", "none"]

SHIFTS: Final = 250
SITES_A_SHIFT: Final = 16
OPENS: Final = datetime(2026, 12, 1, 22, 0, tzinfo=UTC)
CLOSES: Final = OPENS + timedelta(hours=8)
JUDGED_AT: Final = CLOSES + timedelta(hours=5)
LAT_DEG: Final = -10.17
M_PER_DEG: Final = 111_195.0
SERVICE_S: Final = 60.0
FIX_S: Final = 15
AWAY_M: Final = 400.0
SENSORS: Final = 0.6
SILENT_SENSORS: Final = 0.03
LIFT_COUNTERS: Final = 0.5
PTO_SIGNALS: Final = 0.75
FORGOTTEN_TAPS: Final = 0.2
PHOTOS: Final = 0.85
"""Share of taps at containers without a sensor that come with a photo."""
GAPS: Final = 0.12
DRIFT_M: Final = 14.0
BIASED: Final = 0.05
"""Share of stays whose positions are all off by 40 m, as between high walls."""
TRUTHS: Final[dict[Truth, float]] = {
    "collected": 0.8,
    "left": 0.05,
    "passed": 0.06,
    "never_came": 0.05,
    "tapped_only": 0.04,
}


class ProofCase(msgspec.Struct, frozen=True):
    """A stop with what happened, what could prove it, and its signals."""

    truth: Truth
    proof: Proof
    facts: StopFacts
    signals: StopSignals


def measure_proof(seed: int) -> int:
    """Print shares; 1 if too few collections are verified, or too many stops that nobody served."""
    counts: Counter[tuple[str, str, StopState]] = Counter()
    for case in make_cases(seed):
        counts[case.truth, case.proof, judge_stop(case.facts, case.signals, JUDGED_AT).state] += 1
    print(f"\n{'proof of stops':28}{'stops':>7}{'verified':>10}{'claimed':>10}{'contradicted':>14}{'missed':>9}")
    for proof in ("sensor", "lifts", "photo", "none"):
        _print(f"collected, {proof}", counts, ("collected",), (proof,))
    for truth in ("left", "passed", "never_came", "tapped_only"):
        _print(truth, counts, (truth,), ("sensor", "lifts", "photo", "none"))
    provable = _print("collected, with a proof", counts, ("collected",), ("sensor", "lifts", "photo"))
    _print("collected, all", counts, ("collected",), ("sensor", "lifts", "photo", "none"))
    unserved = _print("not served, all", counts, tuple(TRUTHS)[1:], ("sensor", "lifts", "photo", "none"))
    return int(provable < 0.98 or unserved > 0.01)


def make_cases(seed: int, shifts: int = SHIFTS) -> Iterator[ProofCase]:
    """Stops of simulated shifts."""
    for number in range(shifts):
        yield from _Shift(random.Random(f"{seed}/{number}")).cases()


def _print(
    name: str, counts: Counter[tuple[str, str, StopState]], truths: tuple[str, ...], proofs: tuple[str, ...]
) -> float:
    states: Counter[StopState] = Counter()
    for (truth, proof, state), count in counts.items():
        if truth in truths and proof in proofs:
            states[state] += count
    total = max(states.total(), 1)
    verified = (states["verified"] + states["recovered"]) / total
    others = [states[state] / total for state in ("claimed", "contradicted", "missed")]
    print(f"{name:28}{states.total():7}{verified:10.2%}{others[0]:10.2%}{others[1]:14.2%}{others[2]:9.2%}")
    return verified


class _Shift:
    """A truck's day over sites of one to four containers."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._has_pto = chance.random() < PTO_SIGNALS
        self._counts_lifts = chance.random() < LIFT_COUNTERS
        self._fixes: list[TruckFix] = []
        self._now = OPENS + timedelta(minutes=chance.uniform(5, 30))
        self._taps: dict[str, list[CrewTap]] = {}
        self._lifts: list[CountedLift] = []

    def cases(self) -> list[ProofCase]:
        """All stops of the shift, judged later with all positions of the truck."""
        visits = [self._visit(site) for site in range(SITES_A_SHIFT)]
        return [
            ProofCase(truth, proof, facts, self._signals(facts, levels))
            for visit in visits
            for truth, proof, facts, levels in visit
        ]

    def _signals(self, facts: StopFacts, levels: tuple[LevelReading, ...]) -> StopSignals:
        taps = tuple(self._taps.get(facts.id, ()))
        return StopSignals(levels=levels, fixes=tuple(self._fixes), lifts=tuple(self._lifts), taps=taps)

    def _visit(self, site: int) -> list[tuple[Truth, Proof, StopFacts, tuple[LevelReading, ...]]]:
        chance = self._chance
        count = chance.choice((1, 1, 2, 4))
        truths = [self._truth() for _ in range(count)]
        if any(truth in ("collected", "left") for truth in truths):
            # A truck that works at a site neither passes by nor stays away.
            truths = [truth if truth in ("collected", "tapped_only") else "left" for truth in truths]
        began = self._now + timedelta(minutes=chance.uniform(3, 9))
        served = sum(truth == "collected" for truth in truths)
        lasts = timedelta(seconds=(served + 0.2) * chance.uniform(70, 150)) if served else timedelta(seconds=20)
        if any(truth in ("collected", "passed", "left") for truth in truths):
            self._drive(site, began, lasts, works=served > 0)
        self._now = began + lasts
        return [self._stop(site, number, truth, count, began, lasts) for number, truth in enumerate(truths)]

    def _truth(self) -> Truth:
        return self._chance.choices(list(TRUTHS), list(TRUTHS.values()))[0]

    def _stop(
        self, site: int, number: int, truth: Truth, count: int, began: datetime, lasts: timedelta
    ) -> tuple[Truth, Proof, StopFacts, tuple[LevelReading, ...]]:
        chance, id_ = self._chance, f"s{site}-{number}"
        has_sensor = chance.random() < SENSORS
        facts = StopFacts(
            id=id_,
            container=id_,
            has_sensor=has_sensor,
            lat_deg=LAT_DEG,
            lon_deg=_lon(site) + number * 5 / M_PER_DEG,
            opens_at=OPENS,
            closes_at=CLOSES,
            service_s=SERVICE_S,
            planned_at=began,
            beside=count - 1,
        )
        emptied_at = began + lasts * ((number + 0.8) / count) if truth == "collected" else None
        has_photo = self._tap(id_, truth, began, lasts, has_sensor=has_sensor)
        counted = self._counts_lifts and emptied_at is not None
        if counted and emptied_at is not None:
            self._lifts.append(CountedLift(emptied_at, id_, "truck"))
        is_silent = chance.random() < SILENT_SENSORS
        levels = self._levels(emptied_at) if has_sensor and not is_silent else ()
        proof: Proof = "sensor" if levels else "lifts" if counted else "photo" if has_photo else "none"
        return truth, proof, facts, levels

    def _tap(self, id_: str, truth: Truth, began: datetime, lasts: timedelta, *, has_sensor: bool) -> bool:
        """What the crew taps; whether there is a photo of a collection."""
        chance = self._chance
        if truth not in ("collected", "tapped_only") or (truth == "collected" and chance.random() < FORGOTTEN_TAPS):
            return False
        late = timedelta(minutes=chance.choice((0, 0, 0, 2, 5, 15, 28)))
        self._taps.setdefault(id_, []).append(CrewTap(began + lasts + late, "collected"))
        has_photo = truth == "collected" and not has_sensor and chance.random() < PHOTOS
        if has_photo:
            self._taps[id_].append(CrewTap(began + lasts, "photo"))
        return has_photo

    def _levels(self, emptied_at: datetime | None) -> tuple[LevelReading, ...]:
        chance = self._chance
        every = timedelta(minutes=chance.choice((10, 15, 30, 60)))
        level, rate = chance.triangular(12, 110, 70), chance.uniform(0.1, 1.5)
        at, left = OPENS - timedelta(hours=6, minutes=chance.uniform(0, 60)), chance.uniform(0, 8)
        readings = []
        while at < JUDGED_AT:
            level += rate * every.total_seconds() / 3600
            if emptied_at is not None and at >= emptied_at:
                level, emptied_at = left, None
            measured = min(max(level + chance.gauss(0, 2.5), 0.0), 100.0)
            if chance.random() < 0.01:
                measured = chance.uniform(0, 100)
            if chance.random() > 0.05:
                readings.append(LevelReading(at, measured))
            at += every
        return tuple(readings)

    def _drive(self, site: int, began: datetime, lasts: timedelta, *, works: bool) -> None:
        """Positions on the way to a site, there, and on the way from it."""
        chance = self._chance
        bias = (chance.gauss(0, 40), chance.gauss(0, 40)) if chance.random() < BIASED else (0.0, 0.0)
        gap_at = began + lasts * chance.uniform(-0.5, 1) if chance.random() < GAPS else JUDGED_AT
        gap_ends = gap_at + timedelta(minutes=chance.uniform(2, 15))
        drift = [0.0, 0.0]
        at = began - timedelta(seconds=60)
        while at < began + lasts + timedelta(seconds=60):
            drift = [0.9 * value + 0.44 * chance.gauss(0, DRIFT_M) for value in drift]
            before_s, after_s = (began - at).total_seconds(), (at - began - lasts).total_seconds()
            away_m = AWAY_M / 60 * (-max(before_s, 0) + max(after_s, 0))
            is_still = before_s <= 0 and after_s <= 0 and works
            if not gap_at <= at < gap_ends:
                self._fixes.append(
                    TruckFix(
                        at=at,
                        lat_deg=LAT_DEG + (drift[1] + bias[1]) / M_PER_DEG,
                        lon_deg=_lon(site) + (away_m + drift[0] + bias[0]) / M_PER_DEG,
                        truck="truck",
                        speed_kmh=abs(chance.gauss(0, 0.8)) if is_still else 24.0,
                        working=is_still if self._has_pto else None,
                    )
                )
            at += timedelta(seconds=FIX_S)


def _lon(site: int) -> float:
    """Sites are a kilometre apart."""
    return 123.6 + site * 1_000 / M_PER_DEG
