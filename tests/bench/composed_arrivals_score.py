"""Judges what alarms on composed arrivals say of the carrier, and prints the shares right, wrong and absent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tests.bench.composed_arrivals import ARRIVALS, ArrivalScene, ArrivalTruth
from tests.bench.composed_score import OVERLAP
from vision.detect.regions import Box, iou
from vision.score import Alarm

Verdict = Literal["right", "wrong", "absent"]
VERDICTS: Final[tuple[Verdict, ...]] = ("right", "wrong", "absent")
ALL: Final = "all"


@dataclass(frozen=True)
class ArrivalJudgement:
    """What one detector said of one arrival; the verdicts are None if it was not found.

    Attributes:
        is_found: Whether an alarm was on what was put down.
        is_early: Whether that alarm came before the carrier went off.
        false: Number of alarms elsewhere.
        again: Number of further alarms on what was put down: one deposit became several cases.
        by: How the carrier came.
        heading: Direction in which it went off.
        in_passing: Whether it stopped; never absent.
    """

    is_found: bool
    is_early: bool = False
    false: int = 0
    again: int = 0
    by: Verdict | None = None
    heading: Verdict | None = None
    in_passing: Verdict | None = None


@dataclass(frozen=True)
class ArrivalOutcome:
    """What was true of one scene, and the judgement of each detector."""

    half: str
    kind: str
    truth: ArrivalTruth
    seconds: float
    judgements: Mapping[str, ArrivalJudgement]


def judge_arrival(truth: ArrivalTruth, alarms: Sequence[Alarm]) -> ArrivalJudgement:
    """Judge the first alarm on what was put down, alone or together; all others off it are false."""
    hits = [alarm for alarm in alarms if _is_on(alarm["box"], truth)]
    false = len(alarms) - len(hits)
    if not hits:
        return ArrivalJudgement(is_found=False, false=false)
    first = min(hits, key=lambda alarm: float(alarm["t_s"]))
    return ArrivalJudgement(
        is_found=True,
        is_early=first["t_s"] < truth.goes_s,
        false=false,
        again=len(hits) - 1,
        by="absent" if first["by"] == "unknown" else _verdict(first["by"], truth.by),
        heading=_verdict(first["heading"], truth.heading) if first["heading"] else "absent",
        in_passing=_verdict(first["in_passing"], truth.in_passing),
    )


def _is_on(box: Sequence[int], truth: ArrivalTruth) -> bool:
    left, top, width, height = box
    whole: Box = (left, top, width, height)
    return any(iou(whole, place) > OVERLAP for place in (*truth.boxes, truth.hull))


def _verdict(said: object, true: object) -> Verdict:
    return "right" if said == true else "wrong"


def outcome_of_arrival(scene: ArrivalScene, half: str, alarms: Mapping[str, Sequence[Alarm]]) -> ArrivalOutcome:
    """Judge what each detector said of a scene."""
    judgements = {name: judge_arrival(scene.truth, raised) for name, raised in alarms.items()}
    return ArrivalOutcome(half, scene.kind, scene.truth, scene.seconds, judgements)


def print_arrivals(outcomes: Sequence[ArrivalOutcome], title: str) -> None:
    """One row for each kind and detector; the three columns of a fact are right, wrong and absent."""
    print(f"\n{title}: {len(outcomes)} arrivals; right/wrong/absent of those that are found")
    heads = f"{'found':>9}{'early':>7}{'again':>7}{'false':>7}{'by':>12}{'heading':>12}{'passing yes':>13}{'no':>10}"
    print(f"{'arrivals':22}{'':9}{heads}")
    for kind in (ALL, *ARRIVALS):
        chosen = [outcome for outcome in outcomes if kind in {ALL, outcome.kind}]
        for name in chosen[0].judgements if chosen else ():
            print(f"{kind:22}{name:9}{_row(name, chosen)}", flush=True)


def _row(name: str, outcomes: Sequence[ArrivalOutcome]) -> str:
    judgements = [outcome.judgements[name] for outcome in outcomes]
    passing = [outcome.judgements[name] for outcome in outcomes if outcome.truth.in_passing]
    stopping = [outcome.judgements[name] for outcome in outcomes if not outcome.truth.in_passing]
    found = f"{sum(judgement.is_found for judgement in judgements)}/{len(judgements)}"
    return (
        f"{found:>9}{sum(judgement.is_early for judgement in judgements):>7}"
        f"{sum(judgement.again for judgement in judgements):>7}"
        f"{sum(judgement.false for judgement in judgements):>7}"
        f"{_counts(judgements, lambda judgement: judgement.by):>12}"
        f"{_counts(judgements, lambda judgement: judgement.heading):>12}"
        f"{_counts(passing, lambda judgement: judgement.in_passing):>13}"
        f"{_counts(stopping, lambda judgement: judgement.in_passing):>10}"
    )


def _counts(judgements: Sequence[ArrivalJudgement], verdict_of: Callable[[ArrivalJudgement], Verdict | None]) -> str:
    counts = Counter(verdict_of(judgement) for judgement in judgements)
    return "/".join(str(counts[verdict]) for verdict in VERDICTS)
