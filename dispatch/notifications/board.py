"""Which recipients fail and what is wrong with their file, as of the last look; pages and alarms read it."""

from __future__ import annotations

from collections.abc import Mapping

from dispatch.alarms.conditions import AlarmCondition
from dispatch.alarms.rules import Rules
from dispatch.notifications.deliveries import RecipientState
from dispatch.notifications.recipients import FILE_NAME


class NotificationBoard:
    """Owned by the notifier; read by any thread."""

    def __init__(self) -> None:
        self.failing: Mapping[str, RecipientState] = {}
        """Recipients whose newest attempt has failed, by name."""
        self.problem = ""
        """What is wrong with the file of recipients; empty if nothing is."""
        self.failure = ""
        """Why nothing can be sent now; empty if it can."""

    def conditions(self, rules: Rules) -> list[AlarmCondition]:
        """What could be an alarm: each failing recipient, and the file."""
        if not rules["notification_failing"].enabled:
            return []
        conditions = [
            AlarmCondition(
                "notification_failing", name, "platform", since=state.failing_since, detail={"reason": state.reason}
            )
            for name, state in self.failing.items()
        ]
        if self.problem:
            detail = {"reason": "file"}
            conditions.append(AlarmCondition("notification_failing", FILE_NAME, "platform", detail=detail))
        return conditions
