"""What goes wrong, when, and to whom: a seed gives the same schedule again."""

from __future__ import annotations

import random
from typing import Final, Literal

import msgspec

from tests.chaos.moments import moments_of

Target = Literal["publisher", "broker", "ingest", "replay", "store"]
Kind = Literal["kill", "freeze", "full_disk", "clock", "moment"]

KINDS: Final[dict[Target, tuple[Kind, ...]]] = {
    "publisher": ("kill", "kill", "freeze", "full_disk"),
    "broker": ("kill", "kill", "freeze"),
    "ingest": ("kill", "kill", "freeze", "full_disk", "clock", "moment", "moment"),
    "replay": ("moment",),
    "store": ("kill", "kill", "freeze"),
}
"""What may happen to whom, the more frequent named more often.

A frozen process is worse than a dead one, because nobody notices; a full disk refuses every write of the process; a
clock jumps and comes back; a moment is a kill at a named place of the code.
"""
TARGETS: Final[tuple[Target, ...]] = (*("publisher",) * 3, *("broker",) * 3, *("ingest",) * 6, "replay")
"""What is hit how often; `store` comes on top where it is a process of its own."""


FROZEN: Final[tuple[Target, ...]] = ("broker", "ingest", "publisher")
LONG_FREEZE_S: Final = 70.0
"""Longer than every keepalive of the city: both ends of each connection give it up meanwhile."""


class Fault(msgspec.Struct, frozen=True):
    """One fault. `wait_s` after the one before; what is not a kill ends after `lasts_s`."""

    number: int
    wait_s: float
    target: Target
    kind: Kind
    lasts_s: float
    index: int
    """Which of several publishers."""
    moment: str = ""
    jump_s: float = 0.0


def make_schedule(
    seed: int,
    faults: int,
    publishers: int,
    targets: tuple[Target, ...] = TARGETS,
    kinds: tuple[Kind, ...] = (),
    moments: tuple[str, ...] = moments_of("duckdb"),
    long_freezes: int = 0,
) -> list[Fault]:
    """The faults of a run, in order; `kinds` allows these only. Long freezes come on top, spread among them."""
    dice = random.Random(seed)
    made = [_fault(dice, number, publishers, targets, kinds, moments) for number in range(faults)]
    for number in range(long_freezes):
        frozen = Fault(0, 0.5, FROZEN[number % len(FROZEN)], "freeze", LONG_FREEZE_S, 0)
        made.insert((number + 1) * (faults + 1) // (long_freezes + 1) + number, frozen)
    return [msgspec.structs.replace(fault, number=number) for number, fault in enumerate(made)]


def _fault(
    dice: random.Random,
    number: int,
    publishers: int,
    targets: tuple[Target, ...],
    kinds: tuple[Kind, ...],
    moments: tuple[str, ...],
) -> Fault:
    target = dice.choice(targets)
    return Fault(
        number=number,
        wait_s=round(dice.uniform(0.2, 1.2), 3),
        target=target,
        kind=dice.choice([kind for kind in KINDS[target] if not kinds or kind in kinds]),
        lasts_s=round(dice.uniform(0.3, 2.0), 3),
        index=dice.randrange(publishers),
        moment="replaying" if target == "replay" else dice.choice(moments),
        jump_s=dice.choice((-86_400.0, -600.0, 600.0, 86_400.0)),
    )
