"""Forms of dispatch: plain forms that work without scripts, what was refused, and the bar that takes an action back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.dispatch_words import day_words
from api.console.parts.forms import Choice, select
from api.console.parts.markup import join, link, tag
from api.dependencies import day_of
from city.errors import RetryLaterError
from dispatch.shifts.errors import DISPATCH_REFUSALS
from dispatch.shifts.records import TEXT_MAX, DispatchChange
from people.areas import Place, covers
from people.audit import origin_of

REFUSED: Final = "refused"
"""The parameter of an address that says why an action was refused."""
UNDONE_SHOWN: Final = 2


def may_dispatch(page: PageContext, place: Place | None = None) -> bool:
    """Whether the user may plan and send; `place` is where, the whole city without it."""
    return page.may("dispatch.write") and covers(page.identity.areas, place or Place())


def post_form(to: str, words: str, *fields: object, class_: str = "", button_class: str = "") -> Markup:
    """A form that is sent to an address, with its button."""
    button = tag("button", words, type="submit", class_=button_class or None)
    return tag("form", *fields, button, method="post", action=to, class_=f"action {class_}".strip())


def reason_field(page: PageContext, label: str) -> Markup:
    """The field of a reason, which has to be given."""
    box = tag("input", name="reason", required=True, maxlength=TEXT_MAX, autocomplete="off")
    return tag("label", page.t(label), box)


def hidden_field(name: str, value: object) -> Markup:
    """A field that nobody sees."""
    return tag("input", type="hidden", name=name, value=value)


def choice_field(page: PageContext, name: str, label: str, choices: Sequence[Choice]) -> Markup:
    """A choice that has to be made; the first one is proposed."""
    return select(name, page.t(label), choices, choices[0][0] if choices else "")


def refusal_panel(page: PageContext, query: Mapping[str, str]) -> Markup:
    """Why the last action was refused; nothing if it was not."""
    reason = query.get(REFUSED, "")
    if reason not in DISPATCH_REFUSALS:
        return Markup()
    return tag("p", page.t(f"refused_{reason}"), class_="panel warn", role="alert")


def undo_bar(page: PageContext) -> Markup:
    """What the user did in the last ten seconds, each with a button that takes it back. A script counts down."""
    if not page.may("dispatch.write"):
        return Markup()
    try:
        changes = page.context.dispatch.shifts.undoable(origin_of(page.identity, ""))[:UNDONE_SHOWN]
    except RetryLaterError:
        return Markup()  # the database is away: nothing was done either
    if not changes:
        return Markup()
    return tag(
        "div",
        *(_undo_row(page, change) for change in changes),
        class_="undo-bar",
        role="group",
        aria_label=page.t("undo"),
    )


def _undo_row(page: PageContext, change: DispatchChange) -> Markup:
    now = page.context.clock()
    left_s = max((change.undo_until - now).total_seconds(), 0.0)
    until = f"{change.undo_until.astimezone(page.context.city.time_zone):%H:%M:%S}"
    count = tag("span", page.t("undo_until", time=until), class_="undo-left", data_left=page.t("undo_left"))
    undo = post_form(f"/undo/{change.id}", page.t("undo"))
    alone = link(f"/undo/{change.id}", page.t("undo_page"))
    words = tag("span", page.t(f"did_{change.action}"), class_="undo-what", role="status")
    return tag("div", words, count, undo, alone, class_="undo-row", data_undo_s=f"{left_s:.1f}")


def parse_day(page: PageContext, query: Mapping[str, str]) -> date:
    """The day that an address names; today without a valid one."""
    try:
        return date.fromisoformat(query.get("day", ""))
    except ValueError:
        return day_of(page.context)


def day_choice(page: PageContext, path: str, day: date) -> Markup:
    """The day that is shown, links to those around it, and a field for any other."""
    today, step = day_of(page.context), timedelta(days=1)
    links = [link(f"{path}?day={day - step}", page.t("day_before"), rel="prev")]
    links += [
        link(f"{path}?day={known}", page.t(key), aria_current="page" if known == day else None)
        for known, key in ((today, "day_today"), (today + step, "day_tomorrow"))
    ]
    links.append(link(f"{path}?day={day + step}", page.t("day_after"), rel="next"))
    box = tag("label", page.t("day"), tag("input", type="date", name="day", value=day.isoformat()))
    form = tag("form", box, tag("button", page.t("show")), method="get", action=path, class_="day-form")
    shown = tag("h2", day_words(page, day))
    return join([shown, tag("nav", *links, class_="spans", aria_label=page.t("day")), form])
