"""An optional object detector: an ONNX model of the YOLO family from the operator, run by OpenCV; never fetched.

Beside `NAME.onnx` lies `NAME.toml`, which says how it is used:

    size = 640                      # side of the square input, in pixels
    layout = "anchors_last"         # (1, 4 + classes, n), YOLOv8; "anchors_first": (1, n, 5 + classes), YOLOv5
    classes = ["person", "bicycle", "car"]
    least_score = 0.3               # detections with a lower score are dropped
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

from city.errors import ConfigError
from vision.detect.picture import Image
from vision.detect.port import Detection

Raw = NDArray[np.float32]

KINDS: Final[dict[str, Literal["person", "vehicle", "animal"]]] = {
    "person": "person",
    **dict.fromkeys(("bicycle", "car", "motorcycle", "motorbike", "bus", "truck", "van", "cart"), "vehicle"),
    **dict.fromkeys(("bird", "cat", "dog", "goat", "sheep", "cow", "horse", "pig", "chicken"), "animal"),
}
"""Kind of each class name; any other is an object."""
OVERLAP_MAX: Final = 0.5
"""Intersection over union above which two boxes are one detection."""
GREY: Final = 114


class ModelDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Contents of `NAME.toml`."""

    classes: list[str]
    size: int = 640
    layout: Literal["anchors_last", "anchors_first"] = "anchors_last"
    least_score: float = 0.3


class OnnxDetector:
    """Owns one network; a lock serialises its threads."""

    def __init__(self, path: Path) -> None:
        """Load a model and its description.

        Raises:
            ConfigError: The model or its description is missing or invalid.
        """
        self._lock = threading.Lock()
        self._description = _read_description(path.with_suffix(".toml"))
        try:
            self._network = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as exc:
            raise ConfigError(f"{path}: OpenCV cannot read this model: {exc.err}") from exc

    def detect(self, image: Image) -> list[Detection]:
        """Detect objects in a picture, (height, width, 3) uint8, BGR; highest score first.

        Raises:
            ConfigError: The shape of the model's output does not match its description.
        """
        square, scale = _letterbox(image, self._description.size)
        with self._lock:
            self._network.setInput(cv2.dnn.blobFromImage(square, 1 / 255, swapRB=True))
            rows = self._rows(self._network.forward())
        boxes, scores = rows[:, :4] / scale, rows[:, 4:]
        boxes[:, :2] -= boxes[:, 2:] / 2
        best, kinds = scores.max(axis=1), scores.argmax(axis=1)
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), best.tolist(), self._description.least_score, OVERLAP_MAX)
        return [self._detection(boxes[i], float(best[i]), int(kinds[i])) for i in kept]

    def _rows(self, output: Raw) -> Raw:
        """(n, 4 + classes) float32: centre, width and height of each box, then the score of each class."""
        columns = len(self._description.classes) + (4 if self._description.layout == "anchors_last" else 5)
        rows = output[0].T if self._description.layout == "anchors_last" and output.ndim == 3 else output[0]  # noqa: PLR2004
        if rows.ndim != 2 or rows.shape[1] != columns:  # noqa: PLR2004 - boxes by numbers
            raise ConfigError(f"the model answers {output.shape}, which is not {columns} numbers a box")
        if self._description.layout == "anchors_last":
            return np.ascontiguousarray(rows)
        return np.concatenate([rows[:, :4], rows[:, 4:5] * rows[:, 5:]], axis=1)

    def _detection(self, box: Raw, score: float, kind: int) -> Detection:
        left, top, width, height = (round(float(edge)) for edge in box)
        return Detection(KINDS.get(self._description.classes[kind], "object"), (left, top, width, height), score)


def _read_description(path: Path) -> ModelDescription:
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), ModelDescription)
    except (OSError, ValueError, msgspec.ValidationError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc


def _letterbox(image: Image, size: int) -> tuple[Image, float]:
    """The picture scaled into the upper left of a grey square, and the scale."""
    scale = size / max(image.shape[:2])
    small = cv2.resize(image, (round(image.shape[1] * scale), round(image.shape[0] * scale)))
    square: Image = np.full((size, size, 3), GREY, np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    return square, scale
