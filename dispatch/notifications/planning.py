"""What is done with each waiting notification, and which of them become the next message of a recipient. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from city.inventory.windows import DAY_NAMES, Window
from dispatch.alarms.rules import PRIORITIES, AlarmRule
from dispatch.alarms.service import Alarm
from dispatch.notifications.recipients import Recipient

NotificationKind = Literal["raised", "reminder", "escalation", "acknowledged", "cleared"]
NotificationState = Literal["pending", "held", "failed", "sent", "given_up", "skipped"]
"""pending: is to be sent. held: until the recipient may be reached. failed: is tried again. given_up: is not any more.
skipped: was not needed any more when it could be sent."""
WAITING: Final[tuple[NotificationState, ...]] = ("pending", "held", "failed")
NOTIFICATION_STATES: Final[tuple[NotificationState, ...]] = get_args(NotificationState)

Verdict = Literal["send", "hold", "skip"]

GIVE_UP_AFTER: Final = timedelta(hours=6)
ATTEMPTS_MIN: Final = 5
"""Attempts before one is given up: a clock that jumps ahead gives up nothing."""
RETRY_MAX: Final = timedelta(hours=1)
"""No wait is longer; a time that is further ahead is of a clock that has jumped."""
URGENT_EVERY: Final = timedelta(seconds=60)
"""Time between two digests of what breaks through, where more come than may be sent singly."""
DIGEST_MAX: Final = 2_000
_DAY: Final = timedelta(days=1)


class Waiting(msgspec.Struct, frozen=True):
    """A notification that is not sent yet, with its alarm. `message` is the key of an attempt that may have arrived."""

    id: int
    recipient: str
    kind: NotificationKind
    state: NotificationState
    created_at: datetime
    attempts: int
    message: str
    alarm: Alarm


def is_wanted(recipient: Recipient, rule: AlarmRule, alarm: Alarm) -> bool:
    """Whether a recipient is told when an alarm is raised."""
    return bool(set(recipient.roles) & set(rule.notify)) and _is_of(recipient, alarm)


def is_escalation_wanted(recipient: Recipient, rule: AlarmRule, alarm: Alarm) -> bool:
    """Whether a recipient is told when nobody has acknowledged an alarm."""
    return rule.escalate_to in recipient.roles and _is_of(recipient, alarm)


def _is_of(recipient: Recipient, alarm: Alarm) -> bool:
    is_about_itself = alarm.kind == "notification_failing" and alarm.subject == recipient.name
    is_in_area = not recipient.kelurahan or alarm.subject_kind == "platform" or alarm.kelurahan in recipient.kelurahan
    return (
        not is_about_itself and is_in_area and alarm.kind in recipient.kinds and alarm.priority in recipient.priorities
    )


def is_reachable(recipient: Recipient, alarm: Alarm, at: datetime, zone: ZoneInfo) -> bool:
    """Whether a recipient may get a message about an alarm, by the local time of the city.

    Args:
        recipient: The recipient.
        alarm: The alarm.
        at: UTC.
        zone: The city's time zone.
    """
    local = at.astimezone(zone)
    is_quiet = _is_within(recipient.quiet, DAY_NAMES, local)
    return _is_within(recipient.hours, recipient.days, local) and (
        not is_quiet or recipient.is_urgent(alarm.kind, alarm.priority)
    )


def _is_within(windows: Sequence[Window], days: Collection[str], local: datetime) -> bool:
    """Whether a local time lies in one of the windows; a window belongs to the day on which it begins."""
    clock = local.time()
    begins_today, began_yesterday = DAY_NAMES[local.weekday()] in days, DAY_NAMES[(local - _DAY).weekday()] in days
    return any(
        (begins_today and window.start <= clock and (window.crosses_midnight or clock < window.end))
        or (began_yesterday and window.crosses_midnight and clock < window.end)
        for window in windows
    )


def judge(waiting: Waiting, recipient: Recipient | None, now: datetime, zone: ZoneInfo) -> Verdict:
    """What is done with a notification now.

    Args:
        waiting: The notification.
        recipient: Its recipient; None if there is none of that name any more.
        now: UTC.
        zone: The city's time zone.
    """
    state = waiting.alarm.state
    if recipient is None:
        return "skip"
    if waiting.kind in ("reminder", "escalation") and state != "unacknowledged":
        return "skip"
    if waiting.kind == "raised" and (state in ("suppressed", "shelved") or _is_over(waiting)):
        return "skip"
    return "send" if is_reachable(recipient, waiting.alarm, now, zone) else "hold"


def _is_over(waiting: Waiting) -> bool:
    """Whether what was held has ended: nobody is to get up for it in the morning."""
    return waiting.state == "held" and waiting.alarm.cleared_at is not None


def is_given_up(created_at: datetime, attempts: int, now: datetime) -> bool:
    """Whether a notification that has failed is not tried again."""
    return attempts >= ATTEMPTS_MIN and now - created_at >= GIVE_UP_AFTER


def next_message(
    recipient: Recipient, due: Iterable[Waiting], sent_at: Sequence[datetime], now: datetime
) -> tuple[Waiting, ...]:
    """The notifications of the next message of a recipient, the worst first; empty if it has to wait.

    A message that may have arrived is sent again as it was. Of the others each is one message, unless more wait than
    may be sent singly: then all of them are one digest.

    Args:
        recipient: The recipient.
        due: Notifications that may be sent to it now.
        sent_at: When it got its messages, UTC.
        now: UTC.
    """
    fresh, again = [], defaultdict(list)
    for waiting in due:
        if waiting.message:
            again[waiting.message].append(waiting)
        else:
            fresh.append(waiting)
    groups = [_worst_first(group) for group in again.values()]
    if fresh and (next_fresh := _next_fresh(recipient, _worst_first(fresh), sent_at, now)):
        groups.append(next_fresh)
    # The least tried: one that always fails keeps no other back.
    return min(groups, key=lambda group: (group[0].attempts, group[0].id), default=())


def _next_fresh(
    recipient: Recipient, fresh: tuple[Waiting, ...], sent_at: Sequence[datetime], now: datetime
) -> tuple[Waiting, ...]:
    since = now - timedelta(minutes=recipient.digest_minutes)
    recent = [at for at in sent_at if since < at <= now]
    left = recipient.digest_above - len(recent)
    if len(fresh) <= left:
        return fresh[:1]
    if left > 0:
        return fresh[:DIGEST_MAX]
    is_urgent = any(recipient.is_urgent(waiting.alarm.kind, waiting.alarm.priority) for waiting in fresh)
    return fresh[:DIGEST_MAX] if is_urgent and now - max(recent) >= URGENT_EVERY else ()


def _worst_first(waiting: Iterable[Waiting]) -> tuple[Waiting, ...]:
    return tuple(sorted(waiting, key=lambda entry: (PRIORITIES.index(entry.alarm.priority), entry.id)))
