"""A work order on paper: the way from camera to closure, with its pictures and its history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from api.console.page_context import PageContext
from api.console.pages.order import entry_words, step_by
from api.console.pages.orders import place_of
from api.console.parts.dispatch_papers import LIST_PT, new_paper
from api.console.parts.dispatch_words import NOTHING, truck_name
from api.queries.crew_photos import FILE as PHOTO_FILE
from api.queries.evidence_service import Actor
from api.queries.order_story import OrderStory, story_of
from city.paper import Paper
from dispatch.orders.records import WorkOrder
from vision.evidence.report import PICTURE_MM, write_picture
from vision.evidence.store import EvidenceError

PICTURES: Final = ("before", "deposit", "after")
"""Evidence roles of pictures, in order."""
FACTS_MM: Final = (46, 128)
STEPS_MM: Final = (46, 52, 76)
HISTORY_MM: Final = (44, 44, 36, 50)


def order_report(page: PageContext, order: WorkOrder, actor: Actor) -> bytes:
    """The report of an order. Each picture that it shows is an access in the custody log.

    Raises:
        RetryLaterError: The store, the database or the custody log does not answer.
    """
    story = story_of(page.context, order)
    paper = new_paper(page, f"{page.t('order_one')} {order.id}: {page.t(f'order_kind_{order.kind}')}")
    paper.write_table(_facts(page, order), FACTS_MM)
    paper.write_heading(page.t("order_chain"))
    steps = [
        [page.t(f"step_{step.kind}"), page.time(step.at) if step.at else page.t("step_not_yet"), step_by(page, step)]
        for step in story.steps
    ]
    paper.write_table(steps, STEPS_MM, LIST_PT)
    paper.write_heading(page.t("evidence"))
    _write_pictures(page, paper, story, actor)
    paper.write_heading(page.t("order_history"))
    headings = [page.t(key) for key in ("when", "audit_what", "audit_who", "alarm_note")]
    entries = [
        [page.time(entry.at), page.t(f"order_did_{entry.what}"), entry.name or NOTHING, entry_words(page, entry)]
        for entry in story.history
    ]
    paper.write_table(entries, HISTORY_MM, LIST_PT, headings=headings)
    return bytes(paper.output())


def _facts(page: PageContext, order: WorkOrder) -> list[list[str]]:
    facts = {
        "state": page.t(f"order_is_{order.state}"),
        "case": order.subject,
        "order_where": place_of(page, order),
        "order_size": f"{page.number(order.size_kg, 0)} kg, {page.word(order.stream)}",
        "order_due": page.time(order.due_at),
        "truck_one": truck_name(page, order.truck) if order.truck else NOTHING,
        "alarm_reason": order.reason or NOTHING,
    }
    return [[page.t(key), words] for key, words in facts.items()]


def _write_pictures(page: PageContext, paper: Paper, story: OrderStory, actor: Actor) -> None:
    is_any = False
    for name, content in _pictures(page, story, actor):
        is_any = True
        if paper.will_page_break(PICTURE_MM + 8):
            paper.add_page()
        paper.write_line(name)
        write_picture(paper, content, page.lang)
        paper.ln(4)
    if not is_any:
        paper.write_paragraph(page.t("no_evidence"))


def _pictures(page: PageContext, story: OrderStory, actor: Actor) -> Iterator[tuple[str, bytes]]:
    """The pictures of case and crew with people pixelated, as the pages of evidence serve them."""
    case, wanted = story.case, []
    if case is not None and page.covers(case):
        wanted += [(page.t(role), case.id, case.evidence[role]) for role in PICTURES if role in case.evidence]
    wanted += [(page.t("crew_photo"), photo, PHOTO_FILE) for photo in story.photos]
    for name, folder, file in wanted:
        try:
            yield name, page.context.evidence.show(folder, file, actor).read_bytes()
        except (EvidenceError, OSError):
            continue  # deleted by its retention, or damaged: the history says what is known
