"""The tours of a day: each truck's shift with its progress, or the stops of one state of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.dispatch_forms import day_choice, parse_day, refusal_panel
from api.console.parts.dispatch_words import (
    NOTHING,
    clock,
    evidence_list,
    figures,
    lateness_words,
    legend,
    progress_bar,
    shift_link,
    state_badge,
    stop_link,
    truck_name,
)
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.queries.tour_progress import progress_of
from dispatch.shifts.records import CrewShift, Stop, sum_counts
from dispatch.verification.states import STOP_STATES, StopState

STOPS_MAX: Final = 150
STATE_TABS: Final[tuple[StopState, ...]] = ("contradicted", "missed", "not_possible", "claimed", "under_way")
"""States of which people look for all stops of a day."""


def build(page: PageContext, screen: Screen, query: Mapping[str, str]) -> None:
    """Add the day's tours; with `state` in the address, the stops of a state."""
    day = parse_day(page, query)
    state = next((known for known in STOP_STATES if known == query.get("state", "")), None)
    screen.show(refusal_panel(page, query))
    screen.show(day_choice(page, "/tours", day), "panel day-choice")
    screen.live("tours", ("dispatch",), lambda: _tours(page, day, state))
    screen.show(_downloads(page, day))


def _tours(page: PageContext, day: date, state: StopState | None) -> Markup:
    service = page.context.dispatch.shifts
    shifts, stops = service.of_day(day), service.stops_of_day(day)
    counts = sum_counts(shift.counts for shift in shifts)
    head = [tag("p", figures(page, counts), class_="day-figures", role="status"), progress_bar(page, counts)]
    if not shifts:
        make = link(f"/plan?day={day}", page.t("to_plan"), class_="button")
        return join([*head, tag("p", page.t("tours_none"), class_="empty"), tag("p", make)])
    shown = _stops(page, shifts, stops, state) if state else _table(page, shifts, stops)
    return join([*head, _tabs(page, day, stops, state), shown, legend(page)])


def _tabs(page: PageContext, day: date, stops: Sequence[Stop], state: StopState | None) -> Markup:
    tour = [stop for stop in stops if stop.kind != "landfill"]
    tabs: list[tuple[StopState | None, str]] = [(None, page.t("tours_all"))]
    for known in STATE_TABS:
        number = sum(stop.state == known for stop in tour)
        if number or known == state:
            tabs.append((known, f"{page.t(f'stop_is_{known}')}: {page.number(number)}"))
    links = [
        link(
            f"/tours?day={day}" + (f"&state={known}" if known else ""),
            words,
            class_="here" if known == state else None,
            aria_current="page" if known == state else None,
        )
        for known, words in tabs
    ]
    return tag("nav", *links, class_="spans", aria_label=page.t("state"))


def _table(page: PageContext, shifts: Sequence[CrewShift], stops: Sequence[Stop]) -> Markup:
    by_shift: dict[int, list[Stop]] = {}
    for stop in stops:
        by_shift.setdefault(stop.shift_id, []).append(stop)
    headings = [page.t(key) for key in ("truck_one", "crew", "shift_state", "tour_progress", "tour_next", "tour_time")]
    rows = [_row(page, shift, by_shift.get(shift.id, [])) for shift in shifts]
    return table(headings, rows, keys=[shift.id for shift in shifts])


def _row(page: PageContext, shift: CrewShift, stops: Sequence[Stop]) -> list[object]:
    progress = progress_of(shift, stops, page.context.clock())
    following = progress.next_stop
    words: list[object] = [NOTHING]
    if following is not None:
        eta = progress.expected_at.get(following.id)
        words = [stop_link(page, following), " ", clock(page, eta or following.starts_at)]
    bar = join([progress_bar(page, shift.counts), tag("div", figures(page, shift.counts))])
    return [
        shift_link(page, shift),
        shift.crew or NOTHING,
        page.t(f"shift_is_{shift.state}"),
        bar,
        join(words),
        lateness_words(page, progress),
    ]


def _stops(page: PageContext, shifts: Sequence[CrewShift], stops: Sequence[Stop], state: StopState) -> Markup:
    trucks = {shift.id: shift.truck for shift in shifts}
    shown = [stop for stop in stops if stop.state == state and stop.kind != "landfill"]
    if not shown:
        return tag("p", page.t("none"), class_="empty")
    headings = [page.t(key) for key in ("stop_one", "truck_one", "tour_planned", "state", "evidence")]
    rows = [
        [
            stop_link(page, stop),
            link(f"/tour/{stop.shift_id}", truck_name(page, trucks.get(stop.shift_id, ""))),
            clock(page, stop.starts_at),
            state_badge(page, stop.state),
            evidence_list(page, stop),
        ]
        for stop in shown[:STOPS_MAX]
    ]
    return table(headings, rows, keys=[stop.id for stop in shown[:STOPS_MAX]])


def _downloads(page: PageContext, day: date) -> Markup:
    pdf = link(f"/tours.pdf?day={day}", page.t("download_day_pdf"), download=True)
    csv = link(f"/tours.csv?day={day}", page.t("download_stops_csv"), download=True)
    print_ = tag("button", page.t("print"), type="button", data_print=True, class_="quiet")
    return tag("p", pdf, " ", csv, " ", print_, class_="downloads")
