"""`kota bench dispatch`: a month of collection in the reference city, by fixed tours and by ours; and proof of stops.

The city has its whole inventory, and records of the weeks before, when it kept to fixed tours. Then four ways collect
the same waste: fixed tours, ours from visits alone, ours with sensors, and ours with perfect knowledge. Ours use the
true forecast and the true planning process. Some days pass before figures count, so that each way has its own levels.

The fixed tours that are compared overflow at least as often as ours without sensors: of all calendars, the one whose
overflows are next above.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from city.inventory.model import City
from dispatch.planning.day import STREAMS, DayBuilder
from dispatch.planning.outlook import ContainerOutlook
from dispatch.planning.plan import TruckRoute
from dispatch.planning.policy import PlanningPolicy, load_policy
from dispatch.planning.process import plan_in_process
from dispatch.planning.worker import PlanRequest
from tests.bench.dispatch_city import CONTAINERS, FIRST_DAY, CityFilling, fill_city, full_city
from tests.bench.dispatch_days import DEADLINE_S, CollectedCity, DayFigures, KnownTravel, hours_of
from tests.bench.dispatch_fixed import PRICES, WEEK_DAYS, Calendar, Calendars
from tests.bench.dispatch_proof import measure_proof
from tests.bench.dispatch_ways import Forecasts, PerfectKnowledge, Way

RECORDS_DAYS: Final = 42
"""Days of fixed tours before, of which crews have records."""
SETTLING_DAYS: Final = 5
EXPERIENCE_DAYS: Final = 28
"""Days before from which calendars are chosen."""
RECORDS_PRICE_KM: Final = 5.0
"""Kilometres that an overflow is worth in the calendar of the weeks before."""
TOUR_LEVEL_PCT: Final = 45.0
"""Level for which tours are made: a truck then has room for it."""
TOUR_SECONDS: Final = 8.0
"""How many times longer the tours are searched than a day of ours."""
WAYS: Final = ("visits", "sensors", "perfect")


class Bench:
    """The city, its waste and its fixed tours; runs each way on them."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.days: int = args.days
        self._seconds, self._seed = args.seconds, args.seed
        self.city: City = full_city(args.containers)
        policy = load_policy()
        self.policy: PlanningPolicy = (
            policy if args.care is None else msgspec.structs.replace(policy, overflow_care=args.care)
        )
        length = RECORDS_DAYS + SETTLING_DAYS + self.days + 3
        self.filling: CityFilling = fill_city(self.city, length, args.seed, pace=args.pace, noise=args.noise)
        self._travel = KnownTravel(self.city, self.policy)
        self.tours = tuple(route for stream in STREAMS for route in self._tours(stream))
        first = RECORDS_DAYS - EXPERIENCE_DAYS
        self.calendars = Calendars(self.tours, self.filling, first, EXPERIENCE_DAYS)
        self._every = self._state().every_stop()

    @property
    def _first(self) -> int:
        """The first day that counts."""
        return RECORDS_DAYS + SETTLING_DAYS

    def fixed(self, calendar: Calendar) -> list[DayFigures]:
        """Days of fixed tours by a calendar."""
        state = self._state()
        for day in range(RECORDS_DAYS):
            state.collect(day, hours_of(self._of_day(self._records_calendar, day)))
        figures = [
            state.drive_tours(day, self._of_day(calendar, day), self._every)
            for day in range(RECORDS_DAYS, self._first + self.days)
        ]
        return figures[SETTLING_DAYS:]

    def ours(self, way: Way) -> list[DayFigures]:
        """Days of ours by a way to know levels."""
        state = self._state()
        for day in range(RECORDS_DAYS):
            found = state.levels_by_hour(day)
            visited = hours_of(self._of_day(self._records_calendar, day))
            state.collect(day, visited)
            way.learn(day, visited, found)
        figures = []
        for day in range(RECORDS_DAYS, self._first + self.days):
            found = state.levels_by_hour(day)
            driven, visited = state.drive(day, way.outlooks(day, state))
            way.learn(day, visited, found)
            figures.append(driven)
            print(f"day {day - self._first + 1}: {driven}", file=sys.stderr, flush=True)
        return figures[SETTLING_DAYS:]

    def ways(self) -> dict[str, Callable[[], Way]]:
        """Ways by name."""
        return {
            "visits": lambda: Forecasts(self.city, self.policy, self._seed, sensors=False),
            "sensors": lambda: Forecasts(self.city, self.policy, self._seed, sensors=True),
            "perfect": lambda: PerfectKnowledge(self.filling),
        }

    @property
    def _records_calendar(self) -> Calendar:
        return self.calendars.calendar(RECORDS_PRICE_KM)

    def _state(self) -> CollectedCity:
        return CollectedCity(self.city, self.filling, self.policy, self._travel, self._seconds, self._seed)

    def _of_day(self, calendar: Calendar, day: int) -> list[TruckRoute]:
        return [tour for tour, days in zip(self.tours, calendar, strict=True) if day % WEEK_DAYS in days]

    def _tours(self, stream: str) -> tuple[TruckRoute, ...]:
        """The shortest tours over all containers of a stream."""
        due = [bin_.id for bin_ in self.city.bins.values() if bin_.waste_kind == stream]
        levels = {id_: ContainerOutlook(TOUR_LEVEL_PCT, 0.0) for id_ in self.city.bins}
        builder = DayBuilder(self.city, self.policy, self._travel)
        problem = builder.build(FIRST_DAY - timedelta(days=1), levels, {}, due=due).problem
        plan = plan_in_process(
            PlanRequest(problem, self._seconds * TOUR_SECONDS, seed=self._seed, clock="processor"), DEADLINE_S
        )
        return plan.routes


