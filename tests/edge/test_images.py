import numpy as np
import pytest
from numpy.typing import NDArray

from sensorium.images import centre_crop, cut, letterbox, resize


def _noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3)).astype(np.uint8)


def _triangle(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float64]:
    """The definition, pixel by pixel: each axis weighted by a triangle as wide as the reduction."""

    def matrix(old: int, new: int) -> NDArray[np.float64]:
        scale = old / new
        reach = max(scale, 1.0)
        distance = np.abs(np.arange(old) + 0.5 - (np.arange(new)[:, None] + 0.5) * scale)
        weights = np.maximum(1 - distance / reach, 0)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    rows, columns = matrix(image.shape[0], height), matrix(image.shape[1], width)
    return np.asarray(np.einsum("ih,hwc,jw->ijc", rows, image, columns))


@pytest.mark.parametrize(
    ("old", "new"),
    [((48, 64), (51, 52)), ((72, 128), (26, 26)), ((7, 3), (1, 1)), ((1, 1), (9, 5)), ((97, 13), (13, 97))],
)
def test_a_resized_image_is_the_triangle_filtered_one_within_a_rounding_of_each_axis(
    old: tuple[int, int], new: tuple[int, int]
) -> None:
    image = _noise(*old)
    resized = resize(image, *new)
    assert resized.shape == (*new, 3)
    assert resized.dtype == np.uint8
    assert np.abs(resized - _triangle(image, *new)).max() <= 1.01  # half a step for each of two roundings


def test_a_resize_to_its_own_size_changes_nothing() -> None:
    image = _noise(20, 30)
    np.testing.assert_array_equal(resize(image, 20, 30), image)


def test_a_flat_image_stays_flat_at_any_size() -> None:
    image = np.full((31, 17, 3), 255, np.uint8)
    np.testing.assert_array_equal(resize(image, 8, 40), 255)


def test_twenty_megapixels_are_averaged_not_sampled() -> None:
    image = np.zeros((3648, 5472, 3), np.uint8)
    image[::2] = 200  # stripes of one row: picking rows would give 0 or 200
    assert np.abs(resize(image, 64, 64).astype(int) - 100).max() <= 2


def test_the_centre_crop_is_the_middle_square() -> None:
    image = _noise(10, 20)
    np.testing.assert_array_equal(centre_crop(image, 1.0), image[:, 5:15])
    assert centre_crop(_noise(1, 1), 0.1).shape == (1, 1, 3)


def test_a_cut_is_never_empty() -> None:
    image = _noise(10, 20)
    np.testing.assert_array_equal(cut(image, (0.5, 0.5, 1.0, 1.0)), image[5:, 10:])
    assert cut(image, (1.0, 1.0, 1.0, 1.0)).shape == (1, 1, 3)


def test_a_letterbox_keeps_the_shape_and_gives_boxes_back() -> None:
    placed = letterbox(np.full((10, 20, 3), 9, np.uint8), 40, fill=0)
    assert placed.image.shape == (40, 40, 3)
    assert (placed.image[10:30] == 9).all()
    assert not placed.image[:10].any()
    assert placed.to_source(placed.box) == (0, 0, 1, 1)
    assert placed.to_source((0.0, 0.25, 0.5, 0.5)) == (0, 0, 0.5, 0.5)


def test_boxes_that_reach_into_the_fill_are_cut_at_the_image() -> None:
    placed = letterbox(_noise(10, 20), 40, fill=0)
    assert placed.to_source((-0.2, 0.0, 1.3, 1.0)) == (0, 0, 1, 1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1)])
def test_a_letterbox_takes_slivers(shape: tuple[int, int]) -> None:
    assert letterbox(_noise(*shape), 32, fill=0).image.shape == (32, 32, 3)
