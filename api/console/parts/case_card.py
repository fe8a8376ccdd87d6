"""A dumping case as a card: evidence, facts, verdict, and the buttons of a reviewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, link, tag
from api.queries.queue import is_likely_same
from ingest.store.views.cases import Case, evidence_urls
from ingest.store.views.reviews import NOTE_MAX, REASONS

PICTURES: Final = ("clip", "before", "deposit", "after")
"""Evidence roles in display order; a case has some of them."""


def card(page: PageContext, case: Case, offers: Sequence[Case]) -> Markup:
    """The card of a case, with review buttons for who may judge it. `offers`: merge candidates."""
    head = tag("header", tag("h2", case.site_name or case.camera), tag("p", *_badges(page, case), class_="badges"))
    parts = [head, evidence_figures(page, case), _facts(page, case), _verdict(page, case)]
    if page.may("cases.review"):
        parts += [_review_buttons(page), _reasons(page), _offers(page, case, offers)]
        parts.append(tag("p", class_="warn failure", role="alert", hidden=True))
    return tag("article", *parts, class_="case", id=case.id, data_verdict=case.verdict, tabindex="-1")


def _badges(page: PageContext, case: Case) -> list[Markup]:
    state = page.t("open" if case.state == "open" else "case_cleared")
    badges = [tag("span", state, class_=f"state case-{case.state}")]
    if case.simulated:
        badges.append(tag("span", page.t("simulated"), class_="state simulated"))
    return badges


def evidence_figures(page: PageContext, case: Case) -> Markup:
    """Pictures and clip of a case, with people pixelated."""
    urls = evidence_urls(case)
    shown = [_figure(page, case, role, urls[role]) for role in PICTURES if role in urls]
    return tag("div", *shown or [tag("p", page.t("no_evidence"), class_="empty")], class_="evidence")


def _figure(page: PageContext, case: Case, role: str, url: str) -> Markup:
    name = page.t(role)
    if not page.context.evidence.has(case.id, case.evidence[role]):
        seen = tag("p", page.t("not_kept"), class_="empty")
    elif role == "clip":
        poster = evidence_urls(case).get("after")
        seen = tag("video", src=url, poster=poster, controls=True, preload="none", playsinline=True, aria_label=name)
    else:
        alt = f"{name}, {case.site_name}, {page.time(case.raised_at)}"
        seen = link(url, tag("img", src=url, alt=alt, loading="lazy"), target="_blank")
    return tag("figure", seen, tag("figcaption", name), class_=role)


def _facts(page: PageContext, case: Case) -> Markup:
    kelurahan = page.context.city.kelurahan.get(case.kelurahan)
    lay = (case.cleared_at or page.context.clock()) - (case.since_at or case.raised_at)
    facts: dict[str, object] = {
        "seen_at": page.time(case.raised_at),
        "lay_for" if case.cleared_at else "lies_for": page.duration(max(0.0, lay.total_seconds()))
        if case.counts
        else None,
        "removed_at": page.time(case.cleared_at) if case.cleared_at else None,
        "allowed_hours": page.hours(case.hours),
        "place": page.t(f"zone_{case.zone}") if case.zone else None,
        "kelurahan": kelurahan.name if kelurahan else None,
        "at_camera": link(f"/device/{case.camera}", case.camera),
        "with_it": join((link(f"/dumping?case={merged}", merged) for merged in case.merged), ", ")
        if case.merged
        else None,
        "case": link(f"/dumping?case={case.id}", case.id),
    }
    pairs = [join([tag("dt", page.t(key)), tag("dd", fact)]) for key, fact in facts.items() if fact]
    return tag("dl", *pairs, class_="facts")


def _verdict(page: PageContext, case: Case) -> Markup:
    words: list[object] = [tag("span", _verdict_words(page, case), class_="verdict-words", role="status")]
    if case.into:
        words.append(link(f"/dumping?case={case.into}", case.into))
    if case.note:
        words.append(tag("q", case.note))
    if page.may("cases.review"):
        words.append(_verdict_button(page.t("review_reopened"), "u", "reopened", class_="quiet"))
    return tag("div", *words, class_="verdict-line")


def _verdict_words(page: PageContext, case: Case) -> str:
    verdict = page.t(f"verdict_{case.verdict}")
    if case.reason:
        verdict = f"{verdict} ({page.word(case.reason, 'reason_')})"
    return page.t("verdict_at", verdict=verdict, time=page.time(case.reviewed_at)) if case.reviewed_at else verdict


def _review_buttons(page: PageContext) -> Markup:
    note = tag("input", type="text", maxlength=NOTE_MAX, class_="note", autocomplete="off")
    return tag(
        "div",
        _verdict_button(page.t("review_confirmed"), "c", "confirmed", class_="yes"),
        _panel_button(page.t("review_rejected"), "r", "reasons", class_="no"),
        _panel_button(page.t("review_merged"), "m", "offers", class_="quiet"),
        tag("label", page.t("add_note"), note),
        class_="judge",
    )


def _reasons(page: PageContext) -> Markup:
    buttons = [
        _verdict_button(page.t(f"reason_{reason}"), str(number), "rejected", data_reason=reason)
        for number, reason in enumerate(REASONS, 1)
    ]
    return tag("div", tag("h3", page.t("why_not")), *buttons, class_="choices", data_panel="reasons", hidden=True)


def _offers(page: PageContext, case: Case, offers: Sequence[Case]) -> Markup:
    buttons = [_offer(page, case, other) for other in offers] or [tag("p", page.t("none_to_merge"), class_="empty")]
    return tag("div", tag("h3", page.t("same_as")), *buttons, class_="choices", data_panel="offers", hidden=True)


def _offer(page: PageContext, case: Case, other: Case) -> Markup:
    words: list[object] = [tag("span", page.time(other.raised_at))]
    if is_likely_same(case, other):
        words.append(tag("small", page.t("likely_same")))
    after = evidence_urls(other).get("after")
    if after and page.context.evidence.has(other.id, other.evidence["after"]):
        words.insert(0, tag("img", src=after, alt="", loading="lazy"))
    return tag("button", *words, type="button", data_submit="merged", data_into=other.id)


def _verdict_button(words: str, key: str, verdict: str, **more: object) -> Markup:
    return tag("button", words, tag("kbd", key), type="button", data_submit=verdict, **more)


def _panel_button(words: str, key: str, panel: str, **more: object) -> Markup:
    return tag("button", words, tag("kbd", key), type="button", data_open=panel, aria_expanded="false", **more)
