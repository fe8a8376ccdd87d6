"""Follows the day: judges the stops of open shifts by what the store gets, and follows dumping cases with work orders.

One thread in the process that serves the API. While no shift is open it asks the database for shifts and orders, and
reads nothing of the store but cases.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import structlog

from api.context import ApiContext
from api.queries.cases import cases
from api.queries.day_inputs import broken_trucks
from api.queries.dispatch_board import DispatchBoard
from api.queries.order_trucks import trucks_on_tour
from api.queries.overflows import expected_overflows
from api.queries.stop_signals import StopSignalReader
from city.errors import RetryLaterError, StorageError
from city.runtime.demo_tours import DemoTours
from dispatch.orders.following import OrderMove, moves_of, new_orders
from dispatch.orders.nearest import nearest_trucks
from dispatch.orders.records import WorkOrder
from dispatch.shifts.errors import DispatchError
from dispatch.shifts.facts import facts_of_shift
from dispatch.shifts.records import WAITING_STATES, CrewShift, Stop, StoredTap
from dispatch.shifts.retention import forget_before
from dispatch.verification.judge import judge_stop
from dispatch.verification.signals import CrewTap, StopSignals, SupervisorVerdict
from dispatch.verification.states import StopVerdict
from ingest.store.views.cases import Case
from people.audit import Origin

log = structlog.get_logger("dispatch")

EVERY_S: Final = 10.0
OVERFLOWS_EVERY: Final = timedelta(minutes=5)
CLOSED_AFTER: Final = timedelta(hours=36)
"""A shift is closed so long after its end: until then a missed container may be emptied by another truck."""
FORGET_EVERY: Final = timedelta(hours=6)
AGAIN_AFTER: Final = timedelta(minutes=2)
"""Time until a re-plan that nobody has asked for by hand is tried again after a failure."""
_SYSTEM: Final = Origin("system", "")
_TAPS: Final = ("collected", "not_possible", "photo")


class DispatchDay:
    """One a city.

    Args:
        context: The store, the database and the planner.
        board: Gets what is seen.
        kept: How long closed shifts and orders are kept.
    """

    def __init__(self, context: ApiContext, board: DispatchBoard, kept: timedelta = timedelta(days=730)) -> None:
        self._context = context
        self._board = board
        self._kept = kept
        self._forgot_at: datetime | None = None
        self._signals: StopSignalReader | None = None
        self._overflows_at: datetime | None = None
        self._tours = DemoTours(context.data)
        self._replanned: dict[tuple[str, str], datetime] = {}
        """Days and trucks (or cases) for which a re-plan was asked, and when."""

    def keep_looking(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Look every `EVERY_S` until `stop`; `beat` is called all the time."""

        def go_on() -> None:
            beat()
            if stop.is_set():
                raise RetryLaterError("the service stops")

        while not stop.wait(EVERY_S):
            beat()
            self.look(go_on)

    def look(self, beat: Callable[[], None] = lambda: None) -> None:
        """Look once; a store or database that is away changes nothing."""
        try:
            self._look(beat)
        except RetryLaterError as exc:
            if str(exc) != self._board.failure:
                log.warning("dispatch.not_current", reason=str(exc))
            self._board.failure = str(exc)
        else:
            self._board.failure = ""

    def _look(self, beat: Callable[[], None]) -> None:
        now, dispatch = self._context.clock(), self._context.dispatch
        shifts = self._close_old(dispatch.shifts.open(), now)
        stops = dispatch.shifts.open_stops() if shifts else []
        listed = cases(self._context)
        if shifts:
            stops = self._judge(shifts, stops, listed, now, beat)
        else:
            self._signals = None
        self._follow_orders(listed, stops, now)
        if shifts:
            self._follow_breakdowns(shifts, stops, now)
        self._board.heard_at = self._signals.heard_at if self._signals else {}
        self._board.shifts, self._board.stops = shifts, stops
        self._expect_overflows(shifts, stops, now)
        if self._forgot_at is None or now - self._forgot_at >= FORGET_EVERY:
            self._forget(now)
        if self._context.demo:
            with suppress(StorageError):  # the simulated trucks then drive as they like
                self._tours.write(_tours_of(shifts, stops, now))

    # Stops

    def _judge(
        self,
        shifts: Sequence[CrewShift],
        stops: Sequence[Stop],
        listed: Iterable[Case],
        now: datetime,
        beat: Callable[[], None],
    ) -> list[Stop]:
        """Judge all stops; returns them as they are now."""
        signals = self._signals = self._signals or StopSignalReader(self._context.reader)
        containers = {stop.subject for stop in stops if stop.kind == "container"}
        places = [(stop.lat_deg, stop.lon_deg) for stop in stops]
        since = min(shift.starts_at for shift in shifts)
        signals.look([shift.truck for shift in shifts], containers, places, since, now, beat)
        taps: defaultdict[int | None, list[StoredTap]] = defaultdict(list)
        for tap in self._context.dispatch.shifts.taps(shift.id for shift in shifts):
            taps[tap.stop_id].append(tap)
        removed = {case.id: case.cleared_at for case in listed if case.cleared_at}
        by_shift: defaultdict[int, list[Stop]] = defaultdict(list)
        for stop in stops:
            by_shift[stop.shift_id].append(stop)
        verdicts: dict[int, StopVerdict] = {}
        for shift in shifts:
            of_shift = sorted(by_shift[shift.id], key=lambda stop: stop.number)
            facts = facts_of_shift(shift, of_shift, signals.sensors, now)
            for stop in of_shift:
                known = self._signals_of(stop, shift, taps[stop.id], removed.get(stop.subject), signals)
                verdicts[stop.id] = judge_stop(facts[stop.id], known, now)
            beat()
        changed = {
            stop.id: verdict
            for stop in stops
            if (verdict := verdicts.get(stop.id)) is not None
            and (verdict.state, verdict.evidence) != (stop.state, stop.evidence)
        }
        if self._context.dispatch.shifts.apply(changed):
            return self._context.dispatch.shifts.open_stops()
        return list(stops)

    @staticmethod
    def _signals_of(
        stop: Stop,
        shift: CrewShift,
        taps: Iterable[StoredTap],
        removed_at: datetime | None,
        signals: StopSignalReader,
    ) -> StopSignals:
        ruling = stop.ruling
        return StopSignals(
            levels=signals.levels.get(stop.subject, ()) if stop.kind == "container" else (),
            fixes=signals.fixes((shift.truck,), stop.lat_deg, stop.lon_deg),
            lifts=signals.lifts(stop.subject),
            taps=tuple(CrewTap(tap.at, tap.kind, tap.reason) for tap in taps if tap.kind in _TAPS),
            removed_at=removed_at if stop.kind == "order" else None,
            supervisor=SupervisorVerdict(ruling.at, ruling.state, ruling.reason) if ruling else None,
        )

    def _close_old(self, shifts: Sequence[CrewShift], now: datetime) -> list[CrewShift]:
        """Close shifts that ended long ago; returns the others."""
        kept = []
        for shift in shifts:
            if now - shift.ends_at < CLOSED_AFTER:
                kept.append(shift)
                continue
            try:
                self._context.dispatch.shifts.close(_SYSTEM, shift.id)
            except DispatchError:
                continue  # somebody has closed it meanwhile
        return kept

    # Work orders

    def _follow_orders(self, listed: Sequence[Case], stops: Iterable[Stop], now: datetime) -> None:
        orders = self._context.dispatch.orders
        known = orders.find(limit=500)
        on_tour = {stop.order_id: stop for stop in stops if stop.order_id is not None}
        moves = moves_of(listed, known, on_tour, now)
        for move in moves:
            self._move(move, now)
        if moves:
            known = orders.find(limit=500)
        made = new_orders(listed, known, self._context.city)
        if made and orders.make(made):
            log.info("dispatch.orders_made", count=len(made))
            self._replan_for([order.subject for order in made])
        self._propose_trucks([order for order in known if order.state in ("open", "reopened")])

    def _move(self, move: OrderMove, now: datetime) -> None:
        orders = self._context.dispatch.orders
        if move.closed_by is not None:
            orders.close_with_proof(move.order_id, move.closed_by, move.at or now, move.detail)
        elif move.seen_as:
            orders.reopen_seen(move.order_id, move.seen_as, move.detail)
        else:
            orders.note_done(move.order_id, move.detail)

    def _propose_trucks(self, listed: Sequence[WorkOrder]) -> None:
        """Note the best truck on duty of each order that nobody is to go for yet."""
        trucks = trucks_on_tour(self._context) if listed else []
        for order in listed:
            proposals = nearest_trucks(order.lat_deg, order.lon_deg, order.stream, order.size_kg, trucks)
            if proposals and proposals[0].truck != order.truck:
                self._context.dispatch.orders.propose_truck(order.id, proposals[0].truck)

    # Changes of the plan

    def _follow_breakdowns(self, shifts: Sequence[CrewShift], stops: Iterable[Stop], now: datetime) -> None:
        """Ask for a re-plan when a truck breaks down that still has stops, once for each truck and day."""
        waiting = {stop.shift_id for stop in stops if stop.state in WAITING_STATES}
        on_duty = {shift.truck: shift for shift in shifts if shift.id in waiting and now <= shift.ends_at}
        if not on_duty:
            return
        taps = self._context.dispatch.shifts.taps([shift.id for shift in on_duty.values()])
        tapped = {tap.shift_id for tap in taps if tap.kind == "breakdown" and tap.detail.get("state") != "cleared"}
        broken = broken_trucks(self._context.reader, now) & on_duty.keys()
        broken |= {truck for truck, shift in on_duty.items() if shift.id in tapped}
        for truck in sorted(broken):
            self._replan(on_duty[truck], truck, (truck,))

    def _replan_for(self, subjects: Iterable[str]) -> None:
        """Ask for a re-plan of today because of new orders, if a tour could take them."""
        shifts = [shift for shift in self._context.dispatch.shifts.open() if self._context.clock() <= shift.ends_at]
        if shifts:
            self._replan(shifts[0], " ".join(subjects), ())

    def _replan(self, shift: CrewShift, cause: str, trucks_out: Sequence[str]) -> None:
        key, now = (shift.day.isoformat(), cause), self._context.clock()
        if self._is_asked(key, now):
            return
        current = self._context.dispatch.plans.in_force(shift.day)
        proposal = self._context.dispatch.plans.proposal(shift.day)
        told = {truck for plan in (current, proposal) if plan for truck in plan.circumstances.trucks_out}
        if current is None or (trucks_out and told.issuperset(trucks_out)):
            self._replanned[key] = now
            return
        try:
            self._context.planner.start_replan(_SYSTEM, shift.day, trucks_out)
        except DispatchError:
            return  # planning is busy: the next look asks again
        self._replanned[key] = now

    def _is_asked(self, key: tuple[str, str], now: datetime) -> bool:
        """Whether a re-plan was asked for already; one that has failed is asked for again after a while."""
        asked_at = self._replanned.get(key)
        failed = self._context.planner.status("replan").failed
        is_failed = failed is not None and failed.day.isoformat() == key[0]
        return asked_at is not None and not (is_failed and now - asked_at >= AGAIN_AFTER)

    def _forget(self, now: datetime) -> None:
        number = forget_before(self._context.people.database, now - self._kept, now)
        if number:
            log.info("dispatch.forgotten", shifts=number)
        self._forgot_at = now

    # Forecasts

    def _expect_overflows(self, shifts: Sequence[CrewShift], stops: Sequence[Stop], now: datetime) -> None:
        if not shifts:
            self._board.overflows, self._overflows_at = (), None
        elif self._overflows_at is None or now - self._overflows_at >= OVERFLOWS_EVERY:
            self._board.overflows = expected_overflows(self._context, stops, now)
            self._overflows_at = now


def _tours_of(shifts: Iterable[CrewShift], stops: Sequence[Stop], now: datetime) -> dict[str, list[str]]:
    """Trucks on duty to the containers that they have not come to yet, in order, for the simulated city."""
    on_duty = {shift.id: shift.truck for shift in shifts if shift.departs_at <= now <= shift.ends_at}
    tours: dict[str, list[str]] = {truck: [] for truck in on_duty.values()}
    for stop in sorted(stops, key=lambda stop: stop.number):
        if stop.shift_id in on_duty and stop.kind == "container" and stop.state in WAITING_STATES:
            tours[on_duty[stop.shift_id]].append(stop.subject)
    return tours
