"""The queue of dumping cases: look, judge, merge; what was judged can be undone. At the city's own time."""

from __future__ import annotations

import asyncio
from math import ceil
from typing import Final

import msgspec
from fastapi import Request
from nicegui import ui

from api.cases import cases
from api.console.case_card import card
from api.console.custody_panel import custody_panel
from api.console.forms import Choice, pager, select
from api.console.frame import asset, show
from api.console.markup import Markup, join, link, tag
from api.console.view import View
from api.queue import SHOWN, Question, merge_offers
from ingest.store.cases import Case
from ingest.store.reviews import REASONS

CARDS: Final = 12
KEYS: Final = (
    ("j, k, ↓, ↑", "key_move"),
    ("p", "key_play"),
    ("c", "say_confirmed"),
    ("r", "say_rejected"),
    (f"1-{len(REASONS)}", "key_reason"),
    ("m", "say_merged"),
    ("u", "say_reopened"),
    ("?", "key_help"),
)


async def build(view: View, request: Request) -> None:
    """Put the queue on the page."""
    question = Question.of(request.query_params)
    for script in ("review.js", "evidence.js"):
        ui.add_head_html(tag("script", src=asset(script), defer=True))
    show(_page(view, question, await asyncio.to_thread(cases, view.context)), "queue-box")


def _page(view: View, question: Question, found: list[Case]) -> Markup:
    waiting = sum(case.verdict == "none" for case in found)
    asked = [case for case in found if question.matches(case)]
    pages = max(1, ceil(len(asked) / CARDS))
    page = min(question.page, pages)
    shown = asked[(page - 1) * CARDS : page * CARDS]
    cards = [card(view, case, merge_offers(case, found)) for case in shown]
    count = tag(
        "b", view.t("to_judge", n=view.number(waiting)), class_="queue-count", data_count=waiting, role="status"
    )
    parts = [
        tag("p", view.t("dumping_intro" if view.may("operator") else "say_operator_only"), " ", count, class_="intro"),
        _filters(view, question),
        tag("div", *cards, class_="queue", **_words(view)) if cards else _nothing(view, question),
        custody_panel(view, shown[0]) if question.case and shown and view.may("operator") else None,
        pager(view, question.address, page, pages) if pages > 1 else None,
        _keys(view) if view.may("operator") else None,
    ]
    return join(parts)


def _words(view: View) -> dict[str, object]:
    """What the browser needs to show a verdict at once."""
    words = {key: view.t(f"verdict_{key}") for key in ("none", "confirmed", "rejected", "merged")}
    words |= {reason: view.t(f"reason_{reason}") for reason in REASONS}
    words["to_judge"] = view.t("to_judge", n="{n}")
    return {"data_words": msgspec.json.encode(words).decode(), "data_failed": view.t("say_failed")}


def _nothing(view: View, question: Question) -> Markup:
    if question.show != "waiting" or question.camera or question.site:
        return tag("p", view.t("no_cases"), class_="empty")
    every = link("/dumping?show=all", view.t("show_all_cases"))
    return tag("section", tag("h2", view.t("all_judged")), tag("p", every), class_="panel")


def _filters(view: View, question: Question) -> Markup:
    city = view.context.city
    shows: list[Choice] = [(show_, view.t("all" if show_ == "all" else f"show_{show_}")) for show_ in SHOWN]
    watched = {camera.site for camera in city.cameras.values()}
    sites = sorted(((one.id, one.name) for one in city.sites.values() if one.id in watched), key=lambda pair: pair[1])
    anything = ("", view.t("all"))
    chosen = "all" if question.case else question.show
    return tag(
        "form",
        select("show", view.t("which_cases"), shows, chosen),
        select("site", view.t("site_name"), [anything, *sites], question.site),
        select("camera", view.t("at_camera"), [anything, *((id_, id_) for id_ in city.cameras)], question.camera),
        tag("button", view.t("show")),
        method="get",
        action="/dumping",
        class_="filters",
    )


def _keys(view: View) -> Markup:
    rows = [join([tag("dt", tag("kbd", keys)), tag("dd", view.t(words))]) for keys, words in KEYS]
    return tag("details", tag("summary", view.t("keys"), " (?)"), tag("dl", *rows, class_="facts"), class_="panel keys")
