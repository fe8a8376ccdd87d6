"""`kota bench vision` counts what it says it counts, on drawn clips; how fast anything is, is asserted nowhere."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from city.errors import ConfigError
from tests.bench import vision, vision_cost, vision_sweep
from tests.bench.dual_mog2 import DualMog2
from tests.bench.vision_altered import ALTERATIONS, JOINED_S
from tests.bench.vision_clips import Clip, Counts, Score, Scorer, keep, parse_score
from tests.bench.vision_sweep import BELOW_ONE, FACTORS, NOT_SWEPT, Setting
from tests.support.require import require_program, require_shared
from tests.unit.vision.footage import ENDS_S, FPS, LEAVES_S, PUT_DOWN_S, bag_left, nobody, write_pictures
from tests.unit.vision.scenes import BAG, HEIGHT, WIDTH
from vision.detect.config import DetectorConfig
from vision.detect.detector import AbandonedObjectDetector
from vision.score import Detector, frames_of, run_detector

EVENT = {"t_start_s": PUT_DOWN_S, "t_person_leaves_s": LEAVES_S, "box": list(BAG)}
SIZE = {"width": WIDTH, "height": HEIGHT, "duration_s": ENDS_S}
STREET: dict[str, Any] = {"clip": "street-1", "tier": "A", "events": [EVENT], "zone": None, **SIZE}
EMPTY: dict[str, Any] = {"clip": "empty-1", "tier": "N", "events": [], "zone": [[0, 60], [319, 239]], **SIZE}
SAID = """A street-1                         true 1 false 2 missed 0 false@1.0s[1, 2, 3, 4]
B with spaces in it                true 0 false 0 missed 3
true 1 false 2 missed 3 early 1 precision 0.333 recall 0.250 F1 0.286 false/h 51.4 delay_median_s -0.5
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    into = tmp_path_factory.mktemp("decoded")
    shown = [(STREET, list(bag_left())), (EMPTY, list(nobody()))]
    return [keep(truth, [image for _, image in seen], [at_s for at_s, _ in seen], into) for truth, seen in shown]


def test_the_reference_reports_what_was_left_once(clips: list[Clip]) -> None:
    (alarm,) = run_detector(clips[0].pictures(), DualMog2()).alarms
    left, top, width, height = alarm["box"]
    assert BAG[0] <= left + width / 2 <= BAG[0] + BAG[2]
    assert BAG[1] <= top + height / 2 <= BAG[1] + BAG[3]
    assert alarm["t_s"] > PUT_DOWN_S


def test_the_reference_reports_nothing_in_an_empty_street_or_outside_its_zone(clips: list[Clip]) -> None:
    assert run_detector(clips[1].pictures(), DualMog2()).alarms == []
    above = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5)]
    assert run_detector(clips[0].pictures(), DualMog2(above)).alarms == []


def test_what_the_scorer_says_is_read() -> None:
    score = parse_score(SAID)
    assert (score.counts, score.early, score.false_h, score.delay_s) == (Counts(1, 2, 3), 1, 51.4, -0.5)
    assert score.clips == {"street-1": Counts(1, 2, 0), "with spaces in it": Counts(0, 0, 3)}
    assert parse_score(SAID.replace("-0.5", "-")).delay_s is None


def test_the_scorer_beside_the_clips_judges_alarms(tmp_path: Path) -> None:
    scorer = Scorer(require_shared("tools/score_clips.py"), tmp_path)
    found = {"street-1": [{"t_s": 9.5, "box": list(BAG)}], "empty-1": [{"t_s": 1.0, "box": [0, 0, 9, 9]}]}
    score = scorer.score([STREET, EMPTY], found)
    assert (score.counts, score.early, score.delay_s) == (Counts(1, 1, 0), 0, 1.5)
    assert score.false_h == pytest.approx(75.0)
    assert scorer.score([STREET, EMPTY], found, "A").counts == Counts(1, 0, 0)


def test_no_scorer_or_one_that_says_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name one with --scorer"):
        Scorer(tmp_path / "missing.py", tmp_path)
    other = tmp_path / "other.py"
    for text, why in (("print('fine')", "no line of totals"), ("raise SystemExit('broken')", "broken")):
        other.write_text(text)
        with pytest.raises(ConfigError, match=why):
            Scorer(other, tmp_path).score([STREET], {})


