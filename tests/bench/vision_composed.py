"""`kota bench vision --composed`: the dumping watcher on deposits composed from real clips, and on temptations.

Bags, people and vehicles are cut out of clips and put down on others, behind those who really pass there. Every
detector is shown the same pictures. Sources are dealt out to two halves: settings are chosen on one (`choose`) and
reported on the other (`report`).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cv2

from city.errors import ConfigError
from tests.bench.composed_arrivals import arrival_plates, compose_arrival
from tests.bench.composed_arrivals_score import ArrivalOutcome, outcome_of_arrival, print_arrivals
from tests.bench.composed_cutouts import Bag, Sprite, cut_bags, cut_sprites
from tests.bench.composed_plates import Plate, make_plate
from tests.bench.composed_scenes import DEPOSIT, Scene, compose_deposit, compose_temptation, deposit_plates
from tests.bench.composed_score import Outcome, outcome_of, print_tables
from tests.bench.composed_watchers import Watchers, load_model, other_checkout, watch
from tests.bench.dual_mog2 import DualMog2
from tests.bench.vision_clips import Clip
from vision.detect.detector import AbandonedObjectDetector
from vision.score import Detector, TimedImage, clips_in, frames_of, hints_of, read_truth, run_detector

SHARED: Final = Path(__file__).parents[2].parent / "shared"
HALVES: Final = ("choose", "report")
ALL: Final = "all"


@dataclass(frozen=True)
class Half:
    """What the scenes of one half are made of."""

    name: str
    plates: tuple[Plate, ...]
    bags: tuple[Bag, ...]
    sprites: tuple[Sprite, ...]


def run(argv: list[str]) -> int:
    """Cut out, compose, run the detectors, print."""
    args = _arguments(argv)
    cv2.setNumThreads(1)
    watchers = Watchers(args.model, args.before)
    watchers.check()
    with tempfile.TemporaryDirectory(prefix="kota-bench-") as name:
        halves = prepare(args.folder, args.ground_truth or args.folder / "ground_truth.json", Path(name))
        chosen = [half for half in halves if args.half in {ALL, half.name}]
        if args.keep:
            return write_scene(compose(chosen[0], args.scene, args.seed, args.kind), args.keep)
        print_sources(halves)
        if args.only:
            return run_arrivals(chosen, args.count, args.seed, watchers, args.jobs)
        outcomes = evaluate(chosen, args.deposits, args.seed, watchers, args.jobs)
    for half in chosen:
        print_tables([outcome for outcome in outcomes if outcome.half == half.name], half.name)
    if len(chosen) > 1:
        print_tables(outcomes, ALL)
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kota bench vision --composed", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=SHARED / "clips", help="Clips as `kota vision score`.")
    parser.add_argument("--ground-truth", type=Path, help="Default: ground_truth.json in the folder.")
    parser.add_argument("--deposits", type=int, default=300, help="Deposits, and as many temptations. Default: 300.")
    parser.add_argument("--only", choices=("arrivals",), help="Only deposits of which the carrier is composed too.")
    parser.add_argument("--count", type=int, default=84, help="Arrivals, with --only arrivals. Default: 84.")
    parser.add_argument("--half", choices=(*HALVES, ALL), default=ALL, help="Sources to take. Default: all.")
    parser.add_argument("--seed", type=int, default=1, help="Other scenes for another number. Default: 1.")
    parser.add_argument("--jobs", type=int, default=1, help="Processes.")
    parser.add_argument("--model", type=Path, help="ONNX model as second opinion of the detector.")
    parser.add_argument("--before", type=Path, help="Another checkout of the project, whose detector is run beside.")
    parser.add_argument("--keep", type=Path, help="Write one scene as JPEG pictures into this folder, and end.")
    parser.add_argument("--scene", type=int, default=0, help="Number of the scene to write.")
    parser.add_argument("--kind", choices=(DEPOSIT, "temptation"), default=DEPOSIT, help="Kind of the scene to write.")
    args = parser.parse_args(argv)
    if min(args.deposits, args.count) < 1:
        parser.error("--deposits, --count: at least 1")
    return args


def prepare(folder: Path, truth: Path, into: Path) -> list[Half]:
    """Decode every clip of the ground truth that is there, and make plates and cut-outs of it.

    Raises:
        ConfigError: No deposit can be composed of what is there.
    """
    known = {clip["clip"]: clip for clip in read_truth(truth)}
    plates, bags = list[Plate](), list[Bag]()
    for path in clips_in(folder):
        if path.name in known:
            facts = known[path.name]
            clip = Clip(facts, path, ())
            bags += cut_bags(facts, clip.family, _decode(path, facts) if facts["events"] else ())
            plate = make_plate(facts, clip.family, clip.zone, _decode(path, facts), into)
            plates += [plate] if plate else []
    sprites = [sprite for plate in plates for sprite in cut_sprites(plate)]
    halves = split_by_family(plates, bags, sprites)
    for half in halves:
        if not half.bags or not deposit_plates(half.plates):
            raise ConfigError(f"{folder}: no deposit can be composed of the sources of the half {half.name}")
    return halves


def _decode(path: Path, facts: dict[str, object]) -> Iterator[TimedImage]:
    return frames_of(path, hints_of(facts))


def split_by_family(plates: Sequence[Plate], bags: Sequence[Bag], sprites: Sequence[Sprite]) -> list[Half]:
    """Deal the sources out: each to the half with less of what is rarest in it, bags before vehicles before people."""
    able = {plate.name for plate in deposit_plates(plates)}
    families = {plate.family for plate in plates} | {bag.family for bag in bags}
    worth = dict.fromkeys(sorted(families), (0, 0, 0, 0, 0))
    for family in worth:
        kinds = [sprite.kind for sprite in sprites if sprite.family == family]
        own = [plate.name for plate in plates if plate.family == family]
        worth[family] = (
            sum(bag.family == family for bag in bags),
            kinds.count("vehicle"),
            kinds.count("person"),
            len(able.intersection(own)),
            len(own),
        )
    totals, dealt = [[0] * 5 for _ in HALVES], dict[str, int]()
    for family in sorted(worth, key=lambda family: worth[family], reverse=True):
        rarest = next((i for i, count in enumerate(worth[family]) if count), 4)
        side = min(range(len(HALVES)), key=lambda side: (totals[side][rarest], totals[side][3], side))
        dealt[family] = side
        totals[side] = [total + count for total, count in zip(totals[side], worth[family], strict=True)]
    return [
        Half(
            name,
            tuple(plate for plate in plates if dealt[plate.family] == side),
            tuple(bag for bag in bags if dealt[bag.family] == side),
            tuple(sprite for sprite in sprites if dealt[sprite.family] == side),
        )
        for side, name in enumerate(HALVES)
    ]


def compose(half: Half, number: int, seed: int, kind: str) -> Scene:
    """The scene of a number.

    Raises:
        ConfigError: Nothing can be put down on the clips of the half.
    """
    if kind != DEPOSIT:
        return compose_temptation(seed, number, half.plates, half.sprites)
    scene = compose_deposit(seed, number, deposit_plates(half.plates), half.bags)
    if scene is None:
        raise ConfigError(f"nothing can be put down on the clips of the half {half.name}")
    return scene


def write_scene(scene: Scene, folder: Path) -> int:
    """Write a scene's pictures, named by their second, and its truth."""
    folder.mkdir(parents=True, exist_ok=True)
    for at_s, image in scene.pictures():
        cv2.imwrite(str(folder / f"{at_s:06.2f}.jpg"), image)
    height, width = scene.plate.median.shape[:2]
    zone = [[x * width, y * height] for x, y in scene.zone] or None
    truth = {"clip": folder.name, "tier": "composed", "width": width, "height": height, "zone": zone}
    facts = {**truth, "duration_s": scene.seconds, "kind": scene.kind, "events": scene.events}
    (folder / "ground_truth.json").write_text(json.dumps([facts], indent=1))
    print(f"{scene.kind} on {scene.plate.name}, {scene.look}, {scene.seconds:.1f} s: {folder}")
    return 0


