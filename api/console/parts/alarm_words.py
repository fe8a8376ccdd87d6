"""How pages name alarms: what, where, and in which state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from markupsafe import Markup

from api.console.page_context import PageContext
from api.console.parts.markup import join, link, tag
from dispatch.alarms.places import place_words
from dispatch.alarms.service import Alarm

URGENT_KINDS: Final = ("fire", "panic")
"""Kinds of which every page has a banner."""
URGENT_MAX: Final = 3
NEEDS_SOMEBODY: Final = ("unacknowledged", "cleared_unacknowledged")


def waiting(alarms: Iterable[Alarm]) -> list[Alarm]:
    """Alarms that nobody has acknowledged."""
    return [alarm for alarm in alarms if alarm.state in NEEDS_SOMEBODY]


def subject_link(page: PageContext, alarm: Alarm) -> Markup:
    """Where the alarm is, with a link to its device or case."""
    words = place_words(page.context.city, alarm) or page.t("system")
    if alarm.subject in page.context.city.devices:
        return link(f"/device/{alarm.subject}", words)
    to = {"case": "/dumping", "platform": "/system"}.get(alarm.subject_kind)
    return link(to, words) if to else join([words])


def urgent_banners(page: PageContext, alarms: Iterable[Alarm]) -> Markup:
    """A banner for each fire and panic button that nobody has acknowledged."""
    urgent = [alarm for alarm in waiting(alarms) if alarm.kind in URGENT_KINDS][:URGENT_MAX]
    return join(
        tag(
            "p",
            link("/alarms", page.t(f"alarm_banner_{alarm.kind}", where=place_words(page.context.city, alarm))),
            class_="banner behind",
            role="alert",
        )
        for alarm in urgent
    )


def alarm_signal(page: PageContext, alarms: Iterable[Alarm]) -> Markup:
    """What the script of every page reads: how many wait for somebody, and the newest of them."""
    unseen = waiting(alarms)
    return tag(
        "span",
        hidden=True,
        data_alarms=len(unseen),
        data_newest=max((alarm.id for alarm in unseen), default=0),
        data_loud=any(alarm.priority == "critical" for alarm in unseen),
        data_sound_on=page.t("alarm_sound_on"),
        data_sound_off=page.t("alarm_sound_off"),
        data_sound_click=page.t("alarm_sound_click"),
    )
