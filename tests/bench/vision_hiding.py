"""How well evidence hides people: those marked by hand in frames of the clips, in every picture that is kept.

A marked frame is redacted as a camera's worker does: as the picture of the deposit, as a picture of the clip that lies
between two searches for people, as the picture of the alarm, after which nothing was recorded, and, if the background
has learnt the person, as the picture before the deposit and as the still of the camera.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import cv2
import numpy as np

from city.errors import ConfigError
from tests.support.people_marks import MarkedFrame, Mask, mask_of, read_marks
from vision.detect.detector import AbandonedObjectDetector
from vision.detect.onnx_detector import OnnxDetector
from vision.evidence.pictures import Box, Image, limit_size, resize
from vision.evidence.privacy.mosaic import Areas, cover
from vision.evidence.privacy.people_detector import PeopleDetector
from vision.evidence.privacy.redaction import CLIP_AFTER_S, ObjectAlarm, Redactor, areas_of_still
from vision.evidence.recorder import RecordedFrame, Recorder
from vision.score import frames_of, hints_of, read_truth

AFTER_S: Final = 12.0
"""Recorded after the marked frame, as until an alarm without an owner."""
BETWEEN_S: Final = 0.95
"""Distance of a clip's picture from the searched ones before and after it, at most."""
EARLIER_S: Final = 3.0
"""Time of the deposit before the alarm, where the marked frame is the alarm's."""
NO_OBJECT: Final[Box] = (0, 0, 1, 1)
IN_BACKGROUND: Final = 0.9
"""Correlation of a person's picture with the background from which on the background has learnt the person."""
BLUR_PX: Final = 2.0
"""Blur of both pictures: the background is kept small."""
SAME_FRAME_S: Final = 0.09
"""Maximum distance of a frame from the time of its marks; frames are 0.2 s apart."""
STILLS: Final = 3
"""Pictures of a case besides its clip."""
WHOLLY: Final = 0.99
WORST: Final = 15
GOAL: Final = 0.995

Role = Literal["deposit", "clip", "after", "before", "still"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)


@dataclass(frozen=True)
class MarkedRecording:
    """What a camera has recorded around a marked frame; pictures and backgrounds at the size that is kept."""

    marked: MarkedFrame
    size_px: tuple[int, int]
    frames: list[RecordedFrame]
    at_s: float
    picture: Image
    background: Image
    last: Image
    last_background: Image

    @property
    def masks(self) -> list[Mask]:
        """The pixels of each person."""
        height, width = self.picture.shape[:2]
        return [mask_of(person, self.size_px, (width, height)) for person in self.marked.people]

    @property
    def learnt_masks(self) -> list[Mask]:
        """The pixels of each person whom the background shows; empty masks for all others."""
        return [mask & (_alike(self.picture, self.background, _bounds(mask)) > IN_BACKGROUND) for mask in self.masks]


@dataclass(frozen=True)
class HiddenPerson:
    """A marked person in a picture that is kept: pixels of the body and of its box, and how many are hidden."""

    number: int
    px: int
    covered_px: int
    box_px: int
    box_covered_px: int

    @property
    def share(self) -> float:
        """Share of the pixels on the body that are hidden."""
        return self.covered_px / self.px


@dataclass(frozen=True)
class HiddenPicture:
    """One picture that is kept, and how much of the rest of it is hidden as well."""

    clip: str
    at_s: float
    role: Role
    people: tuple[HiddenPerson, ...]
    rest_px: int
    rest_covered_px: int


@dataclass(frozen=True)
class Hiding:
    """What was measured, and the CPU time of so many redacted pictures."""

    pictures: tuple[HiddenPicture, ...] = ()
    cpu_s: float = 0.0
    redacted: int = 0

    def __add__(self, other: Hiding) -> Hiding:
        """Both together."""
        return Hiding((*self.pictures, *other.pictures), self.cpu_s + other.cpu_s, self.redacted + other.redacted)


