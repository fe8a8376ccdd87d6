"""What refuses an action on an alarm."""

from __future__ import annotations

from typing import Final, Literal, get_args

from city.errors import KotaError

AlarmRefusal = Literal["alarm_unknown", "alarm_cleared", "shelved_too_long", "reason_missing", "undo_too_late"]

ALARM_REFUSALS: Final[tuple[AlarmRefusal, ...]] = get_args(AlarmRefusal)


class AlarmError(KotaError):
    """An action on an alarm is refused; `reason` is a key of the texts."""

    def __init__(self, reason: AlarmRefusal) -> None:
        super().__init__(reason.replace("_", " "))
        self.reason = reason
