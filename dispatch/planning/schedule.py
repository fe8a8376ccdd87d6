"""Times of a route: when a truck arrives, serves and drives on, with its break where it comes home earliest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

from dispatch.planning.plan import TruckRoute, Visit
from dispatch.planning.problem import CollectionStop, FleetTruck, Landfill, RouteProblem, TravelTimes, VisitKind

Place = CollectionStop | Landfill


class _Clock(NamedTuple):
    """A truck that has nothing to do at a place any more: where, since when, and how far it has driven."""

    place: int
    now_s: float
    metres: float


class _Break(NamedTuple):
    """A break before the n-th leg: on leaving the place before it, or on arriving behind it."""

    leg: int
    on_arrival: bool


class Scheduler:
    """Puts times to sequences of visits.

    Args:
        problem: The problem that the sequences belong to.
    """

    def __init__(self, problem: RouteProblem) -> None:
        self._travel = {name: TravelTimes(table) for name, table in problem.travel.items()}
        self._places: Mapping[str, Place] = {place.id: place for place in problem.places}

    def route(self, truck: FleetTruck, ids: Sequence[str]) -> TruckRoute | None:
        """The route of a truck over stops and landfills; None if it misses a window, its break or its end of shift."""
        places = [self._places[id_] for id_ in ids]
        route = self._time(truck, places, None)
        if (
            truck.pause is None
            or truck.starts_s >= truck.pause.to_s
            or (route and route.returns_s <= truck.pause.from_s)
        ):
            return route
        routes = (self._time(truck, places, pause) for pause in self._breaks(truck, places))
        return min((route for route in routes if route), key=_ends_s, default=None)

    def _breaks(self, truck: FleetTruck, places: Sequence[Place]) -> list[_Break]:
        """Where a break may be: from the last moment before its window to the last one within it.

        A truck that takes it at an earlier place comes home no earlier.
        """
        assert truck.pause is not None  # noqa: S101 - the caller has looked
        clock = _Clock(truck.start_place, truck.starts_s, 0.0)
        moments = []
        for leg, place in enumerate([*places, None]):
            moments.append((clock.now_s, _Break(leg, on_arrival=False)))
            clock = self._drive(truck, clock, truck.end_place if place is None else place.place)
            moments.append((clock.now_s, _Break(leg, on_arrival=True)))
            if place is not None:
                clock = clock._replace(now_s=max(clock.now_s, place.opens_s) + place.service_s)
            if clock.now_s > truck.pause.to_s:
                break
        early = [pause for now_s, pause in moments if now_s <= truck.pause.from_s]
        return [*early[-1:], *(pause for now_s, pause in moments if truck.pause.from_s < now_s <= truck.pause.to_s)]

    def _time(self, truck: FleetTruck, places: Sequence[Place], pause: _Break | None) -> TruckRoute | None:
        clock, breaks, visits = _Clock(truck.start_place, truck.starts_s, 0.0), _BreakClock(truck, pause), []
        clock = clock._replace(now_s=breaks.leave(0, clock.now_s))
        departs_s = clock.now_s
        for leg, place in enumerate(places):
            arrived = self._drive(truck, clock, place.place)
            starts_s = max(breaks.arrive(leg, arrived.now_s), place.opens_s)
            if starts_s > place.closes_s:
                return None
            leaves_s = breaks.leave(leg + 1, starts_s + place.service_s)
            kind: VisitKind = "landfill" if isinstance(place, Landfill) else "stop"
            visits.append(Visit(kind, place.id, arrived.now_s, starts_s, leaves_s))
            clock = arrived._replace(now_s=leaves_s)
        home = self._drive(truck, clock, truck.end_place)
        ends_s = breaks.arrive(len(places), home.now_s)
        if ends_s > truck.ends_s:
            return None
        return TruckRoute(truck.id, departs_s, tuple(visits), home.now_s, home.metres, breaks.started_s)

    def _drive(self, truck: FleetTruck, clock: _Clock, place: int) -> _Clock:
        travel = self._travel[truck.vehicle_class]
        seconds = travel.seconds(clock.place, place, clock.now_s)
        return _Clock(place, clock.now_s + seconds, clock.metres + travel.metres(clock.place, place))


class _BreakClock:
    """Puts the break into a route; a break that would start too late never ends."""

    def __init__(self, truck: FleetTruck, pause: _Break | None) -> None:
        self._rule, self._break = truck.pause, pause
        self.started_s: float | None = None

    def leave(self, leg: int, now_s: float) -> float:
        """When the truck drives a leg that it could begin now."""
        return self._take(now_s) if self._break == (leg, False) else now_s

    def arrive(self, leg: int, now_s: float) -> float:
        """When the crew is ready for service behind a leg."""
        return self._take(now_s) if self._break == (leg, True) else now_s

    def _take(self, now_s: float) -> float:
        assert self._rule is not None  # noqa: S101 - a truck without a rule has no break
        if now_s > self._rule.to_s:
            return inf
        self.started_s = max(now_s, self._rule.from_s)
        return self.started_s + self._rule.duration_s


def _ends_s(route: TruckRoute) -> float:
    return route.returns_s
