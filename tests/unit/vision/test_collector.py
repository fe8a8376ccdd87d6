"""From pictures to files of a case: nobody can be known again, the waste can, and watching never waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from city.errors import RetryLaterError
from city.inventory.zones import Zone
from city.storage.signatures import Signer
from tests.support.survival import survived
from tests.support.waiting import wait_for
from tests.unit.vision.scenes import BAG, HEIGHT, WIDTH, Image, Scene
from vision.detect.port import Detection
from vision.evidence.collector import CollectedCase, EvidenceCollector
from vision.evidence.encryption import decrypt, new_private_key, public_of
from vision.evidence.pictures import PIXELS_MAX, Box, from_jpeg, limit_size
from vision.evidence.privacy.mosaic import BLOCKS_PX, block_for, pixelate, pixelate_all
from vision.evidence.privacy.people_detector import PeopleDetector
from vision.evidence.privacy.redaction import ObjectAlarm, Redactor
from vision.evidence.recorder import BYTES_MAX, PAST_S, Recorder
from vision.evidence.store import EvidenceStore

MASK = Zone("mask", "jendela", ((0.0, 0.0), (0.2, 0.0), (0.2, 0.2), (0.0, 0.2)))
PUT_DOWN_S, LEFT_S, END_S, FPS = 12.0, 15.0, 30.0, 5


class PutDownBag:
    """Somebody walks to the right, puts a bag down and walks on; what was seen, and what is kept of it."""

    def __init__(self, folder: Path, *, boxes: bool = True, masks: Sequence[Zone] = (), **more: Any) -> None:
        """Show it all; `boxes` says whether the detector sees the person."""
        scene = Scene()
        self.store = EvidenceStore(folder, Signer(b"k" * 32), 64 << 20)
        self.collector = EvidenceCollector(self.store, lambda: masks, **more)
        self.background = scene.picture()
        self.pictures: dict[float, tuple[Image, int]] = {}
        for number in range(int(END_S * FPS)):
            at_s = number / FPS
            going = int(12 * (at_s - 5)) if at_s < PUT_DOWN_S else 84 + int(18 * max(0.0, at_s - LEFT_S))
            person_x = going + number % 3
            picture = scene.picture(person_x=person_x, bag=at_s >= PUT_DOWN_S)
            self.pictures[at_s] = picture, person_x
            seen = [(person_x, 70, 40, 120)] if -40 < person_x < WIDTH and boxes else []
            self.collector.add(picture, at_s, seen)

    def finished(self) -> CollectedCase:
        """The case once it is on disk."""
        self.begin()
        return wait_for(self.collector.ready, "the evidence")[0]

    def begin(self) -> None:
        """Report it with the newest picture."""
        picture = self.pictures[max(self.pictures)][0]
        about = {"camera": "cam-01"}
        self.collector.begin("c-1", about, box=BAG, since_s=PUT_DOWN_S, image=picture, background=self.background)

    def kept(self, name: str) -> Image:
        """A picture that was kept."""
        return from_jpeg((self.store.folder / "c-1" / name).read_bytes())


@pytest.mark.parametrize("boxes", [True, False])
def test_a_case_shows_the_waste_and_nobody(tmp_path: Path, *, boxes: bool) -> None:
    bag = PutDownBag(tmp_path, boxes=boxes)
    finished = bag.finished()
    names = {"before": "before.jpg", "deposit": "deposit.jpg", "after": "after.jpg", "clip": "clip.webm"}
    assert finished.files == names
    seen, person_x = bag.pictures[PUT_DOWN_S]
    person = (person_x, 70, 40, 120)
    assert survived(seen, seen, person) > 0.99, "the measure sees people where there are any"
    assert survived(seen, bag.kept("deposit.jpg"), person) < 0.03
    x, y, w, h = BAG
    after = bag.pictures[max(bag.pictures)][0]
    shown = bag.kept("after.jpg")[y : y + h, x : x + w].astype(int)
    assert np.abs(shown - after[y : y + h, x : x + w]).mean() < 8, "what was put down is to be seen"
    assert survived(bag.background, bag.kept("before.jpg"), (0, 0, WIDTH, HEIGHT)) > 0.5


def test_no_picture_of_the_clip_shows_who_it_was(tmp_path: Path) -> None:
    bag = PutDownBag(tmp_path, boxes=False)
    bag.finished()
    clip = cv2.VideoCapture(str(tmp_path / "c-1" / "clip.webm"))
    shares = []
    for at_s in np.arange(PUT_DOWN_S - 10, PUT_DOWN_S + 10.1, 1 / FPS):
        going, shown = clip.read()
        if not going:
            break
        seen, person_x = bag.pictures[round(float(at_s), 1)]
        if 0 <= person_x < WIDTH - 40:
            shares.append(survived(seen, shown, (person_x, 70, 40, 120)))
    clip.release()
    assert len(shares) > 60
    assert max(shares) < 0.05


def test_masks_are_black_in_everything(tmp_path: Path) -> None:
    bag = PutDownBag(tmp_path, masks=[MASK], clear_key=public_of(private := new_private_key()))
    bag.finished()
    sealed = (tmp_path / "c-1" / "clear-after-jpg.age").read_bytes()
    clear = from_jpeg(decrypt(sealed, private, "c-1/after.jpg"))
    for picture in (*map(bag.kept, ("before.jpg", "deposit.jpg", "after.jpg")), clear):
        assert picture[: HEIGHT // 6, : WIDTH // 6].max() < 16
        assert picture[HEIGHT // 2 :].mean() > 60


def test_clear_copies_are_kept_only_where_they_are_asked_for(tmp_path: Path) -> None:
    private = new_private_key()
    bag = PutDownBag(tmp_path / "with", clear_key=public_of(private))
    bag.finished()
    folder = tmp_path / "with" / "c-1"
    assert {path.name for path in folder.glob("*.age")} == {
        "clear-deposit-jpg.age", "clear-after-jpg.age", "clear-clip-webm.age",
    }  # fmt: skip
    clear = from_jpeg(decrypt((folder / "clear-deposit-jpg.age").read_bytes(), private, "c-1/deposit.jpg"))
    seen, person_x = bag.pictures[PUT_DOWN_S]
    assert survived(seen, clear, (person_x, 70, 40, 120)) > 0.8
    PutDownBag(tmp_path / "without").finished()
    assert not list((tmp_path / "without" / "c-1").glob("*.age"))


def test_who_has_no_time_keeps_a_mosaic_of_everything_but_the_waste(tmp_path: Path) -> None:
    bag = PutDownBag(tmp_path)
    bag.begin()
    (finished,) = bag.collector.finish()
    assert set(finished.files) == {"before", "deposit", "after", "clip"}
    seen = bag.pictures[PUT_DOWN_S][0]
    assert survived(seen, bag.kept("deposit.jpg"), (0, 0, WIDTH, HEIGHT)) < 0.05


def test_a_camera_that_dies_after_the_alarm_is_not_waited_for(tmp_path: Path) -> None:
    now_s = 0.0
    bag = PutDownBag(tmp_path, clock=lambda: now_s)
    picture = bag.pictures[max(bag.pictures)][0]
    bag.collector.begin("c-2", {}, box=BAG, since_s=END_S - 1, image=picture, background=bag.background)
    assert bag.collector.ready() == [], "its clip is not over"
    now_s = 60.0
    (finished,) = wait_for(bag.collector.ready, "the evidence")
    assert finished.case == "c-2"


class Refusing(EvidenceStore):
    """Refuses so often."""

    refuses = 0

    def keep(self, case: str, files: Mapping[str, bytes], about: Mapping[str, Any]) -> dict[str, str]:
        """Refuse, or keep."""
        if self.refuses > 0:
            self.refuses -= 1
            raise RetryLaterError("disk full")
        return super().keep(case, files, about)


@pytest.mark.parametrize(("refuses", "kept"), [(3, True), (99, False)])
def test_a_disk_that_refuses_is_asked_again_and_then_the_alarm_goes_without(
    tmp_path: Path, refuses: int, *, kept: bool
) -> None:
    bag = PutDownBag(tmp_path)
    store = Refusing(tmp_path, Signer(b"k" * 32), 64 << 20)
    store.refuses = refuses
    bag.collector._store = bag.store = store
    assert bool(bag.finished().files) is kept


def test_the_past_is_bounded_in_time_and_memory() -> None:
    recorder, noise = Recorder(), np.random.default_rng(1).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    for number in range(600):
        recorder.add(noise, number / FPS, [])
    times = [frame.at_s for frame in recorder.frames()]
    assert recorder.bytes <= BYTES_MAX
    assert times[-1] - times[0] <= PAST_S
    assert times[-1] - times[0] > PAST_S * 0.6, "the older half becomes sparse, it does not go"
    recorder.add(noise[:240], 121.0, [])
    assert len(recorder.frames()) == 1, "pictures of another size are of another view"


def test_a_large_picture_is_kept_small() -> None:
    large = np.zeros((1080, 1920, 3), np.uint8)
    assert limit_size(large).shape == (360, 640, 3)
    small = np.zeros((480, 640, 3), np.uint8)
    assert limit_size(small) is small
    assert PIXELS_MAX >= 480 * 640


@pytest.mark.parametrize("height_px", [20, 60, 100, 150, 300, 700, 2_000])
def test_a_face_is_about_a_block(height_px: int) -> None:
    block = block_for(height_px)
    assert block in BLOCKS_PX
    assert block * 10 >= height_px or block == BLOCKS_PX[-1]


def test_a_mosaic_has_one_colour_a_block_and_leaves_the_rest_alone() -> None:
    picture = np.random.default_rng(2).integers(0, 255, (100, 150, 3)).astype(np.uint8)
    where = np.zeros((100, 150), np.bool_)
    where[33:40, 70:80] = True
    hidden = pixelate(picture, {16: where})
    assert len(np.unique(hidden[32:48, 64:80].reshape(-1, 3), axis=0)) == 1
    assert (hidden[:32] == picture[:32]).all()
    assert (hidden[:, :64] == picture[:, :64]).all()
    assert pixelate_all(picture, 64).shape == picture.shape


def test_pictures_laid_over_each_other_are_no_face_again() -> None:
    face = np.random.default_rng(3).integers(0, 255, (128, 128, 3)).astype(np.int16)
    where = np.ones((128, 128), np.bool_)
    noise = np.random.default_rng(4)
    many = [np.clip(face + noise.normal(0, 4, face.shape), 0, 255).astype(np.uint8) for _ in range(50)]
    mean = np.mean([pixelate(picture, {16: where}) for picture in many], axis=0).astype(np.uint8)
    assert survived(face.astype(np.uint8), mean, (0, 0, 128, 128)) < 0.02


class KnowsOnePerson:
    """A learned detector that recognises the person who stands at one place, in the whole picture and in parts."""

    is_ready = True

    def __init__(self, box: tuple[int, int, int, int]) -> None:
        self.box = box
        self.asked = 0

    def detect(self, image: Image, _least_score: float | None = None) -> list[Detection]:
        self.asked += 1
        if image.shape[:2] != (HEIGHT, WIDTH):
            return []
        return [Detection("person", self.box, 0.9), Detection("object", BAG, 0.9)]


@pytest.mark.parametrize("is_known", [True, False])
def test_who_never_moves_is_hidden_if_a_learned_detector_recognises_the_person(
    tmp_path: Path, *, is_known: bool
) -> None:
    scene, standing = Scene(), (200, 70, 40, 120)
    detector = KnowsOnePerson(standing) if is_known else None
    store = EvidenceStore(tmp_path, Signer(b"k" * 32), 64 << 20)
    collector = EvidenceCollector(store, lambda: (), object_detector=detector)
    background = scene.picture(person_x=standing[0])
    for number in range(int(END_S * FPS)):
        picture = scene.picture(person_x=standing[0], bag=number / FPS >= PUT_DOWN_S)
        collector.add(picture, number / FPS, [])
    collector.begin("c-1", {"camera": "cam-01"}, box=BAG, since_s=PUT_DOWN_S, image=picture, background=background)
    wait_for(collector.ready, "the evidence")
    for name in ("before.jpg", "deposit.jpg", "after.jpg"):
        kept = from_jpeg((tmp_path / "c-1" / name).read_bytes())
        assert (survived(picture, kept, standing) < 0.05) == is_known, name
    assert (survived(background, collector.redact_background(background), standing) < 0.05) == is_known


@pytest.mark.parametrize(("size_heights", "is_hidden"), [(1.0, True), (None, True), (0.3, False)])
def test_a_person_in_the_object_s_place_is_hidden_and_what_is_too_low_for_one_is_not(
    tmp_path: Path, size_heights: float | None, *, is_hidden: bool
) -> None:
    """A person who was reported as waste stays hidden; a bag that a model takes for a person stays visible."""
    scene, standing = Scene(), (200, 70, 40, 120)
    store = EvidenceStore(tmp_path, Signer(b"k" * 32), 64 << 20)
    collector = EvidenceCollector(store, lambda: (), object_detector=KnowsOnePerson(standing))
    background = scene.picture()
    for number in range(int(END_S * FPS)):
        picture = scene.picture(person_x=standing[0] if number / FPS >= PUT_DOWN_S else None)
        collector.add(picture, number / FPS, [])
    about = {"camera": "cam-01", "size_person_heights": size_heights}
    collector.begin("c-1", about, box=standing, since_s=PUT_DOWN_S, image=picture, background=background)
    wait_for(collector.ready, "the evidence")
    kept = from_jpeg((tmp_path / "c-1" / "after.jpg").read_bytes())
    inside = (standing[0] + 6, standing[1] + 6, standing[2] - 12, standing[3] - 12)  # the frame is drawn on its edge
    assert (survived(picture, kept, inside) < 0.05) == is_hidden


def test_a_person_in_a_part_of_the_object_s_place_is_hidden_there(tmp_path: Path) -> None:
    scene, standing = Scene(), (200, 70, 40, 120)
    load = (120, 60, 130, 140)
    store = EvidenceStore(tmp_path, Signer(b"k" * 32), 64 << 20)
    collector = EvidenceCollector(store, lambda: (), object_detector=KnowsOnePerson(standing))
    background = scene.picture()
    for number in range(int(END_S * FPS)):
        picture = scene.picture(person_x=standing[0], bag=True)
        collector.add(picture, number / FPS, [])
    about = {"camera": "cam-01", "size_person_heights": 1.2}
    collector.begin("c-1", about, box=load, since_s=PUT_DOWN_S, image=picture, background=background)
    wait_for(collector.ready, "the evidence")
    kept = from_jpeg((tmp_path / "c-1" / "after.jpg").read_bytes())
    assert survived(picture, kept, standing) < 0.05
    assert survived(picture, kept, BAG) > 0.5


class FindsNobody(PeopleDetector):
    """Counts the pictures that it is asked about."""

    def __init__(self) -> None:
        super().__init__(None)
        self.asked = 0

    def detect_shapes(self, image: Image) -> list[Box]:
        del image
        self.asked += 1
        return []


@pytest.mark.parametrize("after_s", [0.4, 1.6, 2.4, 2.8, 3.6, 3.8, 5.0, 7.4, 9.0])
@pytest.mark.parametrize("interval_s", [0.2, 0.5, 1.0])
def test_every_picture_of_the_clip_is_near_a_searched_one(after_s: float, interval_s: float) -> None:
    recorder, small = Recorder(), np.full((24, 32, 3), 90, np.uint8)
    for number in range(int(40 / interval_s)):
        recorder.add(small, number * interval_s, [])
    since_s = 20.0
    alarm = ObjectAlarm((4, 4, 6, 6), since_s, since_s + after_s, small, small, ())
    detector = FindsNobody()
    redactor = Redactor(alarm, recorder.frames(), (), lambda: False, detector)
    redactor.redact(clear=False)
    for frame in recorder.frames():
        if since_s - 10 <= frame.at_s <= since_s + 10:
            hidden = redactor.areas_at(small, frame.at_s)
            assert not any(mask.all() for mask in hidden.values()), frame.at_s
    assert detector.asked <= 16, "the clip has twenty seconds, and three pictures are searched anyway"