def run(argv: list[str]) -> int:
    """Print a line for each way and the ratio; 1 if ours without sensors does not keep the bar."""
    parser = argparse.ArgumentParser(prog="kota bench dispatch", description=__doc__)
    parser.add_argument("--days", type=int, default=30, help="days that count")
    parser.add_argument("--seconds", type=float, default=4.0, help="search of a day's plan, of the processor")
    parser.add_argument("--seed", type=int, default=1, help="of waste, noise and search")
    parser.add_argument("--care", type=float, help="the knob overflow_care; the shipped one by default")
    parser.add_argument("--containers", type=int, default=CONTAINERS, help="528: the reference inventory as it is")
    parser.add_argument("--pace", type=float, default=1.0, help="how much faster containers fill")
    parser.add_argument("--noise", type=float, default=1.0, help="how many times more is thrown in at once")
    parser.add_argument("--ways", default=",".join(WAYS), help="of ours, separated by commas")
    parser.add_argument("--proof", action="store_true", help="measure the proof of stops alone")
    args = parser.parse_args(argv)
    if args.proof:
        return measure_proof(args.seed)
    is_kept = _compare(Bench(args), args.ways.split(","))
    return max(measure_proof(args.seed), int(not is_kept))


def _compare(bench: Bench, ways: Sequence[str]) -> bool:
    """Print all ways; whether the bar is kept."""
    stops = statistics.fmean(len(hours_of((tour,))) for tour in bench.tours)
    print(f"{len(bench.city.bins)} containers, {len(bench.tours)} tours of {stops:.0f}, {bench.days} days")
    print(f"{'a day':34}{'km':>7}{'hours':>7}{'stops':>7}{'trips':>6}{'t':>6}{'overflows':>11}{'seconds':>9}")
    known = {way: _timed(f"ours, {way}", lambda way=way: bench.ours(bench.ways()[way]())) for way in ways}
    reference = known.get("visits") or next(iter(known.values()))
    least = statistics.fmean(day.overflows for day in reference)
    above, below = _fixed_beside(bench, least)
    fixed = _timed("fixed, overflows next above", lambda: above)
    _timed("fixed, overflows next below", lambda: below)
    for way, days in known.items():
        print(f"ours, {way}: {_km(days) / _km(fixed):.3f} of the kilometres of fixed tours (next above)")
    return _km(reference) <= 0.7 * _km(fixed) and least <= statistics.fmean(day.overflows for day in fixed)


def _fixed_beside(bench: Bench, overflows: float) -> tuple[list[DayFigures], list[DayFigures]]:
    """Fixed tours whose overflows a day are next above a number, and next below it."""
    by_calendar = {bench.calendars.calendar(price): None for price in PRICES}
    runs = [bench.fixed(calendar) for calendar in by_calendar]
    counts = [statistics.fmean(day.overflows for day in figures) for figures in runs]
    above = [(count, _km(figures), figures) for count, figures in zip(counts, runs, strict=True) if count >= overflows]
    below = [(-count, _km(figures), figures) for count, figures in zip(counts, runs, strict=True) if count < overflows]
    nearest = [min(side or [(0.0, 0.0, runs[-1])], key=lambda way: way[:2])[2] for side in (above, below)]
    return nearest[0], nearest[1]


def _timed(name: str, days_of: Callable[[], list[DayFigures]]) -> list[DayFigures]:
    began_s = time.monotonic()
    days = days_of()
    means = [statistics.fmean(getattr(day, field) for day in days) for field in ("km", "hours", "stops", "trips", "kg")]
    overflows = statistics.fmean(day.overflows for day in days)
    print(
        f"{name:34}{means[0]:7.0f}{means[1]:7.1f}{means[2]:7.0f}{means[3]:6.1f}{means[4] / 1000:6.1f}"
        f"{overflows:11.2f}{time.monotonic() - began_s:9.0f}",
        flush=True,
    )
    return days


def _km(days: Sequence[DayFigures]) -> float:
    return sum(day.km for day in days)