def print_sources(halves: Sequence[Half]) -> None:
    """What each half is made of."""
    for half in halves:
        families = sorted({plate.family for plate in half.plates} | {bag.family for bag in half.bags})
        kinds = [sprite.kind for sprite in half.sprites]
        cut = f"{len(half.bags)} bags, {kinds.count('person')} people, {kinds.count('vehicle')} vehicles"
        plates = f"{len(half.plates)} clips, {len(deposit_plates(half.plates))} of them for deposits"
        print(f"{half.name}: {plates}; {cut}; sources {', '.join(families)}", flush=True)


def evaluate(halves: Sequence[Half], deposits: int, seed: int, watchers: Watchers, jobs: int) -> list[Outcome]:
    """Judge all detectors on as many deposits and as many temptations, dealt out to the halves."""
    tasks = [
        (halves[number % len(halves)], number // len(halves), kind)
        for kind in (DEPOSIT, "temptation")
        for number in range(deposits)
    ]
    order = sorted(tasks, key=lambda task: (task[0].name, task[2], task[1]))
    judged = partial(_judge, seed, watchers)
    if jobs < 2:
        outcomes = [judged(*task) for task in order]
        watchers.close()
        return outcomes
    with ProcessPoolExecutor(jobs, initializer=partial(cv2.setNumThreads, 1)) as pool:
        return list(pool.map(judged, *zip(*order, strict=True), chunksize=max(1, len(order) // (4 * jobs))))


def _judge(seed: int, watchers: Watchers, half: Half, number: int, kind: str) -> Outcome:
    """Compose one scene and show it to every detector."""
    scene = compose(half, number, seed, kind)
    pictures = list(scene.pictures())
    model = None if watchers.model is None else load_model(watchers.model)
    detectors: dict[str, Detector] = {
        "ours": AbandonedObjectDetector(scene.zone, object_detector=model),
        "dual-MOG2": DualMog2(scene.zone),
    }
    alarms = {name: run_detector(pictures, detector).alarms for name, detector in detectors.items()}
    if watchers.before is not None:
        alarms["before"] = other_checkout(watchers.before, watchers.model).watch(scene.zone, pictures)
    return outcome_of(scene, half.name, alarms)


def run_arrivals(halves: Sequence[Half], count: int, seed: int, watchers: Watchers, jobs: int) -> int:
    """Judge all detectors on `count` composed arrivals, dealt out to the halves, and print."""
    tasks = [(halves[number % len(halves)], number // len(halves)) for number in range(count)]
    order = sorted(tasks, key=lambda task: (task[0].name, task[1]))
    judged = partial(_judge_arrival, seed, watchers)
    if jobs < 2:
        outcomes = [judged(*task) for task in order]
        watchers.close()
    else:
        with ProcessPoolExecutor(jobs, initializer=partial(cv2.setNumThreads, 1)) as pool:
            outcomes = list(pool.map(judged, *zip(*order, strict=True), chunksize=max(1, count // (4 * jobs))))
    composed = [outcome for outcome in outcomes if outcome is not None]
    print(f"{len(tasks) - len(composed)} arrivals fit on no clip of their half")
    for half in halves:
        print_arrivals([outcome for outcome in composed if outcome.half == half.name], half.name)
    if len(halves) > 1:
        print_arrivals(composed, ALL)
    return 0


def _judge_arrival(seed: int, watchers: Watchers, half: Half, number: int) -> ArrivalOutcome | None:
    """Compose one arrival and show it to every detector; None if it fits on no clip of the half."""
    scene = compose_arrival(seed, number, arrival_plates(half.plates), half.bags, half.sprites)
    if scene is None:
        return None
    pictures = list(scene.pictures())
    model = None if watchers.model is None else load_model(watchers.model)
    alarms = {"ours": watch(pictures, AbandonedObjectDetector(scene.zone, object_detector=model))}
    if watchers.before is not None:
        alarms["before"] = other_checkout(watchers.before, watchers.model).watch(scene.zone, pictures)
    return outcome_of_arrival(scene, half.name, alarms)
