"""When an alarm that nobody acknowledges is said again, and to whom else. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from dispatch.alarms.rules import AlarmRule


class ElapsedTimes:
    """How long alarms wait, by the running time of this process: a clock that jumps changes nothing.

    What was before the first look is known by the wall clock alone; a begin in the future is now.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[int, datetime], tuple[float, float]] = {}

    def elapsed_s(self, alarm: int, begun_at: datetime, now: datetime, monotonic_s: float) -> float:
        """Seconds since an alarm begins to wait; it begins anew where `begun_at` is another.

        Args:
            alarm: Id of the alarm.
            begun_at: UTC.
            now: UTC.
            monotonic_s: Seconds of a clock that never jumps.
        """
        before_s, seen_s = self._seen.setdefault(
            (alarm, begun_at), (max(0.0, (now - begun_at).total_seconds()), monotonic_s)
        )
        return before_s + monotonic_s - seen_s

    def keep(self, alarms: Collection[int]) -> None:
        """Forget all other alarms."""
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] in alarms}


def reminder_number(rule: AlarmRule, elapsed_s: float) -> int:
    """Number of the newest reminder that is due, from 1; 0 if none is. Those that were missed are left out."""
    if not rule.remind_after_s:
        return 0
    return min(rule.reminders, int(elapsed_s // rule.remind_after_s))


def is_escalated(rule: AlarmRule, elapsed_s: float) -> bool:
    """Whether the other role is told."""
    return bool(rule.escalate_after_s) and rule.escalate_to is not None and elapsed_s >= rule.escalate_after_s