def run_hiding(folder: Path, truth: Path, model: Path | None) -> int:
    """Measure without the model and, if there is one, with it; print.

    Raises:
        ConfigError: No clip of a marked frame is there, or the model cannot be used.
    """
    learned = OnnxDetector(model) if model is not None else None
    recordings = list(recordings_in(folder, truth, read_marks()))
    if not recordings:
        raise ConfigError(f"{folder}: holds none of the clips in which people are marked")
    print_hiding("without a learned detector", measure_all(recordings, PeopleDetector()))
    if learned is not None and model is not None:
        print_hiding(f"with {model.stem}", measure_all(recordings, PeopleDetector(learned)))
    return 0


def recordings_in(folder: Path, truth: Path, marks: Sequence[MarkedFrame]) -> Iterator[MarkedRecording]:
    """Recordings around the marked frames whose clips are there."""
    clips = {clip["clip"]: clip for clip in read_truth(truth)}
    for marked in marks:
        path = folder / marked.clip
        if marked.clip in clips and path.exists():
            recording = record(path, clips[marked.clip], marked)
            if recording is None:
                print(f"{marked.clip} {marked.at_s}: nothing is kept here, the watcher was not armed")
            else:
                yield recording


def record(path: Path, truth: dict[str, object], marked: MarkedFrame) -> MarkedRecording | None:
    """Watch a clip until `AFTER_S` after the marked frame; None if the watcher was not armed at the frame."""
    detector, recorder = AbandonedObjectDetector(), Recorder()
    shown: list[tuple[float, Image, Image]] = []
    nearest: tuple[float, Image, Image] | None = None
    size_px = 0, 0
    for at_s, image in frames_of(path, hints_of(truth)):
        if at_s > marked.at_s + AFTER_S:
            break
        result, size_px = detector.step(image, at_s), (image.shape[1], image.shape[0])
        # The marked frame is kept also where the recorder would take the one before it.
        is_due = recorder.is_due(at_s) or abs(at_s - marked.at_s) <= SAME_FRAME_S
        if not (result.armed and is_due) or detector.background is None:
            continue
        small = limit_size(image)
        height, width = small.shape[:2]
        recorder.add(small, at_s, [_scale(box, size_px, (width, height)) for box in result.people])
        shown = [(at_s, small, resize(detector.background, width, height))]
        if nearest is None or abs(at_s - marked.at_s) < abs(nearest[0] - marked.at_s):
            nearest = shown[0]
    if nearest is None or abs(nearest[0] - marked.at_s) > SAME_FRAME_S:
        return None
    (at_s, picture, background), (_, last, last_background) = nearest, shown[-1]
    return MarkedRecording(marked, size_px, recorder.frames(), at_s, picture, background, last, last_background)


def _scale(box: Box, size_px: tuple[int, int], kept_px: tuple[int, int]) -> Box:
    across, down = kept_px[0] / size_px[0], kept_px[1] / size_px[1]
    left, top, width, height = box
    return round(left * across), round(top * down), max(1, round(width * across)), max(1, round(height * down))


def measure_all(recordings: Sequence[MarkedRecording], people_detector: PeopleDetector) -> Hiding:
    """Redact every recording in every role."""
    return sum((measure(recording, people_detector) for recording in recordings), Hiding())


def measure(recording: MarkedRecording, people_detector: PeopleDetector) -> Hiding:
    """Redact one recording in every role."""
    at_s, frames = recording.at_s, recording.frames
    end_s = frames[-1].at_s
    until = [frame for frame in frames if frame.at_s <= at_s]
    between_s = max((frame.at_s for frame in until if at_s - frame.at_s >= BETWEEN_S - 0.1), default=at_s)
    last = recording.last, recording.last_background, frames[-1].people
    now = recording.picture, recording.background, until[-1].people
    cases: list[tuple[Role, ObjectAlarm, list[RecordedFrame]]] = [
        ("deposit", ObjectAlarm(NO_OBJECT, at_s, end_s, *last), frames),
        ("clip", ObjectAlarm(NO_OBJECT, between_s, end_s, *last), frames),
        ("after", ObjectAlarm(NO_OBJECT, at_s - EARLIER_S, at_s, *now), until),
    ]
    measured = Hiding()
    for role, alarm, kept in cases:
        redactor = Redactor(alarm, kept, (), lambda: False, people_detector)
        before_s = time.process_time()
        redactor.redact(clear=False)
        cpu_s = time.process_time() - before_s
        redacted = sum(abs(frame.at_s - alarm.since_s) <= CLIP_AFTER_S for frame in kept) + STILLS
        areas = redactor.areas_at(recording.picture, at_s)
        measured += Hiding((_picture(recording, role, areas, recording.masks),), cpu_s, redacted)
    learnt = recording.learnt_masks
    if any(mask.any() for mask in learnt):
        still = areas_of_still(recording.background, until, people_detector)
        before = redactor.areas_of_background()
        measured += Hiding((_picture(recording, "before", before, learnt), _picture(recording, "still", still, learnt)))
    return measured


