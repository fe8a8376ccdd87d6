"""`kota vision`: watch the cameras, or score the detector over a folder of clips."""

from __future__ import annotations

import argparse
import importlib
import json
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import cv2

from broker.contract.errors import ConfigError
from vision.capture.folder import FRAME_SUFFIXES
from vision.capture.opening import open_source
from vision.detect.detector import DepositDetector

VIDEO_SUFFIXES: Final = frozenset({".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".ts"})
SCORE_FPS: Final = 5.0

Zone = list[tuple[float, float]]


def run(argv: list[str]) -> int:
    """`kota vision score FOLDER --out FILE` scores; anything else runs the service."""
    if argv[:1] != ["score"]:
        serve = importlib.import_module("city.serve")
        code: int = serve.run(["vision", *argv])
        return code
    parser = argparse.ArgumentParser(prog="kota vision score", description="Run the detector over a folder of clips.")
    parser.add_argument("folder", type=Path, help="Video files, and folders of pictures named by their second.")
    parser.add_argument("--out", type=Path, required=True, help="Where to write each clip's alarms as JSON.")
    parser.add_argument("--ground-truth", type=Path, help="Watch zones are taken from it, never its events.")
    args = parser.parse_args(argv[1:])
    if not args.folder.is_dir():
        raise ConfigError(f"{args.folder}: no such folder")
    cv2.setNumThreads(1)
    zones = read_zones(args.ground_truth) if args.ground_truth else {}
    found = {clip.name: alarms_of(clip, zones.get(clip.name, [])) for clip in clips_in(args.folder)}
    args.out.write_text(json.dumps(found, indent=1))
    return 0


def clips_in(folder: Path) -> list[Path]:
    """Video files and folders of pictures, by name.

    Raises:
        ConfigError: There is none.
    """
    clips = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in VIDEO_SUFFIXES or _has_pictures(path)]
    if not clips:
        raise ConfigError(f"{folder}: holds no clips")
    return clips


def _has_pictures(path: Path) -> bool:
    return path.is_dir() and any(child.suffix.lower() in FRAME_SUFFIXES for child in path.iterdir())


def read_zones(path: Path) -> dict[str, Zone]:
    """Clip name to watch zone in normalised coordinates.

    Raises:
        ConfigError: The file is no list of clips.
    """
    try:
        clips: list[dict[str, Any]] = json.loads(path.read_text())
        return {
            clip["clip"]: [(x / clip["width"], y / clip["height"]) for x, y in clip.get("zone") or []] for clip in clips
        }
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ConfigError(f"{path}: not a list of clips with width, height and zone: {exc}") from exc


def alarms_of(clip: Path, zone: Zone) -> list[dict[str, Any]]:
    """The detector's alarms over a clip, and a line on how fast it went."""
    detector = DepositDetector(zone)
    source = open_source(str(clip), start_at=datetime.now(UTC), realtime=False, fps=SCORE_FPS)
    began = time.process_time()
    frames = 0
    alarms = []
    for frame in source.frames(threading.Event()):
        frames += 1
        result = detector.step(frame.image, frame.at_s)
        alarms += [{"t_s": round(deposit.at_s, 2), "box": list(deposit.box)} for deposit in result.alarms]
    rate = frames / max(1e-6, time.process_time() - began)
    print(f"{clip.name}: {frames} pictures, {rate:.0f} a second of one core, {len(alarms)} alarms", flush=True)
    return alarms
