"""Photos of crews at the server: hidden before they are kept, each once, for the phone's own stops, for who may see."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from api.http.middleware import BODY_MAX_BYTES
from api.queries.crew_photos import FILE, photo_id
from city.errors import RetryLaterError
from dispatch.services import dispatch_services
from tests.support.crews import Phone, code_of, open_shifts, shift_of, stops_of
from tests.unit.api.conftest import CITY, NOW, Stage
from vision.evidence.pictures import to_jpeg
from vision.evidence.store import EvidenceStore

TOURS = {"truck-01": list(CITY.bins)[:3], "truck-02": list(CITY.bins)[3:5]}
PHOTO = to_jpeg(np.random.default_rng(7).integers(0, 255, (240, 320, 3), np.uint8), 95)


@pytest.fixture
def stage(stage: Stage) -> Stage:
    open_shifts(stage.dispatch, CITY, TOURS, NOW)
    return stage


@pytest.fixture
def phone(stage: Stage) -> Phone:
    phone = Phone(stage.client(demo=False))
    phone.sign_in(code_of(stage.dispatch, "truck-01"))
    return phone


def receipt_of(answer: Any) -> tuple[str, str]:
    assert answer.status_code == 200, answer.text
    (receipt,) = answer.json()["receipts"]
    return receipt["outcome"], receipt["reason"]


def photos(stage: Stage) -> list[str]:
    """Photos that taps name."""
    taps = stage.dispatch.shifts.taps([shift_of(stage.dispatch, truck) for truck in TOURS])
    return [tap.detail["photo"] for tap in taps if tap.kind == "photo"]


def test_a_photo_is_kept_with_people_hidden_and_evidence_of_its_stop(stage: Stage, phone: Phone) -> None:
    stop = stops_of(stage.dispatch, "truck-01")[0]
    event = phone.event("photo", NOW, stop=stop.id)
    assert receipt_of(phone.send_photo(event, PHOTO)) == ("stored", "")
    (photo,) = photos(stage)
    assert photo == photo_id(phone.name, phone.boot, event["seq"])
    kept = (stage.room.folder / photo / FILE).read_bytes()
    assert len(kept) < len(PHOTO) / 4, "a mosaic"
    assert stage.context().crew_photos.about(photo)["hidden"] == "everything"
    assert [entry.kind for entry in stage.room.custody.entries(photo)] == ["kept"]
    files = [path.read_bytes() for path in stage.folder.rglob("*") if path.is_file()]
    assert not any(PHOTO[5_000:5_200] in content for content in files), "nothing is on disk in the clear"


def test_a_photo_that_comes_again_is_kept_once(stage: Stage, phone: Phone) -> None:
    event = phone.event("photo", NOW, stop=stops_of(stage.dispatch, "truck-01")[0].id)
    assert [receipt_of(phone.send_photo(event, PHOTO))[0] for _ in range(3)] == ["stored", "known", "known"]
    assert len(photos(stage)) == 1
    assert len(stage.room.custody.entries()) == 1


def test_photos_that_come_at_once_wait_and_none_is_kept_twice(stage: Stage, phone: Phone) -> None:
    event = phone.event("photo", NOW, stop=stops_of(stage.dispatch, "truck-01")[0].id)
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(phone.send_photo(event, PHOTO).status_code)) for _ in "abcde"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 429}
    assert 200 in statuses
    assert len(photos(stage)) == len(stage.room.custody.entries()) == 1


def test_a_phone_that_sends_many_at_once_is_told_to_wait(stage: Stage, phone: Phone) -> None:
    event = phone.event("photo", NOW, stop=stops_of(stage.dispatch, "truck-01")[0].id)
    limiter = phone.client.app.state.photo_limiter  # type: ignore[attr-defined]
    with limiter.acquire(phone.name):
        answer = phone.send_photo(event, PHOTO)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    with limiter.acquire("a"), limiter.acquire("b"), limiter.acquire("c"), limiter.acquire("d"):
        assert phone.send_photo(event, PHOTO).status_code == 429
    assert receipt_of(phone.send_photo(event, PHOTO)) == ("stored", "")


def test_a_kill_between_the_photo_and_its_event_loses_nothing(
    stage: Stage, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = phone.event("photo", NOW, stop=stops_of(stage.dispatch, "truck-01")[0].id)

    def refuse(*_args: object) -> None:
        raise RetryLaterError("database: away")

    with monkeypatch.context() as patched:
        patched.setattr(stage.dispatch.crews, "record", refuse)
        assert phone.send_photo(event, PHOTO).status_code == 503
    assert photos(stage) == []
    assert receipt_of(phone.send_photo(event, PHOTO)) == ("stored", "")
    assert len(stage.room.custody.entries()) == 1


def test_a_full_disk_gives_no_receipt(stage: Stage, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    event = phone.event("photo", NOW, stop=stops_of(stage.dispatch, "truck-01")[0].id)

    def refuse(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("vision.evidence.store.write_case", refuse)
        assert phone.send_photo(event, PHOTO).status_code == 503
    assert receipt_of(phone.send_photo(event, PHOTO)) == ("stored", "")


def test_photos_of_other_stops_or_phones_are_refused_before_they_are_looked_at(
    stage: Stage, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(*_args: object) -> None:
        raise AssertionError("it was looked at")

    monkeypatch.setattr(phone.client.app.state.context.crew_photos, "keep", look)  # type: ignore[attr-defined]
    others = phone.event("photo", NOW, stop=stops_of(stage.dispatch, "truck-02")[0].id)
    assert receipt_of(phone.send_photo(others, PHOTO)) == ("refused", "stop_of_others")
    mine = phone.event("photo", NOW, stop=stops_of(stage.dispatch, "truck-01")[0].id)
    assert receipt_of(phone.send_photo({**mine, "phone": "phone-000000000000"}, PHOTO)) == ("refused", "phone_wrong")
    assert photos(stage) == []


@pytest.mark.parametrize("content", [b"", b"<svg onload=alert(1)>", PHOTO[:40]], ids=["empty", "svg", "cut"])
def test_what_is_no_photo_is_refused_and_never_asked_for_again(stage: Stage, phone: Phone, content: bytes) -> None:
    event = phone.event("photo", NOW, stop=stops_of(stage.dispatch, "truck-01")[0].id)
    assert receipt_of(phone.send_photo(event, content)) == ("refused", "photo_wrong")
    assert photos(stage) == []
    assert stage.room.records() == {}


def test_a_photo_that_is_too_large_is_refused(stage: Stage, phone: Phone) -> None:
    event = phone.event("photo", NOW, stop=stops_of(stage.dispatch, "truck-01")[0].id)
    assert phone.send_photo(event, bytes(BODY_MAX_BYTES + 1)).status_code == 413


@pytest.mark.parametrize("wrong", [{"stop": "x"}, {"seq": -1}, {"at": "2026-03-01T12:00:00"}, {"boot": "a b"}], ids=str)
def test_a_photo_without_an_identity_is_refused(phone: Phone, wrong: dict[str, Any]) -> None:
    event = {**phone.event("photo", NOW, stop=1), **wrong}
    assert phone.send_photo(event, PHOTO).status_code == 422


def test_nobody_sends_a_photo_without_a_session(stage: Stage) -> None:
    phone = Phone(stage.client(demo=False), name="phone-1")
    assert phone.send_photo(phone.event("photo", NOW, stop=1), PHOTO).status_code == 401


def test_who_sees_evidence_sees_photos_and_the_log_knows(stage: Stage, phone: Phone) -> None:
    phone.send_photo(phone.event("photo", NOW, stop=stops_of(stage.dispatch, "truck-01")[0].id), PHOTO)
    (photo,) = photos(stage)
    path = f"/api/v1/crew-photos/{photo}"
    assert phone.client.get(path).status_code == 401
    answer = stage.client(demo=False, token=stage.token("viewer")).get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert [entry.kind for entry in stage.room.custody.entries(photo)] == ["kept", "looked"]
    (stage.room.folder / photo / FILE).write_bytes(b"changed")
    assert stage.client(demo=False, token=stage.token("viewer")).get(path).status_code == 409
    stage.room.delete(photo, "erasure")
    assert stage.client(demo=False, token=stage.token("viewer")).get(path).status_code == 410


@pytest.mark.parametrize("photo", ["photo-000000000000000000000000", "c-1", "..%2F..%2Fsecret.key"])
def test_there_are_no_other_photos(stage: Stage, photo: str) -> None:
    stage.keep("c-1", {"before.jpg": b"x"})
    assert stage.client().get(f"/api/v1/crew-photos/{photo}").status_code in (404, 422)


def test_a_photo_is_not_kept_again_after_it_was_deleted(stage: Stage, phone: Phone) -> None:
    event = phone.event("photo", NOW, stop=stops_of(stage.dispatch, "truck-01")[0].id)
    keeper = stage.context().crew_photos
    photo = photo_id(phone.name, phone.boot, event["seq"])
    keeper.keep(photo, PHOTO, {})
    stage.room.delete(photo, "erasure")
    keeper.keep(photo, PHOTO, {})
    assert not (stage.room.folder / photo).exists()


def test_a_photo_whose_writing_was_interrupted_is_finished(stage: Stage, phone: Phone) -> None:
    event = phone.event("photo", NOW, stop=stops_of(stage.dispatch, "truck-01")[0].id)
    photo = photo_id(phone.name, phone.boot, event["seq"])
    stage.context().crew_photos.keep(photo, PHOTO, {})
    (stage.room.folder / photo).rename(stage.room.folder / f".{photo}.part")
    assert isinstance(stage.room, EvidenceStore)
    assert receipt_of(phone.send_photo(event, PHOTO)) == ("stored", "")
    assert (stage.room.folder / photo / FILE).is_file()


def test_a_shift_that_is_over_still_takes_what_was_photographed_in_it(stage: Stage, phone: Phone) -> None:
    event = phone.event("photo", NOW, stop=stops_of(stage.dispatch, "truck-01")[0].id)
    later = NOW + timedelta(hours=10)
    people = stage.people
    stage.dispatch = dispatch_services(people.database, people.audit, stage.secrets.crew_key(), lambda: later)
    again = Phone(stage.client(demo=False, now=later), phone.name, phone.token)
    assert receipt_of(again.send_photo(event, PHOTO)) == ("stored", "")
