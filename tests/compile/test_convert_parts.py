"""The vision parts, built from the real weights."""

import onnx
import pytest

from sensorium_compile.draft import PartDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.parts import classifier, detector, faces
from sensorium_compile.zoo import Weights


@pytest.fixture(scope="module")
def detector_part(weights: Weights) -> PartDraft:
    return detector.build(weights)


@pytest.fixture(scope="module")
def classifier_part(weights: Weights) -> PartDraft:
    return classifier.build(weights)


def test_the_detector_says_what_its_original_says(detector_part: PartDraft) -> None:
    assert detector_part.figures["error_to_original"] < 0.001
    labels = detector_part.files["labels"][1].decode().splitlines()
    assert (len(labels), labels[0], labels[-1]) == (80, "person", "toothbrush")


def test_the_classifier_says_what_its_original_says(classifier_part: PartDraft) -> None:
    assert classifier_part.figures["float_error_to_original"] < 1e-5
    assert classifier_part.figures["int8_cosine_to_original"] > 0.995
    labels = classifier_part.files["labels"][1].decode().splitlines()
    assert (len(labels), labels[0], labels[-1]) == (1000, "tench", "toilet paper")


def test_building_twice_gives_the_same_bytes(
    weights: Weights, detector_part: PartDraft, classifier_part: PartDraft
) -> None:
    assert detector.build(weights).graphs["model"].model == detector_part.graphs["model"].model
    assert classifier.build(weights).graphs["model"].model == classifier_part.graphs["model"].model


def test_a_list_of_other_names_is_refused() -> None:
    with pytest.raises(CompileError, match="names 1 classes; a detector of COCO has 80"):
        detector.coco_names("{ class: 1, label: 'person' },")
    with pytest.raises(CompileError, match="no list of 1000 names"):
        classifier.imagenet_names(b'["tench"]')


def test_the_face_detector_says_what_its_original_says_and_others_are_refused(weights: Weights) -> None:
    part = faces.build(weights)
    assert part.figures["error_to_original"] < 1e-4
    assert faces.build(weights).graphs["model"].model == part.graphs["model"].model
    with pytest.raises(CompileError, match="centerface is not the graph it was"):
        faces.fixed(onnx.ModelProto())
