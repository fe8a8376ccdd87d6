"""The process that redacts one photo, from standard input to standard output. `vision/evidence/photos.py` starts it."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Final

import cv2
import msgspec

from city.errors import ConfigError
from vision.detect.onnx_detector import OnnxDetector
from vision.evidence.privacy.people_detector import PeopleDetector
from vision.evidence.privacy.photo import redact_photo

MEMORY_MAX_BYTES: Final = 2 << 30
CPU_MAX_S: Final = 20


def main() -> None:
    """Redact the photo with the model that the argument names; an unusable model hides everything."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, MEMORY_MAX_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_MAX_S, CPU_MAX_S))
    cv2.setNumThreads(1)
    photo = redact_photo(sys.stdin.buffer.read(), _detector(sys.argv[1]))
    sys.stdout.buffer.write(msgspec.msgpack.encode(photo))


def _detector(model: str) -> PeopleDetector | None:
    try:
        return PeopleDetector(OnnxDetector(Path(model))) if model else None
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return None


if __name__ == "__main__":
    main()
