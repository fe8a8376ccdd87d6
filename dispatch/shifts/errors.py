"""What refuses an action on plans, shifts, stops and orders."""

from __future__ import annotations

from typing import Final, Literal, get_args

from city.errors import KotaError

DispatchRefusal = Literal[
    "proposal_unknown",
    "plan_not_current",
    "no_plan",
    "planning_busy",
    "day_past",
    "shift_unknown",
    "shift_closed",
    "stop_unknown",
    "stop_done",
    "truck_unknown",
    "truck_unfit",
    "order_unknown",
    "order_closed",
    "order_open",
    "message_empty",
    "message_unknown",
    "reason_missing",
    "reason_unknown",
    "event_wrong",
    "code_wrong",
    "change_unknown",
    "undo_too_late",
]
"""proposal_unknown: another proposal, or none, is there now. plan_not_current: the plan in force has changed since.
planning_busy: planning runs already. stop_done: it is collected. truck_unfit: it cannot carry that stream. event_wrong:
a phone's event cannot be read. change_unknown: no such action. undo_too_late: it is longer ago, or somebody else's."""

DISPATCH_REFUSALS: Final[tuple[DispatchRefusal, ...]] = get_args(DispatchRefusal)


class DispatchError(KotaError):
    """An action of dispatch is refused; `reason` is a key of the texts."""

    def __init__(self, reason: DispatchRefusal) -> None:
        super().__init__(reason.replace("_", " "))
        self.reason = reason
