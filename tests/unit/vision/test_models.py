"""Learned detectors: the list, their installation, and what becomes of one that cannot be used."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from io import BytesIO
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from city.errors import ConfigError, RetryLaterError
from city.runtime.detector_state import DetectorState, read_detector_state
from city.runtime.settings import load_settings
from tests.support.require import require_shared
from tests.unit.vision.test_onnx_detector import PERSON, PICTURE, model_at
from vision.cli import run
from vision.detect.onnx_detector import ModelDescription, OnnxDetector
from vision.models import known
from vision.models.fetching import fetch_in_background
from vision.models.known import KnownModel, fetch, install, installed_model, known_models, model_path
from vision.models.live_detector import LiveDetector

CONTENT = b"weights"
SMALL = KnownModel(
    name="small",
    title="Small",
    licence="MIT",
    address="https://example.org/small.onnx",
    bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    use={"classes": ["person"], "size": 64, "mean": [0.5, 0, 0]},
)


@pytest.mark.parametrize("model", known_models().values(), ids=lambda model: model.name)
def test_every_model_of_the_list_has_a_description_an_address_and_a_permissive_licence(model: KnownModel) -> None:
    description = msgspec.convert(model.use, ModelDescription)
    assert {"person", "car", "dog"} <= set(description.classes)
    assert model.address.startswith("https://")
    assert len(bytes.fromhex(model.sha256)) == 32
    assert model.licence in ("Apache-2.0", "BSD-3-Clause", "MIT")


def test_what_is_installed_is_read_back_with_its_description(tmp_path: Path) -> None:
    path = install(tmp_path, SMALL, CONTENT)
    assert path.read_bytes() == CONTENT
    assert path == model_path(tmp_path, "small")
    assert path.with_suffix(".toml").read_text() == 'classes = ["person"]\nsize = 64\nmean = [0.5, 0, 0]\n'


@pytest.mark.parametrize("content", [b"", b"weight", b"weightz", b"weights!"])
def test_another_file_is_never_installed_under_the_name(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError, match="this is another file"):
        install(tmp_path, SMALL, content)
    assert not list(tmp_path.rglob("*"))


def test_the_preferred_one_of_the_installed_models_is_used(tmp_path: Path) -> None:
    names = list(known_models())
    assert installed_model(tmp_path) is None
    for name in reversed(names):
        path = model_path(tmp_path, name)
        path.parent.mkdir(exist_ok=True)
        path.touch()
        assert installed_model(tmp_path) == path


def test_an_address_that_does_not_answer_is_tried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_named: object) -> BytesIO:
        raise OSError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(RetryLaterError, match="no route to host"):
        fetch(SMALL)


def test_an_answer_that_never_ends_is_cut_off_and_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_args, **_named: BytesIO(b"w" * 1_000))
    content = fetch(SMALL)
    assert len(content) == SMALL.bytes + 1
    with pytest.raises(ConfigError):
        install(tmp_path, SMALL, content)


def test_the_command_line_lists_and_installs_from_a_stick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(known, "known_models", lambda: {"small": SMALL})
    monkeypatch.setattr("vision.models.cli.known_models", lambda: {"small": SMALL})
    stick = tmp_path / "small.onnx"
    stick.write_bytes(CONTENT)
    data = ["--data", str(tmp_path / "data")]
    with pytest.raises(ConfigError, match="no model 'large'; known: small"):
        run(["model", "get", "large", *data])
    with pytest.raises(ConfigError, match="No such file"):
        run(["model", "get", "small", "--from", str(tmp_path / "none"), *data])
    assert run(["model", "list", *data, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["state"] == ""
    assert run(["model", "get", "small", "--from", str(stick), *data]) == 0
    assert run(["model", "list", *data]) == 0
    assert capsys.readouterr().out.rstrip().endswith("used")


@pytest.mark.parametrize("fault", ["weights", "description", "classes"])
def test_watching_goes_on_without_a_model_that_cannot_be_used(
    tmp_path: Path, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = model_at(tmp_path, np.array([PERSON]))
    settings = load_settings(data=tmp_path, vision_model=path)
    detector = LiveDetector(settings)
    assert detector.is_ready
    assert detector.detect(PICTURE)[0].kind == "person"
    assert read_detector_state(tmp_path) == DetectorState(path.stem)
    if fault == "weights":
        path.write_bytes(path.read_bytes()[:200])
    elif fault == "description":
        path.with_suffix(".toml").unlink()
    else:
        path.with_suffix(".toml").write_text('size = 64\nclasses = ["person"]\n')
    detector = LiveDetector(settings)
    assert not detector.is_ready
    assert detector.detect(PICTURE) == []
    assert "vision.model_unusable" in capsys.readouterr().out
    state = read_detector_state(tmp_path)
    assert state is not None
    assert (state.model, bool(state.reason)) == (path.stem, True)
    assert not LiveDetector(load_settings(data=tmp_path)).is_ready
    assert read_detector_state(tmp_path) == DetectorState()


def test_a_model_is_exchanged_while_cameras_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision.models.live_detector.CHECK_EVERY_S", 0.0)
    path = tmp_path / "models" / "site.onnx"
    path.parent.mkdir()
    detector = LiveDetector(load_settings(data=tmp_path, vision_model=path))
    assert not detector.is_ready, "it is not there yet"
    made = model_at(tmp_path, np.array([PERSON]))
    made.with_suffix(".toml").rename(path.with_suffix(".toml"))
    made.rename(path)
    detector.refresh()
    assert detector.detect(PICTURE)[0].kind == "person"
    assert read_detector_state(tmp_path) == DetectorState("site")
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    detector.refresh()
    state = read_detector_state(tmp_path)
    assert not detector.is_ready
    assert state is not None
    assert state.reason
    path.write_bytes(whole)
    detector.refresh()
    assert detector.detect(PICTURE)[0].kind == "person"
    path.unlink()
    detector.refresh()
    assert detector.detect(PICTURE) == []


def test_a_model_that_fails_on_a_picture_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = model_at(tmp_path, np.array([PERSON]))
    detector = LiveDetector(load_settings(data=tmp_path, vision_model=path))

    def fail(*_: object) -> None:
        raise ConfigError("no memory")

    monkeypatch.setattr(OnnxDetector, "detect", fail)
    assert detector.detect(PICTURE) == []
    assert not detector.is_ready
    state = read_detector_state(tmp_path)
    assert state is not None
    assert state.reason == "no memory"


def test_a_model_is_fetched_once_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision.models.fetching.known_models", lambda: {"small": SMALL})
    names = []

    def answer(model: KnownModel) -> bytes:
        names.append(model.name)
        return CONTENT

    monkeypatch.setattr("vision.models.fetching.fetch", answer)
    settings = load_settings(data=tmp_path, vision_model_fetch=True)
    thread = fetch_in_background(settings)
    assert thread is not None
    thread.join()
    assert names == ["small"]
    assert model_path(tmp_path, "small").read_bytes() == CONTENT
    assert fetch_in_background(load_settings(data=tmp_path / "other", vision_model_fetch=False)) is None
    assert fetch_in_background(load_settings(data=tmp_path, vision_model=tmp_path / "own.onnx")) is None


@pytest.mark.parametrize("fault", ["unreachable", "other content"])
def test_a_model_that_cannot_be_fetched_is_said_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vision.models.fetching.known_models", lambda: {"small": SMALL})

    def answer(_: KnownModel) -> bytes:
        if fault == "unreachable":
            raise RetryLaterError("no route")
        return b"a page of a proxy"

    monkeypatch.setattr("vision.models.fetching.fetch", answer)
    thread = fetch_in_background(load_settings(data=tmp_path, vision_model_fetch=True))
    assert thread is not None
    thread.join()
    assert "vision.model_not_fetched" in capsys.readouterr().out
    assert not model_path(tmp_path, "small").exists()


@pytest.mark.parametrize("name", ["nanodet-m-416", "fastestdet-352"])
def test_the_real_models_find_the_people_of_a_real_street(tmp_path: Path, name: str) -> None:
    install(tmp_path, known_models()[name], require_shared(f"models/{name}.onnx").read_bytes())
    detector = LiveDetector(load_settings(data=tmp_path))
    assert detector.is_ready
    video = cv2.VideoCapture(str(require_shared("clips/pets2009-vtest.avi")))
    video.set(cv2.CAP_PROP_POS_FRAMES, 100)
    _, picture = video.read()
    video.release()
    people = [detection.box for detection in detector.detect(picture) if detection.kind == "person"]
    assert len(people) >= 6
    # Who walks at the right, by hand.
    assert any(abs(left - 368) < 12 and abs(top - 99) < 12 for left, top, _, _ in people)
