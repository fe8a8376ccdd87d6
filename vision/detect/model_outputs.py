"""Outputs of detection models as boxes and scores, one function a layout.

`anchors_last` (YOLOv8 and later): (1, 4 + classes, n): centre, size, scores.
`anchors_first` (YOLOv5): (1, n, 5 + classes): centre, size, objectness, scores.
`yolox` (YOLOX): the same on grids of 8, 16 and 32 px, as offsets of the centre and logarithms of the size.
`nanodet` (NanoDet): for each grid (1, n, classes) scores and (1, n, 4 * bins) distributions of the sides' distances.
`fastestdet` (FastestDet): (1, 5 + classes, rows, columns): objectness, offset, size, scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from city.errors import ConfigError

Layout = Literal["anchors_last", "anchors_first", "yolox", "nanodet", "fastestdet"]
Output = NDArray[np.float32]
Decoded = tuple[Output, Output]
"""Boxes, (n, 4) float32: centre, width and height in pixels of the input; scores, (n, classes) float32."""

_STRIDES: Final = (8, 16, 32)
_OBJECTNESS_POWER, _SCORE_POWER = 0.6, 0.4
"""FastestDet weighs objectness and score so."""


def boxes_and_scores(outputs: Sequence[Output], layout: Layout, size: int, classes: int) -> Decoded:
    """Boxes and scores of a model's outputs.

    Args:
        outputs: One array an output, float32.
        layout: Form of the outputs.
        size: Side of the square input, in pixels.
        classes: Number of classes.

    Raises:
        ConfigError: The shapes do not match the layout.
    """
    shapes = ", ".join(str(output.shape) for output in outputs)
    try:
        boxes, scores = _DECODERS[layout](outputs, size, classes)
    except (ValueError, IndexError, TypeError, ZeroDivisionError) as exc:
        raise ConfigError(f"the model answers {shapes}, which is not {layout} of {classes} classes: {exc}") from exc
    if scores.ndim != 2 or scores.shape[1] != classes or boxes.shape != (len(scores), 4):  # noqa: PLR2004 - rows
        raise ConfigError(f"the model answers {shapes}, which is not {layout} of {classes} classes")
    return boxes, scores


def _anchors_last(outputs: Sequence[Output], _size: int, _classes: int) -> Decoded:
    rows = outputs[0][0].T
    return rows[:, :4].copy(), rows[:, 4:]


def _anchors_first(outputs: Sequence[Output], _size: int, _classes: int) -> Decoded:
    rows = outputs[0][0]
    return rows[:, :4].copy(), rows[:, 4:5] * rows[:, 5:]


def _yolox(outputs: Sequence[Output], size: int, _classes: int) -> Decoded:
    rows = outputs[0][0]
    cells = np.concatenate([_cells(size // stride) for stride in _STRIDES])
    strides = np.repeat(np.array(_STRIDES, np.float32), [(size // stride) ** 2 for stride in _STRIDES])[:, None]
    boxes = np.concatenate([(rows[:, :2] + cells) * strides, np.exp(rows[:, 2:4]) * strides], axis=1)
    return boxes, rows[:, 4:5] * rows[:, 5:]


def _nanodet(outputs: Sequence[Output], size: int, classes: int) -> Decoded:
    scores = sorted((output[0] for output in outputs if output.shape[-1] == classes), key=len, reverse=True)
    spreads = sorted((output[0] for output in outputs if output.shape[-1] != classes), key=len, reverse=True)
    boxes = [_from_distances(spread, size) for spread in spreads]
    return np.concatenate(boxes), np.concatenate(scores)


def _from_distances(spread: Output, size: int) -> Output:
    """Boxes of one square grid: each side's distance is the expectation of a distribution over whole strides."""
    side = round(len(spread) ** 0.5)
    stride = size / side
    bins = spread.reshape(len(spread), 4, -1)
    weights = np.exp(bins - bins.max(axis=2, keepdims=True))
    distances = (weights @ np.arange(bins.shape[2], dtype=np.float32)) / weights.sum(axis=2) * stride
    near, far = distances[:, :2], distances[:, 2:]
    middle = (_cells(side) + 0.5) * stride
    return np.concatenate([middle + (far - near) / 2, near + far], axis=1).astype(np.float32)


def _fastestdet(outputs: Sequence[Output], size: int, _classes: int) -> Decoded:
    grid = outputs[0][0]
    rows, columns = grid.shape[1:]
    flat = grid.reshape(len(grid), -1).T
    cells = _cells(rows)
    middle = (cells + np.tanh(flat[:, 1:3])) / np.array([columns, rows], np.float32) * size
    sides = 1 / (1 + np.exp(-flat[:, 3:5])) * size
    scores = flat[:, :1] ** _OBJECTNESS_POWER * flat[:, 5:] ** _SCORE_POWER
    return np.concatenate([middle, sides], axis=1).astype(np.float32), scores


def _cells(side: int) -> Output:
    """(side * side, 2) float32: column and row of each cell of a square grid, row by row."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    return np.stack([columns.ravel(), rows.ravel()], axis=1)


_DECODERS: Final = {
    "anchors_last": _anchors_last,
    "anchors_first": _anchors_first,
    "yolox": _yolox,
    "nanodet": _nanodet,
    "fastestdet": _fastestdet,
}
