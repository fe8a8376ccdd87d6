"""Recorded clips: which are found, what may be said of them, and what a detector makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from city.errors import ConfigError
from tests.unit.vision.footage import nobody, write_pictures
from tests.unit.vision.scenes import Image, Scene
from vision.cli import run
from vision.detect.port import AbandonedObject, StepResult
from vision.score import ClipHints, clips_in, frames_of, hints_of, read_truth, run_detector


class Alarming:
    """Reports something in every second picture."""

    def __init__(self) -> None:
        self.count = 0

    def step(self, _image: Image, at_s: float) -> StepResult:
        self.count += 1
        return StepResult([AbandonedObject(self.count, (1, 2, 3, 4), at_s, at_s)] if self.count % 2 else [])


def test_every_alarm_has_its_second_and_its_box() -> None:
    image = Scene().picture()
    played = run_detector([(0.0, image), (0.2, image), (0.4, image)], Alarming())
    assert played.pictures == 3
    assert played.alarms == [{"t_s": 0.0, "box": [1, 2, 3, 4]}, {"t_s": 0.4, "box": [1, 2, 3, 4]}]


def test_videos_and_folders_of_pictures_are_clips(tmp_path: Path) -> None:
    (tmp_path / "b.mp4").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.5.jpg").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    assert [clip.name for clip in clips_in(tmp_path)] == ["a", "b.mp4"]


def test_a_folder_that_is_not_there_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        clips_in(tmp_path / "missing")
    with pytest.raises(ConfigError, match="holds no clips"):
        clips_in(tmp_path)


def test_of_a_clip_its_zone_and_rate_are_told_and_nothing_is_when_it_has_none() -> None:
    clip = {"width": 200, "height": 100, "zone": [[0, 50], [100, 50]], "fps": 2.0}
    assert hints_of(clip) == ClipHints(((0.0, 0.5), (0.5, 0.5)), 2.0)
    assert hints_of({"width": 200, "height": 100, "zone": None}) == ClipHints()


def test_numbered_pictures_are_shown_at_the_rate_that_is_told(tmp_path: Path) -> None:
    write_pictures(nobody(0.4), tmp_path / "street")
    for number, file in enumerate(sorted((tmp_path / "street").iterdir())):
        file.rename(file.with_stem(f"frame{number:04}"))
    assert [at_s for at_s, _ in frames_of(tmp_path / "street", ClipHints(fps=2.0))] == [0.0, 0.5]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        '[{"clip": "a"}]',
        '[{"width": 1, "height": 1}]',
        '[{"clip": "a", "width": 0, "height": 1, "zone": [[1, 1]]}]',
    ],
)
def test_what_is_no_list_of_clips_is_refused(tmp_path: Path, text: str) -> None:
    truth = tmp_path / "truth.json"
    truth.write_text(text)
    with pytest.raises(ConfigError, match="not a list of clips"):
        read_truth(truth)


def test_the_verb_writes_the_alarms_of_each_clip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "clips" / "street"
    write_pictures(nobody(2.0), folder)
    truth, out = tmp_path / "truth.json", tmp_path / "found.json"
    truth.write_text(json.dumps([{"clip": "street", "width": 320, "height": 240}]))
    assert run(["score", str(folder.parent), "--ground-truth", str(truth), "--out", str(out)]) == 0
    assert json.loads(out.read_text()) == {"street": []}
    assert "street: 10 pictures" in capsys.readouterr().out
