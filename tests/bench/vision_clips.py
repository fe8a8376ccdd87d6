"""What `kota bench vision` plays and counts: clips decoded once, and scores from the scorer beside the clips."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from city.errors import ConfigError
from vision.detect.picture import Image, Point
from vision.score import Alarm, TimedImage, clips_in, frames_of, hints_of, read_truth

TIERS: Final = "A,B,C,N"
CLIP_LINE: Final = re.compile(r"^\S+ (.+?) +true (\d+) false (\d+) missed (\d+)", re.MULTILINE)
TOTAL: Final = "true "


@dataclass(frozen=True)
class Clip:
    """Pictures of one clip as files of arrays: memory holds one picture at a time, and processes can share them."""

    truth: dict[str, Any]
    images: Path
    times_s: tuple[float, ...]

    @property
    def zone(self) -> tuple[Point, ...]:
        """Its watch zone in normalised coordinates."""
        return hints_of(self.truth).zone

    @property
    def family(self) -> str:
        """Clips of one source share the first word of their name."""
        first = re.match("[a-z]+", self.truth["clip"].lower())
        return first.group() if first else str(self.truth["clip"])

    def pictures(self) -> Iterator[TimedImage]:
        """Its pictures in order of time."""
        images = np.load(self.images, mmap_mode="r")
        return ((at_s, np.array(image)) for at_s, image in zip(self.times_s, images, strict=True))


def decode(folder: Path, truth: Path, into: Path) -> list[Clip]:
    """Every clip of the ground truth that is there, decoded once as the detector is shown it.

    Raises:
        ConfigError: None of them is there.
    """
    paths = clips_in(folder)
    known = {clip["clip"]: clip for clip in read_truth(truth)}
    clips = [_decoded(path, known[path.name], into) for path in paths if path.name in known]
    if not clips:
        raise ConfigError(f"{folder}: holds none of the clips that {truth} knows")
    return clips


def _decoded(path: Path, truth: dict[str, Any], into: Path) -> Clip:
    seen = list(frames_of(path, hints_of(truth)))
    return keep(truth, [image for _, image in seen], [at_s for at_s, _ in seen], into)


def keep(truth: dict[str, Any], images: Sequence[Image], times_s: Iterable[float], into: Path) -> Clip:
    """Write pictures of one size where a clip reads them."""
    file = into / f"{truth['clip']}.npy"
    np.save(file, np.stack(images))
    return Clip(truth, file, tuple(times_s))


@dataclass(frozen=True)
class Counts:
    """True and false alarms, and events without one."""

    true: int = 0
    false: int = 0
    missed: int = 0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 where there was nothing to find and nothing was."""
        wrong = self.false + self.missed
        return 2 * self.true / (2 * self.true + wrong) if self.true + wrong else 1.0

    def __add__(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(self.true + other.true, self.false + other.false, self.missed + other.missed)

    def __str__(self) -> str:
        """As the tables show it."""
        return f"{self.true}/{self.false}/{self.missed}"


@dataclass(frozen=True)
class Score:
    """What the scorer said; `delay_s` is the middle one, None without a true alarm."""

    counts: Counts
    early: int
    false_h: float
    delay_s: float | None
    clips: Mapping[str, Counts]


class Scorer:
    """The script that judges detections, run as it is."""

    def __init__(self, script: Path, scratch: Path) -> None:
        """Take a script of the form of `score_clips.py`; files for it are written into the scratch folder.

        Raises:
            ConfigError: There is none.
        """
        if not script.is_file():
            raise ConfigError(f"{script}: no scorer there; name one with --scorer")
        self._script = script
        self._truth, self._found = scratch / "truth.json", scratch / "found.json"

    def score(self, truth: Sequence[dict[str, Any]], found: Mapping[str, Sequence[Alarm]], tiers: str = TIERS) -> Score:
        """Judge the alarms of each clip.

        Raises:
            ConfigError: The script did not say what was expected of it.
        """
        self._truth.write_text(json.dumps(truth))
        self._found.write_text(json.dumps(found))
        command = [sys.executable, str(self._script), str(self._truth), str(self._found), "--tiers", tiers]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = done.stdout.splitlines()
        if done.returncode or not lines or not lines[-1].startswith(TOTAL):
            raise ConfigError(f"{self._script}: {done.stderr.strip() or 'no line of totals'}")
        return parse_score(done.stdout)


def parse_score(said: str) -> Score:
    """The scorer's lines: one for each clip, and last the totals as names and numbers by turns."""
    clips = {name: Counts(int(true), int(false), int(missed)) for name, true, false, missed in CLIP_LINE.findall(said)}
    words = said.splitlines()[-1].split()
    total = dict(zip(words[::2], words[1::2], strict=True))
    counts = Counts(*(int(total[name]) for name in ("true", "false", "missed")))
    delay_s = None if total["delay_median_s"] == "-" else float(total["delay_median_s"])
    return Score(counts, int(total["early"]), float(total["false/h"]), delay_s, clips)
