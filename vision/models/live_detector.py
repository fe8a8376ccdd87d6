"""The learned detector that cameras use: the one that is installed now, exchanged without a restart.

A model that cannot be used stops no watching: the cameras go on without one, and the detector's state says why.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import structlog

from city.errors import ConfigError
from city.runtime.detector_state import DetectorState, write_detector_state
from city.runtime.settings import Settings
from vision.detect.onnx_detector import OnnxDetector
from vision.detect.picture import Image
from vision.detect.port import Detection
from vision.models.known import chosen_model

log = structlog.get_logger("vision")

CHECK_EVERY_S: Final = 5.0

_Version = tuple[Path, int, int, int]
"""Path, size and time of change of a model, and time of change of its description."""


class LiveDetector:
    """The installed detector as a port that may be empty; `refresh` is for one thread, `detect` for any.

    Args:
        settings: Where the model is; `vision_model` goes before the installed ones.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._detector: OnnxDetector | None = None
        self._version: _Version | None = None
        self._check_due_s = time.monotonic() + CHECK_EVERY_S
        self._load(chosen_model(settings))

    @property
    def is_ready(self) -> bool:
        """Whether there is a model that can be used."""
        return self._detector is not None

    def detect(self, image: Image, least_score: float | None = None) -> list[Detection]:
        """Detect objects in a picture; none without a model. `least_score` goes before the model's own."""
        detector = self._detector
        if detector is None:
            return []
        try:
            return detector.detect(image, least_score)
        except ConfigError as exc:
            self._drop(detector, str(exc))
            return []

    def refresh(self) -> None:
        """Load the model again if it is another one now, or gone."""
        if time.monotonic() < self._check_due_s:
            return
        self._check_due_s = time.monotonic() + CHECK_EVERY_S
        path = chosen_model(self._settings)
        if _version_of(path) != self._version:
            self._load(path)

    def _drop(self, detector: OnnxDetector, reason: str) -> None:
        """Go on without a model that fails on a picture, until it is exchanged."""
        if self._detector is detector and self._version is not None:
            self._detector = None
            log.error("vision.model_unusable", model=self._version[0].name, reason=reason)
            write_detector_state(self._settings.data, DetectorState(self._version[0].stem, reason))

    def _load(self, path: Path | None) -> None:
        self._version = _version_of(path)
        self._detector, reason = None, ""
        if path is not None:
            try:
                self._detector = OnnxDetector(path)
            except ConfigError as exc:
                reason = str(exc)
                log.error("vision.model_unusable", model=path.name, reason=reason)
            else:
                log.info("vision.model_in_use", model=path.name)
        write_detector_state(self._settings.data, DetectorState(path.stem if path else "", reason))


def _version_of(path: Path | None) -> _Version | None:
    """What changes when a model or its description does; None without a model."""
    if path is None:
        return None
    try:
        model = path.stat()
        description = path.with_suffix(".toml")
        described_ns = description.stat().st_mtime_ns if description.exists() else 0
    except OSError:
        return path, 0, 0, 0
    return path, model.st_size, model.st_mtime_ns, described_ns
