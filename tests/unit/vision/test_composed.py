"""Composed deposits are where and when their truth says, and the judge of `kota bench vision --composed` is fair."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from city.errors import ConfigError
from tests.bench import composed_plates, vision, vision_composed
from tests.bench.composed_cutouts import Bag, Cutout, Sprite, cut_bags, cut_difference, cut_sprites
from tests.bench.composed_draw import LightPatch, PlacedBag, Weather, in_light_of, with_contrast
from tests.bench.composed_plates import PICTURES_MAX, Plate, make_plate, quiet_stretch, reduce_picture
from tests.bench.composed_scenes import (
    ALONE_S,
    DEPOSIT,
    LEAD_S,
    TAIL_S,
    Scene,
    compose_deposit,
    compose_temptation,
    ping_pong,
    quiet_runs,
)
from tests.bench.composed_score import judge_alarms, outcome_of, print_tables, wilson
from tests.bench.composed_temptations import TEMPTATIONS
from tests.bench.composed_watchers import OtherCheckout, Watchers
from tests.bench.vision_composed import evaluate, split_by_family, write_scene
from tests.unit.vision.footage import bag_left, write_pictures
from tests.unit.vision.scenes import BAG, HEIGHT, WIDTH
from tests.unit.vision.scenes import Scene as Street
from vision.score import TimedImage

FPS = 5
SIZE = {"width": WIDTH, "height": HEIGHT, "duration_s": 40.0, "zone": None}
WALKED: dict[str, Any] = {"clip": "walked-1", "tier": "N", "events": [], **SIZE}
EVENT = {"t_start_s": 6.0, "t_person_leaves_s": 8.0, "box": list(BAG)}
LEFT: dict[str, Any] = {"clip": "left-1", "tier": "A", "events": [EVENT], **SIZE}


def walker(ends_s: float = 40.0) -> Iterator[TimedImage]:
    """Somebody crosses an empty street every 13 s."""
    street = Street()
    for index in range(int(ends_s * FPS)):
        at_s = index / FPS
        yield at_s, street.picture(person_x=int(-40 + (at_s % 13.0) * 60))


def framed_bag() -> Bag:
    dice = np.random.default_rng(5)
    image = dice.integers(0, 60, (30, 36, 3)).astype(np.uint8)
    return Bag("drawn", "elsewhere", Cutout(image, np.ones((30, 36), np.float32), 130.0))


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Plate:
    made = make_plate(WALKED, "walked", (), walker(), tmp_path_factory.mktemp("plates"))
    assert made is not None
    return made


@pytest.fixture(scope="module")
def sprites(plate: Plate) -> list[Sprite]:
    return cut_sprites(plate)


def deposit(plate: Plate, number: int = 1, **look: Any) -> Scene:
    """A composed deposit, by day at the plate's full rate unless said otherwise."""
    scene = compose_deposit(1, number, [plate], [framed_bag()])
    assert scene is not None
    return dataclasses.replace(scene, look=dataclasses.replace(scene.look, **{"light": "day", "rate": 5, **look}))


def placed_in(scene: Scene) -> PlacedBag:
    (layer,) = scene.layers
    assert isinstance(layer, PlacedBag)
    return layer


def test_a_cutout_is_what_was_pasted() -> None:
    dice = np.random.default_rng(2)
    before = dice.normal(130, 3, (80, 90, 3)).astype(np.uint8)
    mask = np.zeros((80, 90), np.uint8)
    cv2.ellipse(mask, (45, 42), (19, 14), 0, 0, 360, 255, cv2.FILLED)
    after = np.where(mask[:, :, None] > 0, np.uint8(30), before)
    cutout = cut_difference(after, before, (26, 28, 39, 29))
    assert cutout is not None
    assert (cutout.alpha > 0.5).sum() == pytest.approx(cv2.countNonZero(mask), rel=0.15)
    assert cutout.image[cutout.alpha > 0.9].max() < 40
    assert cutout.ground == pytest.approx(130, abs=3)


def test_a_place_that_changed_everywhere_or_nowhere_gives_no_cutout() -> None:
    before = np.full((80, 90, 3), 130, np.uint8)
    moved = np.roll(np.kron(np.random.default_rng(3).integers(0, 255, (8, 9, 3)), np.ones((10, 10, 1))), 5, axis=1)
    assert cut_difference(before, before, (26, 28, 39, 29)) is None
    assert cut_difference(moved.astype(np.uint8), before, (26, 28, 39, 29)) is None


