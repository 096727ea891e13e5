from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sensorium.bundle import Bundle
from sensorium.components.classifier import Classifier
from sensorium.components.colour import colour_word, dominant_colour
from sensorium.components.detector import Detector, distinct
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.pack import pack


def _says(output: str, value: NDArray[np.float32], size: int) -> bytes:
    """A graph that looks at its pixels and says the same of every image."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["x"], ["top"], keepdims=0),
        helper.make_node("Mul", ["top", "zero"], ["nothing"]),
        helper.make_node("Add", ["value", "nothing"], [output]),
    ]
    constants = [numpy_helper.from_array(np.float32(0), "zero"), numpy_helper.from_array(value, "value")]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, size, size, 3])
    made = helper.make_tensor_value_info(output, TensorProto.FLOAT, value.shape)
    graph = helper.make_graph(nodes, "says", [pixels], [made], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(onnx.ModelProto.SerializeToString(model))


def _opened(tmp_path: Path, draft: PartDraft) -> Bundle:
    pack("vision", "any", {draft.role: draft}, tmp_path / "bundle")
    return Bundle(tmp_path / "bundle")


@pytest.fixture
def detector(tmp_path: Path) -> Detector:
    rows = [
        [8, 8, 24, 16, 0.4, 1],
        [8, 8, 24, 24, 0.9, 0],
        [9, 8, 24, 24, 0.8, 0],  # the same cat again
        [9, 8, 24, 24, 0.7, 1],  # a dog in the same place
        [0, 0, 32, 7, 0.6, 0],  # in the fill above a wide image
        [0, 8, 8, 24, 0.1, 1],  # too weak
    ]
    value = np.array([rows], np.float32)
    part = PartDraft(
        role="detector",
        graphs={"model": GraphDraft(_says("detections", value, 32))},
        files={"labels": ("labels.txt", b"cat\ndog")},
        config={"size": 32, "fill": 0, "threshold": 0.3, "overlap": 0.6},
    )
    return Detector(_opened(tmp_path, part).part("detector"), threads=1)


def test_detections_are_distinct_strong_and_relative_to_the_image(detector: Detector) -> None:
    found = detector.detect(np.zeros((10, 20, 3), np.uint8))
    assert [(d.label, round(d.score, 1)) for d in found] == [("cat", 0.9), ("dog", 0.7), ("dog", 0.4)]
    assert found[0].box == (0.25, 0.0, 0.75, 1.0)


def test_a_lower_threshold_finds_more(detector: Detector) -> None:
    assert len(detector.detect(np.zeros((10, 20, 3), np.uint8), threshold=0.05)) == 4


def test_nothing_is_found_in_nothing(detector: Detector) -> None:
    assert detector.detect(np.zeros((1, 1, 3), np.uint8), threshold=1.0) == ()


def test_boxes_of_different_classes_never_suppress_each_other() -> None:
    boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (3, 1))
    assert distinct(boxes, np.array([0, 1, 0], np.float32), 0.5) == [0, 1]


def test_boxes_without_area_are_no_trouble() -> None:
    assert distinct(np.zeros((2, 4), np.float32), np.zeros(2, np.float32), 0.5) == [0, 1]


def test_classes_of_one_name_add_up(tmp_path: Path) -> None:
    value = np.array([[0.35, 0.4, 0.25]], np.float32)
    part = PartDraft(
        role="classifier",
        graphs={"model": GraphDraft(_says("probabilities", value, 8))},
        files={"labels": ("labels.txt", b"sunglasses\ncat\nsunglasses")},
        config={"size": 8, "crop": 0.9},
    )
    classifier = Classifier(_opened(tmp_path, part).part("classifier"), threads=1)
    probabilities = classifier.classify(np.zeros((30, 20, 3), np.uint8))
    assert probabilities.shape == (3,)
    names = classifier.names(probabilities, 5)
    assert [name for name, _ in names] == ["sunglasses", "cat"]
    assert names[0][1] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("rgb", "word"),
    [
        ((200, 20, 25), "red"),
        ((240, 140, 20), "orange"),
        ((245, 225, 40), "yellow"),
        ((30, 150, 60), "green"),
        ((30, 60, 200), "blue"),
        ((120, 40, 160), "purple"),
        ((245, 160, 185), "pink"),
        ((110, 70, 35), "brown"),
        ((10, 10, 12), "black"),
        ((128, 130, 127), "grey"),
        ((245, 245, 240), "white"),
    ],
)
def test_a_plain_surface_has_its_colours_name(rgb: tuple[int, int, int], word: str) -> None:
    assert dominant_colour(np.full((40, 50, 3), rgb, np.uint8)) == word


def test_the_colour_is_that_of_the_box_and_not_of_what_surrounds_it() -> None:
    image = np.full((100, 100, 3), (30, 60, 200), np.uint8)
    image[40:60, 40:60] = (200, 20, 25)
    assert dominant_colour(image, (0.38, 0.38, 0.62, 0.62)) == "red"
    assert dominant_colour(image) == "blue"


def test_highlights_do_not_hide_a_colour() -> None:
    image = np.full((40, 40, 3), 255, np.uint8)
    image[:, :18] = (200, 20, 25)
    assert dominant_colour(image) == "red"


def test_every_hue_has_a_word() -> None:
    assert {colour_word(hue, 1.0, 1.0) for hue in range(361)} == {
        "red", "orange", "yellow", "green", "blue", "purple", "pink",
    }  # fmt: skip