def _picture(recording: MarkedRecording, role: Role, areas: Areas, masks: Sequence[Mask]) -> HiddenPicture:
    height, width = recording.picture.shape[:2]
    covered, marked = cover(areas, width, height), recording.marked
    rest = ~np.any(recording.masks, axis=0)
    people = tuple(_person(number, mask, covered) for number, mask in enumerate(masks, 1) if mask.any())
    return HiddenPicture(marked.clip, marked.at_s, role, people, int(rest.sum()), int((covered & rest).sum()))


def _person(number: int, mask: Mask, covered: Mask) -> HiddenPerson:
    left, top, width, height = _bounds(mask)
    box = covered[top : top + height, left : left + width]
    return HiddenPerson(number, int(mask.sum()), int((mask & covered).sum()), box.size, int(box.sum()))


def _alike(picture: Image, background: Image, box: Box) -> float:
    """Correlation of two pictures in a box."""
    left, top, width, height = box
    inside = slice(top, top + height), slice(left, left + width)
    ours, theirs = (
        cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (0, 0), BLUR_PX)[inside]
        for image in (picture, background)
    )
    return float(cv2.matchTemplate(ours, theirs, cv2.TM_CCOEFF_NORMED)[0, 0])


def _bounds(mask: Mask) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


def print_hiding(title: str, measured: Hiding) -> None:
    """The tables of one measurement, and the people of whom most is seen."""
    pictures = measured.pictures
    print(f"\nPeople hidden, {title}:")
    print(f"{'':28}{'people':>8}{'of bodies':>12}{'of boxes':>12}{'wholly':>10}{'of the rest':>13}")
    for role in ROLES:
        _print_row(role, [picture for picture in pictures if picture.role == role])
    for clip in sorted({picture.clip for picture in pictures}):
        _print_row(clip, [picture for picture in pictures if picture.clip == clip])
    _print_row("all", pictures)
    print(f"CPU s a picture: {measured.cpu_s / max(1, measured.redacted):.3f}")
    print(f"at least {GOAL:.1%} of the bodies: {'met' if share_of(pictures) >= GOAL else 'NOT MET'}")
    seen = [(person.share, person, picture) for picture in pictures for person in picture.people]
    for share, person, picture in sorted(seen, key=lambda row: row[0])[:WORST]:
        if share < WHOLLY:
            where = f"{picture.clip} {picture.at_s} s, person {person.number}"
            print(f"  {share:6.1%} of {person.px} px as {picture.role}: {where}")


def share_of(pictures: Sequence[HiddenPicture]) -> float:
    """Share of the pixels on bodies that are hidden; 1 where there is nobody."""
    return _share((person.covered_px, person.px) for picture in pictures for person in picture.people)


def _share(parts: Iterable[tuple[int, int]]) -> float:
    """Sum of the first numbers over the sum of the second; 1 without any."""
    pairs = list(parts)
    return sum(part for part, _ in pairs) / (sum(total for _, total in pairs) or 1) if pairs else 1.0


def _print_row(name: str, pictures: Sequence[HiddenPicture]) -> None:
    people = [person for picture in pictures for person in picture.people]
    if not people:
        return
    boxes = _share((person.box_covered_px, person.box_px) for person in people)
    wholly = f"{sum(person.share >= WHOLLY for person in people)}/{len(people)}"
    rest = _share((picture.rest_covered_px, picture.rest_px) for picture in pictures)
    print(f"{name:28}{len(people):>8}{share_of(pictures):>12.2%}{boxes:>12.2%}{wholly:>10}{rest:>13.1%}", flush=True)
