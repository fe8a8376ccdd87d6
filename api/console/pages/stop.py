"""One stop: what is known of it, its states in order, and what a dispatcher or supervisor may do with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.dispatch_forms import choice_field, may_dispatch, post_form, reason_field, refusal_panel
from api.console.parts.dispatch_words import (
    NOTHING,
    clock,
    evidence_list,
    evidence_words,
    reason_words,
    shift_link,
    state_badge,
    truck_name,
    why_words,
)
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.dependencies import place_of_stop
from api.queries.tour_progress import served_at
from dispatch.shifts.records import CrewShift, Stop, StoredTap
from dispatch.shifts.service import RULINGS
from dispatch.verification.states import DONE_STATES

TAPS_SHOWN: Final = 20


def build(page: PageContext, screen: Screen, stop: Stop, query: Mapping[str, str]) -> None:
    """Add the stop and its actions."""
    screen.show(refusal_panel(page, query))
    screen.live("stop", ("dispatch",), lambda: _stop(page, stop.id))
    if may_dispatch(page, place_of_stop(stop)):
        screen.show(lambda: _forms(page, stop), "actions")


def _stop(page: PageContext, stop_id: int) -> Markup:
    service = page.context.dispatch.shifts
    stop = service.stop(stop_id)
    shift = service.get(stop.shift_id)
    facts: list[tuple[str, object]] = [
        ("state", state_badge(page, stop.state)),
        ("truck_one", shift_link(page, shift)),
        ("stop_subject", _subject(page, stop)),
        ("waste_kind", page.word(stop.stream) if stop.stream else NOTHING),
        ("stop_load", f"{page.number(stop.load_kg)} kg"),
        ("stop_why", why_words(page, stop)),
        ("tour_planned", clock(page, stop.starts_at)),
        ("tour_actual", clock(page, served_at(stop))),
        ("stop_window", f"{clock(page, stop.window_from)} - {clock(page, stop.window_to)}"),
        ("stop_reason", reason_words(page, stop.reason) if stop.reason else NOTHING),
        ("evidence", evidence_list(page, stop)),
    ]
    if stop.removed_at is not None:
        facts.append(("removed_why", page.t(f"removed_{stop.removed_reason or 'undone'}")))
    listed = tag("dl", *(join([tag("dt", page.t(key)), tag("dd", fact)]) for key, fact in facts), class_="facts")
    head = tag("section", listed, class_="panel")
    return join([head, _history(page, stop), _taps(page, service.taps_of_stop(stop_id))])


def _subject(page: PageContext, stop: Stop) -> object:
    if stop.order_id is not None:
        return link(f"/order/{stop.order_id}", page.t("order_number", n=stop.order_id))
    return link(f"/device/{stop.subject}", stop.subject) if stop.subject in page.context.city.devices else stop.subject


def _history(page: PageContext, stop: Stop) -> Markup:
    entries = page.context.dispatch.shifts.stop_history(stop.id)
    head = tag("h2", page.t("stop_history"))
    if not entries:
        return tag("section", head, tag("p", page.t("none"), class_="empty"), class_="panel")
    headings = [page.t(key) for key in ("when", "state", "evidence")]
    rows = [
        [
            page.time(entry.at),
            state_badge(page, entry.state),
            tag("ul", *(tag("li", evidence_words(page, piece)) for piece in entry.evidence)),
        ]
        for entry in entries
    ]
    return tag("section", head, table(headings, rows, narrow="lines"), class_="panel")


def _taps(page: PageContext, taps: list[StoredTap]) -> Markup:
    if not taps:
        return Markup()
    headings = [page.t(key) for key in ("when", "tap_what", "stop_reason", "tap_received")]
    rows = [
        [
            page.time(tap.at),
            page.t(f"tap_{tap.kind}"),
            reason_words(page, tap.reason) if tap.reason else NOTHING,
            page.time(tap.received_at),
        ]
        for tap in taps[-TAPS_SHOWN:]
    ]
    return tag("section", tag("h2", page.t("taps")), table(headings, rows, narrow="lines"), class_="panel")


def _forms(page: PageContext, stop: Stop) -> Markup:
    forms = []
    others = [shift for shift in _open_shifts(page, stop) if shift.id != stop.shift_id]
    if stop.state not in DONE_STATES and others:
        choices = [(str(shift.id), truck_name(page, shift.truck)) for shift in others]
        choice = choice_field(page, "shift", "stop_assign_to", choices)
        forms.append(post_form(f"/stop/{stop.id}/assign", page.t("stop_assign"), choice))
    rulings = [(state, page.t(f"stop_is_{state}")) for state in RULINGS]
    verdict = choice_field(page, "state", "stop_rule_as", rulings)
    rule = [tag("p", page.t("stop_rule_intro"), class_="intro"), verdict, reason_field(page, "alarm_reason")]
    forms.append(post_form(f"/stop/{stop.id}/rule", page.t("stop_rule"), *rule))
    return join(tag("section", form, class_="panel") for form in forms)


def _open_shifts(page: PageContext, stop: Stop) -> list[CrewShift]:
    service = page.context.dispatch.shifts
    day = service.get(stop.shift_id).day
    return [shift for shift in service.open() if shift.day == day]
