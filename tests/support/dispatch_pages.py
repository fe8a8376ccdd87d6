"""A day of dispatch for the console's pages: a plan in force with tours in every state, a proposal, and work orders."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from dispatch.orders.records import NewOrder
from dispatch.planning.differences import StopChange, StopSlot
from dispatch.shifts.plans import DayCircumstances
from dispatch.shifts.records import CrewShift, Stop
from dispatch.verification.states import StopEvidence, StopState, StopVerdict
from people.audit import Origin
from tests.support.dispatching import plan_by_hand
from tests.unit.api.conftest import CITY, NOW, Stage

ANNA: Final = Origin("a9", "anna.tallo")
BINS: Final = list(CITY.bins)
TOURS: Final = {"truck-01": BINS[:9], "truck-02": BINS[9:15], "truck-05": BINS[15:19]}
CASE: Final = "cam-01-20260301t040000z"


def evidence_of(state: StopState, at: datetime) -> tuple[StopEvidence, ...]:
    """Evidence as the judge gives it."""
    stood = StopEvidence("standing", at, {"truck": "truck-01", "stood_s": 240, "away_m": 12})
    tap = StopEvidence("tap", at + timedelta(minutes=3), {})
    level = {"before_pct": 82.0, "after_pct": 4.0}
    known: dict[StopState, tuple[StopEvidence, ...]] = {
        "verified": (stood, tap, StopEvidence("level_fell", at + timedelta(minutes=20), level)),
        "claimed": (tap,),
        "contradicted": (tap, StopEvidence("level_stayed", at + timedelta(minutes=20), {"after_pct": 81.0})),
        "missed": (StopEvidence("window_over", at),),
        "not_possible": (StopEvidence("reason", at, {"reason": "blocked"}),),
        "recovered": (StopEvidence("window_over", at), stood, tap),
    }
    return known.get(state, ())


STATES: Final[tuple[StopState, ...]] = (
    *("verified", "verified", "claimed", "contradicted", "missed", "not_possible", "recovered"),
    *("under_way", "planned"),
)


def accept_day(stage: Stage, *, judged: bool = True) -> list[CrewShift]:
    """Put a plan of today into force; with `judged`, its first tour has a stop in every state."""
    plan = plan_by_hand(CITY, TOURS, NOW - timedelta(hours=15), dropped=BINS[19:21])
    stage.dispatch.shifts.accept(ANNA, stage.dispatch.plans.propose(plan), CITY)
    shifts = stage.dispatch.shifts.of_day(plan.day)
    if judged:
        tour = stops_of(stage, shifts[0])
        verdicts = {
            stop.id: StopVerdict(state, evidence_of(state, stop.starts_at))
            for stop, state in zip(tour, STATES, strict=True)
        }
        stage.dispatch.shifts.apply(verdicts)
    return shifts


def stops_of(stage: Stage, shift: CrewShift) -> list[Stop]:
    """The stops of a shift without landfills."""
    return [stop for stop in stage.dispatch.shifts.stops(shift.id) if stop.kind != "landfill"]


def propose_change(stage: Stage) -> int:
    """A proposal beside the plan in force: a truck is out of service, and its stops are on another one."""
    moved = {"truck-01": [*BINS[:9], *BINS[15:18]], "truck-02": BINS[9:15]}
    plan = plan_by_hand(CITY, moved, NOW, dropped=BINS[18:21])
    changes = tuple(
        StopChange(
            id_,
            "truck",
            "truck_out",
            StopSlot("truck-05", number, 24_000.0),
            StopSlot("truck-01", 9 + number, 30_000.0),
        )
        for number, id_ in enumerate(BINS[15:18], 1)
    )
    dropped = StopChange(BINS[18], "dropped", "no_capacity", StopSlot("truck-05", 4, 26_000.0), None)
    current = stage.dispatch.plans.in_force(plan.day)
    changed = type(plan)(
        plan.day, plan.made_at, plan.problem, plan.plan, plan.candidates, (*changes, dropped), plan.version
    )
    out = DayCircumstances(trucks_out=("truck-05",))
    return stage.dispatch.plans.propose(changed, out, current.id if current else None)


def make_orders(stage: Stage) -> list[int]:
    """A work order of a case and another one that is overdue."""
    site = CITY.sites["tps-liliba"]
    for number, (subject, due) in enumerate(((CASE, 8), ("cam-02-20260301t020000z", -2))):
        stage.dispatch.orders.make(
            [
                NewOrder(
                    kind="dumping_case",
                    subject=subject,
                    lon_deg=site.lon_deg,
                    stream="non_organic",
                    size_kg=80.0 + number,
                    due_at=NOW + timedelta(hours=due),
                    created_by="anna.tallo",
                    site=site.id,
                    kelurahan=site.kelurahan,
                    place=site.name,
                    lat_deg=site.lat_deg,
                )
            ]
        )
    return [order.id for order in stage.dispatch.orders.find()]
