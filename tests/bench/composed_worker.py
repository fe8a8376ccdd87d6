"""Runs the detector of another checkout on pictures from standard input; started by `kota bench vision --composed`.

`PYTHONPATH=ROOT python -P composed_worker.py [MODEL.onnx]`: of the project it imports that detector alone. For each
scene it reads a line of JSON, `{"zone": [[x, y], ...]}`, then for each picture a line `SECONDS HEIGHT WIDTH` and its
bytes (uint8, BGR), then an empty line; it writes one line of JSON, a list of `{"t_s": seconds, "box": [left, top,
width, height]}` with `by`, `heading` and `in_passing`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from vision.detect.detector import AbandonedObjectDetector
from vision.detect.onnx_detector import OnnxDetector


def main() -> int:
    """Serve scenes until the input ends."""
    cv2.setNumThreads(1)
    source = sys.stdin.buffer
    model = OnnxDetector(Path(sys.argv[1])) if len(sys.argv) > 1 else None
    while line := source.readline():
        zone = [(x, y) for x, y in json.loads(line)["zone"]]
        alarms = _watch(AbandonedObjectDetector(zone, object_detector=model), source)
        sys.stdout.write(json.dumps(alarms) + "\n")
        sys.stdout.flush()
    return 0


def _watch(detector: AbandonedObjectDetector, source: BinaryIO) -> list[dict[str, object]]:
    alarms: list[dict[str, object]] = []
    while heading := source.readline().split():
        at_s, height, width = float(heading[0]), int(heading[1]), int(heading[2])
        levels = np.frombuffer(source.read(height * width * 3), np.uint8)
        for waste in detector.step(levels.reshape(height, width, 3).copy(), at_s).alarms:
            box, arrival = [int(edge) for edge in waste.box], waste.arrival
            came = {"by": arrival.by, "heading": arrival.heading, "in_passing": bool(arrival.in_passing)}
            alarms.append({"t_s": round(float(waste.at_s), 2), "box": box, **came})
    return alarms


if __name__ == "__main__":
    sys.exit(main())
