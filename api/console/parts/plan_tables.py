"""Tables of a plan: its tours, its stops with their reasons, what moved and why, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from math import ceil
from typing import Final, NamedTuple
from urllib.parse import urlencode

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.dispatch_words import NOTHING, clock, truck_name
from api.console.parts.forms import pager
from api.console.parts.markup import join, link, table, tag
from api.queries.plan_totals import PlanTotals, totals_by_truck
from city.i18n.catalogue import PLANNING_TEXTS
from dispatch.planning.differences import StopChange
from dispatch.planning.explain import describe_change, describe_stop
from dispatch.planning.plan import start_of
from dispatch.planning.plans import StoredPlan
from dispatch.shifts.plans import PlanRecord

ROWS: Final = 60
CHANGES_MAX: Final = 60
LEFT_OUT_MAX: Final = 60


class _Slot(NamedTuple):
    truck: str
    at: datetime


def changes_panel(page: PageContext, proposal: PlanRecord, current: PlanRecord | None) -> Markup:
    """What a proposal changes, each with its reason."""
    head = tag("h2", page.t("plan_changes"))
    if current is None:
        return Markup()
    changes = proposal.plan.changes
    if not changes:
        return tag("section", head, tag("p", page.t("plan_changes_none"), class_="empty"), class_="panel")
    listed = [tag("li", _change_words(page, change, current, proposal)) for change in changes[:CHANGES_MAX]]
    more = len(changes) - CHANGES_MAX
    rest = tag("p", page.plural("plan_changes_more", more)) if more > 0 else None
    count = tag("p", page.plural("plan_changes_count", len(changes)))
    return tag("section", head, count, tag("ul", *listed, class_="plan-changes"), rest, class_="panel")


def _change_words(page: PageContext, change: StopChange, current: PlanRecord, proposal: PlanRecord) -> str:
    return describe_change(change, current.plan, proposal.plan, page.context.city.time_zone, page.lang)


def left_out_panel(page: PageContext, record: PlanRecord) -> Markup:
    """What no tour serves, and why, the reasons that people can change first."""
    dropped = sorted(record.plan.plan.dropped, key=lambda drop: drop.reason == "not_worth")
    head = tag("h2", page.t("plan_left_out"))
    if not dropped:
        return tag("section", head, tag("p", page.t("plan_left_out_none"), class_="empty"), class_="panel")
    listed = [
        tag("li", f"{_name(record.plan, drop.id)}: {PLANNING_TEXTS.text(f'reason_{drop.reason}', page.lang)}")
        for drop in dropped[:LEFT_OUT_MAX]
    ]
    more = len(dropped) - LEFT_OUT_MAX
    rest = tag("p", page.plural("plan_left_out_more", more)) if more > 0 else None
    summary = tag("summary", head, " ", page.number(len(dropped)))
    return tag("details", summary, tag("ul", *listed, class_="plan-changes"), rest, class_="panel")


def _name(plan: StoredPlan, id_: str) -> str:
    candidate = plan.candidates.get(id_)
    if candidate is None:
        return id_
    return candidate.name if id_ in candidate.name else f"{candidate.name} ({id_})"


def tours_panel(page: PageContext, current: PlanRecord | None, proposal: PlanRecord | None) -> Markup:
    """Each truck's tour in both plans."""
    old, new = (totals_by_truck(record.plan if record else None) for record in (current, proposal))
    newest = proposal or current
    day = newest.day if newest else None
    headings = [page.t("truck_one")]
    columns = [totals for record, totals in ((current, old), (proposal, new)) if record is not None]
    headings += [page.t(key) for record, key in ((current, "plan_in_force"), (proposal, "plan_proposed")) if record]
    rows = []
    for truck in sorted({*old, *new}):
        cells: list[object] = [link(f"/plan?day={day}&truck={truck}#plan-stops", truck_name(page, truck))]
        rows.append([*cells, *(_tour_words(page, totals.get(truck)) for totals in columns)])
    return tag("section", tag("h2", page.t("tours")), table(headings, rows, narrow="lines"), class_="panel")


def _tour_words(page: PageContext, totals: PlanTotals | None) -> str:
    if totals is None:
        return NOTHING
    zone = page.context.city.time_zone
    return page.t(
        "plan_tour",
        stops=page.plural("stops_n", totals.stops),
        km=page.number(totals.metres / 1000, 0),
        start=clock(page, totals.starts_at(zone)),
        end=clock(page, totals.ends_at(zone)),
    )


def stops_panel(
    page: PageContext, current: PlanRecord | None, proposal: PlanRecord | None, query: Mapping[str, str]
) -> Markup:
    """The stops of both plans side by side, each with why it is on the plan."""
    newest = proposal or current
    if newest is None:
        return Markup()
    slots = [_slots(page, record) for record in (current, proposal) if record is not None]
    truck = query.get("truck", "")
    ids = list(dict.fromkeys(id_ for known in reversed(slots) for id_ in known))
    if truck:
        ids = [id_ for id_ in ids if any(id_ in known and known[id_].truck == truck for known in slots)]
    wanted = query.get("page", "")
    pages = max(1, ceil(len(ids) / ROWS))
    number = min(max(int(wanted), 1), pages) if wanted.isdecimal() and len(wanted) < len("99999") else 1
    rows = [_stop_row(page, id_, slots, newest.plan, current) for id_ in ids[(number - 1) * ROWS : number * ROWS]]
    headings = [page.t("stop_one")]
    headings += [page.t(key) for record, key in ((current, "plan_in_force"), (proposal, "plan_proposed")) if record]
    title = f"{page.t('plan_stops')}: {truck_name(page, truck)}" if truck else page.t("plan_stops")
    all_ = link(f"/plan?day={newest.day}#plan-stops", page.t("plan_all_trucks")) if truck else None
    turn = pager(page, lambda n: _address(newest.day, truck, n), number, pages) if pages > 1 else None
    parts = [tag("h2", title), all_, table(headings, rows, narrow="lines"), turn]
    return tag("section", *parts, class_="panel", id="plan-stops")


def _address(day: date, truck: str, number: int) -> str:
    return f"/plan?{urlencode({'day': day.isoformat(), 'truck': truck, 'page': number})}#plan-stops"


def _slots(page: PageContext, record: PlanRecord) -> dict[str, _Slot]:
    """Truck and time of each stop of a plan, in the order of its tours."""
    midnight = start_of(record.day, page.context.city.time_zone)
    return {
        visit.id: _Slot(route.truck, midnight + timedelta(seconds=visit.starts_s))
        for route in record.plan.plan.routes
        for visit in route.visits
        if visit.kind == "stop"
    }


def _stop_row(
    page: PageContext, id_: str, slots: list[dict[str, _Slot]], newest: StoredPlan, current: PlanRecord | None
) -> list[object]:
    candidate = newest.candidates.get(id_) or (current.plan.candidates.get(id_) if current else None)
    why = describe_stop(candidate, page.context.city.time_zone, page.lang) if candidate else id_
    words = [known.get(id_) for known in slots]
    is_moved = len(words) > 1 and words[0] != words[1]
    cells: list[object] = [f"{slot.truck}, {clock(page, slot.at)}" if slot else NOTHING for slot in words]
    if is_moved:
        cells[-1] = tag("strong", cells[-1])
    name = "" if id_ in why else tag("span", f" {id_}", class_="none")
    return [join([why, name]), *cells]
