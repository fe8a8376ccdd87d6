"""Composed arrivals do what their truth says, and what is said of their carriers is judged fairly."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.bench import vision_composed
from tests.bench.composed_arrivals import (
    ARRIVALS,
    DEPTH,
    PASSES,
    THROWS,
    UNLOADS,
    ArrivalScene,
    ArrivalTruth,
    arrival_plates,
    compose_arrival,
)
from tests.bench.composed_arrivals_score import judge_arrival, outcome_of_arrival, print_arrivals
from tests.bench.composed_carriers import MovingCutout, Waypoint, put_on_motorbike
from tests.bench.composed_cutouts import Bag, Cutout, Sprite
from tests.bench.composed_draw import PlacedBag
from tests.bench.composed_plates import Plate
from tests.bench.composed_watchers import Watchers
from tests.unit.vision.scenes import Street

SEEDS = range(1, 5)
BOX = (100, 150, 20, 20)


def cutout(height: int, width: int, level: int) -> Cutout:
    dice = np.random.default_rng(height)
    image = np.clip(dice.normal(level, 12, (height, width, 3)), 0, 255).astype(np.uint8)
    return Cutout(image, np.ones((height, width), np.float32), 120.0)


BAGS = [Bag("drawn", "elsewhere", cutout(30, 36, 30))]
SPRITES = [
    Sprite("walker", "elsewhere", "person", (cutout(90, 32, 40), cutout(90, 34, 45)), 0.2, 0.6, 1.0),
    Sprite("cart", "elsewhere", "vehicle", (cutout(60, 90, 200),), 0.2, 0.0, 1.2),
]


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Plate:
    """An empty street on which people are 60 px high at the horizon's side and 100 px below."""
    file, median = tmp_path_factory.mktemp("plate") / "none.npy", Street().picture()
    return Plate("street", "street", 0.2, (), file, file, median, 2.0, (0.3, 20.0), ())


def arrival(plate: Plate, kind: str, seed: int = 1) -> ArrivalScene:
    scene = compose_arrival(seed, ARRIVALS.index(kind), [plate], BAGS, SPRITES)
    assert scene is not None
    return scene


def carrier_of(scene: ArrivalScene) -> MovingCutout:
    return next(layer for layer in scene.layers if isinstance(layer, MovingCutout))


def places(scene: ArrivalScene, from_s: float, to_s: float) -> Iterator[Waypoint]:
    carrier = carrier_of(scene)
    for at_s in np.arange(from_s, to_s, 0.1):
        place = carrier.place_at(float(at_s))
        if place is not None:
            yield place


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ARRIVALS)
def test_a_carrier_does_what_the_truth_says(plate: Plate, kind: str, seed: int) -> None:
    scene = arrival(plate, kind, seed)
    truth = scene.truth
    last = list(places(scene, truth.goes_s, scene.seconds))
    across, down = last[-1].x_px - last[0].x_px, last[-1].row_px - last[0].row_px
    ways = {"left": -across, "right": across, "away": -down, "towards": down}
    assert max(ways, key=lambda heading: ways[heading]) == truth.heading
    assert (truth.heading in {"away", "towards"}) == (kind == DEPTH)
    around = list(places(scene, truth.rests_s - 0.35, truth.rests_s + 0.35))
    moved_px = [abs(b.x_px - a.x_px) + abs(b.row_px - a.row_px) for a, b in pairwise(around)]
    assert (min(moved_px) > 0) == truth.in_passing == (kind in {PASSES, THROWS})
    assert truth.by == ("foot" if kind.startswith("person") else "vehicle")
    assert truth.rests_s <= truth.goes_s <= scene.seconds - 20
    bags = [layer for layer in scene.layers if isinstance(layer, PlacedBag)]
    assert (len(bags) > 1) == (kind == UNLOADS)
    assert truth.boxes == tuple(bag.box for bag in bags)
    assert truth.rests_s == min(bag.rests_s for bag in bags)


def test_the_same_seed_gives_the_same_pictures_and_another_one_others(plate: Plate) -> None:
    first, again, other = (list(arrival(plate, THROWS, seed).pictures()) for seed in (1, 1, 2))
    assert all((a[1] == b[1]).all() for a, b in zip(first, again, strict=True))
    assert (first[0][1] != other[0][1]).any()
    times_s = [at_s for at_s, _ in first]
    assert np.diff(times_s).mean() == pytest.approx(1 / arrival(plate, THROWS).look.rate)


