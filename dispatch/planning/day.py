"""A city's day as a routing problem: inventory, outlooks and what has happened become stops, landfills and trucks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Final, Literal

import msgspec

from city.errors import ConfigError
from city.inventory.collection import VehicleClass
from city.inventory.model import Bin, City, Site, Truck, WasteKind
from dispatch.planning.outlook import ContainerOutlook, Outlooks
from dispatch.planning.policy import DUE_PRIZE_M, PlanningPolicy, window_s
from dispatch.planning.problem import (
    DAY_S,
    CollectionStop,
    Compartment,
    FleetTruck,
    Landfill,
    Pause,
    RouteProblem,
)
from dispatch.planning.travel import BlockedArea, Position, TravelModel

StopCause = Literal["due", "overflow", "unknown", "case"]
"""Why a stop is in the problem: its rhythm; it may overflow; its level is not known; waste that was dumped."""

PRIZE_MIN_M: Final = 250.0
"""A container worth less is left out: a stop takes a crew some minutes, however short the detour is."""
STREAMS: Final[tuple[WasteKind, ...]] = ("organic", "non_organic")


class WasteCase(msgspec.Struct, frozen=True):
    """Dumped waste that is to be fetched."""

    id: str
    lat_deg: float
    lon_deg: float
    kelurahan: str
    load_kg: float
    stream: WasteKind = "non_organic"


class TruckState(msgspec.Struct, frozen=True):
    """Where a truck is at a moment of its day, and what it carries."""

    lat_deg: float
    lon_deg: float
    on_board_kg: dict[str, float] = {}
    collected_kg: float = 0.0
    collected_stops: int = 0
    had_break: bool = False


class DayState(msgspec.Struct, frozen=True):
    """What has happened until a moment of the day; the default is the evening before.

    `trucks_out`: trucks out of service. `done`: stops that are collected. A truck without a state is at its depot.
    """

    now_s: float = 0.0
    trucks: dict[str, TruckState] = {}
    trucks_out: frozenset[str] = frozenset()
    done: frozenset[str] = frozenset()
    cases: tuple[WasteCase, ...] = ()
    blocked: tuple[BlockedArea, ...] = ()


class StopCandidate(msgspec.Struct, frozen=True):
    """A stop with what explains it: name of its place, cause, and outlook."""

    id: str
    name: str
    stream: WasteKind
    cause: StopCause
    outlook: ContainerOutlook | None = None


class CollectionDay(msgspec.Struct, frozen=True):
    """A day's problem, what explains its stops, and the stops that blocked areas make unreachable."""

    day: date
    problem: RouteProblem
    candidates: dict[str, StopCandidate]
    blocked_stops: frozenset[str]


