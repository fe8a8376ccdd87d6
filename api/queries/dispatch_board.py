"""What the thread of dispatch saw at its last look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dispatch.alarms.conditions import AlarmCondition
from dispatch.alarms.dispatch_conditions import ExpectedOverflow, dispatch_conditions
from dispatch.alarms.rules import Rules
from dispatch.shifts.records import CrewShift, Stop


@dataclass
class DispatchBoard:
    """What the last look saw; the thread of alarms asks for its conditions."""

    shifts: Sequence[CrewShift] = ()
    stops: Sequence[Stop] = ()
    heard_at: Mapping[str, datetime] = field(default_factory=dict)
    overflows: Sequence[ExpectedOverflow] = ()
    failure: str = ""
    """Why it is not current; empty if it is."""

    def conditions(self, rules: Rules, now: datetime) -> list[AlarmCondition]:
        """What could be an alarm of dispatch."""
        return dispatch_conditions(rules, self.shifts, self.stops, self.heard_at, self.overflows, now)