def test_the_bag_of_a_deposit_is_cut_out_of_its_clip() -> None:
    (bag,) = cut_bags(LEFT, "left", bag_left())
    assert bag.cutout.alpha.shape == pytest.approx((BAG[3], BAG[2]), abs=6)
    assert cut_bags(WALKED, "walked", walker()) == []


def test_a_plate_knows_who_passes_and_how_high_people_are(plate: Plate) -> None:
    assert plate.gap_s == pytest.approx(1 / FPS)
    assert {passage.kind for passage in plate.passages} == {"person"}
    assert plate.height_at(190) == pytest.approx(120, abs=8)
    image, mask = plate.load_images()[15], plate.load_masks()[15]
    assert cv2.boundingRect(mask)[2:] == pytest.approx((40, 120), abs=8)
    assert np.abs(plate.median.astype(int) - image)[mask == 0].mean() < 6


def test_a_clip_that_is_short_or_drifts_is_no_plate(tmp_path: Path) -> None:
    assert make_plate(WALKED, "walked", (), list(walker())[:5], tmp_path) is None
    still = np.random.default_rng(4).integers(0, 255, (240, 400, 3)).astype(np.uint8)
    still = cv2.GaussianBlur(still, (9, 9), 0)
    drifting = ((i / FPS, still[:, i : i + 320].copy()) for i in range(60))
    assert make_plate(WALKED, "walked", (), drifting, tmp_path) is None


def test_large_pictures_are_made_smaller_and_small_ones_stay() -> None:
    assert reduce_picture(np.zeros((720, 1280, 3), np.uint8)).shape == (312, 554, 3)
    assert reduce_picture(np.zeros((240, 320, 3), np.uint8)).shape == (240, 320, 3)


def test_of_a_long_clip_only_so_many_pictures_are_held() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    first, sample = composed_plates._read_stretch(((i / FPS, image + i % 200) for i in range(3000)), 10.0, 500.0)
    assert len(first) == PICTURES_MAX
    assert first[0][0] == 10.0
    assert PICTURES_MAX / 3 < len(sample) <= PICTURES_MAX


def test_a_plate_holds_no_real_deposit() -> None:
    assert quiet_stretch(WALKED, 40.0) == (0.0, 41.0)
    assert quiet_stretch(LEFT, 40.0) == (8.0, 41.0)
    late = {**LEFT, "events": [{**EVENT, "t_start_s": 30.0, "t_person_leaves_s": 33.0, "t_removed_s": 36.0}]}
    assert quiet_stretch(late, 40.0) == (0.0, 29.0)


