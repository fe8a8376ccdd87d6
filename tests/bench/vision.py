"""`kota bench vision`: what the dumping watcher finds on real clips and what it costs, beside a plain dual MOG2.

Clips are decoded once; every detector, alteration and threshold is shown the same pictures, and one script judges all.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2

from tests.bench import vision_composed
from tests.bench.dual_mog2 import DualMog2
from tests.bench.vision_altered import ALTERATIONS, shown
from tests.bench.vision_clips import TIERS, Clip, Score, Scorer, decode
from tests.bench.vision_composed import ALL, SHARED
from tests.bench.vision_cost import print_costs
from tests.bench.vision_hiding import run_hiding
from tests.bench.vision_sweep import (
    FACTORS,
    FIXED,
    Setting,
    configured,
    families_of,
    print_heading,
    print_left_out,
    print_threshold,
    settings_of,
    thresholds,
)
from vision.detect.detector import AbandonedObjectDetector
from vision.detect.onnx_detector import OnnxDetector
from vision.detect.picture import Point
from vision.score import Alarm, Detector, run_detector

COMPOSED: Final = "--composed"

Detection = dict[str, list[Alarm]]
Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


def run(argv: list[str]) -> int:
    """Decode, run the detector, evaluate, print."""
    if COMPOSED in argv:
        return vision_composed.run([argument for argument in argv if argument != COMPOSED])
    args = _arguments(argv)
    cv2.setNumThreads(1)
    truth = args.ground_truth or args.folder / "ground_truth.json"
    if args.hiding:
        return run_hiding(args.folder, truth, args.model)
    with tempfile.TemporaryDirectory(prefix="kota-bench-") as name, _workers(args.jobs) as mapped:
        scratch = Path(name)
        scorer = Scorer(args.scorer, scratch)
        clips = decode(args.folder, truth, scratch)
        fixed = print_tiers(clips, scorer, args.model)
        if args.altered:
            print_altered(clips, scorer, mapped)
        if args.sweep is not None:
            sweep(clips, scorer, mapped, thresholds(args.sweep), fixed)
        if not args.no_cost:
            print_costs(args.folder, [clip.truth for clip in clips], scratch, args.model)
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kota bench vision", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=SHARED / "clips", help="Clips as `kota vision score`.")
    parser.add_argument("--ground-truth", type=Path, help="Default: ground_truth.json in the folder.")
    parser.add_argument("--scorer", type=Path, default=SHARED / "tools" / "score_clips.py", help="Judges the alarms.")
    parser.add_argument("--altered", action="store_true", help="The clips in other light, rate, size, and so on.")
    parser.add_argument(COMPOSED, action="store_true", help="Composed deposits instead; has options of its own (-h).")
    parser.add_argument("--sweep", nargs="*", choices=thresholds(), help="Each threshold, or those named, changed.")
    parser.add_argument("--hiding", action="store_true", help="Only how well evidence hides the people marked by hand.")
    parser.add_argument("--model", type=Path, help="A learned detector (ONNX), with its TOML beside it: run too.")
    parser.add_argument("--no-cost", action="store_true", help="Leave out CPU and memory.")
    parser.add_argument("--jobs", type=int, default=1, help="Processes for --altered and --sweep.")
    return parser.parse_args(argv)


@contextmanager
def _workers(jobs: int) -> Iterator[Map]:
    if jobs < 2:
        yield map
        return
    with ProcessPoolExecutor(jobs, initializer=partial(cv2.setNumThreads, 1)) as pool:
        yield pool.map


def found_by(make: Callable[[tuple[Point, ...]], Detector], clips: Iterable[Clip]) -> Detection:
    """A detector's alarms over each clip."""
    return {clip.truth["clip"]: run_detector(clip.pictures(), make(clip.zone)).alarms for clip in clips}


def print_tiers(clips: Sequence[Clip], scorer: Scorer, model: Path | None = None) -> Score:
    """The detectors side by side on each tier; the score of ours without a model on all."""
    truth = [clip.truth for clip in clips]
    found = {"ours": found_by(AbandonedObjectDetector, clips)}
    if model is not None:
        learned = OnnxDetector(model)
        found["with model"] = found_by(lambda zone: AbandonedObjectDetector(zone, object_detector=learned), clips)
    found["dual-MOG2"] = found_by(DualMog2, clips)
    print(f"{'tier':6}{'':12}{'found':>8}{'recall':>8}{'false':>7}{'false/h':>9}{'early':>7}{'delay s':>9}")
    for tier in (*TIERS.split(","), ALL):
        for name, alarms in found.items():
            score = scorer.score(truth, alarms, TIERS if tier == ALL else tier)
            print(f"{tier:6}{name:12}{_row(score)}", flush=True)
    if model is not None:
        score_named("with model", truth, found, scorer)
    return score_named("ours", truth, found, scorer)


def score_named(name: str, truth: Sequence[dict[str, Any]], found: dict[str, Detection], scorer: Scorer) -> Score:
    """One detector's, and what it got wrong."""
    score = scorer.score(truth, found[name])
    for clip, counts in score.clips.items():
        if counts.false or counts.missed:
            print(f"  {name} {clip}: {counts.false} false, {counts.missed} missed")
    return score


def _row(score: Score) -> str:
    counts = score.counts
    events = counts.true + counts.missed
    recall = f"{counts.true / events:.2f}" if events else "-"
    delay = "-" if score.delay_s is None else f"{score.delay_s:.1f}"
    found = f"{counts.true}/{events}"
    return f"{found:>8}{recall:>8}{counts.false:>7}{score.false_h:>9.1f}{score.early:>7}{delay:>9}"


def print_altered(clips: Sequence[Clip], scorer: Scorer, mapped: Map) -> None:
    """Ours on the clips as other cameras would have seen them."""
    print(
        f"\n{'altered':20}{'found':>8}{'recall':>8}{'false':>7}{'false/h':>9}{'early':>7}{'delay s':>9}  missed; false"
    )
    for name, detections in zip(ALTERATIONS, mapped(partial(_altered, clips), ALTERATIONS), strict=True):
        score = scorer.score([showing.truth for showing in shown(clips, name)], detections)
        missed = [clip for clip, counts in score.clips.items() if counts.missed]
        false = [clip for clip, counts in score.clips.items() if counts.false]
        print(f"{name:20}{_row(score)}  {', '.join(missed) or '-'}; {', '.join(false) or '-'}", flush=True)


def _altered(clips: Sequence[Clip], name: str) -> Detection:
    return {
        showing.truth["clip"]: run_detector(showing.pictures(), AbandonedObjectDetector(showing.zone)).alarms
        for showing in shown(clips, name)
    }


def sweep(clips: Sequence[Clip], scorer: Scorer, mapped: Map, names: Sequence[str], fixed: Score) -> None:
    """Every threshold changed alone, and each source judged by what suits the others."""
    tried = settings_of(names)
    truth, families = [clip.truth for clip in clips], families_of(clips)
    scored = {Setting(name, FIXED): fixed for name in names}
    print_heading()
    for setting, detections in zip(tried, mapped(partial(_changed, clips), tried), strict=True):
        scored[setting] = scorer.score(truth, detections)
        if setting.factor == FACTORS[-1]:
            print_threshold(setting.name, scored, families)
    print_left_out(scored, families)


def _changed(clips: Sequence[Clip], setting: Setting) -> Detection:
    return found_by(lambda zone: AbandonedObjectDetector(zone, configured(setting)), clips)
