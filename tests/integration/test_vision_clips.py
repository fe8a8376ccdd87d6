"""Real footage: the deposits of fixed cameras at full rate are found, after the owner has gone, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.require import require_shared
from vision.cli import alarms_of
from vision.score import known_of, read_truth


@pytest.mark.parametrize("tier", ["A", "N"])
def test_tier(tier: str) -> None:
    truth = require_shared("clips/ground_truth.json")
    clips = [clip for clip in read_truth(truth) if clip["tier"] == tier]
    assert clips
    for clip in clips:
        found = alarms_of(Path(truth.parent / clip["clip"]), known_of(clip))
        assert len(found) == len(clip["events"]), (clip["clip"], found)
        for alarm, event in zip(found, clip["events"], strict=True):
            x, y, width, height = event["box"]
            left, top, box_width, box_height = alarm["box"]
            assert alarm["t_s"] >= event["t_person_leaves_s"]
            assert x - width / 2 <= left + box_width / 2 <= x + 1.5 * width
            assert y - height / 2 <= top + box_height / 2 <= y + 1.5 * height
