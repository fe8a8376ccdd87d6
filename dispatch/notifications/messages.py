"""The words of a message: what, where, since when, what is to be done. No person, no MAC address, no SSID."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from city.i18n.catalogue import NOTIFICATION_TEXTS, Lang
from city.inventory.model import City
from dispatch.alarms.places import place_words
from dispatch.alarms.service import Alarm
from dispatch.notifications.planning import Waiting

NAME_MAX: Final = 120
KINDS_SHOWN: Final = 8
PLACES_SHOWN: Final = 5
_MAC: Final = re.compile(r"\b(?:[0-9A-F]{2}[:-]){5}[0-9A-F]{2}\b|\b[0-9A-F]{12}\b", re.IGNORECASE)


class Message(NamedTuple):
    """A message in plain text."""

    title: str
    body: str


def message_of(waiting: Sequence[Waiting], lang: Lang, city: City, public_url: str) -> Message:
    """The message of a notification, or the digest of several, the worst first.

    Args:
        waiting: At least one.
        lang: The recipient's language.
        city: Has the names of places, and the time zone.
        public_url: Address of the console, without a slash at its end.
    """
    by_alarm = {entry.alarm.id: entry for entry in reversed(waiting)}
    entries = list(reversed(by_alarm.values()))
    if len(entries) == 1:
        return _single(entries[0], lang, city, public_url)
    return _digest(entries, lang, city, public_url)


def mark_simulated(title: str, lang: Lang) -> str:
    """A title that says that the city is a demo."""
    return f"{NOTIFICATION_TEXTS.text('simulated', lang)} {title}"


def test_message(lang: Lang, city: City, at: datetime, public_url: str) -> Message:
    """The message of `kota notify test`."""
    title = NOTIFICATION_TEXTS.text("test", lang, city=city.name)
    words = NOTIFICATION_TEXTS.text("test_body", lang, at=_time(at, city.time_zone))
    return Message(title, f"{words}\n{public_url}/alarms")


def _single(entry: Waiting, lang: Lang, city: City, public_url: str) -> Message:
    alarm, text = entry.alarm, NOTIFICATION_TEXTS.text
    where = _where(city, alarm) or text("platform", lang)
    what = text(f"kind_{alarm.kind}", lang)
    title = f"[{text(f'priority_{alarm.priority}', lang)}] {text(f'title_{entry.kind}', lang, what=what, where=where)}"
    lines = [
        what,
        f"{text('where', lang)}: {where}",
        f"{text('since', lang)}: {_time(alarm.since, city.time_zone)}",
    ]
    if alarm.cleared_at is not None:
        lines.append(f"{text('ended', lang)}: {_time(alarm.cleared_at, city.time_zone)}")
    elif alarm.acknowledged_at is not None:
        lines.append(f"{text('acknowledged', lang)}: {_time(alarm.acknowledged_at, city.time_zone)}")
    else:
        lines.append(f"{text('to_do', lang)}: {text(f'do_{alarm.kind}', lang)}")
    return Message(title, "\n".join([*lines, f"{public_url}/alarm/{alarm.id}"]))


def _digest(entries: Sequence[Waiting], lang: Lang, city: City, public_url: str) -> Message:
    text = NOTIFICATION_TEXTS.text
    count = NOTIFICATION_TEXTS.plural("alarms", lang, len(entries))
    kinds = Counter(_group(entry, lang) for entry in entries).most_common()
    lines = [f"{group}: {number}" for group, number in kinds[:KINDS_SHOWN]]
    rest = sum(number for _, number in kinds[KINDS_SHOWN:])
    lines += [NOTIFICATION_TEXTS.plural("more", lang, rest)] if rest else []
    lines.append("")
    for entry in entries[:PLACES_SHOWN]:
        where = _where(city, entry.alarm) or text("platform", lang)
        kind = "cleared" if entry.alarm.cleared_at else entry.kind
        words = text(f"title_{kind}", lang, what=text(f"kind_{entry.alarm.kind}", lang), where=where)
        lines.append(f"- {words} ({_time(entry.alarm.since, city.time_zone)})")
    left = len(entries) - PLACES_SHOWN
    lines += [NOTIFICATION_TEXTS.plural("more", lang, left)] if left > 0 else []
    priority = text(f"priority_{entries[0].alarm.priority}", lang)
    title = f"[{priority}] {text('digest', lang, city=city.name, alarms=count)}"
    return Message(title, "\n".join([*lines, f"{public_url}/alarms"]))


def _group(entry: Waiting, lang: Lang) -> str:
    """What a digest counts it as: what has ended together, all others by kind."""
    return NOTIFICATION_TEXTS.text("ended" if entry.alarm.cleared_at else f"kind_{entry.alarm.kind}", lang)


def _where(city: City, alarm: Alarm) -> str:
    """Names of the inventory alone; what an unknown device calls itself may be an address."""
    if alarm.kind == "bad_messages" and alarm.subject not in city.devices:
        return ""
    return _MAC.sub("...", place_words(city, alarm))[:NAME_MAX]


def _time(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%d/%m/%Y %H:%M %Z}"
