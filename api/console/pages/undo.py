"""The page that takes back an action, for browsers without scripts and for keyboards."""

from __future__ import annotations

from collections.abc import Mapping

from api.console.page_context import PageContext
from api.console.parts.dispatch_forms import post_form, refusal_panel
from api.console.parts.markup import link, tag
from api.console.parts.screen import Screen
from people.audit import origin_of


def build(page: PageContext, screen: Screen, change_id: int, query: Mapping[str, str]) -> None:
    """Add the action with its button, or that its time is over."""
    screen.show(refusal_panel(page, query))
    changes = page.context.dispatch.shifts.undoable(origin_of(page.identity, ""))
    change = next((known for known in changes if known.id == change_id), None)
    if change is None:
        screen.show(tag("p", page.t("undo_over"), " ", link("/", page.t("undo_back"))), "panel")
        return
    until = f"{change.undo_until.astimezone(page.context.city.time_zone):%H:%M:%S}"
    words = tag("p", page.t(f"did_{change.action}"), ". ", page.t("undo_until", time=until))
    screen.show(tag("section", words, post_form(f"/undo/{change.id}", page.t("undo"))), "panel")
