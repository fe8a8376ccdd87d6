"""The page of alarms: what needs an action now, and the history; and the page of one alarm."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.access_forms import add_access_script, call_button, call_form
from api.console.parts.access_forms import field as form_field
from api.console.parts.alarm_deliveries import deliveries_panel
from api.console.parts.alarm_words import subject_link
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.dependencies import place_of_alarm
from broker.contract.payloads import fields_of
from broker.contract.topics import KINDS as DEVICE_KINDS
from dispatch.alarms.errors import ALARM_REFUSALS
from dispatch.alarms.rules import KINDS, AlarmKind
from dispatch.alarms.service import Alarm, AlarmFilter
from people.areas import covers

SHOWN: Final = 100
SHELVES_H: Final = (1, 8, 24)
_FIELDS: Final = frozenset(field for kind in DEVICE_KINDS for field in fields_of(kind))
"""What of an alarm's detail is a value of a device."""


def build(page: PageContext, screen: Screen, query: Mapping[str, str]) -> None:
    """Add the list of what needs an action, or, with `past` in the address, the history."""
    add_alarm_script(page, screen)
    is_past = "past" in query
    tabs = [("/alarms", "alarms_now", not is_past), ("/alarms?past", "alarms_past", is_past)]
    screen.show(
        tag(
            "nav",
            *(
                link(to, page.t(key), aria_current="page" if is_here else None, class_="here" if is_here else None)
                for to, key, is_here in tabs
            ),
            class_="spans",
            aria_label=page.t("alarms"),
        )
    )
    if is_past:
        _show_past(page, screen, query)
        return
    screen.show(tag("p", page.t("alarms_intro"), class_="intro"))
    screen.live("alarms-now", ("alarms",), lambda: _now(page), every_s=1.0)


def build_one(page: PageContext, screen: Screen, alarm: Alarm) -> None:
    """Add one alarm: its facts, what can be done, and its history."""
    add_alarm_script(page, screen)
    screen.live("alarm", ("alarms",), lambda: _one(page, alarm.id), every_s=1.0)
    if _may_handle(page, alarm):
        note = form_field(page.t("alarm_note"), "text", maxlength=500, required=True)
        button = call_button(page.t("alarm_note_save"), f"/api/v1/alarms/{alarm.id}/note", with_fields=True)
        screen.show(call_form(note, button, class_="panel"))


def add_alarm_script(page: PageContext, screen: Screen) -> None:
    """Add the script of the buttons of alarms, its texts, and its dialog."""
    add_access_script(page, screen)
    keys = ["not_done", "alarm_undo", *(f"refused_{reason}" for reason in ALARM_REFUSALS)]
    fields = [
        tag("h2", page.t("alarm_shelve")),
        form_field(page.t("alarm_reason"), "reason", maxlength=500, required=True),
        *(tag("button", page.t(f"alarm_shelve_{hours}h"), value=hours) for hours in SHELVES_H),
    ]
    dialog = tag("dialog", tag("form", *fields, method="dialog"), id="shelve", class_="panel")
    texts = tag("span", hidden=True, data_alarm_texts=json.dumps(page.texts(keys)))
    screen.show(
        join([dialog, texts, tag("p", id="alarm-message", role="status", hidden=True, class_="panel")]), "texts"
    )
    screen.script("alarms.js")


def _now(page: PageContext) -> Markup:
    board = page.context.alarm_board
    failure = (
        tag("p", page.t("alarms_not_current", reason=board.failure), class_="warn", role="alert")
        if board.failure
        else Markup()
    )
    listed = board.listed[:SHOWN]
    if not listed:
        return join([failure, tag("p", page.t("alarms_none"), class_="empty")])
    headings = [page.t(key) for key in ("alarm_what", "alarm_where", "alarm_since", "alarm_state", "alarm_action")]
    return join(
        [
            failure,
            _acknowledge_all(page, listed),
            table(headings, [_row(page, alarm) for alarm in listed], keys=[alarm.id for alarm in listed]),
        ]
    )


def _acknowledge_all(page: PageContext, listed: Sequence[Alarm]) -> Markup:
    ids = [alarm.id for alarm in listed if _is_waiting(alarm) and _may_handle(page, alarm)]
    if len(ids) < 2:  # noqa: PLR2004 - one has its own button
        return Markup()
    return tag("p", tag("button", page.t("alarm_acknowledge_all"), data_acknowledge=json.dumps(ids)))


def _row(page: PageContext, alarm: Alarm) -> list[object]:
    return [
        _what(page, alarm),
        subject_link(page, alarm),
        _since(page, alarm),
        _state(page, alarm),
        _actions(page, alarm),
    ]


def _what(page: PageContext, alarm: Alarm) -> Markup:
    badge = tag("span", page.t(f"priority_{alarm.priority}"), class_=f"badge priority-{alarm.priority}")
    return join([badge, link(f"/alarm/{alarm.id}", page.t(f"alarm_{alarm.kind}"))], " ")


