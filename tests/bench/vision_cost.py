"""What watching costs: CPU and memory of several cameras in one process, decoding included, beside the reference.

The streams are made from clips: one is of people all the time, one of people half of the time, one of nobody.
`python -m tests.bench.vision_cost NAME FILE CAMERAS [MODEL]` is the process that is measured.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import structlog

from city.errors import ConfigError
from city.inventory.loader import builtin_city, load_city
from city.inventory.model import Camera
from tests.bench.dual_mog2 import DualMog2
from tests.bench.usage import usage_of
from tests.support.evidence_stores import evidence_store_in
from vision.camera.sink import Health
from vision.camera.worker import CameraWorker
from vision.capture.demo import DemoSource
from vision.capture.port import Frame
from vision.detect.detector import AbandonedObjectDetector
from vision.detect.onnx_detector import OnnxDetector
from vision.detect.picture import Image, difference, median_of
from vision.detect.port import StepResult
from vision.score import VIDEO_SUFFIXES, Detector, TimedImage, frames_of

SIZE: Final = (640, 480)
FPS: Final = 5
CLIP_S: Final = 30
"""Of each clip; shorter ones are left out: they would be all beginning."""
FEW, MANY = 1, 8
QUIET_CLIPS: Final = 4
"""Clips of the streams with fewer people."""
CAMERAS_A_CORE: Final = 25
MB_A_CAMERA: Final = 60.0


class _Nothing:
    """Sees nothing, and takes note of nothing."""

    def step(self, _image: Image, _at_s: float) -> StepResult:
        return StepResult()

    def event(self, type_: str, state: str, detail: dict[str, Any], at: datetime) -> None:
        """The event is lost."""

    def health(self, values: Health, at: datetime) -> None:
        """So is the report."""


class _Worker:
    """Detector and recent past for evidence, as the service runs them, at an hour when nothing becomes a case."""

    def __init__(self, room: Path, model: OnnxDetector | None) -> None:
        city = load_city(builtin_city("kupang"))
        self._evening = datetime(2026, 3, 1, 20, tzinfo=city.time_zone)
        unused, camera, hours = DemoSource(start_at=self._evening), Camera(id="cam-01"), city.hours["default"]
        self._worker = CameraWorker(
            camera,
            lambda: hours,
            city.time_zone,
            unused,
            _Nothing(),
            evidence_store_in(room),
            simulated=True,
            object_detector=model,
        )

    def step(self, image: Image, at_s: float) -> StepResult:
        self._worker.process(Frame(image, at_s, self._evening + timedelta(seconds=at_s)))
        return StepResult()


Make = Callable[[Path, OnnxDetector | None], Detector]
WATCHERS: Final[dict[str, Make]] = {
    "detector": lambda _, model: AbandonedObjectDetector(object_detector=model),
    "dual-MOG2": lambda *_: DualMog2(),
    "whole worker": _Worker,
    "decoding alone": lambda *_: _Nothing(),
}
GOAL_OF: Final = ("detector", "whole worker")
WITH_MODEL: Final = "whole worker"
QUIET_S: Final = {"people half of the time": CLIP_S, "nobody": 10 * CLIP_S}
"""Stream to the seconds of nobody that follow each clip of people."""
COMPARED_PICTURES: Final = 30
CHANGED_LEVELS: Final = 25
CAMERAS_A_CORE_WITH_MODEL: Final = {"people half of the time": 10, "nobody": 25}
MB_A_CAMERA_WITH_MODEL: Final = 80.0


def print_costs(folder: Path, truth: list[dict[str, object]], into: Path, model: Path | None = None) -> None:
    """Measure each watcher with few and many cameras, one process after the other; the worker with a model too."""
    names = [str(clip["clip"]) for clip in truth if float(str(clip["duration_s"])) >= CLIP_S - 1]
    clips = [folder / name for name in names if Path(name).suffix in VIDEO_SUFFIXES and (folder / name).is_file()]
    if not clips:
        raise ConfigError(f"{folder}: no video of {CLIP_S} s to measure with")
    stream = sub_stream(clips, into / "sub-stream.mp4")
    print(f"\nCost at {SIZE[0]} x {SIZE[1]}, {FPS} pictures a second, H.264, decoding included:")
    print(
        f"{'':16}{'CPU s a camera-hour':>20}{'cameras a core':>16}{'MB a camera':>13}{'MB of one':>11}{'of eight':>10}"
    )
    goals = []
    for name in WATCHERS:
        a_core, each_mb = _print_row(name, name, stream, None)
        if name in GOAL_OF:
            goals.append(f"{name} {goal(a_core, each_mb)}")
    print(f"at least {CAMERAS_A_CORE} cameras a core, at most {MB_A_CAMERA:.0f} MB a camera: {', '.join(goals)}")
    if model is not None:
        _print_costs_with(model, clips, into)


def _print_costs_with(model: Path, clips: list[Path], into: Path) -> None:
    """Measure the whole worker with a model on streams with fewer people."""
    print(f"\nThe whole worker with {model.stem}:")
    emptiest = sorted(clips, key=_changed_share)[:QUIET_CLIPS]
    for street, quiet_s in QUIET_S.items():
        stream = sub_stream(emptiest, into / "quiet.mp4", quiet_s)
        a_core, each_mb = _print_row(street, WITH_MODEL, stream, model)
        least = CAMERAS_A_CORE_WITH_MODEL[street]
        is_met = a_core >= least and each_mb <= MB_A_CAMERA_WITH_MODEL
        words = f"at least {least} cameras a core, at most {MB_A_CAMERA_WITH_MODEL:.0f} MB a camera"
        print(f"{words}: {'met' if is_met else 'NOT MET'}", flush=True)


def _print_row(title: str, name: str, stream: Path, model: Path | None) -> tuple[float, float]:
    """Measure one watcher; its cameras a core and MB a camera."""
    few, many = (_measured(name, stream, cameras, model) for cameras in (FEW, MANY))
    each_mb, a_core = (many["mb"] - few["mb"]) / (MANY - FEW), many["camera_s"] / many["cpu_s"]
    row = f"{title:24}{3600 / a_core:>12.0f}{a_core:>16.0f}{each_mb:>13.0f}{few['mb']:>11.0f}{many['mb']:>10.0f}"
    print(row, flush=True)
    return a_core, each_mb


def goal(a_core: float, each_mb: float) -> str:
    """Whether it is met."""
    return "met" if a_core >= CAMERAS_A_CORE and each_mb <= MB_A_CAMERA else "NOT MET"


def sub_stream(clips: list[Path], into: Path, quiet_s: float = 0.0) -> Path:
    """One H.264 file of all clips, one after the other, as a camera's low-rate stream is made.

    Args:
        clips: The clips.
        into: The file.
        quiet_s: Seconds after each clip in which its place is shown without anybody, with a sensor's noise.
    """
    width, height = SIZE
    given: list[str] = []
    graph = ""
    for clip in clips:
        given += ["-t", str(CLIP_S), "-i", str(clip)]
        if quiet_s:
            empty = into.parent / f"{clip.stem}-empty.png"
            cv2.imwrite(str(empty), _empty_place(clip))
            given += ["-loop", "1", "-framerate", str(FPS), "-t", str(quiet_s), "-i", str(empty)]
    inputs = given.count("-i")
    for i in range(inputs):
        noise = ",noise=alls=4:allf=t" if quiet_s and i % 2 else ""
        graph += f"[{i}:v]fps={FPS},scale={width}:{height},setsar=1,format=yuv420p{noise}[v{i}];"
    joined = "".join(f"[v{i}]" for i in range(inputs))
    graph += f"{joined}concat=n={inputs}:v=1:a=0[v]"
    coded = ["-c:v", "libx264", "-preset", "veryfast", "-b:v", "400k", "-bf", "0", "-g", str(4 * FPS)]
    command = ["ffmpeg", "-v", "error", "-y", *given, "-filter_complex", graph, "-map", "[v]", *coded, str(into)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as exc:
        raise ConfigError("ffmpeg is needed to make a sub stream from the clips") from exc
    return into


def _empty_place(clip: Path) -> Image:
    """The median of pictures of a clip: people who move are not in it."""
    return median_of(_pictures(clip))


def _changed_share(clip: Path) -> float:
    """Share of pixels that differ from the median: people who stand still leave a mixture of themselves in it."""
    pictures = _pictures(clip)
    median = median_of(pictures)
    chosen = pictures[:: max(1, len(pictures) // COMPARED_PICTURES)]
    return float(np.mean([(difference(picture, median) > CHANGED_LEVELS).mean() for picture in chosen]))


def _pictures(clip: Path) -> list[Image]:
    return [image for at_s, image in frames_of(clip) if at_s < CLIP_S]


def _measured(name: str, stream: Path, cameras: int, model: Path | None) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.vision_cost", name, str(stream), str(cameras)]
    command += [str(model)] if model else []
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def watch(make: Make, stream: Path, cameras: int, room: Path, model: OnnxDetector | None = None) -> float:
    """Let cameras watch a stream to its end, a picture each by turns; seconds of all of them together."""
    watched = [(frames_of(stream), make(room / str(number), model)) for number in range(cameras)]
    last_s = 0.0
    while True:
        for pictures, detector in watched:
            seen: TimedImage | None = next(pictures, None)
            if seen is None:
                return last_s * cameras
            last_s, image = seen
            detector.step(image, last_s)


def main(argv: list[str]) -> int:
    """Be measured; what came of it goes to stdout."""
    parser = argparse.ArgumentParser(prog="tests.bench.vision_cost")
    parser.add_argument("name", choices=WATCHERS)
    parser.add_argument("stream", type=Path)
    parser.add_argument("cameras", type=int)
    parser.add_argument("model", type=Path, nargs="?")
    args = parser.parse_args(argv)
    cv2.setNumThreads(1)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    began_s = time.process_time()
    with tempfile.TemporaryDirectory(prefix="kota-bench-", ignore_cleanup_errors=True) as room:
        model = OnnxDetector(args.model) if args.model else None
        camera_s = watch(WATCHERS[args.name], args.stream, args.cameras, Path(room), model)
    cpu_s = time.process_time() - began_s
    peak_mb = usage_of(os.getpid()).peak_resident_mb
    print(json.dumps({"camera_s": camera_s, "cpu_s": cpu_s, "mb": peak_mb}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
