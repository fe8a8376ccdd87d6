"""The system page: health of the platform, late devices, and dead letters."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, link, table, tag
from api.console.parts.screen import Screen
from api.queries.system import BEHIND_S, system_state
from broker.contract.payloads import similar_field
from broker.contract.topics import KINDS, Kind
from broker.health import read_health
from city.runtime.status import broker_problems
from ingest.store.parked.dead_letters import DeadLetter
from ingest.store.records import Connectivity
from ingest.store.views.health import IngestHealth

CONNECTIVITIES: Final[tuple[Connectivity, ...]] = ("online", "offline", "sleeping", "unknown")
LETTERS_SHOWN: Final = 20
LATE_SHOWN: Final = 20
_PAYLOAD_SHOWN: Final = 200


def build(page: PageContext, screen: Screen) -> None:
    """Add health, dead letters and unknown fields to the page, all live, and a link to the description of the API."""
    screen.live("health", ("system",), lambda: _health(page), every_s=5.0)
    screen.live("letters", ("system",), lambda: _letters(page), "panel", every_s=5.0)
    screen.live("fields", ("system",), lambda: _unknown_fields(page), every_s=5.0)
    screen.show(tag("p", link("/api-docs", page.t("api_docs"))))


def _health(page: PageContext) -> Markup:
    system = system_state(page.context)
    health = page.context.health.read()
    warnings = [part for part in _warnings(page, health) if part]
    verdict = page.plural("ready_but", len(warnings)) if warnings else page.t("ready")
    grade = "warn" if warnings else "good"
    if not system.ready:
        verdict, grade = f"{page.t('not_ready')}: {page.t('not_ready_' + system.not_ready_reason)}", "bad"
    state = tag("p", verdict, class_=f"verdict {grade}")
    note = tag("p", tag("code", health.note), class_="warn") if health and health.note else Markup()
    tiles = _tiles(page, health)
    late = _listed_devices(page, "late_devices", system.late)
    too_deep = _listed_devices(page, "geometry_devices", system.too_deep) if system.too_deep else Markup()
    return join([state, note, *warnings, tiles, _devices(page, system.devices), late, too_deep])


def _warnings(page: PageContext, health: IngestHealth | None) -> list[Markup]:
    """One section per group of problems; empty without problems."""
    return [*((_damages(page, health), _bad(page, health)) if health else ()), _broker(page)]


def _broker(page: PageContext) -> Markup:
    """Problems of the embedded broker."""
    problems = broker_problems(read_health(page.context.data), page.context.clock())
    if not problems:
        return Markup()
    words = [problem.text(page.lang) for problem in problems]
    lines = [tag("li", sentence[0].upper() + sentence[1:] + ".") for sentence in words]
    return tag("section", tag("h2", page.t("broker")), tag("ul", *lines), class_="panel bad")


def _tiles(page: PageContext, health: IngestHealth | None) -> Markup:
    if health is None:
        return Markup()
    away, full = health.store == "away", health.journal == "full"
    tiles = [
        ("broker", page.t("works" if health.connected else "lost"), not health.connected),
        ("store", page.t("store_away" if away else "works"), away),
        ("journal", page.t("journal_full") if full else page.plural("messages", health.journal_depth), full),
        ("lag", page.duration(health.lag_s), health.lag_s > BEHIND_S),
        ("live_lag", page.duration(health.live_lag_s), health.live_lag_s > BEHIND_S),
        ("received", page.number(health.received_total), False),
        ("stored", page.number(health.stored_total), False),
        ("repeated", page.number(health.duplicates_total), False),
        ("new_devices", page.number(health.unknown_devices), False),
    ]
    shown = [
        tag("li", tag("span", page.t(key)), tag("b", words), class_="tile bad" if bad else "tile")
        for key, words, bad in tiles
    ]
    return tag("ul", *shown, class_="tiles")


def _damages(page: PageContext, health: IngestHealth) -> Markup:
    """Damaged or lost files, and readings that the store has lost."""
    if not (health.damages or health.lost):
        return Markup()
    files = [
        tag(
            "li",
            page.time(damage.at),
            f" {damage.file}: {page.t('damage_' + damage.what)} ",
            tag("code", damage.detail),
        )
        for damage in health.damages
    ]
    ranges = [
        tag("li", page.t("lost_range", device=range_.device, boot=range_.epoch, first=range_.first, last=range_.last))
        for range_ in health.lost[:LATE_SHOWN]
    ]
    counted = tag("p", page.plural("lost_readings", health.lost_readings)) if health.lost else Markup()
    hint = tag("p", page.t("damage_hint"), " ", tag("code", "kota store lost --accept"))
    parts = [tag("ul", *files), counted, tag("ul", *ranges), hint]
    return tag("section", tag("h2", page.t("damages")), *parts, class_="panel bad")


def _bad(page: PageContext, health: IngestHealth) -> Markup:
    if not health.alarms:
        return Markup()
    lines = [
        tag("li", page.t("bad_of", bad=alarm.bad, of=alarm.of, subject=_subject(page, alarm.subject)))
        for alarm in health.alarms[:LATE_SHOWN]
    ]
    return tag("section", tag("h2", page.t("bad_messages")), tag("ul", *lines), class_="panel bad")


def _subject(page: PageContext, subject: str) -> str:
    return page.t("everybody") if subject == "*" else subject


def _devices(page: PageContext, counted: dict[Kind, dict[Connectivity, int]]) -> Markup:
    rows = [
        [
            link(f"/devices/{kind}", page.t(kind)),
            *(_count(kind, state, counted[kind].get(state, 0)) for state in CONNECTIVITIES),
            sum(counted[kind].values()),
        ]
        for kind in KINDS
    ]
    headings = [page.t("kind"), *(page.t(state) for state in CONNECTIVITIES), page.t("total")]
    return tag("section", tag("h2", page.t("by_kind")), table(headings, rows), class_="panel")


def _count(kind: str, state: str, count: int) -> object:
    return link(f"/devices/{kind}?state={state}", count) if count else 0


def _listed_devices(page: PageContext, title: str, devices: list[str]) -> Markup:
    heading = tag("h2", page.t(title))
    names = [link(f"/device/{device}", device) for device in devices[:LATE_SHOWN]]
    listed = tag("p", join(names, ", "), " …" if len(devices) > LATE_SHOWN else "")
    return tag("section", heading, listed if names else tag("p", page.t("none_of_these")), class_="panel")


def _letters(page: PageContext) -> Markup:
    box = page.context.dead_letters
    letters, count = box.find(limit=LETTERS_SHOWN), box.count()
    heading = tag("h2", f"{page.t('dead_letters')} ({page.number(count)})")
    if not letters:
        return join([heading, tag("p", page.t("no_dead_letters"))])
    headings = [page.t(key) for key in ("when", "times", "topic", "reason", "content")] + [page.t("replay")]
    rows = [_letter(page, letter) for letter in letters]
    hint = page.t("replay_hint" if page.may("messages.replay") else "operator_only")
    every = _replay(page, [letter.id for letter in letters], "replay_all")
    dropped = box.dropped_count()
    dropped_note = tag("p", page.plural("letters_dropped", dropped), class_="warn") if dropped else Markup()
    return join(
        [
            heading,
            tag("p", hint),
            dropped_note,
            table(headings, rows, narrow="lines", keys=[letter.id for letter in letters]),
            every,
        ]
    )


def _unknown_fields(page: PageContext) -> Markup:
    """Fields that devices send and the contract does not know; nothing without any."""
    fields = page.context.dead_letters.unknown_fields(limit=LETTERS_SHOWN)
    if not fields:
        return Markup()
    headings = [page.t(key) for key in ("device", "unknown_field", "similar_field", "times", "when")]
    rows = [
        [
            link(f"/device/{row.device}", row.device),
            tag("code", row.field),
            similar_field(row.field, row.kind) or page.t("none"),
            page.number(row.times),
            page.time(row.received_at),
        ]
        for row in fields
    ]
    parts = [tag("h2", page.t("unknown_fields")), tag("p", page.t("unknown_fields_hint"))]
    return tag("section", *parts, table(headings, rows, narrow="lines"), class_="panel")


def _letter(page: PageContext, letter: DeadLetter) -> list[object]:
    payload = letter.payload[:_PAYLOAD_SHOWN].decode("utf-8", "backslashreplace")
    return [
        page.time(letter.last_at or letter.received_at),
        page.number(letter.times),
        tag("code", letter.topic),
        letter.reason,
        tag("code", payload),
        _replay(page, [letter.id], "replay"),
    ]


def _replay(page: PageContext, ids: list[int], key: str) -> Markup:
    if not page.may("messages.replay"):
        return Markup("-")
    words = {"data_done": page.t("replay_done"), "data_failed": page.t("replay_failed")}
    return tag("button", page.t(key), type="button", data_replay=",".join(map(str, ids)), **words)
