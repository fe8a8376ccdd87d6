"""One work order from camera to closure: the steps with who and when, its pictures, its history and its actions."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.pages.orders import due_words, order_badge, place_of
from api.console.parts.case_card import evidence_figures
from api.console.parts.dispatch_forms import choice_field, may_dispatch, post_form, reason_field, refusal_panel
from api.console.parts.dispatch_words import NOTHING, clock, truck_name
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.dependencies import place_of_order
from api.queries.order_story import OrderStory, StoryStep, story_of
from api.queries.order_trucks import trucks_for
from dispatch.orders.records import TO_DO, OrderEntry, WorkOrder


def build(page: PageContext, screen: Screen, order: WorkOrder, query: Mapping[str, str]) -> None:
    """Add the order, and what may be done with it."""
    screen.show(refusal_panel(page, query))
    screen.live("order", ("dispatch", "cases"), lambda: _order(page, order.id))
    if may_dispatch(page, place_of_order(order)):
        screen.show(lambda: _forms(page, order), "actions")
    pdf = link(f"/order/{order.id}.pdf", page.t("download_order_pdf"), download=True)
    print_ = tag("button", page.t("print"), type="button", data_print=True, class_="quiet")
    screen.show(tag("p", pdf, " ", print_, class_="downloads"))


def _order(page: PageContext, id_: int) -> Markup:
    story = story_of(page.context, page.context.dispatch.orders.get(id_))
    return join([_facts(page, story), _chain(page, story), _pictures(page, story), _history(page, story.history)])


def _facts(page: PageContext, story: OrderStory) -> Markup:
    order = story.order
    facts: list[tuple[str, object]] = [
        ("state", order_badge(page, order)),
        ("order_where", place_of(page, order)),
        ("order_size", f"{page.number(order.size_kg, 0)} kg, {page.word(order.stream)}"),
        ("order_due", due_words(page, order)),
        ("truck_one", truck_name(page, order.truck) if order.truck else NOTHING),
    ]
    if order.kind == "dumping_case":
        facts.append(("case", link(f"/dumping?case={order.subject}", order.subject)))
    if story.stop is not None:
        facts.append(("stop_one", link(f"/stop/{story.stop.id}", page.t(f"stop_is_{story.stop.state}"))))
    if order.reason:
        facts.append(("alarm_reason", order.reason))
    listed = tag("dl", *(join([tag("dt", page.t(key)), tag("dd", fact)]) for key, fact in facts), class_="facts")
    return tag("section", listed, class_="panel")


def _chain(page: PageContext, story: OrderStory) -> Markup:
    """The steps in order; those that have not happened are said to be so."""
    steps = [_step(page, step) for step in story.steps]
    return tag("section", tag("h2", page.t("order_chain")), tag("ol", *steps, class_="chain"), class_="panel")


def _step(page: PageContext, step: StoryStep) -> Markup:
    when = page.time(step.at) if step.at else page.t("step_not_yet")
    by = tag("span", step_by(page, step)) if step.by else None
    name = tag("strong", page.t(f"step_{step.kind}"))
    return tag("li", name, tag("span", when), by, class_="done" if step.at else "waits")


def step_by(page: PageContext, step: StoryStep) -> str:
    """Who or what took a step, in words."""
    if step.kind == "gone" and step.by in ("removed", "photo"):
        return page.t(f"closed_by_{step.by}")
    return truck_name(page, step.by) if step.by in page.context.city.trucks else step.by


def _pictures(page: PageContext, story: OrderStory) -> Markup:
    case, shown = story.case, []
    if case is not None and page.covers(case):
        shown.append(evidence_figures(page, case))
    photos = [
        tag(
            "figure",
            link(
                f"/api/v1/crew-photos/{photo}", tag("img", src=f"/api/v1/crew-photos/{photo}", alt=page.t("crew_photo"))
            ),
            tag("figcaption", page.t("crew_photo")),
        )
        for photo in story.photos
    ]
    if photos:
        shown.append(tag("div", *photos, class_="evidence"))
    if not shown:
        shown.append(tag("p", page.t("no_evidence"), class_="empty"))
    return tag("section", tag("h2", page.t("evidence")), *shown, class_="panel")


def _history(page: PageContext, history: list[OrderEntry]) -> Markup:
    headings = [page.t(key) for key in ("when", "audit_what", "audit_who", "alarm_note")]
    rows = [
        [page.time(entry.at), page.t(f"order_did_{entry.what}"), entry.name or NOTHING, entry_words(page, entry)]
        for entry in history
    ]
    return tag("section", tag("h2", page.t("order_history")), table(headings, rows, narrow="lines"), class_="panel")


def entry_words(page: PageContext, entry: OrderEntry) -> str:
    """What else is known of an entry: truck, reason, or what closed it."""
    detail = entry.detail
    words = [truck_name(page, str(detail["truck"]))] if detail.get("truck") else []
    if detail.get("by") in ("removed", "photo"):
        words.append(page.t(f"closed_by_{detail['by']}"))
    if detail.get("reason"):
        words.append(str(detail["reason"]))
    return "; ".join(words) or NOTHING


def _forms(page: PageContext, order: WorkOrder) -> Markup:
    base, forms = f"/order/{order.id}", []
    if order.state in TO_DO:
        forms.append(_assign(page, order))
    if order.state != "closed":
        intro = tag("p", page.t("order_close_intro"), class_="intro")
        forms.append(post_form(f"{base}/close", page.t("order_close"), intro, reason_field(page, "alarm_reason")))
    if order.state in ("closed", "done"):
        forms.append(post_form(f"{base}/reopen", page.t("order_reopen"), reason_field(page, "alarm_reason")))
    return join(tag("section", form, class_="panel") for form in forms)


def _assign(page: PageContext, order: WorkOrder) -> Markup:
    """The choice of a truck: the proposed ones first, with their distance or when they pass."""
    proposals = trucks_for(page.context, order)
    choices = []
    for proposal in proposals:
        km = page.number(proposal.km, 1)
        passes = page.t("truck_passes", km=km, time=clock(page, proposal.passes_at)) if proposal.passes_at else ""
        words = passes or page.t("truck_near", km=km)
        choices.append((str(proposal.shift_id), f"{truck_name(page, proposal.truck)}: {words}"))
    known = {shift_id for shift_id, _ in choices}
    others = [shift for shift in page.context.dispatch.shifts.open() if str(shift.id) not in known]
    choices += [(str(shift.id), truck_name(page, shift.truck)) for shift in others]
    if not choices:
        return tag("p", page.t("order_no_truck"), class_="empty")
    return post_form(
        f"/order/{order.id}/assign", page.t("order_assign"), choice_field(page, "shift", "order_assign_to", choices)
    )
