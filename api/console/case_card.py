"""One dumping case as a card: what was filmed, what is known, and the buttons of whoever judges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from api.console.markup import Markup, join, link, tag
from api.console.view import View
from api.queue import is_likely_same
from ingest.store.cases import Case, evidence_urls
from ingest.store.reviews import NOTE_MAX, REASONS

PICTURES: Final = ("clip", "before", "deposit", "after")
"""Kinds of evidence in the order they are looked at; a case has those that it names."""


def card(view: View, case: Case, offers: Sequence[Case]) -> Markup:
    """A case and, for operators, what can be said of it; `offers` are cases it may be one with."""
    head = tag("header", tag("h2", case.site_name or case.camera), tag("p", *_badges(view, case), class_="badges"))
    parts = [head, _evidence(view, case), _facts(view, case), _verdict(view, case)]
    if view.may("operator"):
        parts += [_judge(view), _reasons(view), _offers(view, case, offers)]
        parts.append(tag("p", class_="warn trouble", role="alert", hidden=True))
    return tag("article", *parts, class_="case", id=case.id, data_verdict=case.verdict, tabindex="-1")


def _badges(view: View, case: Case) -> list[Markup]:
    state = view.t("open" if case.state == "open" else "case_cleared")
    badges = [tag("span", state, class_=f"state case-{case.state}")]
    if case.simulated:
        badges.append(tag("span", view.t("simulated"), class_="state simulated"))
    return badges


def _evidence(view: View, case: Case) -> Markup:
    urls = evidence_urls(case)
    shown = [_figure(view, case, role, urls[role]) for role in PICTURES if role in urls]
    return tag("div", *shown or [tag("p", view.t("no_evidence"), class_="empty")], class_="evidence")


def _figure(view: View, case: Case, role: str, url: str) -> Markup:
    name = view.t(role)
    if not view.context.evidence.has(case.id, case.evidence[role]):
        seen = tag("p", view.t("not_kept"), class_="empty")
    elif role == "clip":
        poster = evidence_urls(case).get("after")
        seen = tag("video", src=url, poster=poster, controls=True, preload="none", playsinline=True, aria_label=name)
    else:
        alt = f"{name}, {case.site_name}, {view.time(case.raised_at)}"
        seen = link(url, tag("img", src=url, alt=alt, loading="lazy"), target="_blank")
    return tag("figure", seen, tag("figcaption", name), class_=role)


def _facts(view: View, case: Case) -> Markup:
    kelurahan = view.context.city.kelurahan.get(case.kelurahan)
    lay = (case.cleared_at or view.context.clock()) - (case.since_at or case.raised_at)
    facts: dict[str, object] = {
        "seen_at": view.time(case.raised_at),
        "lay_for" if case.cleared_at else "lies_for": view.duration(max(0.0, lay.total_seconds()))
        if case.counts
        else None,
        "removed_at": view.time(case.cleared_at) if case.cleared_at else None,
        "allowed_hours": view.hours(case.hours),
        "place": view.t(f"zone_{case.zone}") if case.zone else None,
        "kelurahan": kelurahan.name if kelurahan else None,
        "at_camera": link(f"/device/{case.camera}", case.camera),
        "with_it": join((link(f"/dumping?case={one}", one) for one in case.merged), ", ") if case.merged else None,
        "case": link(f"/dumping?case={case.id}", case.id),
    }
    pairs = [join([tag("dt", view.t(key)), tag("dd", fact)]) for key, fact in facts.items() if fact]
    return tag("dl", *pairs, class_="facts")


def _verdict(view: View, case: Case) -> Markup:
    words: list[object] = [tag("span", _verdict_words(view, case), class_="verdict-words", role="status")]
    if case.into:
        words.append(link(f"/dumping?case={case.into}", case.into))
    if case.note:
        words.append(tag("q", case.note))
    if view.may("operator"):
        words.append(_say(view.t("say_reopened"), "u", "reopened", class_="quiet"))
    return tag("div", *words, class_="said")


def _verdict_words(view: View, case: Case) -> str:
    verdict = view.t(f"verdict_{case.verdict}")
    if case.reason:
        verdict = f"{verdict} ({view.word(case.reason, 'reason_')})"
    return view.t("said_by", verdict=verdict, time=view.time(case.reviewed_at)) if case.reviewed_at else verdict


def _judge(view: View) -> Markup:
    note = tag("input", type="text", maxlength=NOTE_MAX, class_="note", autocomplete="off")
    return tag(
        "div",
        _say(view.t("say_confirmed"), "c", "confirmed", class_="yes"),
        _open(view.t("say_rejected"), "r", "reasons", class_="no"),
        _open(view.t("say_merged"), "m", "offers", class_="quiet"),
        tag("label", view.t("add_note"), note),
        class_="judge",
    )


def _reasons(view: View) -> Markup:
    buttons = [
        _say(view.t(f"reason_{reason}"), str(number), "rejected", data_reason=reason)
        for number, reason in enumerate(REASONS, 1)
    ]
    return tag("div", tag("h3", view.t("why_not")), *buttons, class_="choices", data_panel="reasons", hidden=True)


def _offers(view: View, case: Case, offers: Sequence[Case]) -> Markup:
    buttons = [_offer(view, case, other) for other in offers] or [tag("p", view.t("none_to_merge"), class_="empty")]
    return tag("div", tag("h3", view.t("same_as")), *buttons, class_="choices", data_panel="offers", hidden=True)


def _offer(view: View, case: Case, other: Case) -> Markup:
    words: list[object] = [tag("span", view.time(other.raised_at))]
    if is_likely_same(case, other):
        words.append(tag("small", view.t("likely_same")))
    after = evidence_urls(other).get("after")
    if after and view.context.evidence.has(other.id, other.evidence["after"]):
        words.insert(0, tag("img", src=after, alt="", loading="lazy"))
    return tag("button", *words, type="button", data_say="merged", data_into=other.id)


def _say(words: str, key: str, verdict: str, **more: object) -> Markup:
    return tag("button", words, tag("kbd", key), type="button", data_say=verdict, **more)


def _open(words: str, key: str, panel: str, **more: object) -> Markup:
    return tag("button", words, tag("kbd", key), type="button", data_open=panel, aria_expanded="false", **more)