def test_mirrored_and_halved_clips_are_true_of_what_they_show(clips: list[Clip]) -> None:
    for name, box in (("mirrored", [WIDTH - BAG[0] - BAG[2], *BAG[1:]]), ("half resolution", [e / 2 for e in BAG])):
        showing = ALTERATIONS[name](clips[0])
        assert showing is not None
        assert showing.truth["events"][0]["box"] == box
        (alarm,) = run_detector(showing.pictures(), AbandonedObjectDetector(showing.zone)).alarms
        assert alarm["box"] == pytest.approx(box, abs=8)
    flipped, half = ALTERATIONS["mirrored"](clips[1]), ALTERATIONS["half resolution"](clips[1])
    assert flipped is not None
    assert half is not None
    assert flipped.truth["zone"] == [[WIDTH, 60], [1, 239]]
    assert half.zone == clips[1].zone


def test_backwards_nothing_is_put_down_and_clips_where_something_goes_are_left_out(clips: list[Clip]) -> None:
    showing = ALTERATIONS["backwards"](clips[0])
    assert showing is not None
    assert showing.truth["events"] == []
    times_s = [at_s for at_s, _ in showing.pictures()]
    assert times_s == sorted(times_s)
    assert times_s[0] == 0.0
    taken = dataclasses.replace(clips[0], truth={**STREET, "events": [{**EVENT, "t_removed_s": 20.0}]})
    assert ALTERATIONS["backwards"](taken) is None


def test_fewer_pictures_come_at_the_rate_that_is_said(clips: list[Clip]) -> None:
    for name, rate in (("2 pictures a second", 2), ("1 picture a second", 1)):
        showing = ALTERATIONS[name](clips[0])
        assert showing is not None
        assert len(list(showing.pictures())) == ENDS_S * rate


def test_a_camera_joined_late_begins_shortly_before_and_needs_something_to_be_put_down(clips: list[Clip]) -> None:
    late = dataclasses.replace(clips[0], truth={**STREET, "events": [{**EVENT, "t_start_s": 10.0}]})
    showing = ALTERATIONS["joined 6 s before"](late)
    assert showing is not None
    assert next(showing.pictures())[0] == pytest.approx(10.0 - JOINED_S, abs=1 / FPS)
    assert ALTERATIONS["joined 6 s before"](clips[1]) is None


@pytest.mark.parametrize("name", sorted(ALTERATIONS))
def test_every_alteration_gives_pictures_in_order(name: str, clips: list[Clip]) -> None:
    showing = ALTERATIONS[name](clips[0])
    assert showing is not None
    seen = list(showing.pictures())
    assert [at_s for at_s, _ in seen] == sorted(at_s for at_s, _ in seen)
    assert {image.dtype.name for _, image in seen} == {"uint8"}
    assert {image.shape[2] for _, image in seen} == {3}


def test_every_threshold_is_swept_and_none_by_a_name_that_is_gone() -> None:
    names = {field.name for field in dataclasses.fields(DetectorConfig)}
    assert set(vision_sweep.thresholds()) == names - NOT_SWEPT
    assert names >= BELOW_ONE | NOT_SWEPT
    for setting in vision_sweep.settings_of(vision_sweep.thresholds()):
        changed = vision_sweep.configured(setting)
        differing = [name for name in names if getattr(changed, name) != getattr(DetectorConfig(), name)]
        assert differing == [setting.name]
    assert all(0 < vision_sweep.value_of(Setting(name, factor)) < 1 for name in BELOW_ONE for factor in FACTORS)


def scored(**by_clip: Counts) -> Score:
    return Score(sum(by_clip.values(), Counts()), 0, 0.0, None, by_clip)