class DayBuilder:
    """Makes the problem of a day.

    Args:
        city: The inventory.
        policy: How the city plans.
        travel: Travel times.
    """

    def __init__(self, city: City, policy: PlanningPolicy, travel: TravelModel) -> None:
        self._city, self._policy, self._travel = city, policy, travel

    def build(
        self,
        day: date,
        outlooks: Outlooks,
        last_collected: Mapping[str, date],
        state: DayState | None = None,
        *,
        due: Collection[str] = (),
    ) -> CollectionDay:
        """The problem of a day, or of what is left of it.

        Args:
            day: The day of service.
            outlooks: By container.
            last_collected: Container to the day of its last collection; one with a rhythm that is absent is due.
            state: What has happened; None before the day.
            due: Containers that the week brings on this day, though their rhythm would let them wait.

        Raises:
            ConfigError: The city has no landfill, or no truck is left.
        """
        state = state or DayState()
        places = _Places()
        trucks = tuple(self._truck(truck, state, places) for truck in self._trucks(state))
        landfills = tuple(self._landfill(site, places) for site in self._city.sites.values() if site.kind == "landfill")
        if not trucks or not landfills:
            raise ConfigError("no truck is in service" if landfills else "the city has no landfill")
        stops, candidates, blocked = [], {}, set()
        for stop, candidate, position in self._stops(day, outlooks, last_collected, state, due):
            if any(area.contains(position) for area in state.blocked):
                blocked.add(stop.id)
                continue
            stops.append(msgspec.structs.replace(stop, place=places.number(position)))
            candidates[stop.id] = candidate
        classes: set[VehicleClass] = {truck.vehicle_class for truck in trucks}
        travel = {name: self._travel.table(places.positions, name, state.blocked) for name in sorted(classes)}
        problem = RouteProblem(stops=tuple(stops), landfills=landfills, trucks=trucks, travel=travel)
        return CollectionDay(day, problem, candidates, frozenset(blocked))

    def _trucks(self, state: DayState) -> list[Truck]:
        """Trucks in service whose shift has not ended."""
        trucks = (truck for truck in self._city.trucks.values() if truck.id not in state.trucks_out)
        return [truck for truck in trucks if self._shift_s(truck)[1] > state.now_s]

    def _shift_s(self, truck: Truck) -> tuple[float, float]:
        return window_s(truck.shift) if truck.shift else self._policy.shift_s

    def _truck(self, truck: Truck, state: DayState, places: _Places) -> FleetTruck:
        now = state.trucks.get(truck.id)
        depot = self._city.sites[truck.depot]
        end = self._city.sites[truck.end_depot] if truck.end_depot else depot
        start = Position(now.lat_deg, now.lon_deg, depot.kelurahan) if now else _position(depot)
        from_s, to_s = self._shift_s(truck)
        return FleetTruck(
            id=truck.id,
            start_place=places.number(start),
            end_place=places.number(_position(end)),
            starts_s=max(from_s, state.now_s),
            ends_s=to_s,
            compartments=_compartments(truck),
            vehicle_class=truck.vehicle_class,
            pause=self._pause(now, state.now_s),
            day_load=truck.day_kg,
            on_board=now.on_board_kg if now else {},
            collected=now.collected_kg if now else 0.0,
            collected_stops=now.collected_stops if now else 0,
            cost_per_m=self._policy.cost_per_km[truck.vehicle_class],
            fixed_cost=0.0 if now and now.collected_stops else self._policy.truck_km * 1000,
        )

    def _pause(self, now: TruckState | None, now_s: float) -> Pause | None:
        """The break of a crew; None once it has had it, or its window is over."""
        pause = self._policy.pause
        return None if pause is None or (now and now.had_break) or now_s > pause.to_s else pause

    def _landfill(self, site: Site, places: _Places) -> Landfill:
        opens_s, closes_s = self._window_s(site)
        return Landfill(
            id=site.id,
            place=places.number(_position(site)),
            service_s=self._policy.landfill_min * 60,
            opens_s=opens_s,
            closes_s=closes_s,
        )

    def _window_s(self, site: Site | None) -> tuple[float, float]:
        """When trucks may serve a site, beside the city's shift: the night before or after counts as its day."""
        if site is None or site.service_hours is None:
            return 0.0, 2 * DAY_S
        opens_s, closes_s = window_s(site.service_hours)
        return (opens_s - DAY_S, closes_s - DAY_S) if opens_s >= self._policy.shift_s[1] else (opens_s, closes_s)

    def _stops(
        self,
        day: date,
        outlooks: Outlooks,
        last_collected: Mapping[str, date],
        state: DayState,
        due: Collection[str],
    ) -> Iterator[tuple[CollectionStop, StopCandidate, Position]]:
        for bin_ in self._city.bins.values():
            if bin_.id in state.done:
                continue
            outlook, last = outlooks.get(bin_.id), last_collected.get(bin_.id)
            is_due = bin_.id in due or (
                bin_.every_days is not None and (last is None or (day - last).days >= bin_.every_days)
            )
            cause, prize_m = self._worth(outlook, is_due=is_due)
            if prize_m >= PRIZE_MIN_M:
                yield self._container(bin_, cause, prize_m, outlook)
        for case in state.cases:
            if case.id not in state.done:
                yield self._case(case)

    def _worth(self, outlook: ContainerOutlook | None, *, is_due: bool) -> tuple[StopCause, float]:
        if is_due:
            return "due", DUE_PRIZE_M
        if outlook is None:
            return "unknown", self._policy.unknown_probability * self._policy.overflow_prize_m
        return "overflow", outlook.overflow_probability * self._policy.overflow_prize_m

    def _container(
        self, bin_: Bin, cause: StopCause, prize_m: float, outlook: ContainerOutlook | None
    ) -> tuple[CollectionStop, StopCandidate, Position]:
        site, kelurahan = self._city.sites.get(bin_.site), self._city.kelurahan.get(bin_.kelurahan)
        fill = min(max(outlook.fill_pct, 0.0), 100.0) / 100 if outlook else 1.0
        opens_s, closes_s = self._window_s(site)
        stop = CollectionStop(
            id=bin_.id,
            place=0,
            stream=bin_.waste_kind,
            load=fill * self._city.models[bin_.model].capacity_l * self._policy.density_kg_per_l[bin_.waste_kind],
            service_s=self._policy.stop_min * 60,
            opens_s=opens_s,
            closes_s=closes_s,
            prize=prize_m,
            access=bin_.access,
        )
        name = site.name if site else f"{kelurahan.name} ({bin_.id})" if kelurahan else bin_.id
        return stop, StopCandidate(bin_.id, name, bin_.waste_kind, cause, outlook), self._place_of(bin_, site)

    def _case(self, case: WasteCase) -> tuple[CollectionStop, StopCandidate, Position]:
        stop = CollectionStop(
            id=case.id,
            place=0,
            stream=case.stream,
            load=case.load_kg,
            service_s=self._policy.stop_min * 60,
            closes_s=2 * DAY_S,
            prize=DUE_PRIZE_M,
        )
        kelurahan = self._city.kelurahan.get(case.kelurahan)
        name = kelurahan.name if kelurahan else case.id
        position = Position(case.lat_deg, case.lon_deg, case.kelurahan)
        return stop, StopCandidate(case.id, name, case.stream, "case"), position

    def _place_of(self, bin_: Bin, site: Site | None) -> Position:
        if bin_.lat_deg is not None and bin_.lon_deg is not None:
            return Position(bin_.lat_deg, bin_.lon_deg, bin_.kelurahan)
        if site:
            return _position(site)
        kelurahan = self._city.kelurahan[bin_.kelurahan]
        return Position(kelurahan.lat_deg, kelurahan.lon_deg, kelurahan.id)


class _Places:
    """Numbers positions; the same position has one number."""

    def __init__(self) -> None:
        self._numbers: dict[Position, int] = {}

    @property
    def positions(self) -> Sequence[Position]:
        return list(self._numbers)

    def number(self, position: Position) -> int:
        return self._numbers.setdefault(position, len(self._numbers))


def _position(site: Site) -> Position:
    return Position(site.lat_deg, site.lon_deg, site.kelurahan)


def _compartments(truck: Truck) -> tuple[Compartment, ...]:
    if truck.split_kg:
        return tuple(Compartment(load_kg, (stream,)) for stream, load_kg in truck.split_kg)
    return (Compartment(truck.capacity_kg, truck.streams or STREAMS),)
