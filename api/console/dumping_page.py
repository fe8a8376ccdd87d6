"""Dumping cases with their pictures and clip, at the city's own time."""

from __future__ import annotations

import asyncio
from math import ceil
from typing import Final

from api.cases import cases
from api.console.frame import show
from api.console.markup import Markup, join, link, tag
from api.console.view import View
from ingest.store.cases import Case, evidence_urls

CARDS: Final = 12


async def build(view: View, page: int) -> None:
    """Put a page of cases on the page."""
    found = await asyncio.to_thread(cases, view.context)
    pages = max(1, ceil(len(found) / CARDS))
    page = min(max(1, page), pages)
    cards = [_card(view, case) for case in found[(page - 1) * CARDS : page * CARDS]]
    show(tag("p", view.t("dumping_intro"), class_="intro"))
    show(join(cards) if cards else tag("p", view.t("no_cases"), class_="empty"), "cards")
    if pages > 1:
        show(_pager(view, page, pages))


def _card(view: View, case: Case) -> Markup:
    badges = [
        tag("span", view.t("open" if case.state == "open" else "case_cleared"), class_=f"state case-{case.state}")
    ]
    if case.simulated:
        badges.append(tag("span", view.t("simulated"), class_="state simulated"))
    kelurahan = view.context.city.kelurahan.get(case.kelurahan)
    facts = {
        "seen_at": view.time(case.raised_at),
        "removed_at": view.time(case.cleared_at) if case.cleared_at else None,
        "allowed_hours": view.hours(case.hours),
        "kelurahan": kelurahan.name if kelurahan else None,
        "at_camera": link(f"/device/{case.camera}", case.camera),
        "case": case.id,
    }
    pairs = [join([tag("dt", view.t(key)), tag("dd", fact)]) for key, fact in facts.items() if fact]
    head = [tag("h2", case.site_name), tag("p", *badges, class_="badges")]
    return tag("article", *head, _evidence(view, case), tag("dl", *pairs, class_="facts"), class_="case", id=case.id)


def _evidence(view: View, case: Case) -> Markup:
    urls = evidence_urls(case)
    shown = [_figure(view, case, role, urls[role]) for role in ("before", "after", "clip") if role in urls]
    return tag("div", *shown, class_="evidence")


def _figure(view: View, case: Case, role: str, url: str) -> Markup:
    name = view.t(role)
    if not (view.context.evidence / case.id / case.evidence[role]).is_file():
        seen = tag("p", view.t("not_kept"), class_="empty")
    elif role == "clip":
        poster = evidence_urls(case).get("after")
        seen = tag("video", src=url, poster=poster, controls=True, preload="none", playsinline=True, aria_label=name)
    else:
        alt = f"{name}, {case.site_name}, {view.time(case.raised_at)}"
        seen = link(url, tag("img", src=url, alt=alt, loading="lazy"), target="_blank")
    return tag("figure", seen, tag("figcaption", name))


def _pager(view: View, page: int, pages: int) -> Markup:
    parts: list[object] = [tag("span", view.t("page", n=page, of=pages))]
    if page > 1:
        parts.insert(0, link(f"/dumping?page={page - 1}", view.t("previous"), rel="prev"))
    if page < pages:
        parts.append(link(f"/dumping?page={page + 1}", view.t("next"), rel="next"))
    return tag("nav", *parts, class_="pager")