def _since(page: PageContext, alarm: Alarm) -> Markup:
    return tag("span", page.age(alarm.since, page.context.clock()), title=page.time(alarm.since))


def _state(page: PageContext, alarm: Alarm) -> str:
    words = page.t(f"alarm_is_{alarm.state}")
    if alarm.state == "shelved" and alarm.shelved_until:
        by = page.t("alarm_by", name=alarm.shelved_by)
        return f"{words} {page.time(alarm.shelved_until)}, {by}: {alarm.shelved_reason}"
    return f"{words} {page.t('alarm_by', name=alarm.acknowledged_by)}" if alarm.acknowledged_by else words


def _actions(page: PageContext, alarm: Alarm) -> Markup:
    if not _may_handle(page, alarm):
        return Markup("-")
    buttons = []
    if _is_waiting(alarm):
        buttons.append(tag("button", page.t("alarm_acknowledge"), data_acknowledge=json.dumps([alarm.id])))
    if alarm.state == "shelved":
        buttons.append(tag("button", page.t("alarm_unshelve"), data_unshelve=alarm.id, class_="quiet"))
    elif alarm.cleared_at is None:
        buttons.append(tag("button", page.t("alarm_shelve"), data_shelve=alarm.id, class_="quiet"))
    return join(buttons, " ")


def acknowledge_button(page: PageContext, alarm: Alarm) -> Markup:
    """The button that acknowledges an alarm, for who may; nothing for others."""
    if not (_is_waiting(alarm) and _may_handle(page, alarm)):
        return Markup("-")
    return tag("button", page.t("alarm_acknowledge"), data_acknowledge=json.dumps([alarm.id]))


def _is_waiting(alarm: Alarm) -> bool:
    return alarm.acknowledged_at is None


def _may_handle(page: PageContext, alarm: Alarm) -> bool:
    place = place_of_alarm(alarm)
    return page.may("alarms.handle") and (place is None or covers(page.identity.areas, place))


def _show_past(page: PageContext, screen: Screen, query: Mapping[str, str]) -> None:
    wanted = query.get("kind", "")
    kind: AlarmKind | None = next((known for known in KINDS if known == wanted), None)
    before = query.get("before", "")
    number = int(before) if before.isdecimal() and len(before) < 16 else None  # noqa: PLR2004 - digits
    alarms = page.context.alarms.find(AlarmFilter(kinds=(kind,) if kind else (), before=number, limit=SHOWN))
    options = [tag("option", page.t("all"), value="")] + [
        tag("option", page.t(f"alarm_{known}"), value=known, selected=known == kind) for known in KINDS
    ]
    select = tag("label", page.t("alarm_what"), tag("select", *options, name="kind"))
    past = tag("input", type="hidden", name="past", value="")
    screen.show(tag("form", past, select, tag("button", page.t("audit_search")), method="get", class_="filters"))
    headings = [page.t(key) for key in ("alarm_what", "alarm_where", "alarm_since", "alarm_ended", "alarm_state")]
    rows = [_past_row(page, alarm) for alarm in alarms]
    older = Markup()
    if len(alarms) == SHOWN:
        to = f"/alarms?past&kind={kind or ''}&before={alarms[-1].id}"
        older = tag("nav", link(to, page.t("audit_older"), rel="next"), class_="pager")
    screen.show(join([table(headings, rows) if rows else tag("p", page.t("none"), class_="empty"), older]))


def _past_row(page: PageContext, alarm: Alarm) -> list[object]:
    ended = page.time(alarm.cleared_at) if alarm.cleared_at else "-"
    return [_what(page, alarm), subject_link(page, alarm), page.time(alarm.since), ended, _state(page, alarm)]


def _one(page: PageContext, id_: int) -> Markup:
    alarms = page.context.alarms
    alarm = alarms.get(id_)
    facts = [
        (page.t("alarm_where"), subject_link(page, alarm)),
        (page.t("alarm_since"), page.time(alarm.since)),
        (page.t("alarm_state"), _state(page, alarm)),
        *((page.word(name), page.value(name, value)) for name, value in alarm.detail.items() if name in _FIELDS),
    ]
    listed = tag("dl", *(join([tag("dt", name), tag("dd", words)]) for name, words in facts), class_="facts")
    headings = [page.t(key) for key in ("when", "audit_what", "audit_who", "alarm_note")]
    rows = [
        [page.time(entry.at), page.t(f"alarm_did_{entry.what}"), entry.name or "-", entry.text or "-"]
        for entry in alarms.history(id_)
    ]
    head = tag("section", tag("p", _what(page, alarm)), listed, tag("p", _actions(page, alarm)), class_="panel")
    history = tag("section", tag("h2", page.t("alarm_history")), table(headings, rows), class_="panel")
    return join([head, history, deliveries_panel(page, id_)])
