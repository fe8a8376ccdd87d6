"""What goes wrong, when, and to whom: a seed gives the same schedule again."""

from __future__ import annotations

import random
from typing import Final, Literal

import msgspec

from tests.chaos.damage import HARMS, LAST_HARM
from tests.chaos.moments import moments_of

Target = Literal["publisher", "broker", "ingest", "intake", "replay", "store", "fleet"]
Kind = Literal["kill", "freeze", "full_disk", "clock", "moment", "storm", "takeover", "forged", "damage"]

KINDS: Final[dict[Target, tuple[Kind, ...]]] = {
    "publisher": ("kill", "kill", "freeze", "full_disk"),
    "broker": ("kill", "kill", "freeze"),
    "ingest": ("kill", "kill", "freeze", "full_disk", "clock", "moment", "moment"),
    "intake": ("kill", "kill", "freeze", "full_disk"),
    "replay": ("moment",),
    "store": ("kill", "kill", "freeze"),
}
"""What may happen to whom, the more frequent named more often.

A frozen process is worse than a dead one, because nobody notices; a full disk refuses every write of the process; a
clock jumps and comes back; a moment is a kill at a named place of the code.
"""
TARGETS: Final[tuple[Target, ...]] = (*("publisher",) * 3, *("broker",) * 3, *("ingest",) * 6, "replay")
"""What is hit how often; `store` and `intake` come on top where they are processes of their own."""


FROZEN: Final[tuple[Target, ...]] = ("broker", "ingest", "publisher")
LONG_FREEZE_S: Final = 70.0
"""Longer than every keepalive of the city: both ends of each connection give it up meanwhile."""

ON_TOP: Final[dict[Kind, tuple[tuple[Target, str], ...]]] = {
    "storm": (("fleet", "broker killed"), ("fleet", "connections cut")),
    "takeover": (("publisher", ""), ("ingest", "")),
    "forged": (("publisher", ""),),
    "damage": tuple((harm.target, harm.name) for harm in HARMS),
}
"""What comes only when it is asked for, and to whom, in turns.

| kind | what | brokers | stores |
|---|---|---|---|
| storm | every device of the fleet loses its connection at once | both | all |
| takeover | another device's account connects with the client ids of a publisher, of ingest | both | all |
| forged | another device's account forges receipts and wills for the publishers' devices | both | all |
| damage | of the store's file or its log, with ingest running or stopped | both | DuckDB |
| damage | of the journal's log, with ingest running or stopped | both | all |
| damage | of what the broker keeps, while it is down: deleted | both | all |
| damage | the same: overwritten (Mosquitto does not start on such a file) | embedded | all |
"""
HOSTILE_S: Final = 2.0


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
    detail: str = ""
    """Which storm, or which damage."""


def make_schedule(
    seed: int,
    faults: int,
    publishers: int,
    targets: tuple[Target, ...] = TARGETS,
    kinds: tuple[Kind, ...] = (),
    moments: tuple[str, ...] = moments_of("duckdb"),
    long_freezes: int = 0,
    on_top: tuple[tuple[Kind, Target, str], ...] = (),
) -> list[Fault]:
    """The faults of a run, in order; `kinds` allows these only.

    Long freezes, and what else is asked for on top, are spread among them.
    """
    dice = random.Random(seed)
    made = [_fault(dice, number, publishers, targets, kinds, moments) for number in range(faults)]
    frozen = [Fault(0, 0.5, FROZEN[number % len(FROZEN)], "freeze", LONG_FREEZE_S, 0) for number in range(long_freezes)]
    others = random.Random(f"{seed} on top")
    more = [
        Fault(0, 0.5, target, kind, HOSTILE_S, others.randrange(publishers), detail=detail)
        for kind, target, detail in on_top
    ]
    for added in (frozen, more):
        before = len(made)
        for number, fault in enumerate(added):
            made.insert((number + 1) * (before + 1) // (len(added) + 1) + number, fault)
    return [msgspec.structs.replace(fault, number=number) for number, fault in enumerate(made)]


def on_top_of(seed: int, counts: dict[Kind, int], broker: str, store: str) -> tuple[tuple[Kind, Target, str], ...]:
    """So many faults of each kind on top, mixed, of those that this broker and this store may have.

    What takes from the journal what it keeps behind the store comes last: after it, a damaged store has no way back.
    """
    dice = random.Random(f"{seed} kinds on top")
    found: list[tuple[Kind, Target, str]] = []
    for kind, count in counts.items():
        able = [
            candidate
            for candidate in ON_TOP[kind]
            if kind != "damage" or HARMS_BY_NAME[candidate[1]].applies(broker, store)
        ]
        dice.shuffle(able)
        found += [(kind, *able[number % len(able)]) for number in range(count)]
    dice.shuffle(found)
    return tuple(sorted(found, key=lambda fault: fault[2] == LAST_HARM))


HARMS_BY_NAME: Final = {harm.name: harm for harm in HARMS}


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
