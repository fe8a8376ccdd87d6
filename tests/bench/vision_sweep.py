"""How much each threshold matters: the score with another one, and of a source judged by what suits the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Final, NamedTuple

from tests.bench.vision_clips import Clip, Counts, Score
from vision.detect.config import DetectorConfig

FACTORS: Final = (0.5, 0.7, 1.4, 2.0)
FIXED: Final = 1.0
BELOW_ONE: Final = frozenset({"rigid", "min_solid"})
"""Correlations and shares near 1: what is multiplied is how far they are from it."""
NOT_SWEPT: Final = frozenset({"every_s"})
"""The clips are decoded at that rate; fewer pictures are an alteration."""


class Setting(NamedTuple):
    """One threshold at a multiple of what it is."""

    name: str
    factor: float


Scored = Mapping[Setting, Score]
"""With `factor` 1 for every threshold too."""
Choice = Callable[[Sequence[str], Scored], Setting]
"""From the clips of a source and all scores to a setting, by the other sources' clips."""


def thresholds(only: Sequence[str] = ()) -> list[str]:
    """The configuration's, in its order."""
    names = [field.name for field in dataclasses.fields(DetectorConfig) if field.name not in NOT_SWEPT]
    return [name for name in names if name in only] if only else names


def settings_of(names: Sequence[str]) -> list[Setting]:
    """All to be tried beside the fixed ones."""
    return [Setting(name, factor) for name in names for factor in FACTORS]


def configured(setting: Setting) -> DetectorConfig:
    """The configuration with one threshold changed."""
    return DetectorConfig(**{**dataclasses.asdict(DetectorConfig()), setting.name: value_of(setting)})


def value_of(setting: Setting) -> float:
    """What the threshold is then."""
    fixed: float = getattr(DetectorConfig(), setting.name)
    if setting.name in BELOW_ONE:
        return 1.0 - (1.0 - fixed) * setting.factor
    return type(fixed)(fixed * setting.factor)


def families_of(clips: Iterable[Clip]) -> dict[str, list[str]]:
    """Source to the names of its clips."""
    found: dict[str, list[str]] = {}
    for clip in clips:
        found.setdefault(clip.family, []).append(clip.truth["clip"])
    return found


def counts_of(score: Score, names: Sequence[str]) -> Counts:
    """Those of some of the clips."""
    return reduce(add, (score.clips[name] for name in names), Counts())


def without(names: Sequence[str], score: Score) -> list[str]:
    """All clips that were scored but some."""
    return [name for name in score.clips if name not in names]


def best_without(family: Sequence[str], scored: Scored) -> list[Setting]:
    """All that give the best F1 on the clips of the other sources."""
    elsewhere = {setting: counts_of(score, without(family, score)).f1 for setting, score in scored.items()}
    return [setting for setting, f1 in elsewhere.items() if f1 == max(elsewhere.values())]


def chosen_without(family: Sequence[str], scored: Scored) -> Setting:
    """What somebody who knows the other sources would choose: the fixed one where nothing is better there."""
    return min(best_without(family, scored), key=lambda setting: abs(setting.factor - FIXED))


def unlucky_without(family: Sequence[str], scored: Scored) -> Setting:
    """Of what is equally good on the other sources, what does worst on this one."""
    return min(best_without(family, scored), key=lambda setting: counts_of(scored[setting], family).f1)


def left_out(families: Mapping[str, Sequence[str]], scored: Scored, choose: Choice = chosen_without) -> Counts:
    """Every source judged with what was chosen on the others, together."""
    judged = (counts_of(scored[choose(names, scored)], names) for names in families.values())
    return reduce(add, judged, Counts())


def print_heading() -> None:
    """Of the lines of `print_threshold`."""
    factors = "".join(f"{f'x {factor:g}':>14}" for factor in sorted((FIXED, *FACTORS)))
    print("\nOne threshold changed, true/false/missed (early):")
    print(f"{'threshold':16}{'value':>9}{factors}   at worst")


def print_threshold(name: str, scored: Scored, families: Mapping[str, Sequence[str]]) -> None:
    """One threshold; `at worst` is every source judged by a value that is as good as any on the others."""
    row = {setting: scored[setting] for setting in sorted(scored) if setting.name == name}
    cells = "".join(f"{_cell(score):>14}" for score in row.values())
    value = value_of(Setting(name, FIXED))
    print(f"{name:16}{value:>9g}{cells}{left_out(families, row, unlucky_without)!s:>11}", flush=True)


def _cell(score: Score) -> str:
    return f"{score.counts} ({score.early})"


def print_left_out(scored: Scored, families: Mapping[str, Sequence[str]]) -> None:
    """A line for each source: the best single change on the others, and what it does there and here."""
    print("\nEach source left out: the best single change on the others, true/false/missed:")
    heading = (
        f"{'source':12}{'best on the others':26}{'others':>9}{'fixed':>9}{'left out':>12}{'fixed':>9}{'at worst':>12}"
    )
    print(f"{heading}  as good on the others, worst here")
    fixed = next(score for setting, score in scored.items() if setting.factor == FIXED)
    for family, names in families.items():
        best, worst = chosen_without(names, scored), unlucky_without(names, scored)
        cells = [counts_of(s, part) for part in (without(names, fixed), names) for s in (scored[best], fixed)]
        row = f"{cells[0]!s:>9}{cells[1]!s:>9}{cells[2]!s:>12}{cells[3]!s:>9}{counts_of(scored[worst], names)!s:>12}"
        print(f"{family:12}{_told(best):26}{row}  {_told(worst)}")
    chosen, unlucky = left_out(families, scored), left_out(families, scored, unlucky_without)
    print(f"{'together':56}{chosen!s:>12}{fixed.counts!s:>9}{unlucky!s:>12}")
    print(f"{'F1':56}{chosen.f1:>12.3f}{fixed.counts.f1:>9.3f}{unlucky.f1:>12.3f}")


def _told(setting: Setting) -> str:
    if setting.factor == FIXED:
        return "as it is"
    return f"{setting.name} x {setting.factor:g} = {value_of(setting):g}"
