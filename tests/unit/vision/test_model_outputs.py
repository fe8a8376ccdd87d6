"""Outputs of detection models: one object at a known place, in each layout."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from city.errors import ConfigError
from vision.detect.model_outputs import Layout, Output, boxes_and_scores

SIZE: Final = 64
CLASSES: Final = 3
CENTRE: Final = (20.0, 36.0)
"""Of a cell of 8 px: column 2, row 4, four pixels into it."""
SIDES: Final = (8.0, 24.0)


def scores_at(place: int, count: int, score: float = 0.8) -> Output:
    scores = np.full((count, CLASSES), 0.01, np.float32)
    scores[place, 1] = score
    return scores


def anchors_last() -> list[Output]:
    boxes = np.zeros((5, 4), np.float32)
    boxes[3] = (*CENTRE, *SIDES)
    return [np.concatenate([boxes, scores_at(3, 5)], axis=1).T[None]]


def anchors_first() -> list[Output]:
    boxes = np.zeros((5, 4), np.float32)
    boxes[3] = (*CENTRE, *SIDES)
    certain = np.ones((5, 1), np.float32)
    return [np.concatenate([boxes, certain, scores_at(3, 5)], axis=1)[None]]


def yolox() -> list[Output]:
    count = sum((SIZE // stride) ** 2 for stride in (8, 16, 32))
    place = 4 * 8 + 2
    boxes = np.zeros((count, 4), np.float32)
    boxes[place] = (0.5, 0.5, *np.log(np.array(SIDES) / 8))
    certain = np.ones((count, 1), np.float32)
    return [np.concatenate([boxes, certain, scores_at(place, count)], axis=1)[None]]


def nanodet() -> list[Output]:
    outputs = []
    for stride in (32, 8, 16):  # in any order
        count = (SIZE // stride) ** 2
        bins = np.zeros((count, 4, 8), np.float32)
        scores = np.full((count, CLASSES), 0.01, np.float32)
        if stride == 8:
            place = 4 * 8 + 2
            # Half a stride to left and right: the middle of two bins. One and a half up and down.
            for side, low in enumerate((0, 1, 0, 1)):
                bins[place, side] = -50
                bins[place, side, low : low + 2] = 0
            scores = scores_at(place, count)
        outputs += [bins.reshape(1, count, 32), scores[None]]
    return outputs


def fastestdet() -> list[Output]:
    grid = np.full((5 + CLASSES, 4, 4), -9.0, np.float32)
    grid[0] = grid[5:] = 0.01
    row, column = 2, 1
    grid[0, row, column] = grid[6, row, column] = 0.8
    grid[1, row, column] = np.arctanh(CENTRE[0] / 16 - column)
    grid[2, row, column] = np.arctanh(CENTRE[1] / 16 - row)
    grid[3:5, row, column] = [-np.log(SIZE / side - 1) for side in SIDES]
    return [grid[None]]


OUTPUTS: Final = {
    "anchors_last": anchors_last,
    "anchors_first": anchors_first,
    "yolox": yolox,
    "nanodet": nanodet,
    "fastestdet": fastestdet,
}


@pytest.mark.parametrize("layout", OUTPUTS)
def test_an_object_is_where_the_model_says(layout: Layout) -> None:
    boxes, scores = boxes_and_scores(OUTPUTS[layout](), layout, SIZE, CLASSES)
    place, kind = np.unravel_index(int(scores.argmax()), scores.shape)
    assert kind == 1
    assert scores[place, kind] == pytest.approx(0.8, abs=1e-5)
    assert boxes[place] == pytest.approx((*CENTRE, *SIDES), abs=0.05)


@pytest.mark.parametrize("layout", OUTPUTS)
def test_another_number_of_classes_is_refused(layout: Layout) -> None:
    with pytest.raises(ConfigError, match=f"not {layout} of 7 classes"):
        boxes_and_scores(OUTPUTS[layout](), layout, SIZE, 7)


@pytest.mark.parametrize("layout", OUTPUTS)
@pytest.mark.parametrize("shape", [(1,), (1, 2), (1, 0, 0), (1, 3, 3, 3), (2, 9, 5)])
def test_any_other_shape_is_refused_in_words(layout: Layout, shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="the model answers"):
        boxes_and_scores([np.ones(shape, np.float32)], layout, SIZE, CLASSES)
