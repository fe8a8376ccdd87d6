"""Real footage: the deposits of fixed cameras at full rate are found, after the owner has gone, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.require import require_shared
from vision.cli import alarms_of
from vision.detect.onnx_detector import OnnxDetector
from vision.detect.port import ObjectDetector
from vision.models.known import install, known_models
from vision.score import hints_of, read_truth

MODEL: Final = "models/nanodet-m-416.onnx"


def judge(clip: dict[str, Any], truth: Path, learned: ObjectDetector | None) -> None:
    found = alarms_of(truth.parent / clip["clip"], hints_of(clip), learned)
    assert len(found) == len(clip["events"]), (clip["clip"], found)
    for alarm, event in zip(found, clip["events"], strict=True):
        x, y, width, height = event["box"]
        left, top, box_width, box_height = alarm["box"]
        assert alarm["t_s"] >= event["t_person_leaves_s"]
        assert x - width / 2 <= left + box_width / 2 <= x + 1.5 * width
        assert y - height / 2 <= top + box_height / 2 <= y + 1.5 * height


@pytest.fixture(scope="module")
def nanodet(tmp_path_factory: pytest.TempPathFactory) -> OnnxDetector:
    content = require_shared(MODEL).read_bytes()
    return OnnxDetector(install(tmp_path_factory.mktemp("model"), known_models()["nanodet-m-416"], content))


def clips_of(tier: str) -> tuple[Path, list[dict[str, Any]]]:
    truth = require_shared("clips/ground_truth.json")
    clips = [clip for clip in read_truth(truth) if clip["tier"] == tier]
    assert clips
    return truth, clips


@pytest.mark.timeout(600)
@pytest.mark.parametrize("tier", ["A", "B", "N"])
def test_tier_without_a_model(tier: str) -> None:
    truth, clips = clips_of(tier)
    for clip in clips:
        judge(clip, truth, None)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("tier", ["A", "B"])
def test_tier_with_a_model(tier: str, nanodet: OnnxDetector) -> None:
    truth, clips = clips_of(tier)
    for clip in clips:
        judge(clip, truth, nanodet)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", [0, 1])
def test_nothing_is_found_where_there_is_nothing_with_a_model(part: int, nanodet: OnnxDetector) -> None:
    truth, clips = clips_of("N")
    for clip in clips[part::2]:
        judge(clip, truth, nanodet)
