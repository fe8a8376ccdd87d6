"""One truck's tour: its stops in order with what became of each, messages to the crew, and the shift's actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.dispatch_forms import may_dispatch, post_form, refusal_panel
from api.console.parts.dispatch_words import (
    NOTHING,
    clock,
    day_words,
    evidence_list,
    figures,
    lateness_words,
    progress_bar,
    state_badge,
    stop_link,
    stop_state_words,
    truck_name,
    why_words,
)
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.queries.tour_progress import TourProgress, progress_of, served_at
from dispatch.shifts.records import TEXT_MAX, CrewShift, Stop

CREW_MAX: Final = 64


def build(page: PageContext, screen: Screen, shift: CrewShift, query: Mapping[str, str]) -> None:
    """Add the tour, its messages, and what may be done with the shift."""
    screen.show(refusal_panel(page, query))
    screen.live("tour", ("dispatch",), lambda: _tour(page, shift.id))
    screen.live("messages", ("dispatch",), lambda: _messages(page, shift.id), "panel")
    if may_dispatch(page) and shift.closed_at is None:
        screen.show(_forms(page, shift))
    screen.show(_downloads(page, shift))


def _tour(page: PageContext, shift_id: int) -> Markup:
    service = page.context.dispatch.shifts
    shift, stops = service.get(shift_id), service.stops(shift_id, removed=True)
    on_tour = [stop for stop in stops if stop.removed_at is None]
    progress = progress_of(shift, on_tour, page.context.clock())
    parts = [_facts(page, shift, progress), _stops(page, on_tour, progress)]
    gone = [stop for stop in stops if stop.removed_at is not None]
    if gone:
        parts.append(_stops_taken_off(page, gone))
    return join(parts)


def _facts(page: PageContext, shift: CrewShift, progress: TourProgress) -> Markup:
    phones = len(page.context.dispatch.crews.sessions(shift.id))
    facts: list[tuple[str, object]] = [
        ("day", day_words(page, shift.day)),
        ("truck_one", link(f"/device/{shift.truck}", truck_name(page, shift.truck))),
        ("crew", shift.crew or NOTHING),
        ("shift_state", page.t(f"shift_is_{shift.state}")),
        ("shift_hours", f"{clock(page, shift.departs_at)} - {clock(page, shift.returns_at)}"),
        ("shift_break", clock(page, shift.break_at)),
        ("distance", f"{page.number(shift.metres / 1000)} km"),
        ("phones", page.number(phones)),
        ("tour_time", lateness_words(page, progress)),
    ]
    listed = tag("dl", *(join([tag("dt", page.t(key)), tag("dd", fact)]) for key, fact in facts), class_="facts")
    done = [
        tag("p", figures(page, shift.counts), class_="day-figures", role="status"),
        progress_bar(page, shift.counts),
    ]
    return tag("section", *done, listed, class_="panel")


def _stops(page: PageContext, stops: Sequence[Stop], progress: TourProgress) -> Markup:
    if not stops:
        return tag("p", page.t("tour_empty"), class_="empty")
    headings = [page.t(key) for key in ("stop_number", "stop_one", "tour_planned", "tour_actual", "state", "evidence")]
    return table(headings, [_row(page, stop, progress) for stop in stops], keys=[stop.id for stop in stops])


def _row(page: PageContext, stop: Stop, progress: TourProgress) -> list[object]:
    planned = tag("span", clock(page, stop.starts_at))
    if stop.kind == "landfill":
        name = tag("span", stop.name, class_="landfill")
        return [page.number(stop.number), name, planned, NOTHING, page.t("landfill_stop"), NOTHING]
    place = [stop_link(page, stop), tag("span", why_words(page, stop), class_="why")]
    badge = state_badge(page, stop.state)
    if stop.reason:
        badge = join([badge, tag("span", stop_state_words(page, stop).partition(": ")[2], class_="why")])
    return [
        page.number(stop.number),
        join(place),
        planned,
        _times(page, stop, progress),
        badge,
        evidence_list(page, stop),
    ]


def _times(page: PageContext, stop: Stop, progress: TourProgress) -> object:
    """When a stop was served, or when the truck is expected."""
    actual = served_at(stop)
    if actual is not None:
        return clock(page, actual)
    expected = progress.expected_at.get(stop.id)
    return page.t("tour_expected", time=clock(page, expected)) if expected else NOTHING


def _stops_taken_off(page: PageContext, stops: Sequence[Stop]) -> Markup:
    headings = [page.t(key) for key in ("stop_one", "removed_why", "when")]
    rows = [
        [stop_link(page, stop), page.t(f"removed_{stop.removed_reason or 'undone'}"), clock(page, stop.removed_at)]
        for stop in stops
    ]
    summary = tag("summary", page.t("removed_stops", n=page.number(len(stops))))
    return tag("details", summary, table(headings, rows), class_="panel")


def _messages(page: PageContext, shift_id: int) -> Markup:
    messages = page.context.dispatch.shifts.messages(shift_id)
    head = tag("h2", page.t("crew_messages"))
    if not messages:
        return join([head, tag("p", page.t("crew_messages_none"), class_="empty")])
    headings = [page.t(key) for key in ("when", "message_text", "audit_who", "message_read")]
    rows = [
        [
            clock(page, message.sent_at),
            message.text,
            message.sent_by or NOTHING,
            page.t("message_read_at", time=clock(page, message.read_at))
            if message.read_at
            else page.t("message_unread"),
        ]
        for message in messages
    ]
    return join([head, table(headings, rows, narrow="lines", keys=[message.id for message in messages])])


def _forms(page: PageContext, shift: CrewShift) -> Markup:
    text = tag("input", name="text", required=True, maxlength=TEXT_MAX, autocomplete="off")
    crew = tag("input", name="crew", value=shift.crew, maxlength=CREW_MAX, autocomplete="off")
    base = f"/tour/{shift.id}"
    forms = [
        post_form(
            f"{base}/message", page.t("message_send"), tag("label", page.t("message_new"), text), class_="wide-form"
        ),
        post_form(f"{base}/code", page.t("code_make"), tag("p", page.t("code_intro"), class_="intro")),
        post_form(f"{base}/crew", page.t("crew_save"), tag("label", page.t("crew_number"), crew)),
        post_form(
            f"{base}/close", page.t("shift_end"), tag("p", page.t("shift_end_intro"), class_="intro"), button_class="no"
        ),
    ]
    return tag("section", tag("h2", page.t("shift_actions")), tag("div", *forms, class_="actions"), class_="panel")


def _downloads(page: PageContext, shift: CrewShift) -> Markup:
    pdf = link(f"/tour/{shift.id}.pdf", page.t("download_tour_pdf"), download=True)
    report = link(f"/tour/{shift.id}/report.pdf", page.t("download_report_pdf"), download=True)
    csv = link(f"/tours.csv?day={shift.day}&shift={shift.id}", page.t("download_stops_csv"), download=True)
    print_ = tag("button", page.t("print"), type="button", data_print=True, class_="quiet")
    return tag("p", pdf, " ", report, " ", csv, " ", print_, class_="downloads")