def test_a_source_is_judged_by_what_suits_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    fixed = scored(one=Counts(1, 0, 0), two=Counts(1, 1, 0))
    low = scored(one=Counts(0, 0, 1), two=Counts(1, 0, 0))
    high = scored(one=Counts(1, 0, 0), two=Counts(0, 0, 1))
    tried = {Setting("hold_s", 1.0): fixed, Setting("hold_s", 0.5): low, Setting("hold_s", 2.0): high}
    assert vision_sweep.chosen_without(["one"], tried) == Setting("hold_s", 0.5)
    assert vision_sweep.chosen_without(["two"], tried) == Setting("hold_s", 1.0)
    assert vision_sweep.unlucky_without(["two"], tried) == Setting("hold_s", 2.0)
    families = {"one": ["one"], "two": ["two"]}
    assert vision_sweep.left_out(families, tried) == Counts(1, 1, 1)
    vision_sweep.print_threshold("hold_s", tried, families)
    vision_sweep.print_left_out(tried, families)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["hold_s", "5", "1/0/1", "(0)", "2/1/0", "(0)", "1/0/1", "(0)", "0/0/2"] in lines
    low_told, high_told = ["hold_s", "x", "0.5", "=", "2.5"], ["hold_s", "x", "2", "=", "10"]
    assert ["one", *low_told, "1/0/0", "1/1/0", "0/0/1", "1/0/0", "0/0/1", *low_told] in lines
    assert ["two", "as", "it", "is", "1/0/0", "1/0/0", "1/1/0", "1/1/0", "0/0/1", *high_told] in lines
    assert ["together", "1/1/1", "2/1/0", "0/0/2"] in lines
    assert ["F1", "0.500", "0.800", "0.000"] in lines


def test_the_tables_of_a_whole_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scorer = require_shared("tools/score_clips.py")
    write_pictures(bag_left(), tmp_path / "clips" / "street-1")
    write_pictures(nobody(), tmp_path / "clips" / "empty-1")
    (tmp_path / "clips" / "ground_truth.json").write_text(json.dumps([STREET, EMPTY]))
    arguments = [str(tmp_path / "clips"), "--scorer", str(scorer), "--no-cost", "--sweep", "min_area"]
    assert vision.run(arguments) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    ours = {line[0]: line[2:7] for line in lines if "ours" in line[1:2]}
    assert ours["A"] == ours["all"] == ["1/1", "1.00", "0", "0.0", "0"]
    assert ours["N"] == ["0/0", "-", "0", "0.0", "0"]
    (swept,) = (line for line in lines if line[:1] == ["min_area"])
    assert swept[1] == f"{DetectorConfig().min_area:g}"


def test_a_folder_without_clips_that_are_known_is_refused(tmp_path: Path) -> None:
    scorer = tmp_path / "scorer.py"
    scorer.touch()
    with pytest.raises(ConfigError, match="no such folder"):
        vision.run([str(tmp_path / "missing"), "--scorer", str(scorer)])
    (tmp_path / "ground_truth.json").write_text("[]")
    write_pictures(nobody(0.4), tmp_path / "street-1")
    with pytest.raises(ConfigError, match="holds none of the clips"):
        vision.run([str(tmp_path), "--scorer", str(scorer)])


@pytest.mark.parametrize("make", vision_cost.WATCHERS.values(), ids=vision_cost.WATCHERS)
def test_cameras_of_one_process_are_all_counted(make: Callable[[Path], Detector], tmp_path: Path) -> None:
    write_pictures(nobody(2.0), tmp_path / "street")
    assert vision_cost.watch(make, tmp_path / "street", 3, tmp_path / "rooms") == pytest.approx(3 * 1.8)


def test_the_sub_stream_has_its_size_and_rate(tmp_path: Path) -> None:
    require_program("ffmpeg")
    videos = [tmp_path / "one.avi", tmp_path / "two.avi"]
    for video in videos:
        writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (WIDTH, HEIGHT))
        for _, image in nobody(4.0):
            writer.write(image)
        writer.release()
    seen = list(frames_of(vision_cost.sub_stream(videos, tmp_path / "sub.mp4")))
    assert len(seen) == 2 * 2 * FPS
    assert {image.shape for _, image in seen} == {(480, 640, 3)}


def test_the_goal_is_met_or_not() -> None:
    assert vision_cost.goal(25.0, 60.0) == "met"
    assert vision_cost.goal(24.0, 60.0) == "NOT MET"
    assert vision_cost.goal(25.0, 61.0) == "NOT MET"
