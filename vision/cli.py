"""`kota vision`: watch the cameras, score the detector over a folder of clips, or install a learned detector."""

from __future__ import annotations

import argparse
import importlib
import json
import time
from pathlib import Path

import cv2

from city.runtime.options import add_settings, settings_from
from vision.detect.detector import AbandonedObjectDetector
from vision.detect.onnx_detector import OnnxDetector
from vision.detect.port import ObjectDetector
from vision.models.cli import run as run_model
from vision.models.known import chosen_model
from vision.score import NO_HINTS, Alarm, ClipHints, clips_in, frames_of, hints_of, read_truth, run_detector


def run(argv: list[str]) -> int:
    """`kota vision score` and `kota vision model` are verbs of their own; anything else runs the service."""
    if argv[:1] == ["model"]:
        return run_model(argv[1:])
    if argv[:1] != ["score"]:
        serve = importlib.import_module("city.runtime.serve")
        code: int = serve.run(["vision", *argv])
        return code
    parser = argparse.ArgumentParser(prog="kota vision score", description="Run the detector over a folder of clips.")
    parser.add_argument("folder", type=Path, help="Video files, and folders of pictures.")
    parser.add_argument("--out", type=Path, required=True, help="Where to write each clip's alarms as JSON.")
    help_text = "Watch zones and frame rates are taken from it, never its events."
    parser.add_argument("--ground-truth", type=Path, help=help_text)
    add_settings(parser, ("data", "vision_model"))
    args = parser.parse_args(argv[1:])
    settings = settings_from(args)
    model = chosen_model(settings)
    learned = OnnxDetector(model) if model else None
    print(f"learned detector: {model.stem if model else 'none'}", flush=True)
    clips = clips_in(args.folder)
    cv2.setNumThreads(1)
    truth = read_truth(args.ground_truth) if args.ground_truth else []
    hints = {clip["clip"]: hints_of(clip) for clip in truth}
    alarms = {clip.name: alarms_of(clip, hints.get(clip.name, NO_HINTS), learned) for clip in clips}
    args.out.write_text(json.dumps(alarms, indent=1))
    return 0


def alarms_of(clip: Path, hints: ClipHints, learned: ObjectDetector | None = None) -> list[Alarm]:
    """The detector's alarms over a clip; prints the number of pictures and the speed."""
    started_s = time.process_time()
    result = run_detector(frames_of(clip, hints), AbandonedObjectDetector(hints.zone, object_detector=learned))
    rate = result.pictures / max(1e-6, time.process_time() - started_s)
    summary = f"{result.pictures} pictures, {rate:.0f} a second of one core, {len(result.alarms)} alarms"
    print(f"{clip.name}: {summary}", flush=True)
    return result.alarms
