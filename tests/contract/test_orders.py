"""Work orders in the database, on SQLite and PostgreSQL: made once, assigned, closed with proof, opened again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from dispatch.orders.records import WorkOrder
from dispatch.orders.tables import work_orders
from dispatch.services import DispatchServices, dispatch_services
from dispatch.shifts.errors import DispatchError
from dispatch.shifts.records import Stop
from people.audit import Origin
from people.service import People
from tests.contract.conftest import NOW, Clock
from tests.support.dispatching import DAY, an_order, plan_by_hand, small_city

MARIA = Origin("a1", "maria.seran", "10.0.0.1")
CITY = small_city()
BINS = list(CITY.bins)


@pytest.fixture
def desk(people: People, clock: Clock) -> DispatchServices:
    services = dispatch_services(people.database, people.audit, b"key", clock)
    plan = plan_by_hand(CITY, {"truck-01": BINS[:3], "truck-02": BINS[3:5]}, NOW)
    services.shifts.accept(MARIA, services.plans.propose(plan), CITY)
    services.orders.make([an_order()])
    return services


def order_of(desk: DispatchServices) -> WorkOrder:
    (order,) = desk.orders.find()
    return order


def shift_of(desk: DispatchServices, truck: str = "truck-01") -> int:
    return next(shift.id for shift in desk.shifts.of_day(DAY) if shift.truck == truck)


def order_stops(desk: DispatchServices) -> list[Stop]:
    return [stop for stop in desk.shifts.open_stops() if stop.kind == "order"]


def whats(desk: DispatchServices) -> list[str]:
    return [entry.what for entry in desk.orders.history(order_of(desk).id)]


def test_processes_that_make_the_same_at_once_make_it_once(desk: DispatchServices) -> None:
    orders = [an_order("c-1"), an_order("c-2")]
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: desk.orders.make(orders), range(8))) == 2
    assert [order.subject for order in desk.orders.find()][:2] == ["c-2", "c-1"]


def test_the_database_itself_refuses_a_second_order_of_a_case(desk: DispatchServices, people: People) -> None:
    assert order_of(desk).subject == "c-9"
    with people.database.read() as connection:
        values = dict(connection.execute(work_orders.select()).mappings().one())
    with pytest.raises(IntegrityError), people.database.open().begin() as connection:
        connection.execute(work_orders.insert().values({**values, "id": values["id"] + 1}))


def test_an_order_has_what_is_known_of_it_and_is_found_by_state_and_subject(desk: DispatchServices) -> None:
    order = order_of(desk)
    assert (order.state, order.size_kg, order.created_by, order.created_at) == ("open", 120.0, "maria.seran", NOW)
    assert desk.orders.get(order.id) == desk.orders.of_subject("dumping_case", "c-9") == order
    assert desk.orders.find(("closed",)) == desk.orders.find(before=order.id) == []
    assert desk.orders.of_subject("dumping_case", "c-0") is None
    with pytest.raises(DispatchError, match="order unknown"):
        desk.orders.get(999)


def test_an_assigned_order_is_the_last_stop_of_a_shift_and_is_taken_back(desk: DispatchServices) -> None:
    order = order_of(desk)
    first = desk.orders.assign(MARIA, order.id, shift_of(desk))
    (stop,) = order_stops(desk)
    assert (stop.number, stop.shift_id, stop.order_id, stop.subject) == (5, shift_of(desk), order.id, "c-9")
    assert (order_of(desk).state, order_of(desk).truck, order_of(desk).stop_id) == ("assigned", "truck-01", stop.id)
    desk.orders.assign(MARIA, order.id, shift_of(desk, "truck-02"))
    assert [stop.shift_id for stop in order_stops(desk)] == [shift_of(desk, "truck-02")], "it is on one tour"
    with pytest.raises(DispatchError, match="shift unknown"):
        desk.orders.assign(MARIA, order.id, 999)
    desk.shifts.undo(MARIA, first + 1)
    assert [stop.shift_id for stop in order_stops(desk)] == [shift_of(desk)]
    desk.shifts.undo(MARIA, first)
    assert order_stops(desk) == []
    assert order_of(desk) == order
    assert whats(desk) == ["made", "assigned", "assigned", "undone", "undone"]


def test_proof_closes_an_order_once(desk: DispatchServices, clock: Clock) -> None:
    id_ = order_of(desk).id
    clock.move(timedelta(hours=1))
    assert desk.orders.close_with_proof(id_, "removed", NOW, {"case": "c-9"})
    assert not desk.orders.close_with_proof(id_, "photo", NOW, {})
    order = order_of(desk)
    assert (order.state, order.closed_by, order.removed_at, order.closed_at) == ("closed", "removed", NOW, clock())
    assert whats(desk) == ["made", "closed"]


def test_a_crew_s_word_alone_does_not_close_it(desk: DispatchServices) -> None:
    id_ = order_of(desk).id
    assert desk.orders.note_done(id_, {"stop": 1})
    assert not desk.orders.note_done(id_, {"stop": 1})
    assert order_of(desk).state == "done"
    assert desk.orders.close_with_proof(id_, "photo", NOW, {})


def test_a_supervisor_closes_and_opens_with_a_reason_and_takes_it_back(desk: DispatchServices) -> None:
    id_ = order_of(desk).id
    for act in (desk.orders.close, desk.orders.reopen):
        with pytest.raises(DispatchError, match="reason missing"):
            act(MARIA, id_, " ")
    with pytest.raises(DispatchError, match="order open"):
        desk.orders.reopen(MARIA, id_, "it is back")
    closed = desk.orders.close(MARIA, id_, "a contractor fetches it")
    order = order_of(desk)
    assert (order.closed_by, order.closed_name, order.reason) == (
        "supervisor",
        "maria.seran",
        "a contractor fetches it",
    )
    with pytest.raises(DispatchError, match="order closed"):
        desk.orders.close(MARIA, id_, "again")
    with pytest.raises(DispatchError, match="order closed"):
        desk.orders.assign(MARIA, id_, shift_of(desk))
    opened = desk.orders.reopen(MARIA, id_, "it is back")
    assert order_of(desk).state == "reopened"
    desk.shifts.undo(MARIA, opened)
    assert order_of(desk) == order
    desk.shifts.undo(MARIA, closed)
    assert order_of(desk).state == "open"


def test_a_pile_that_is_back_is_known_under_its_new_case(desk: DispatchServices) -> None:
    id_ = order_of(desk).id
    assert not desk.orders.reopen_seen(id_, "c-10", {}), "it is open"
    desk.orders.close_with_proof(id_, "removed", NOW, {})
    assert desk.orders.reopen_seen(id_, "c-10", {"case": "c-10"})
    assert desk.orders.make([an_order("c-10")]) == 0, "the new case has this order"
    assert (order_of(desk).state, order_of(desk).seen_as, order_of(desk).closed_at) == ("reopened", "c-10", None)


def test_an_order_that_a_new_plan_leaves_out_is_open_again(desk: DispatchServices, clock: Clock) -> None:
    tours = {"truck-01": [*BINS[:3], "c-9"], "truck-02": BINS[3:5]}
    plan = plan_by_hand(CITY, tours, clock(), names={"c-9": "TPS Oesapa"})
    desk.shifts.accept(MARIA, desk.plans.propose(plan), CITY)
    assert (order_of(desk).state, order_of(desk).truck) == ("assigned", "truck-01")
    later = plan_by_hand(CITY, {"truck-02": BINS[3:5]}, clock(), dropped=["c-9", *BINS[:3]])
    change = desk.shifts.accept(MARIA, desk.plans.propose(later), CITY)
    assert (order_of(desk).state, order_stops(desk)) == ("open", [])
    desk.shifts.undo(MARIA, change)
    assert (order_of(desk).state, len(order_stops(desk))) == ("assigned", 1)
