"""Judges a plan against its problem, rule by rule; shares no code with what makes plans.

Nobody sees a plan in which it finds a violation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from dispatch.planning.plan import CollectionPlan, TruckRoute, Visit
from dispatch.planning.problem import CollectionStop, FleetTruck, Landfill, RouteProblem, TravelTimes

Rule = Literal[
    "unknown_truck",
    "truck_twice",
    "unknown_place",
    "stop_twice",
    "stop_missing",
    "stop_required",
    "starts_early",
    "too_fast",
    "window",
    "service_short",
    "break_missing",
    "break_window",
    "break_busy",
    "late_home",
    "overloaded",
    "mixed_streams",
    "wrong_stream",
    "narrow_street",
    "day_load",
    "day_stops",
    "home_loaded",
    "metres",
]

TIME_TOLERANCE_S: Final = 1e-3
LOAD_TOLERANCE: Final = 1e-6
METRES_TOLERANCE: Final = 1.0


class Violation(msgspec.Struct, frozen=True):
    """A broken rule: by which truck, at which stop or landfill (both may be empty), and by how much."""

    rule: Rule
    truck: str
    place: str = ""
    detail: str = ""

    def __str__(self) -> str:
        """The violation as one line."""
        return " ".join(part for part in (self.rule, self.truck, self.place, self.detail) if part)


def check_plan(problem: RouteProblem, plan: CollectionPlan) -> list[Violation]:
    """Every violation in a plan; an empty list if it keeps all rules."""
    trucks = {truck.id: truck for truck in problem.trucks}
    places = {place.id: place for place in problem.places}
    violations = [*_coverage(problem, plan), *_fleet(problem, plan)]
    for route in plan.routes:
        truck = trucks.get(route.truck)
        unknown = [visit.id for visit in route.visits if visit.id not in places]
        if truck is None:
            violations.append(Violation("unknown_truck", route.truck))
        elif unknown:
            violations += [Violation("unknown_place", route.truck, id_) for id_ in unknown]
        else:
            travel = TravelTimes(problem.travel[truck.vehicle_class])
            violations += _RouteCheck(truck, route, [places[visit.id] for visit in route.visits], travel).violations()
    return violations


def _coverage(problem: RouteProblem, plan: CollectionPlan) -> Iterator[Violation]:
    """Each stop once: on a route, or dropped if it may be."""
    stops = {stop.id: stop for stop in problem.stops}
    dropped = [drop.id for drop in plan.dropped]
    count = Counter(visit.id for route in plan.routes for visit in route.visits if visit.id in stops)
    count.update(dropped)
    yield from (Violation("unknown_place", "", id_, "dropped") for id_ in dropped if id_ not in stops)
    for id_, stop in stops.items():
        if not count[id_]:
            yield Violation("stop_missing", "", id_)
        elif count[id_] > 1:
            yield Violation("stop_twice", "", id_)
        if stop.prize is None and id_ in dropped:
            yield Violation("stop_required", "", id_)


def _fleet(problem: RouteProblem, plan: CollectionPlan) -> Iterator[Violation]:
    """Each truck once; a truck with a load on board unloads it, unless it cannot."""
    count = Counter(route.truck for route in plan.routes)
    yield from (Violation("truck_twice", id_) for id_, times in count.items() if times > 1)
    for truck in problem.trucks:
        is_loaded = sum(truck.on_board.values()) > 0 and not count[truck.id]
        if is_loaded and (truck.id not in plan.still_loaded or _can_unload(problem, truck)):
            yield Violation("home_loaded", truck.id, detail="no route")


def _can_unload(problem: RouteProblem, truck: FleetTruck) -> bool:
    """Whether a truck can surely drive to a landfill and home, even with its whole break on the way."""
    travel = TravelTimes(problem.travel[truck.vehicle_class])
    break_s = truck.pause.duration_s if truck.pause else 0.0
    for landfill in problem.landfills:
        there_s = truck.starts_s + travel.seconds(truck.start_place, landfill.place, truck.starts_s) + break_s
        leaves_s = max(there_s, landfill.opens_s) + landfill.service_s
        home_s = leaves_s + travel.seconds(landfill.place, truck.end_place, leaves_s)
        if there_s <= landfill.closes_s and home_s <= truck.ends_s:
            return True
    return False


class _RouteCheck:
    """One route; `places` belong to its visits."""

    def __init__(
        self, truck: FleetTruck, route: TruckRoute, places: list[CollectionStop | Landfill], travel: TravelTimes
    ) -> None:
        self._truck, self._route, self._places, self._travel = truck, route, places, travel
        self._free: list[tuple[float, float]] = []

    def violations(self) -> Iterator[Violation]:
        yield from self._times()
        yield from self._break()
        yield from self._loads()
        yield from self._day()

    def _note(self, rule: Rule, place: str = "", detail: str = "") -> Violation:
        return Violation(rule, self._truck.id, place, detail)

    def _times(self) -> Iterator[Violation]:
        """Follow the truck; note when its crew neither drives nor serves."""
        truck, route = self._truck, self._route
        if route.departs_s < truck.starts_s - TIME_TOLERANCE_S:
            yield self._note("starts_early", detail=f"{truck.starts_s - route.departs_s:.0f} s")
        self._free.append((truck.starts_s, route.departs_s))
        at, now_s, metres = truck.start_place, route.departs_s, 0.0
        for visit, place in zip(route.visits, self._places, strict=True):
            yield from self._leg(at, place.place, now_s, visit.arrives_s, visit.id)
            yield from self._service(visit, place)
            metres += self._travel.metres(at, place.place)
            at, now_s = place.place, visit.leaves_s
        if route.visits:
            yield from self._leg(at, truck.end_place, now_s, route.returns_s, "")
            metres += self._travel.metres(at, truck.end_place)
        self._free.append((route.returns_s, truck.ends_s))
        if route.returns_s > truck.ends_s + TIME_TOLERANCE_S:
            yield self._note("late_home", detail=f"{route.returns_s - truck.ends_s:.0f} s")
        if abs(metres - route.metres) > METRES_TOLERANCE:
            yield self._note("metres", detail=f"{route.metres:.0f} for {metres:.0f} m")

    def _leg(self, start: int, end: int, departs_s: float, arrives_s: float, id_: str) -> Iterator[Violation]:
        due_s = departs_s + self._travel.seconds(start, end, departs_s)
        if not arrives_s >= due_s - TIME_TOLERANCE_S:
            yield self._note("too_fast", id_, f"{due_s - arrives_s:.0f} s")

    def _service(self, visit: Visit, place: CollectionStop | Landfill) -> Iterator[Violation]:
        early_s = max(place.opens_s, visit.arrives_s)
        if not early_s - TIME_TOLERANCE_S <= visit.starts_s <= place.closes_s + TIME_TOLERANCE_S:
            yield self._note("window", visit.id, f"{visit.starts_s:.0f} not in {early_s:.0f}..{place.closes_s:.0f} s")
        ends_s = visit.starts_s + place.service_s
        if not visit.leaves_s >= ends_s - TIME_TOLERANCE_S:
            yield self._note("service_short", visit.id, f"{ends_s - visit.leaves_s:.0f} s")
        self._free += [(visit.arrives_s, visit.starts_s), (ends_s, visit.leaves_s)]

    def _break(self) -> Iterator[Violation]:
        rule, start_s = self._truck.pause, self._route.break_s
        if rule is None or not self._route.visits:
            return
        is_due = self._truck.starts_s < rule.to_s and self._route.returns_s > rule.from_s + TIME_TOLERANCE_S
        if start_s is None:
            if is_due:
                yield self._note("break_missing")
            return
        if not rule.from_s - TIME_TOLERANCE_S <= start_s <= rule.to_s + TIME_TOLERANCE_S:
            yield self._note("break_window", detail=f"{start_s:.0f} s")
        end_s = start_s + rule.duration_s
        if not any(
            free_s - TIME_TOLERANCE_S <= start_s and end_s <= busy_s + TIME_TOLERANCE_S for free_s, busy_s in self._free
        ):
            yield self._note("break_busy", detail=f"{start_s:.0f}..{end_s:.0f} s")

    def _loads(self) -> Iterator[Violation]:
        """What is on board between unloadings."""
        loads = defaultdict(float, self._truck.on_board)
        for place in self._places:
            if isinstance(place, Landfill):
                loads.clear()
                continue
            loads[place.stream] += place.load
            yield from self._board(place, loads)
        if any(loads.values()):
            yield self._note("home_loaded", detail=f"{sum(loads.values()):.1f}")

    def _board(self, stop: CollectionStop, loads: Mapping[str, float]) -> Iterator[Violation]:
        part = next((part for part in self._truck.compartments if stop.stream in part.streams), None)
        if part is None:
            yield self._note("wrong_stream", stop.id, stop.stream)
            return
        inside = {stream: load for stream, load in loads.items() if stream in part.streams and load > 0}
        if len(inside) > 1:
            yield self._note("mixed_streams", stop.id, ", ".join(sorted(inside)))
        if sum(inside.values()) > part.capacity + LOAD_TOLERANCE:
            yield self._note("overloaded", stop.id, f"{sum(inside.values()):.1f} of {part.capacity:.1f}")
        if stop.access == "small" and self._truck.vehicle_class != "small":
            yield self._note("narrow_street", stop.id)

    def _day(self) -> Iterator[Violation]:
        truck, stops = self._truck, [place for place in self._places if isinstance(place, CollectionStop)]
        load = truck.collected + sum(stop.load for stop in stops)
        if truck.day_load is not None and load > truck.day_load + LOAD_TOLERANCE:
            yield self._note("day_load", detail=f"{load:.1f} of {truck.day_load:.1f}")
        count = truck.collected_stops + len(stops)
        if truck.day_stops is not None and count > truck.day_stops:
            yield self._note("day_stops", detail=f"{count} of {truck.day_stops}")