def test_a_short_clip_is_played_to_and_fro() -> None:
    assert ping_pong(4, 1, 3, 5).tolist() == [2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert ping_pong(4, 1, 2, 3, -1).tolist() == [3, 2, 1, 0, 1, 2]
    assert ping_pong(1, 0, 1, 1).tolist() == [0, 0, 0]
    assert quiet_runs([True, False, True, True, False]) == [(0, 1), (2, 4)]


@pytest.mark.parametrize("number", range(6))
def test_a_bag_is_hidden_as_it_is_put_down_and_lies_where_the_truth_says(plate: Plate, number: int) -> None:
    scene = deposit(plate, number)
    (event,) = scene.events
    left, top, width, height = event["box"]
    assert LEAD_S[0] - 1 <= event["t_start_s"] <= LEAD_S[1] + 1
    assert event["t_start_s"] < event["t_person_leaves_s"] <= event["t_start_s"] + 4
    assert scene.seconds >= event["t_start_s"] + TAIL_S
    bare = dataclasses.replace(scene, layers=())
    changes = {}
    for (at_s, image), (_, empty) in zip(scene.pictures(), bare.pictures(), strict=True):
        changes[at_s] = np.abs(image.astype(int) - empty).max(axis=2)
    before = [change.max() for at_s, change in changes.items() if at_s < event["t_start_s"] - 0.01]
    assert max(before) == 0
    assert placed_in(scene).visible_share(plate.load_masks()[scene.order[round(event["t_start_s"] * FPS)]]) <= 0.4
    hidden = min(changes, key=lambda at_s: abs(at_s - event["t_start_s"]))
    opened = min(changes, key=lambda at_s: abs(at_s - event["t_person_leaves_s"]))
    inside = np.s_[top : top + height, left : left + width]
    assert (changes[hidden][inside] > 8).mean() < 0.6
    assert (changes[opened][inside] > 8).mean() > 0.6
    outside = changes[opened].copy()
    outside[top - 6 : top + height + 12, left - 12 : left + width + 12] = 0
    assert outside.max() < 60


def test_the_bag_is_alone_for_a_while(plate: Plate) -> None:
    scene = deposit(plate)
    placed, masks = placed_in(scene), plate.load_masks()
    open_s = sum(placed.visible_share(masks[i]) > 0.99 for i in scene.order) / FPS
    assert open_s > ALONE_S


def test_who_passes_behind_a_bag_does_not_hide_it(plate: Plate) -> None:
    placed = placed_in(deposit(plate))
    _, top, _, height = placed.box
    for feet, share in ((top + height + 4, 0.0), (top + height // 2, 1.0)):
        mask = np.zeros(plate.median.shape[:2], np.uint8)
        mask[max(0, feet - 100) : feet, :] = 255
        assert placed.visible_share(mask) == pytest.approx(share, abs=0.1)


def test_the_same_seed_gives_the_same_pictures_and_another_one_others(plate: Plate, sprites: list[Sprite]) -> None:
    for kind in ("dusk", "infrared", "rain"):
        first, again = (list(deposit(plate, light=kind).pictures()) for _ in range(2))
        assert all((a[1] == b[1]).all() for a, b in zip(first, again, strict=True))
    one, two = (compose_temptation(1, 0, [plate], sprites) for _ in range(2))
    assert all((a[1] == b[1]).all() for a, b in zip(one.pictures(), two.pictures(), strict=True))
    other = compose_deposit(2, 1, [plate], [framed_bag()])
    assert other is not None
    assert other.events != deposit(plate).events


def test_fewer_pictures_come_at_the_rate_that_is_said(plate: Plate) -> None:
    for rate in (2, 1):
        times_s = [at_s for at_s, _ in deposit(plate, rate=rate).pictures()]
        assert np.diff(times_s).mean() == pytest.approx(1 / rate, rel=0.05)


def test_light_and_contrast_are_those_of_the_place() -> None:
    bag, ground = framed_bag().cutout, np.full((30, 36, 3), 100, np.uint8)
    assert in_light_of(bag, 65.0).image.mean() == pytest.approx(bag.image.mean() / 2, abs=1)
    low, normal = (with_contrast(bag, ground, low=low).image.astype(float) for low in (True, False))
    assert np.abs(low - 100).max(axis=2).mean() == pytest.approx(22, abs=3)
    assert np.abs(normal - 100).max(axis=2).mean() > 38


def test_weather_changes_what_it_says() -> None:
    image = np.full((120, 160, 3), (60, 120, 180), np.uint8)
    dusk, infrared, rain = (Weather(kind, (1, 2), image).apply(image) for kind in ("dusk", "infrared", "rain"))
    assert dusk.mean() == pytest.approx(42, abs=4)
    assert np.ptp(infrared.astype(int), axis=2).max() < 12
    assert (rain.astype(int) - image).max() > 20


def test_a_patch_of_light_comes_and_goes() -> None:
    patch = LightPatch((80, 60), (20, 15), 1.5, 5.0, 15.0)
    mask = np.zeros((120, 160), np.uint8)
    for at_s, level in ((4.9, 100), (10.0, 150), (15.1, 100)):
        canvas = np.full((120, 160, 3), 100, np.uint8)
        patch.draw(canvas, mask, at_s)
        assert canvas[60, 80, 0] == pytest.approx(level, abs=1)
        assert canvas[0, 0, 0] == 100


def test_every_temptation_shows_something_and_puts_nothing_down(plate: Plate, sprites: list[Sprite]) -> None:
    assert sprites
    for number, kind in enumerate(TEMPTATIONS):
        scene = compose_temptation(3, number, [plate], sprites)
        assert (scene.kind, scene.events) == (kind, ())
        bare = dataclasses.replace(scene, layers=())
        pairs = zip(scene.pictures(), bare.pictures(), strict=True)
        differs = any((image != empty).any() for (_, image), (_, empty) in pairs)
        assert differs == (kind != "plain")


def test_an_interval_is_wilsons() -> None:
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_an_alarm_is_true_once_after_the_bag_rests() -> None:
    event = {"t_start_s": 10.0, "t_person_leaves_s": 11.0, "box": [50, 50, 20, 20]}
    on, off = [52, 52, 20, 20], [100, 50, 20, 20]
    assert judge_alarms([event], [{"t_s": 9.9, "box": on}]).missed == 1
    judged = judge_alarms([event], [{"t_s": 9.9, "box": on}, {"t_s": 14.0, "box": on}, {"t_s": 15.0, "box": on}])
    assert (judged.true, judged.false, judged.missed, judged.delay_s) == (1, 2, 0, 3.0)
    assert judge_alarms([event], [{"t_s": 12.0, "box": off}]).false == 1
    assert judge_alarms([], []).missed == 0


def test_who_always_alarms_is_false_everywhere_and_who_never_does_finds_nothing(
    plate: Plate, sprites: list[Sprite], capsys: pytest.CaptureFixture[str]
) -> None:
    scenes: list[Scene] = [deposit(plate, number) for number in range(3)]
    scenes += [compose_temptation(1, number, [plate], sprites) for number in range(len(TEMPTATIONS))]
    everything = [0, 0, WIDTH, HEIGHT]
    outcomes = []
    for scene in scenes:
        always = [{"t_s": float(at_s), "box": everything} for at_s in range(int(scene.seconds))]
        outcomes.append(outcome_of(scene, "choose", {"always": always, "never": []}))
    assert all(outcome.judgements["always"].false > 0 for outcome in outcomes)
    assert all(outcome.judgements["never"].true == 0 for outcome in outcomes)
    print_tables(outcomes, "all")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["all", "never", "0.00", "0.00-0.56", "0/3", "0", "0.0", "-"] in lines
    assert [line[:5] for line in lines if line[:2] == ["ghost", "always"]] == [
        ["ghost", "always", "1.00", "0.21-1.00", "1/1"]
    ]


def test_sources_are_dealt_out_whole(plate: Plate, sprites: list[Sprite]) -> None:
    plates = [dataclasses.replace(plate, name=f"{name}-{i}", family=name) for name in ("a", "b", "c") for i in range(2)]
    bags = [dataclasses.replace(framed_bag(), family=family) for family in ("a", "a", "b", "d")]
    halves = split_by_family(plates, bags, sprites[:0])
    families = [{plate.family for plate in half.plates} | {bag.family for bag in half.bags} for half in halves]
    assert families[0].isdisjoint(families[1])
    assert families[0] | families[1] == {"a", "b", "c", "d"}
    assert [len(half.bags) for half in halves] == [2, 2]
    assert all(half.plates for half in halves)


def test_the_other_checkout_sees_the_same(plate: Plate, sprites: list[Sprite]) -> None:
    halves = split_by_family([plate], [framed_bag()], sprites)
    root = Path(__file__).parents[3]
    with_bag = [dataclasses.replace(half, bags=(framed_bag(),)) for half in halves if half.plates]
    outcomes = evaluate(with_bag, 2, 1, Watchers(None, root), 1)
    assert [outcome.kind == DEPOSIT for outcome in outcomes] == [True, True, False, False]
    assert all(outcome.judgements["before"] == outcome.judgements["ours"] for outcome in outcomes)


def test_another_checkout_without_a_detector_is_refused(tmp_path: Path, plate: Plate) -> None:
    with pytest.raises(ConfigError, match="no checkout"):
        vision_composed.run(["--before", str(tmp_path)])
    (tmp_path / "vision").mkdir()
    other = OtherCheckout(tmp_path)
    scene = deposit(plate)
    with pytest.raises(ConfigError, match="has ended"):
        other.watch(scene.zone, list(scene.pictures()))
    other.close()


def test_a_scene_is_written_for_looking_at(plate: Plate, tmp_path: Path) -> None:
    scene = deposit(plate)
    assert write_scene(scene, tmp_path / "scene") == 0
    (truth,) = json.loads((tmp_path / "scene" / "ground_truth.json").read_text())
    assert truth["events"] == list(scene.events)
    assert len(list((tmp_path / "scene").glob("*.jpg"))) == len(list(scene.pictures()))


def test_clips_of_one_source_are_refused(tmp_path: Path) -> None:
    write_pictures(bag_left(), tmp_path / "left-1")
    (tmp_path / "ground_truth.json").write_text(json.dumps([LEFT]))
    with pytest.raises(ConfigError, match="no deposit can be composed"):
        vision.run(["--composed", str(tmp_path)])
