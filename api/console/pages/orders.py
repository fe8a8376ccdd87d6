"""The list of work orders: what has to be fetched besides the tours, what is overdue first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.dispatch_forms import refusal_panel
from api.console.parts.dispatch_words import NOTHING, truck_name
from api.console.parts.markup import link, table, tag
from api.console.parts.screen import Screen
from dispatch.orders.records import TO_DO, OrderState, WorkOrder

SHOWN: Final = 100
TABS: Final[dict[str, tuple[OrderState, ...]]] = {"todo": (*TO_DO, "done"), "closed": ("closed",), "all": ()}
"""Lists of orders by the states that are in them."""


def build(page: PageContext, screen: Screen, query: Mapping[str, str]) -> None:
    """Add the list; `show` and `before` of the address say which."""
    shown = query.get("show", "todo") if query.get("show") in TABS else "todo"
    before = query.get("before", "")
    number = int(before) if before.isdecimal() and len(before) < len("9999999999") else None
    screen.show(refusal_panel(page, query))
    screen.show(tag("p", page.t("orders_intro"), class_="intro"))
    links = [
        link(
            f"/orders?show={name}",
            page.t(f"orders_{name}"),
            class_="here" if name == shown else None,
            aria_current="page" if name == shown else None,
        )
        for name in TABS
    ]
    screen.show(tag("nav", *links, class_="spans", aria_label=page.t("orders")))
    screen.live("orders", ("dispatch", "cases"), lambda: _list(page, shown, number))
    csv = link(f"/orders.csv?show={shown}", page.t("download_list"), download=True)
    print_ = tag("button", page.t("print"), type="button", data_print=True, class_="quiet")
    screen.show(tag("p", csv, " ", print_, class_="downloads"))


def _list(page: PageContext, shown: str, before: int | None) -> Markup:
    orders = page.context.dispatch.orders.find(TABS[shown], before, SHOWN)
    if not orders:
        return tag("p", page.t(f"orders_{shown}_none"), class_="empty")
    older = Markup()
    if len(orders) == SHOWN:
        older = tag(
            "nav",
            link(f"/orders?show={shown}&before={orders[-1].id}", page.t("audit_older"), rel="next"),
            class_="pager",
        )
    listed = sorted(orders, key=lambda order: (order.state == "closed", order.due_at)) if shown == "todo" else orders
    keys = ("order_what", "order_where", "order_size", "order_due", "state", "truck_one")
    return tag(
        "div", table(map(page.t, keys), [_row(page, order) for order in listed], keys=[o.id for o in listed]), older
    )


def _row(page: PageContext, order: WorkOrder) -> list[object]:
    truck = truck_name(page, order.truck) if order.truck else NOTHING
    if order.truck and order.state in ("open", "reopened"):
        truck = page.t("order_truck_proposed", truck=truck)
    return [
        link(f"/order/{order.id}", f"{page.t(f'order_kind_{order.kind}')} {order.id}"),
        place_of(page, order),
        f"{page.number(order.size_kg, 0)} kg",
        due_words(page, order),
        order_badge(page, order),
        truck,
    ]


def place_of(page: PageContext, order: WorkOrder) -> str:
    """Where an order is: place and kelurahan."""
    kelurahan = page.context.city.kelurahan.get(order.kelurahan)
    names = (order.place, kelurahan.name if kelurahan else order.kelurahan)
    return ", ".join(dict.fromkeys(name for name in names if name)) or NOTHING


def is_overdue(page: PageContext, order: WorkOrder) -> bool:
    """Whether an order should have been done by now."""
    return order.state != "closed" and order.due_at < page.context.clock()


def due_words(page: PageContext, order: WorkOrder) -> Markup:
    """When an order is due; in red if that is over."""
    if is_overdue(page, order):
        return tag("strong", page.t("order_overdue", time=page.time(order.due_at)), class_="warn")
    return tag("span", page.time(order.due_at))


def order_badge(page: PageContext, order: WorkOrder) -> Markup:
    """The state of an order as a badge."""
    return tag("span", page.t(f"order_is_{order.state}"), class_=f"state order-{order.state}")
