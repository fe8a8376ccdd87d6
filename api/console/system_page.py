"""How the platform does: what waits, what is silent, and what could not be read."""

from __future__ import annotations

import asyncio
from typing import Final

from nicegui import ui

from api.console.frame import show
from api.console.listing import STATES
from api.console.markup import Markup, join, link, table, tag
from api.console.view import View
from api.system import BEHIND_S, system
from broker.contract.topics import KINDS
from broker.health import read_health
from city.status import broker_problems
from city.status_texts import text
from ingest.store.dead_letters import DeadLetter
from ingest.store.health import IngestHealth

REFRESH_S: Final = 5.0
LETTERS: Final = 20
LATE_SHOWN: Final = 20
_PAYLOAD_SHOWN: Final = 200


async def build(view: View) -> None:
    """Put health and dead letters on the page and keep them fresh."""
    health = show(await asyncio.to_thread(_health, view))
    letters = show(await asyncio.to_thread(_letters, view), "panel")

    async def refresh() -> None:
        health.set_content(await asyncio.to_thread(_health, view))
        letters.set_content(await asyncio.to_thread(_letters, view))

    ui.timer(REFRESH_S, refresh, immediate=False)


def _health(view: View) -> Markup:
    found = system(view.context)
    works = bool(found["ready"])
    health = view.context.health.read()
    warnings = [part for part in _warnings(view, health) if part]
    verdict = view.t("ready_but", n=len(warnings)) if warnings else view.t("ready")
    grade = "warn" if warnings else "good"
    if not works:
        verdict, grade = f"{view.t('not_ready')}: {view.t('trouble_' + found['trouble'])}", "bad"
    state = tag("p", verdict, class_=f"verdict {grade}")
    note = tag("p", tag("code", health.note), class_="warn") if health and health.note else Markup()
    tiles = _tiles(view, health)
    return join([state, note, *warnings, tiles, _devices(view, found["devices"]), _late(view, found["late"])])


def _warnings(view: View, health: IngestHealth | None) -> list[Markup]:
    """A section for each sort of thing that somebody has to look at; empty where all is well."""
    return [*((_damages(view, health), _bad(view, health)) if health else ()), _broker(view)]


def _broker(view: View) -> Markup:
    """What is not well with the embedded broker."""
    problems = broker_problems(read_health(view.context.data), view.context.clock())
    if not problems:
        return Markup()
    words = [text(view.lang, one.key, **one.about) for one in problems]
    lines = [tag("li", one[0].upper() + one[1:] + ".") for one in words]
    return tag("section", tag("h2", view.t("broker")), tag("ul", *lines), class_="panel bad")


def _tiles(view: View, health: IngestHealth | None) -> Markup:
    if health is None:
        return Markup()
    away, full = health.store == "away", health.journal == "full"
    tiles = [
        ("broker", view.t("works" if health.connected else "lost"), not health.connected),
        ("store", view.t("store_away" if away else "works"), away),
        ("journal", view.t("journal_full") if full else view.t("messages", n=view.number(health.journal_depth)), full),
        ("lag", view.duration(health.lag_s), health.lag_s > BEHIND_S),
        ("live_lag", view.duration(health.live_lag_s), health.live_lag_s > BEHIND_S),
        ("received", view.number(health.received_total), False),
        ("stored", view.number(health.stored_total), False),
        ("repeated", view.number(health.duplicates_total), False),
        ("strangers", view.number(health.unknown_devices), False),
    ]
    shown = [
        tag("li", tag("span", view.t(key)), tag("b", words), class_="tile bad" if bad else "tile")
        for key, words, bad in tiles
    ]
    return tag("ul", *shown, class_="tiles")


def _damages(view: View, health: IngestHealth) -> Markup:
    """Files that were damaged or lost, and readings that the store does not have any more."""
    if not (health.damages or health.lost):
        return Markup()
    files = [
        tag("li", view.time(one.at), f" {one.file}: {view.t('damage_' + one.what)} ", tag("code", one.detail))
        for one in health.damages
    ]
    ranges = [
        tag("li", view.t("lost_range", device=one.device, boot=one.epoch, first=one.first, last=one.last))
        for one in health.lost[:LATE_SHOWN]
    ]
    counted = tag("p", view.t("lost_readings", n=view.number(health.lost_readings))) if health.lost else Markup()
    hint = tag("p", view.t("damage_hint"), " ", tag("code", "kota store lost --accept"))
    parts = [tag("ul", *files), counted, tag("ul", *ranges), hint]
    return tag("section", tag("h2", view.t("damages")), *parts, class_="panel bad")


def _bad(view: View, health: IngestHealth) -> Markup:
    if not health.alarms:
        return Markup()
    lines = [
        tag("li", view.t("bad_of", bad=one.bad, of=one.of, subject=_subject(view, one.subject)))
        for one in health.alarms[:LATE_SHOWN]
    ]
    return tag("section", tag("h2", view.t("bad_messages")), tag("ul", *lines), class_="panel bad")


def _subject(view: View, subject: str) -> str:
    return view.t("everybody") if subject == "*" else subject


def _devices(view: View, counted: dict[str, dict[str, int]]) -> Markup:
    rows = [
        [
            link(f"/devices/{kind}", view.t(kind)),
            *(_count(kind, state, counted[kind].get(state, 0)) for state in STATES),
            sum(counted[kind].values()),
        ]
        for kind in KINDS
    ]
    headings = [view.t("kind"), *(view.t(state) for state in STATES), view.t("total")]
    return tag("section", tag("h2", view.t("by_kind")), table(headings, rows), class_="panel")


def _count(kind: str, state: str, count: int) -> object:
    return link(f"/devices/{kind}?state={state}", count) if count else 0


def _late(view: View, late: list[str]) -> Markup:
    heading = tag("h2", view.t("late_devices"))
    names = [link(f"/device/{device}", device) for device in late[:LATE_SHOWN]]
    listed = tag("p", join(names, ", "), " …" if len(late) > LATE_SHOWN else "")
    return tag("section", heading, listed if names else tag("p", view.t("none_of_these")), class_="panel")


def _letters(view: View) -> Markup:
    box = view.context.dead_letters
    letters, count = box.find(limit=LETTERS), box.count()
    heading = tag("h2", f"{view.t('dead_letters')} ({view.number(count)})")
    if not letters:
        return join([heading, tag("p", view.t("no_dead_letters"))])
    headings = [view.t(key) for key in ("when", "times", "topic", "reason", "content")] + [view.t("replay")]
    rows = [_letter(view, letter) for letter in letters]
    hint = view.t("replay_hint" if view.may("operator") else "operator_only")
    every = _replay(view, [letter.id for letter in letters], "replay_all")
    dropped = box.dropped_count()
    gone = tag("p", view.t("letters_dropped", n=view.number(dropped)), class_="warn") if dropped else Markup()
    return join([heading, tag("p", hint), gone, table(headings, rows, narrow="lines"), every])


def _letter(view: View, letter: DeadLetter) -> list[object]:
    payload = letter.payload[:_PAYLOAD_SHOWN].decode("utf-8", "backslashreplace")
    return [
        view.time(letter.last_at or letter.received_at),
        view.number(letter.times),
        tag("code", letter.topic),
        letter.reason,
        tag("code", payload),
        _replay(view, [letter.id], "replay"),
    ]


def _replay(view: View, ids: list[int], key: str) -> Markup:
    if not view.may("operator"):
        return Markup("-")
    words = {"data_done": view.t("replay_done"), "data_failed": view.t("replay_failed")}
    return tag("button", view.t(key), type="button", data_replay=",".join(map(str, ids)), **words)
