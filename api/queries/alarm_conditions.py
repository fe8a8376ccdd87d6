"""What could be an alarm now: the states of devices, the cases and ingest's health of a moment."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from api.context import ApiContext
from api.queries.cases import cases
from api.queries.device_states import device_states
from api.queries.events import each_event
from dispatch.alarms.conditions import MISUSE_LASTS, MISUSE_TYPES, AlarmCondition, Key, conditions_of
from dispatch.alarms.rules import Rules
from ingest.store.port import EventQuery

_AHEAD: Final = timedelta(minutes=5)


def observe(context: ApiContext, rules: Rules, raised: Collection[Key], now: datetime) -> list[AlarmCondition]:
    """All conditions of a moment; `raised` are the keys of open alarms.

    Raises:
        RetryLaterError: The store does not answer.
    """
    query = EventQuery(now - MISUSE_LASTS, now + _AHEAD, kind="ap", types=MISUSE_TYPES)
    conditions = conditions_of(
        context.city,
        device_states(context),
        each_event(context.reader, query),
        cases(context),
        context.health.read(),
        rules,
        raised,
        now,
    )
    return [*conditions, *context.notification_board.conditions(rules), *context.dispatch_board.conditions(rules, now)]
