"""The detectors that composed scenes are shown to: this checkout's, and that of another one in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from city.errors import ConfigError
from vision.detect.onnx_detector import OnnxDetector
from vision.detect.picture import Point
from vision.score import Alarm, Detector, TimedImage


@dataclass(frozen=True)
class Watchers:
    """What is run beside the detector: a learned detector, for both checkouts, and another checkout."""

    model: Path | None
    before: Path | None

    def check(self) -> None:
        """Fail before the clips are decoded.

        Raises:
            ConfigError: The model cannot be loaded, or the other checkout has no detector.
        """
        if self.model is not None:
            load_model(self.model)
        if self.before is not None and not (self.before / "vision" / "detect" / "detector.py").is_file():
            raise ConfigError(f"{self.before}: no checkout with a dumping detector")

    def close(self) -> None:
        """End the other checkout's process, if one runs."""
        if self.before is not None:
            other_checkout(self.before, self.model).close()
            other_checkout.cache_clear()


@cache
def load_model(path: Path) -> OnnxDetector:
    """Loaded once in each process."""
    return OnnxDetector(path)


def watch(pictures: Iterable[TimedImage], detector: Detector) -> list[Alarm]:
    """A detector's alarms, each with how the object came: `by`, `heading`, `in_passing`."""
    return [
        {
            "t_s": round(waste.at_s, 2),
            "box": list(waste.box),
            "by": waste.arrival.by,
            "heading": waste.arrival.heading,
            "in_passing": waste.arrival.in_passing,
        }
        for at_s, image in pictures
        for waste in detector.step(image, at_s).alarms
    ]


class OtherCheckout:
    """The detector of another checkout, in a process of its own that lives as long as this one."""

    def __init__(self, root: Path, model: Path | None = None) -> None:
        """Start it, with a learned detector or without."""
        command = [sys.executable, "-P", str(Path(__file__).with_name("composed_worker.py"))]
        command += [str(model.resolve())] if model is not None else []
        environment = {**os.environ, "PYTHONPATH": str(root.resolve())}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=root
        )

    def watch(self, zone: Sequence[Point], pictures: Sequence[TimedImage]) -> list[Alarm]:
        """Its alarms over the pictures of a scene, as `watch` gives them.

        Raises:
            ConfigError: It has ended.
        """
        source, answers = self._process.stdin, self._process.stdout
        if source is None or answers is None:
            raise ConfigError("the other checkout's detector has no pipes")
        try:
            source.write(json.dumps({"zone": zone}).encode() + b"\n")
            for at_s, image in pictures:
                source.write(f"{at_s} {image.shape[0]} {image.shape[1]}\n".encode() + image.tobytes())
            source.write(b"\n")
            source.flush()
            alarms: list[Alarm] = json.loads(answers.readline())
        except (OSError, ValueError) as exc:
            raise ConfigError(f"the other checkout's detector has ended: {exc}") from exc
        return alarms

    def close(self) -> None:
        """End it."""
        self._process.communicate()


@cache
def other_checkout(root: Path, model: Path | None) -> OtherCheckout:
    """Started once in each process."""
    return OtherCheckout(root, model)
