"""The dispatcher's first page: what waits for a decision, the map with the tours, and the day's figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.pages import map as map_page
from api.console.pages.alarms import acknowledge_button, add_alarm_script
from api.console.pages.orders import due_words, place_of
from api.console.parts.alarm_words import subject_link
from api.console.parts.dispatch_words import (
    NOTHING,
    clock,
    day_words,
    evidence_words,
    figures,
    progress_bar,
    shift_link,
    stop_link,
    truck_name,
)
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.dependencies import day_of
from api.queries.decisions import Decision, DecisionKind, decisions_of
from api.queries.plan_totals import totals_of
from dispatch.shifts.records import sum_counts
from dispatch.verification.states import StopState

SHOWN: Final = 15
TILES: Final[tuple[tuple[str, StopState | None], ...]] = (
    ("total", None),
    ("collected", None),
    ("open", "planned"),
    ("missed", "missed"),
    ("contradicted", "contradicted"),
    ("not_possible", "not_possible"),
)
"""Counts of the day, and the state whose list each leads to."""
BAD_TILES: Final = ("missed", "contradicted")


def build(page: PageContext, screen: Screen, query: Mapping[str, str]) -> None:
    """Add decisions, map and figures."""
    add_alarm_script(page, screen)
    topics = ("alarms", "dispatch", "cases")
    screen.live("decisions", topics, lambda: _decisions(page, is_long="all" in query), "panel", every_s=1.0)  # type: ignore[arg-type]
    map_page.build(page, screen, query, is_legend_open=False)
    screen.live("day", ("dispatch",), lambda: _day(page), "panel")


def _decisions(page: PageContext, *, is_long: bool) -> Markup:
    decisions = decisions_of(page.context)
    head = tag("h2", page.t("decisions"), " ", tag("span", page.number(len(decisions)), class_="count-of"))
    board = page.context.alarm_board
    failure = (
        tag("p", page.t("alarms_not_current", reason=board.failure), class_="warn", role="alert")
        if board.failure
        else None
    )
    if not decisions:
        return join([head, failure, tag("p", page.t("decisions_none"), class_="empty")])
    shown = decisions if is_long else decisions[:SHOWN]
    headings = [page.t(key) for key in ("decision_what", "decision_where", "alarm_since", "alarm_action")]
    rows = [_row(page, decision) for decision in shown]
    more = None
    if len(decisions) > len(shown):
        more = tag("p", link("/today?all", page.plural("decisions_more", len(decisions) - len(shown))))
    return join([head, failure, table(headings, rows, keys=[decision.key for decision in shown]), more])


def _row(page: PageContext, decision: Decision) -> list[object]:
    what, where, action = _CELLS[decision.kind](page, decision)
    since = tag("span", page.age(decision.at, page.context.clock()), title=page.time(decision.at))
    return [what, where, since, action]


Cells = tuple[object, object, object]


def _badge(page: PageContext, key: str, rank: int) -> Markup:
    level = ("critical", "high", "medium", "low", "low")[rank]
    return tag("span", page.t(key), class_=f"badge priority-{level}")


def _alarm(page: PageContext, decision: Decision) -> Cells:
    assert decision.alarm  # noqa: S101 - a decision of this kind has it
    alarm = decision.alarm
    what = join(
        [_badge(page, "decision_alarm", decision.rank), link(f"/alarm/{alarm.id}", page.t(f"alarm_{alarm.kind}"))], " "
    )
    shift = alarm.detail.get("shift")
    look = link(f"/tour/{shift}", page.t("decision_look"), class_="button") if isinstance(shift, int) else None
    return what, subject_link(page, alarm), join([acknowledge_button(page, alarm), look], " ")


def _proposal(page: PageContext, decision: Decision) -> Cells:
    assert decision.plan  # noqa: S101 - as above
    plan = decision.plan
    totals = totals_of(plan.plan)
    words = page.t("decision_plan_is", trucks=page.number(totals.trucks), stops=page.number(totals.stops))
    if plan.plan.changes:
        words = f"{words}; {page.plural('plan_changes_count', len(plan.plan.changes))}"
    look = link(f"/plan?day={plan.day}", page.t("decision_look"), class_="button")
    return join([_badge(page, "decision_proposal", decision.rank), words], " "), day_words(page, plan.day), look


def _planning_failure(page: PageContext, decision: Decision) -> Cells:
    assert decision.job and decision.job.failed  # noqa: S101, PT018 - as above
    day = decision.job.failed.day
    look = link(f"/plan?day={day}", page.t("decision_look"), class_="button")
    return _badge(page, "decision_planning_failed", decision.rank), day_words(page, day), look


def _stop(page: PageContext, decision: Decision) -> Cells:
    assert decision.stop  # noqa: S101 - as above
    stop = decision.stop
    shift = page.context.dispatch.shifts.get(stop.shift_id)
    newest = evidence_words(page, stop.evidence[-1]) if stop.evidence else ""
    what = [
        _badge(page, f"decision_{decision.kind}", decision.rank),
        stop_link(page, stop),
        tag("span", newest, class_="why"),
    ]
    where = join([shift_link(page, shift), " ", clock(page, stop.starts_at)])
    look = link(f"/stop/{stop.id}", page.t("decision_look"), class_="button")
    action = join([look, acknowledge_button(page, decision.alarm)], " ") if decision.alarm else look
    return join(what, " "), where, action


def _order(page: PageContext, decision: Decision) -> Cells:
    assert decision.order  # noqa: S101 - as above
    order = decision.order
    name = link(f"/order/{order.id}", f"{page.t(f'order_kind_{order.kind}')} {order.id}")
    proposed = page.t("order_truck_proposed", truck=truck_name(page, order.truck)) if order.truck else ""
    what = join([_badge(page, "decision_order", decision.rank), name, tag("span", proposed, class_="why")], " ")
    where = join([place_of(page, order), tag("span", due_words(page, order), class_="why")])
    return what, where, link(f"/order/{order.id}", page.t("decision_assign"), class_="button")


_CELLS: Final[dict[DecisionKind, Callable[[PageContext, Decision], Cells]]] = {
    "alarm": _alarm,
    "planning_failed": _planning_failure,
    "proposal": _proposal,
    "contradicted": _stop,
    "order": _order,
    "missed": _stop,
}


def _day(page: PageContext) -> Markup:
    """The day's figures in words, and each as a number that leads to its list."""
    day = day_of(page.context)
    shifts = page.context.dispatch.shifts.of_day(day)
    counts = sum_counts(shift.counts for shift in shifts)
    head = tag("h2", f"{page.t('day_figures')}: {day_words(page, day)}")
    words = [tag("p", figures(page, counts), class_="day-figures", role="status"), progress_bar(page, counts)]
    if not shifts:
        make = link(f"/plan?day={day}", page.t("to_plan"), class_="button")
        return join([head, *words, tag("p", page.t("tours_none"), class_="empty"), make])
    tiles = []
    for name, state in TILES:
        number = getattr(counts, name)
        to = f"/tours?day={day}" + (f"&state={state}" if state else "")
        cell = join([tag("b", page.number(number) if counts.total else NOTHING), tag("span", page.t(f"tile_{name}"))])
        is_bad = number and name in BAD_TILES
        tiles.append(link(to, cell, class_="tile bad" if is_bad else "tile"))
    return join([head, *words, tag("div", *tiles, class_="tiles day-tiles")])
