"""`kota vision`: watch the cameras, or score the detector over a folder of clips."""

from __future__ import annotations

import argparse
import importlib
import json
import time
from pathlib import Path

import cv2

from vision.detect.detector import DepositDetector
from vision.score import NOTHING, Alarm, Known, clips_in, known_of, pictures_of, play, read_truth


def run(argv: list[str]) -> int:
    """`kota vision score FOLDER --out FILE` scores; anything else runs the service."""
    if argv[:1] != ["score"]:
        serve = importlib.import_module("city.serve")
        code: int = serve.run(["vision", *argv])
        return code
    parser = argparse.ArgumentParser(prog="kota vision score", description="Run the detector over a folder of clips.")
    parser.add_argument("folder", type=Path, help="Video files, and folders of pictures.")
    parser.add_argument("--out", type=Path, required=True, help="Where to write each clip's alarms as JSON.")
    told = "Watch zones and frame rates are taken from it, never its events."
    parser.add_argument("--ground-truth", type=Path, help=told)
    args = parser.parse_args(argv[1:])
    clips = clips_in(args.folder)
    cv2.setNumThreads(1)
    truth = read_truth(args.ground_truth) if args.ground_truth else []
    known = {clip["clip"]: known_of(clip) for clip in truth}
    found = {clip.name: alarms_of(clip, known.get(clip.name, NOTHING)) for clip in clips}
    args.out.write_text(json.dumps(found, indent=1))
    return 0


def alarms_of(clip: Path, known: Known) -> list[Alarm]:
    """The detector's alarms over a clip, and a line on how fast it went."""
    began = time.process_time()
    played = play(pictures_of(clip, known), DepositDetector(known.zone))
    rate = played.pictures / max(1e-6, time.process_time() - began)
    told = f"{played.pictures} pictures, {rate:.0f} a second of one core, {len(played.alarms)} alarms"
    print(f"{clip.name}: {told}", flush=True)
    return played.alarms