def test_the_pictures_show_the_carrier_and_then_the_bag_alone(plate: Plate) -> None:
    scene = arrival(plate, PASSES, 3)
    scene = dataclasses.replace(scene, layers=scene.layers[:2], look=dataclasses.replace(scene.look, light="day"))
    pictures, empty = list(scene.pictures()), list(dataclasses.replace(scene, layers=()).pictures())
    left, top, width, height = scene.truth.hull
    changes = {
        at_s: np.abs(image.astype(int) - bare).max(axis=2) > 24
        for (at_s, image), (_, bare) in zip(pictures, empty, strict=True)
    }
    before, after = changes[2.0], changes[max(changes)]
    assert not before.any()
    assert after[top : top + height, left : left + width].mean() > 0.6
    assert after.sum() < 2 * width * height
    middle = min(changes, key=lambda at_s: abs(at_s - scene.truth.rests_s))
    assert changes[middle].sum() > 1.5 * after.sum(), "the person is there as well"


def test_a_rider_sits_on_two_wheels() -> None:
    rider = put_on_motorbike(SPRITES[0].frames[0], np.random.default_rng(1))
    solid = rider.alpha > 0.5
    widths = solid.sum(axis=1)
    assert widths[int(0.8 * len(widths))] > 1.5 * widths[int(0.3 * len(widths))]
    assert solid.shape[1] > solid.shape[0]


def test_a_place_without_a_known_height_or_for_no_sprite_has_no_arrival(plate: Plate) -> None:
    unknown = dataclasses.replace(plate, person_px=None)
    assert arrival_plates([plate, unknown]) == [plate]
    assert compose_arrival(1, ARRIVALS.index(UNLOADS), [plate], BAGS, SPRITES[:1]) is None


def alarm(t_s: float, box: tuple[int, ...] = BOX, **came: Any) -> dict[str, Any]:
    return {"t_s": t_s, "box": list(box), "by": "vehicle", "heading": "left", "in_passing": False, **came}


def test_the_first_alarm_on_a_deposit_is_judged_and_those_elsewhere_are_false() -> None:
    truth = ArrivalTruth("vehicle", "left", True, 10.0, 12.0, (BOX, (124, 150, 20, 20)))
    judged = judge_arrival(truth, [alarm(14.0), alarm(15.0, by="foot"), alarm(9.0, (10, 10, 20, 20))])
    assert (judged.is_found, judged.is_early, judged.again, judged.false) == (True, False, 1, 1)
    assert (judged.by, judged.heading, judged.in_passing) == ("right", "right", "wrong")
    unsaid = judge_arrival(truth, [alarm(11.0, truth.hull, by="unknown", heading="", in_passing=True)])
    assert (unsaid.is_early, unsaid.by, unsaid.heading, unsaid.in_passing) == (True, "absent", "absent", "right")
    assert judge_arrival(truth, []).by is None


def test_the_report_counts_right_wrong_and_absent(plate: Plate, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = []
    for kind in ARRIVALS:
        scene = arrival(plate, kind)
        truth = scene.truth
        said = alarm(scene.seconds, truth.hull, by="unknown", heading=truth.heading, in_passing=False)
        outcomes.append(outcome_of_arrival(scene, "choose", {"ours": [said], "none": []}))
    print_arrivals(outcomes, "choose")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["all", "ours", "7/7", "0", "0", "0", "0/0/7", "7/0/0", "0/2/0", "5/0/0"] in lines
    assert ["rider", "throws", "none", "0/1", "0", "0", "0", "0/0/0", "0/0/0", "0/0/0", "0/0/0"] in lines


def test_arrivals_are_dealt_out_to_the_halves_and_printed(plate: Plate, capsys: pytest.CaptureFixture[str]) -> None:
    halves = [vision_composed.Half(name, (plate,), tuple(BAGS), tuple(SPRITES)) for name in ("choose", "report")]
    assert vision_composed.run_arrivals(halves, 2, 1, Watchers(None, None), 1) == 0
    printed = capsys.readouterr().out
    for title in ("choose: 1 arrivals", "report: 1 arrivals", "all: 2 arrivals"):
        assert title in printed
