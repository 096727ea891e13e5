from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.devices.helpers import numbered, png_header, with_orientation, write_jpeg

from sensorium.errors import SourceError
from sensorium_devices.images import picture_files, read_image, told_size
from sensorium_devices.virtual import encode_jpeg


def test_a_jpeg_comes_back_in_rgb(tmp_path: Path) -> None:
    image = read_image(write_jpeg(tmp_path / "a.jpg", np.full((40, 60, 3), (200, 60, 20), np.uint8)))
    assert image.shape == (40, 60, 3)
    assert image.dtype == np.uint8
    assert np.abs(image.mean(axis=(0, 1)) - (200, 60, 20)).max() < 4


def test_a_grey_picture_becomes_rgb(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((5, 7), 99, np.uint8))
    assert (read_image(tmp_path / "grey.png") == np.full((5, 7, 3), 99)).all()


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535)])
def test_transparency_is_laid_on_white(tmp_path: Path, dtype: type, full: int) -> None:
    bgra = np.zeros((1, 3, 4), dtype)
    bgra[0, 1] = (full, 0, 0, full)  # opaque blue
    bgra[0, 2] = (0, 0, full, full // 2 + 1)  # half red
    cv2.imwrite(str(tmp_path / "alpha.png"), bgra)
    assert read_image(tmp_path / "alpha.png")[0].tolist() == [[255, 255, 255], [0, 0, 255], [255, 127, 127]]


def test_a_picture_of_16_bits_becomes_one_of_8(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((2, 2, 3), 65535, np.uint16))
    assert (read_image(tmp_path / "deep.png") == 255).all()


def test_a_phone_held_upright_gives_an_upright_picture(tmp_path: Path) -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, :40] = 255  # the left half is white: turned to the right by 90 degrees, the upper one
    (tmp_path / "turned.jpg").write_bytes(with_orientation(encode_jpeg(image), 6))
    turned = read_image(tmp_path / "turned.jpg")
    assert turned.shape == (80, 40, 3)
    assert turned[:30].mean() > 250
    assert turned[50:].mean() < 5


def test_one_pixel_is_a_picture(tmp_path: Path) -> None:
    assert read_image(write_jpeg(tmp_path / "dot.jpg", np.zeros((1, 1, 3), np.uint8))).shape == (1, 1, 3)


def test_twenty_megapixels_are_a_picture(tmp_path: Path) -> None:
    path = write_jpeg(tmp_path / "large.jpg", np.zeros((4000, 5000, 3), np.uint8))
    assert read_image(path).shape == (4000, 5000, 3)


def test_the_size_is_known_before_a_picture_is_decoded() -> None:
    assert told_size(encode_jpeg(numbered(1))) == (320, 240)
    assert told_size(with_orientation(encode_jpeg(numbered(1)), 1)) == (320, 240)
    assert told_size(png_header(9000, 8000)) == (9000, 8000)
    assert told_size(b"\xff\xd8\xff\xe0") == (0, 0)
    assert told_size(b"text") == (0, 0)


def test_more_than_64_megapixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_header(9000, 9000))
    with pytest.raises(SourceError, match="more than 64,000,000 pixels"):
        read_image(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"this is no picture", "not a picture"),
        (b"\xff\xd8\xff\xe0 and then nothing", "not a picture"),
        (encode_jpeg(numbered(1))[:1500], "cut off"),
        (encode_jpeg(numbered(1))[:-2], "cut off"),
        (png_header(10, 10)[:-30], "cut off"),
        (png_header(10, 10), "not a picture|damaged"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=reason) as error:
        read_image(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_folder_are_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read_image(tmp_path / "missing.jpg")
    with pytest.raises(SourceError, match="not a file"):
        read_image(tmp_path)


def test_a_folder_gives_its_pictures_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "notes.txt", "c.webp"):
        (tmp_path / name).touch()
    assert [path.name for path in picture_files(tmp_path)] == ["a.JPG", "b.png", "c.webp"]


def test_a_folder_without_pictures_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no pictures in it"):
        picture_files(tmp_path)
