"""What goes wrong, when, and to whom: a seed gives the same schedule again."""

from __future__ import annotations

import random
from typing import Final, Literal

import msgspec

Target = Literal["publisher", "broker", "ingest"]
Kind = Literal["kill", "freeze"]

TARGETS: Final[tuple[Target, ...]] = ("publisher", "broker", "ingest")
FREEZE_SHARE: Final = 0.25
"""Of the faults; a frozen process is worse than a dead one, because nobody notices."""


class Fault(msgspec.Struct, frozen=True):
    """One fault. `wait_s` after the one before; a freeze ends after `lasts_s`."""

    number: int
    wait_s: float
    target: Target
    kind: Kind
    lasts_s: float
    index: int
    """Which of several publishers."""


def make_schedule(seed: int, faults: int, publishers: int, targets: tuple[Target, ...] = TARGETS) -> list[Fault]:
    """The faults of a run, in order."""
    dice = random.Random(seed)
    return [
        Fault(
            number=number,
            wait_s=round(dice.uniform(0.2, 1.2), 3),
            target=dice.choice(targets),
            kind="freeze" if dice.random() < FREEZE_SHARE else "kill",
            lasts_s=round(dice.uniform(0.3, 2.0), 3),
            index=dice.randrange(publishers),
        )
        for number in range(faults)
    ]
