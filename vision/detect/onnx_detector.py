"""A learned object detector: an ONNX model.

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
    """Owns one network and its description; may be used by several threads at once."""

    is_ready = True

    def __init__(self, path: Path) -> None:
        """Load a model and its description, and try them on an empty picture.

        Raises:
            ConfigError: The model or its description is missing or invalid, or they do not fit each other.
        """
        self._description = _read_description(path.with_suffix(".toml"))
        from vision.detect.onnx_network import OnnxNetwork  # noqa: PLC0415 - 55 MB, for who has a model

        self._network = OnnxNetwork(path)
        side = self._description.size
        self.detect(np.full((side, side, 3), GREY, np.uint8))

    def detect(self, image: Image, least_score: float | None = None) -> list[Detection]:
        """Detect objects in a picture, (height, width, 3) uint8, BGR; highest score first.

        `least_score` replaces the description's; None leaves it.

        Raises:
            ConfigError: The model fails on the picture.
        """
        description = self._description
        square, scale = _letterbox(image, description.size)
        outputs = self._network.run(self._blob(square))
        boxes, scores = boxes_and_scores(outputs, description.layout, description.size, len(description.classes))
        least = description.least_score if least_score is None else least_score
        kinds, best = scores.argmax(axis=1), scores.max(axis=1)
        sure = best >= least
        boxes, kinds, best = boxes[sure] / scale, kinds[sure], best[sure]
        boxes[:, :2] -= boxes[:, 2:] / 2
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), best.tolist(), least, OVERLAP_MAX)
        return [self._detection(boxes[i], float(best[i]), int(kinds[i])) for i in kept]

    def _blob(self, square: Image) -> Output:
        """The network's input, (1, 3, size, size) float32."""
        description = self._description
        blob: Output = cv2.dnn.blobFromImage(square, mean=description.mean, swapRB=description.channels == "rgb")
        blob /= np.array(description.std, np.float32)[:, None, None]
        return blob

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


def _letterbox(image: Image, size: int) -> tuple[Image, float]:
    """The picture scaled into the upper left of a grey square, and the scale."""
    scale = size / max(image.shape[:2])
    small = cv2.resize(image, (round(image.shape[1] * scale), round(image.shape[0] * scale)))
    square: Image = np.full((size, size, 3), GREY, np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    return square, scale
