"""A learned object detector: an ONNX model, run by OpenCV.

Beside `NAME.onnx` lies `NAME.toml`, which says how it is used:

    size = 640                      # side of the square input, in pixels
    layout = "anchors_last"         # form of the output, see `vision/detect/model_outputs.py`
    classes = ["person", "bicycle", "car"]
    least_score = 0.3               # detections with a lower score are dropped
    channels = "rgb"                # order of the input's colours, or "bgr"
    mean = [0, 0, 0]                # subtracted from the 0..255 levels, in that order
    std = [255, 255, 255]           # and divided by
"""

from __future__ import annotations

import threading
import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

import cv2
import msgspec
import numpy as np
from msgspec import Meta

from city.errors import ConfigError
from vision.detect.model_outputs import Layout, Output, boxes_and_scores
from vision.detect.picture import Image
from vision.detect.port import Detection

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
    size: Annotated[int, Meta(ge=32, le=2048)] = 640
    layout: Layout = "anchors_last"
    least_score: Annotated[float, Meta(gt=0, lt=1)] = 0.3
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (255.0, 255.0, 255.0)


class OnnxDetector:
    """Owns one network; a lock serialises its threads."""

    is_ready = True

    def __init__(self, path: Path) -> None:
        """Load a model and its description, and try them on an empty picture.

        Raises:
            ConfigError: The model or its description is missing or invalid, or they do not fit each other.
        """
        self._lock = threading.Lock()
        self._description = _read_description(path.with_suffix(".toml"))
        try:
            self._network = cv2.dnn.readNetFromONNX(str(path))
            self._output_names = self._network.getUnconnectedOutLayersNames()
        except cv2.error as exc:
            raise ConfigError(f"{path.name}: OpenCV cannot read this model: {_words(exc, path)}") from exc
        side = self._description.size
        try:
            self.detect(np.full((side, side, 3), GREY, np.uint8))
        except cv2.error as exc:
            raise ConfigError(f"{path.name}: OpenCV cannot run this model: {_words(exc, path)}") from exc

    def detect(self, image: Image, least_score: float | None = None) -> list[Detection]:
        """Detect objects in a picture, (height, width, 3) uint8, BGR; highest score first.

        `least_score` replaces the description's; None leaves it.
        """
        square, scale = _letterbox(image, self._description.size)
        with self._lock:
            self._network.setInput(self._blob(square))
            outputs = self._network.forward(self._output_names)
        description = self._description
        boxes, scores = boxes_and_scores(outputs, description.layout, description.size, len(description.classes))
        boxes /= scale
        boxes[:, :2] -= boxes[:, 2:] / 2
        best, kinds = scores.max(axis=1), scores.argmax(axis=1)
        least = description.least_score if least_score is None else least_score
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), best.tolist(), least, OVERLAP_MAX)
        return [self._detection(boxes[i], float(best[i]), int(kinds[i])) for i in kept]

    def _blob(self, square: Image) -> Output:
        colours = square[:, :, ::-1] if self._description.channels == "rgb" else square
        mean, std = (np.array(row, np.float32) for row in (self._description.mean, self._description.std))
        levels: Output = (colours.astype(np.float32) - mean) / std
        return np.ascontiguousarray(levels.transpose(2, 0, 1)[None])

    def _detection(self, box: Output, score: float, kind: int) -> Detection:
        left, top, width, height = (round(float(edge)) for edge in box)
        return Detection(KINDS.get(self._description.classes[kind], "object"), (left, top, width, height), score)


def _read_description(path: Path) -> ModelDescription:
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), ModelDescription)
    except OSError as exc:
        raise ConfigError(f"{path.name}: {exc.strerror or exc}") from exc
    except (ValueError, msgspec.ValidationError) as exc:
        raise ConfigError(f"{path.name}: {exc}") from exc


def _words(exc: cv2.error, path: Path) -> str:
    """What OpenCV says, without the folder: pages show it."""
    return str(exc.err).replace(str(path), path.name).strip()


def _letterbox(image: Image, size: int) -> tuple[Image, float]:
    """The picture scaled into the upper left of a grey square, and the scale."""
    scale = size / max(image.shape[:2])
    small = cv2.resize(image, (round(image.shape[1] * scale), round(image.shape[0] * scale)))
    square: Image = np.full((size, size, 3), GREY, np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    return square, scale
