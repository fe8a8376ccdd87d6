"""Plans made by hand: trucks with containers in order, an hour's tour each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from city.inventory.loader import builtin_city, load_city
from city.inventory.model import City
from dispatch.orders.records import NewOrder
from dispatch.planning.day import StopCandidate
from dispatch.planning.outlook import ContainerOutlook
from dispatch.planning.plan import CollectionPlan, DroppedStop, TruckRoute, Visit
from dispatch.planning.plans import StoredPlan
from dispatch.planning.problem import CollectionStop, Compartment, FleetTruck, Landfill, RouteProblem
from dispatch.services import DispatchServices
from people.audit import Origin

DAY: Final = date(2026, 3, 1)
DAWN: Final = datetime(2026, 2, 28, 21, 0, tzinfo=UTC)
"""Five in the morning in Kupang, of `DAY`."""
SHIFT_S: Final = (6 * 3600.0, 14 * 3600.0)
STOP_S: Final = 180.0
LEG_S: Final = 420.0
LANDFILL: Final = "tpa-alak"


def small_city() -> City:
    """Kupang with three trucks and its first twelve containers."""
    kupang = load_city(builtin_city("kupang"))
    trucks = {name: kupang.devices[name] for name in ("truck-01", "truck-02", "truck-05")}
    return kupang.with_devices({**trucks, **{bin_.id: bin_ for bin_ in list(kupang.bins.values())[:12]}})


def plan_by_hand(
    city: City,
    tours: Mapping[str, Sequence[str]],
    made_at: datetime = DAWN,
    *,
    day: date = DAY,
    dropped: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    from_s: float = SHIFT_S[0],
) -> StoredPlan:
    """A plan in which each truck serves its containers (or what `names` names) and then the landfill."""
    ids = [*(id_ for tour in tours.values() for id_ in tour), *dropped]
    landfill = next(site.id for site in city.sites.values() if site.kind == "landfill")
    problem = RouteProblem(
        stops=tuple(_stop(city, id_) for id_ in ids),
        landfills=(Landfill(id=landfill, place=0, service_s=900.0),),
        trucks=tuple(_truck(truck, from_s) for truck in tours),
        travel={},
    )
    routes = tuple(_route(truck, [*tour, landfill], landfill, from_s) for truck, tour in tours.items() if tour)
    plan = CollectionPlan(routes, tuple(DroppedStop(id_, "not_worth") for id_ in dropped), "given")
    named = names or {}
    candidates = {
        id_: StopCandidate(
            id_,
            named.get(id_, id_),
            "organic",
            "case" if id_ in named else "overflow",
            None if id_ in named else ContainerOutlook(82.0, 0.6, made_at + timedelta(hours=9), 7200.0),
        )
        for id_ in ids
    }
    return StoredPlan(day, made_at, problem, plan, candidates)


def fill_dispatch(services: DispatchServices, city: City) -> None:
    """Two tours in force, a proposal for the same day and one for the next, and an open work order."""
    bins = list(city.bins)
    origin = Origin("tests", "tests")
    first = services.plans.propose(plan_by_hand(city, {"truck-01": bins[:3], "truck-02": bins[3:5]}))
    services.shifts.accept(origin, first, city)
    later = DAWN + timedelta(hours=1)
    services.plans.propose(plan_by_hand(city, {"truck-02": bins[2:5]}, later), based_on=first)
    services.plans.propose(plan_by_hand(city, {"truck-01": bins[:1]}, later, day=DAY + timedelta(days=1)))
    services.orders.make([an_order()])


def an_order(subject: str = "c-9", **fields: Any) -> NewOrder:
    """An order of a dumping case."""
    values: dict[str, Any] = {
        "kind": "dumping_case",
        "subject": subject,
        "site": "tps-oesapa",
        "kelurahan": "oesapa",
        "place": "TPS Oesapa",
        "lat_deg": -10.15,
        "lon_deg": 123.64,
        "stream": "non_organic",
        "size_kg": 120.0,
        "due_at": DAWN + timedelta(days=1),
        "created_by": "maria.seran",
    }
    return NewOrder(**{**values, **fields})


def _stop(city: City, id_: str) -> CollectionStop:
    stream = city.bins[id_].waste_kind if id_ in city.bins else "non_organic"
    return CollectionStop(id=id_, place=0, stream=stream, load=40.0, service_s=STOP_S, closes_s=2 * 86_400.0)


def _truck(id_: str, from_s: float) -> FleetTruck:
    body = (Compartment(4000.0, ("organic", "non_organic")),)
    return FleetTruck(id=id_, start_place=0, end_place=0, starts_s=from_s, ends_s=SHIFT_S[1], compartments=body)


def _route(truck: str, ids: Sequence[str], landfill: str, from_s: float) -> TruckRoute:
    visits = []
    for number, id_ in enumerate(ids):
        arrives_s = from_s + LEG_S + number * (LEG_S + STOP_S)
        kind = "landfill" if id_ == landfill else "stop"
        visits.append(Visit(kind, id_, arrives_s, arrives_s, arrives_s + STOP_S))  # type: ignore[arg-type]
    returns_s = visits[-1].leaves_s + LEG_S
    return TruckRoute(truck, from_s, tuple(visits), returns_s, 9_000.0)
