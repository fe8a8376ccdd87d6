"""The review queue of dumping cases, with filters, cards, and keyboard shortcuts."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Final

import msgspec
from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.case_card import card
from api.console.parts.custody_panel import custody_panel
from api.console.parts.forms import Choice, pager, select
from api.console.parts.markup import join, link, tag
from api.console.parts.screen import Screen
from api.queries.cases import cases
from api.queries.queue import SHOWN, CaseFilter, merge_offers
from ingest.store.views.cases import Case
from ingest.store.views.reviews import REASONS

CARDS: Final = 12
KEYS: Final = (
    ("j, k, ↓, ↑", "key_move"),
    ("p", "key_play"),
    ("c", "review_confirmed"),
    ("r", "review_rejected"),
    (f"1-{len(REASONS)}", "key_reason"),
    ("m", "review_merged"),
    ("u", "review_reopened"),
    ("?", "key_help"),
)


def build(page: PageContext, screen: Screen, query: Mapping[str, str]) -> None:
    """Add the queue to the page; it is live."""
    filter_ = CaseFilter.of(query)
    screen.script("review.js", "evidence.js")
    screen.show(lambda: _filters(page, filter_))
    screen.live("queue", ("cases",), lambda: _queue(page, filter_), "queue-box")
    if page.may("cases.review"):
        screen.show(_keys(page))


def _queue(page: PageContext, filter_: CaseFilter) -> Markup:
    all_cases = [case for case in cases(page.context) if page.covers(case)]
    waiting = sum(case.verdict == "none" for case in all_cases)
    open_ = link("/dumping?show=open", page.plural("cases_open", sum(case.is_open for case in all_cases)))
    matching = [case for case in all_cases if filter_.matches(case)]
    pages = max(1, ceil(len(matching) / CARDS))
    page_number = min(filter_.page, pages)
    shown = matching[(page_number - 1) * CARDS : page_number * CARDS]
    cards = [card(page, case, merge_offers(case, all_cases)) for case in shown]
    count = tag("b", page.plural("to_judge", waiting), class_="queue-count", role="status")
    intro = page.t("dumping_intro" if page.may("cases.review") else "review_operator_only")
    parts = [
        tag("p", intro, " ", count, " ", open_, class_="intro"),
        tag("div", *cards, class_="queue", **_words(page)),
        _nothing(page, filter_, all_cases) if not cards else None,
        custody_panel(page, shown[0]) if filter_.case and shown and page.may("evidence.export") else None,
        pager(page, filter_.address, page_number, pages) if pages > 1 else None,
    ]
    return join(parts)


def _words(page: PageContext) -> dict[str, object]:
    """Texts with which the browser shows a verdict before the response arrives."""
    words: dict[str, object] = {key: page.t(f"verdict_{key}") for key in ("none", "confirmed", "rejected", "merged")}
    words |= {reason: page.t(f"reason_{reason}") for reason in REASONS}
    return {"data_words": msgspec.json.encode(words).decode(), "data_failed": page.t("review_failed")}


def _nothing(page: PageContext, filter_: CaseFilter, all_cases: list[Case]) -> Markup:
    if filter_.show != "waiting" or filter_.camera or filter_.site or not all_cases:
        return tag("p", page.t("no_cases"), class_="empty")
    every = link("/dumping?show=all", page.t("show_all_cases"))
    return tag("section", tag("h2", page.t("all_judged")), tag("p", every), class_="panel")


def _filters(page: PageContext, filter_: CaseFilter) -> Markup:
    city = page.context.city
    shows: list[Choice] = [(show_, page.t("all" if show_ == "all" else f"show_{show_}")) for show_ in SHOWN]
    watched = {camera.site for camera in city.cameras.values()}
    sites = sorted(
        ((site.id, site.name) for site in city.sites.values() if site.id in watched), key=lambda pair: pair[1]
    )
    anything = ("", page.t("all"))
    chosen = "all" if filter_.case else filter_.show
    return tag(
        "form",
        select("show", page.t("which_cases"), shows, chosen),
        select("site", page.t("site_name"), [anything, *sites], filter_.site),
        select("camera", page.t("at_camera"), [anything, *((id_, id_) for id_ in city.cameras)], filter_.camera),
        tag("button", page.t("show")),
        method="get",
        action="/dumping",
        class_="filters",
    )


def _keys(page: PageContext) -> Markup:
    rows = [join([tag("dt", tag("kbd", keys)), tag("dd", page.t(words))]) for keys, words in KEYS]
    return tag("details", tag("summary", page.t("keys"), " (?)"), tag("dl", *rows, class_="facts"), class_="panel keys")
