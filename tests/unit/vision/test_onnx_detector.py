"""An operator's ONNX model is a second opinion: its boxes come back in the picture's pixels, a wrong one is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from city.errors import ConfigError
from vision.detect.onnx_detector import OnnxDetector

SIZE = 64
CLASSES = ["person", "car", "goat", "suitcase"]


def model_at(folder: Path, rows: np.ndarray, *, layout: str = "anchors_last", classes: list[str] = CLASSES) -> Path:
    """A model that answers the same boxes for every picture that is not black: (n, 4 + classes) or (n, 5 + classes)."""
    answer = rows.T if layout == "anchors_last" else rows
    nodes = [
        helper.make_node("GlobalMaxPool", ["images"], ["brightest"]),
        helper.make_node("Flatten", ["brightest"], ["levels"]),
        helper.make_node("Gemm", ["levels", "weights", "bias"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["answer"]),
    ]
    weights = np.zeros((3, answer.size), np.float32)
    initial = [
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(answer.astype(np.float32).reshape(-1), "bias"),
        numpy_helper.from_array(np.array([1, *answer.shape], np.int64), "shape"),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE, SIZE])
    out = helper.make_tensor_value_info("answer", TensorProto.FLOAT, [1, *answer.shape])
    graph = helper.make_graph(nodes, "boxes", [images], [out], initial)
    path = folder / "boxes.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    words = ", ".join(f'"{name}"' for name in classes)
    path.with_suffix(".toml").write_text(f'size = {SIZE}\nlayout = "{layout}"\nclasses = [{words}]\n')
    return path


PERSON = [16.0, 20.0, 8.0, 24.0, 0.9, 0.1, 0.0, 0.0]
AGAIN = [17.0, 20.0, 8.0, 24.0, 0.8, 0.1, 0.0, 0.0]
GOAT = [40.0, 24.0, 8.0, 8.0, 0.0, 0.0, 0.7, 0.0]
BAG = [48.0, 30.0, 6.0, 6.0, 0.0, 0.0, 0.0, 0.6]
UNSURE = [8.0, 40.0, 6.0, 6.0, 0.2, 0.0, 0.0, 0.0]
PICTURE = np.full((240, 320, 3), 90, np.uint8)


def test_boxes_come_in_the_pictures_pixels_the_surest_first_and_each_thing_once(tmp_path: Path) -> None:
    detector = OnnxDetector(model_at(tmp_path, np.array([BAG, AGAIN, PERSON, UNSURE, GOAT])))
    person, goat, bag = detector.detect(PICTURE)
    # 320 px are fitted into 64, so one of the model's pixels is five of the picture's.
    assert (person.kind, person.box) == ("person", (60, 40, 40, 120))
    assert person.score == pytest.approx(0.9)
    assert (goat.kind, goat.box) == ("animal", (180, 100, 40, 40))
    assert bag.kind == "object"


def test_a_lower_score_may_be_asked_for(tmp_path: Path) -> None:
    detector = OnnxDetector(model_at(tmp_path, np.array([PERSON, UNSURE])))
    assert [detection.score for detection in detector.detect(PICTURE, 0.1)] == pytest.approx([0.9, 0.2])
    assert [detection.score for detection in detector.detect(PICTURE)] == pytest.approx([0.9])


def test_the_older_layout_multiplies_objectness_and_class(tmp_path: Path) -> None:
    row = [16.0, 20.0, 8.0, 24.0, 0.5, 0.0, 0.8, 0.0, 0.0]
    (car,) = OnnxDetector(model_at(tmp_path, np.array([row]), layout="anchors_first")).detect(PICTURE)
    assert (car.kind, car.score) == ("vehicle", pytest.approx(0.4))


def test_a_model_whose_answer_does_not_fit_its_description_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not anchors_last of 1 classes"):
        OnnxDetector(model_at(tmp_path, np.array([PERSON]), classes=["person"]))


@pytest.mark.parametrize("broken", ["model", "description", "words"])
def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path, broken: str) -> None:
    path = model_at(tmp_path, np.array([PERSON]))
    if broken == "model":
        path.write_bytes(b"no model")
    elif broken == "description":
        path.with_suffix(".toml").unlink()
    else:
        path.with_suffix(".toml").write_text('classes = ["person"]\nsice = 3\n')
    with pytest.raises(ConfigError, match=r"boxes\.(onnx|toml)"):
        OnnxDetector(path)


def test_a_description_with_another_size_than_the_models_is_refused(tmp_path: Path) -> None:
    path = model_at(tmp_path, np.array([PERSON]))
    words = path.with_suffix(".toml").read_text()
    path.with_suffix(".toml").write_text(words.replace(f"size = {SIZE}", f"size = {SIZE // 2}"))
    with pytest.raises(ConfigError, match=r"boxes\.onnx: ONNX Runtime cannot run this model"):
        OnnxDetector(path)


def test_errors_of_the_engine_name_no_folder_and_no_code(tmp_path: Path) -> None:
    path = model_at(tmp_path, np.array([PERSON]))
    path.write_bytes(b"no model")
    with pytest.raises(ConfigError) as raised:
        OnnxDetector(path)
    assert str(raised.value) == "boxes.onnx: ONNX Runtime cannot read this model: Protobuf parsing failed."
    path.unlink()
    with pytest.raises(ConfigError, match=r"^boxes\.onnx: there is no such file$"):
        OnnxDetector(path)


def test_a_model_of_several_inputs_is_refused(tmp_path: Path) -> None:
    images = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, SIZE, SIZE]) for name in ("left", "right")]
    out = helper.make_tensor_value_info("answer", TensorProto.FLOAT, [1, 3, SIZE, SIZE])
    graph = helper.make_graph([helper.make_node("Add", ["left", "right"], ["answer"])], "two", images, [out])
    path = model_at(tmp_path, np.array([PERSON]))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    with pytest.raises(ConfigError, match="2 inputs"):
        OnnxDetector(path)


def test_several_threads_may_ask_one_detector(tmp_path: Path) -> None:
    detector = OnnxDetector(model_at(tmp_path, np.array([BAG, PERSON])))
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: detector.detect(PICTURE), range(40)))
    assert all(answer == answers[0] for answer in answers)
