"""A finder that an operator may supply: an ONNX model of the YOLO family, run by OpenCV; never needed, never fetched.

Beside `NAME.onnx` lies `NAME.toml`, which says how it is used:

    size = 640                      # the square that pictures are fitted into
    layout = "anchors_last"         # (1, 4 + classes, n), YOLOv8; "anchors_first": (1, n, 5 + classes), YOLOv5
    classes = ["person", "bicycle", "car"]
    least_score = 0.3               # what is less sure is no opinion
"""

from __future__ import annotations

import threading
import tomllib
from pathlib import Path
from typing import Final, Literal

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from broker.contract.errors import ConfigError
from vision.detect.picture import Image
from vision.detect.port import Found

Raw = NDArray[np.float32]

KINDS: Final[dict[str, Literal["person", "vehicle", "animal"]]] = {
    "person": "person",
    **dict.fromkeys(("bicycle", "car", "motorcycle", "motorbike", "bus", "truck", "van", "cart"), "vehicle"),
    **dict.fromkeys(("bird", "cat", "dog", "goat", "sheep", "cow", "horse", "pig", "chicken"), "animal"),
}
"""Class names to what they are to us; any other is an object."""
OVERLAP_MAX: Final = 0.5
"""Of two boxes around one thing."""
GREY: Final = 114


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model is used."""

    classes: list[str]
    size: int = 640
    layout: Literal["anchors_last", "anchors_first"] = "anchors_last"
    least_score: float = 0.3


class OnnxFinder:
    """Owns one network; threads wait for each other."""

    def __init__(self, path: Path) -> None:
        """Load a model and its description.

        Raises:
            ConfigError: One of them is missing or wrong.
        """
        self._alone = threading.Lock()
        self._how = _description(path.with_suffix(".toml"))
        try:
            self._network = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as exc:
            raise ConfigError(f"{path}: OpenCV cannot read this model: {exc.err}") from exc

    def find(self, image: Image) -> list[Found]:
        """What is in a picture, (height, width, 3) uint8, BGR; the surest first.

        Raises:
            ConfigError: The model answers in another shape than its description says.
        """
        square, scale = _fitted(image, self._how.size)
        with self._alone:
            self._network.setInput(cv2.dnn.blobFromImage(square, 1 / 255, swapRB=True))
            rows = self._rows(self._network.forward())
        boxes, scores = rows[:, :4] / scale, rows[:, 4:]
        boxes[:, :2] -= boxes[:, 2:] / 2
        best, kinds = scores.max(axis=1), scores.argmax(axis=1)
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), best.tolist(), self._how.least_score, OVERLAP_MAX)
        return [self._found(boxes[i], float(best[i]), int(kinds[i])) for i in kept]

    def _rows(self, answer: Raw) -> Raw:
        """(n, 4 + classes): centre, width and height of each box, then the score of each class."""
        wanted = len(self._how.classes) + (4 if self._how.layout == "anchors_last" else 5)
        rows = answer[0].T if self._how.layout == "anchors_last" and answer.ndim == 3 else answer[0]  # noqa: PLR2004
        if rows.ndim != 2 or rows.shape[1] != wanted:  # noqa: PLR2004 - boxes by numbers
            raise ConfigError(f"the model answers {answer.shape}, which is not {wanted} numbers a box")
        if self._how.layout == "anchors_last":
            return np.ascontiguousarray(rows)
        return np.concatenate([rows[:, :4], rows[:, 4:5] * rows[:, 5:]], axis=1)

    def _found(self, box: Raw, score: float, kind: int) -> Found:
        left, top, width, height = (round(float(edge)) for edge in box)
        return Found(KINDS.get(self._how.classes[kind], "object"), (left, top, width, height), score)


def _description(path: Path) -> Description:
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), Description)
    except (OSError, ValueError, msgspec.ValidationError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc


def _fitted(image: Image, size: int) -> tuple[Image, float]:
    """The picture in the upper left of a grey square, and how much smaller it is there."""
    scale = size / max(image.shape[:2])
    small = cv2.resize(image, (round(image.shape[1] * scale), round(image.shape[0] * scale)))
    square: Image = np.full((size, size, 3), GREY, np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    return square, scale
