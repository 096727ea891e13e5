"""No face leaves sharp: not where the detector finds it, not while it loses it, not where it fails."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sensorium.bundle import Bundle
from sensorium.clock import NS_PER_S
from sensorium.components.faces import Faces
from sensorium.images import Box, Image, cut, resize
from sensorium.samples import Frame
from sensorium.veil import CELLS, HOLD_NS, Veil, grown, hidden, mosaic
from sensorium_compile.zoo import Weights
from sensorium_devices.images import read_image

NOISE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
FACE: Box = (0.4, 0.4, 0.6, 0.7)


class Told:
    """Finds what it is told, frame by frame; an exception is raised."""

    def __init__(self, answers: Sequence[tuple[Box, ...] | Exception]) -> None:
        self._answers = list(answers)
        self.asked = 0

    def find(self, image: Image) -> tuple[Box, ...]:
        self.asked += 1
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def frame(seconds: float, image: NDArray[np.uint8] = NOISE) -> Frame:
    return Frame(int(seconds * NS_PER_S), 0, image)


def colours(image: Image) -> int:
    return len(np.unique(image.reshape(-1, 3), axis=0))


def test_a_face_becomes_a_few_cells_and_the_rest_stays_as_it_was() -> None:
    out = Veil(Told([(FACE,)])).over(frame(0)).frame.image
    assert colours(cut(out, FACE)) <= CELLS * CELLS
    assert np.array_equal(out[:40], NOISE[:40])
    assert np.array_equal(NOISE, np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8))


def test_where_a_face_was_stays_hidden_for_a_second_and_more_around_it() -> None:
    veil = Veil(Told([(FACE,), (), (), ()]))
    areas = [(veil.over(frame(s)).frame.image != NOISE).any(axis=2).sum() for s in (0.0, 0.5, 1.0, 1.1)]
    assert 0 < areas[0] < areas[1] < areas[2]
    assert areas[3] == 0


def test_a_face_that_moves_is_hidden_where_it_is_now() -> None:
    moved: Box = (0.45, 0.4, 0.65, 0.7)
    out = Veil(Told([(FACE,), (moved,)]))
    out.over(frame(0))
    image = out.over(frame(0.03)).frame.image
    assert colours(cut(image, moved)) <= CELLS * CELLS
    assert np.array_equal(cut(image, (0.0, 0.0, 0.35, 1.0)), cut(NOISE, (0.0, 0.0, 0.35, 1.0)))


@pytest.mark.parametrize("faces", [None, Told([RuntimeError("no memory")])], ids=["missing", "failing"])
def test_without_a_detector_the_whole_picture_is_hidden(faces: Told | None) -> None:
    veiled = Veil(faces).over(frame(0))
    assert colours(veiled.frame.image) <= 8 * 6
    assert ("no memory" in veiled.failure) == (faces is not None)


def test_the_same_frame_is_looked_at_once() -> None:
    told, one = Told([(FACE,)]), frame(0)
    veil = Veil(told)
    assert veil.over(one) is veil.over(one)
    assert told.asked == 1


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.floats(0, 2),
)
def test_any_box_in_any_picture_is_hidden_whole(size: tuple[int, int], sides: list[float], margin: float) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    box = grown((min(sides[::2]), min(sides[1::2]), max(sides[::2]), max(sides[1::2])), margin)
    mosaic(image, box, CELLS, CELLS)
    inside = image[int(box[1] * size[0]) : int(box[3] * size[0]), int(box[0] * size[1]) : int(box[2] * size[1])]
    assert colours(inside) <= CELLS * CELLS
    assert colours(hidden(frame(0, image)).image) <= 64


@pytest.fixture(scope="module")
def faces(companion: Bundle) -> Faces:
    return Faces(companion.part("faces"), threads=1)


def test_a_real_face_is_found_and_cats_and_cups_have_none(faces: Faces, weights: Weights) -> None:
    found = faces.find(read_image(weights.path("photo-uniform")))
    assert len(found) == 1
    x0, y0, x1, y1 = found[0]
    assert x0 < 0.5 < x1  # of the portrait of Grace Hopper: between eyes and chin
    assert y0 < 0.3 < y1
    for name in ("photo-coffee", "photo-laptop"):
        assert faces.find(read_image(weights.path(name))) == ()


@pytest.mark.parametrize("height", [512, 256, 128])
def test_a_real_face_is_found_at_any_size_and_in_any_corner(faces: Faces, weights: Weights, height: int) -> None:
    photo = read_image(weights.path("photo-uniform"))
    small = resize(photo, height, round(height * photo.shape[1] / photo.shape[0]))
    for top in (0, 600 - height):
        canvas = np.full((600, 800, 3), 128, np.uint8)
        canvas[top : top + height, 800 - small.shape[1] :] = small
        found = faces.find(canvas)
        assert len(found) == 1
        middle = (found[0][1] + found[0][3]) / 2 * 600
        assert top + 0.15 * height < middle < top + 0.45 * height


def test_pictures_without_end_of_faces_are_hidden_whole(faces: Faces) -> None:
    assert HOLD_NS == NS_PER_S  # what the test above counts on
    for image in (NOISE, np.zeros((1, 1, 3), np.uint8), np.full((3, 4000, 3), 255, np.uint8)):
        for box in faces.find(image):
            assert 0 <= box[0] < box[2] <= 1
