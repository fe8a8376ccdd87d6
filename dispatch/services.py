"""The services of dispatch that keep something in the database, as the API uses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from city.database.engine import Database
from dispatch.orders.service import Orders
from dispatch.shifts.crew_visits import CrewVisits
from dispatch.shifts.crews import Crews
from dispatch.shifts.plans import Plans
from dispatch.shifts.service import Shifts
from people.audit import AuditLog


@dataclass(frozen=True)
class DispatchServices:
    """Plans, shifts with their stops, phones of crews and what they collected, and work orders."""

    plans: Plans
    shifts: Shifts
    crews: Crews
    visits: CrewVisits
    orders: Orders


def dispatch_services(
    database: Database,
    audit: AuditLog,
    crew_key: bytes,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> DispatchServices:
    """The services over one database; `crew_key` is the key of the hashes of crews' codes."""
    return DispatchServices(
        Plans(database, audit, clock),
        Shifts(database, audit, clock),
        Crews(database, audit, crew_key, clock),
        CrewVisits(database),
        Orders(database, audit, clock),
    )
