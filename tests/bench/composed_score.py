"""Judges alarms on composed scenes, and prints recall and false alarms with their intervals."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.composed_scenes import CONTRASTS, DEPOSIT, LIGHTS, RATES, SIZES, Look, Scene
from tests.bench.composed_temptations import TEMPTATIONS
from vision.detect.regions import iou
from vision.score import Alarm

OVERLAP: Final = 0.1
Z_95: Final = 1.959964


@dataclass(frozen=True)
class Judgement:
    """One detector on one scene; `delay_s` is from when the passer-by had uncovered the bag."""

    true: int
    false: int
    missed: int
    delay_s: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What is known of one scene, and the judgement of each detector."""

    half: str
    kind: str
    clip: str
    look: Look
    seconds: float
    judgements: Mapping[str, Judgement]


def judge_alarms(events: Sequence[Mapping[str, Any]], alarms: Sequence[Alarm]) -> Judgement:
    """Match alarms to events: true is the first on an event's box after it rests; all others are false."""
    open_events, false, delays = list(events), 0, list[float]()
    for alarm in sorted(alarms, key=lambda alarm: float(alarm["t_s"])):
        hits = [e for e in open_events if alarm["t_s"] >= e["t_start_s"] and iou(alarm["box"], e["box"]) > OVERLAP]
        if hits:
            open_events.remove(hits[0])
            delays.append(alarm["t_s"] - hits[0]["t_person_leaves_s"])
        else:
            false += 1
    return Judgement(len(delays), false, len(open_events), delays[0] if delays else None)


def wilson(count: int, total: int) -> tuple[float, float]:
    """95 % interval of a share; 0 to 1 for none of none."""
    if not total:
        return 0.0, 1.0
    share, square = count / total, Z_95 * Z_95
    middle = share + square / (2 * total)
    reach = Z_95 * (share * (1 - share) / total + square / (4 * total * total)) ** 0.5
    scale = 1 + square / total
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def outcome_of(scene: Scene, half: str, alarms: Mapping[str, Sequence[Alarm]]) -> Outcome:
    """Judge what each detector said of a scene."""
    judgements = {name: judge_alarms(scene.events, raised) for name, raised in alarms.items()}
    return Outcome(half, scene.kind, scene.plate.name, scene.look, scene.seconds, judgements)


def print_tables(outcomes: Sequence[Outcome], title: str) -> None:
    """Recall and false alarms of every detector, by everything that is varied."""
    deposits = [outcome for outcome in outcomes if outcome.kind == DEPOSIT]
    temptations = [outcome for outcome in outcomes if outcome.kind != DEPOSIT]
    clips = len({outcome.clip for outcome in deposits}), len({outcome.clip for outcome in temptations})
    print(
        f"\n{title}: {len(deposits)} deposits on {clips[0]} clips, {len(temptations)} temptations on {clips[1]} clips"
    )
    print(f"{'deposits':24}{'':11}{'recall':>9}{'95 %':>12}{'':>10}{'false':>6}{'false/h':>9}{'delay s':>9}")
    for label, chosen in _groups(deposits):
        _print_recall(label, chosen)
    print(f"{'temptations':24}{'':11}{'alarmed':>9}{'95 %':>12}{'scenes':>10}{'false':>6}{'false/h':>9}")
    kinds = [(kind, [outcome for outcome in temptations if outcome.kind == kind]) for kind in TEMPTATIONS]
    for label, chosen in [("all", temptations), *kinds, *_groups(temptations)[1:]]:
        _print_false(label, chosen)


def _groups(outcomes: Sequence[Outcome]) -> list[tuple[str, list[Outcome]]]:
    """Everything, and the scenes of each size, contrast, light and rate."""
    values: list[tuple[str, Callable[[Look], bool]]] = [
        *((f"size {size}", lambda look, size=size: look.size == size) for size in SIZES),
        *(
            (f"contrast {contrast}", lambda look, contrast=contrast: look.contrast == contrast)
            for contrast in CONTRASTS
        ),
        *((f"light {light}", lambda look, light=light: look.light == light) for light in LIGHTS),
        *((f"{rate} pictures a second", lambda look, rate=rate: look.rate == rate) for rate in RATES),
    ]
    groups = [(label, [outcome for outcome in outcomes if fits(outcome.look)]) for label, fits in values]
    return [("all", list(outcomes)), *groups]


def _print_recall(label: str, outcomes: Sequence[Outcome]) -> None:
    for name, judgements in _by_detector(outcomes).items():
        true = sum(judgement.true for judgement in judgements)
        total = true + sum(judgement.missed for judgement in judgements)
        delays = [judgement.delay_s for judgement in judgements if judgement.delay_s is not None]
        delay = f"{statistics.median(delays):.1f}" if delays else "-"
        row = f"{_share(true, total)}{f'{true}/{total}':>10}{_false(judgements, outcomes)}"
        print(f"{label:24}{name:11}{row}{delay:>9}", flush=True)


def _print_false(label: str, outcomes: Sequence[Outcome]) -> None:
    for name, judgements in _by_detector(outcomes).items():
        alarmed = sum(judgement.false > 0 for judgement in judgements)
        row = f"{_share(alarmed, len(judgements))}{f'{alarmed}/{len(judgements)}':>10}{_false(judgements, outcomes)}"
        print(f"{label:24}{name:11}{row}", flush=True)


def _by_detector(outcomes: Sequence[Outcome]) -> dict[str, list[Judgement]]:
    names = list(outcomes[0].judgements) if outcomes else []
    return {name: [outcome.judgements[name] for outcome in outcomes] for name in names}


def _share(count: int, total: int) -> str:
    low, high = wilson(count, total)
    return f"{f'{count / total:.2f}' if total else '-':>9}{f'{low:.2f}-{high:.2f}':>12}"


def _false(judgements: Sequence[Judgement], outcomes: Sequence[Outcome]) -> str:
    false, hours = sum(judgement.false for judgement in judgements), sum(o.seconds for o in outcomes) / 3600
    return f"{false:>6}{false / hours:>9.1f}"
