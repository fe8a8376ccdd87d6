"""States of a stop and the evidence of each."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta

StopState = Literal[
    "planned", "under_way", "claimed", "verified", "contradicted", "missed", "recovered", "not_possible"
]
"""planned: its time has not come. under_way: it is the truck's next one, or the truck is there. claimed: a tap, or the
truck stood there and worked. verified: the level fell, a lift was counted, or there is a photo. contradicted: claimed,
and the level did not fall. missed: the window is over and nobody came. recovered: emptied after it was missed.
not_possible: the crew could not, with a reason."""
EvidenceKind = Literal[
    "tap",
    "standing",
    "working",
    "level_fell",
    "level_stayed",
    "lift",
    "photo",
    "removed",
    "window_over",
    "reason",
    "supervisor",
]
"""tap: a crew's tap. standing: the truck stood within the circle. working: its PTO or lift ran meanwhile. level_fell,
level_stayed: what the sensor measured. lift: lifts were counted. photo: the crew's. removed: the camera saw the waste
go. window_over: the window ended. reason: why it was not possible. supervisor: a supervisor decided."""

STOP_STATES: Final[tuple[StopState, ...]] = get_args(StopState)
EVIDENCE_KINDS: Final[tuple[EvidenceKind, ...]] = get_args(EvidenceKind)
OPEN_STATES: Final[frozenset[StopState]] = frozenset({"planned", "under_way", "claimed", "missed", "contradicted"})
"""States that later signals are still expected to change."""
DONE_STATES: Final[frozenset[StopState]] = frozenset({"claimed", "verified", "recovered"})
"""States of a stop to which no truck needs to drive any more."""


class StopEvidence(msgspec.Struct, frozen=True):
    """One fact that a verdict rests on.

    `at`: when it happened, by the clock of who measured it, UTC. `detail`: numbers and words of it, JSON values only;
    units are in the keys.
    """

    kind: EvidenceKind
    at: datetime
    detail: Annotated[dict[str, Any], Meta(description="Numbers and words of it, by `kind`.")] = {}


class StopVerdict(msgspec.Struct, frozen=True):
    """The state of a stop and its evidence in order of time; `planned` and `under_way` may have none."""

    state: StopState
    evidence: tuple[StopEvidence, ...] = ()
