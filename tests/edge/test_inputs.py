"""How samples become what a learned encoder takes: any size in, the right shape out, nothing bad let through."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sensorium.components.embedder import WordPiece
from sensorium.errors import SampleError
from sensorium.inputs import (
    ImageInput,
    InputSpec,
    ReadingsInput,
    SoundInput,
    TextInput,
    prepare_clip,
    prepare_image,
    prepare_readings,
    prepare_sound,
    prepare_text,
    tensor_dtype,
    to_batch,
    to_tensor,
)

SPECS: TypeAdapter[InputSpec] = TypeAdapter(InputSpec)
WORDS = WordPiece(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "what", "colour", "is", "it", "##s"])
SIDES = st.integers(1, 90)


@given(SIDES, SIDES, st.integers(8, 64), st.integers(8, 64), st.sampled_from(["crop", "stretch"]))
def test_a_picture_of_any_size_gets_the_shape_and_one_of_the_right_size_stays_as_it_is(
    height: int, width: int, to_height: int, to_width: int, fit: str
) -> None:
    spec = ImageInput.model_validate({"height": to_height, "width": to_width, "fit": fit})
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    stored = prepare_image(image, spec)
    assert (stored.shape, stored.dtype) == (spec.stored_shape, np.uint8)
    assert prepare_image(stored, spec) is stored
    tensor = to_tensor(stored, spec)
    assert (tensor.shape, str(tensor.dtype)) == (spec.shape, tensor_dtype(spec))
    np.testing.assert_array_equal(tensor[0, :, 0, 0], stored[0, 0])


@given(st.integers(1, 9000), st.integers(1600, 5000))
def test_sound_of_any_length_gets_the_length_and_one_of_the_right_length_stays_as_it_is(n: int, samples: int) -> None:
    spec = SoundInput(samples=samples)
    stored = prepare_sound(np.random.default_rng(n).normal(0, 0.1, n).astype(np.float32), spec)
    assert (stored.shape, stored.dtype) == (spec.stored_shape, np.float32)
    np.testing.assert_array_equal(prepare_sound(stored, spec), stored)
    assert to_tensor(stored, spec).shape == spec.shape


@given(st.integers(1, 12), st.integers(1, 12))
def test_readings_of_any_number_fill_the_window_with_the_newest_last(n: int, window: int) -> None:
    spec = ReadingsInput(channels=2, window=window, period_ms=100)
    given_readings = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    stored = prepare_readings(given_readings, spec)
    assert stored.shape == spec.stored_shape
    np.testing.assert_array_equal(stored[-1], given_readings[-1])
    np.testing.assert_array_equal(stored[0], given_readings[max(0, n - window)])
    np.testing.assert_array_equal(prepare_readings(stored, spec), stored)
    assert to_tensor(stored, spec).shape == spec.shape


@given(st.text(min_size=1), st.integers(3, 12))
def test_text_of_any_length_is_ids_between_cls_and_sep_and_then_zeros(text: str, tokens: int) -> None:
    spec = TextInput(tokens=tokens)
    if not text.strip():
        with pytest.raises(SampleError, match="blank"):
            prepare_text(text, spec, WORDS)
        return
    ids = prepare_text(text, spec, WORDS)
    assert (ids.shape, ids.dtype) == ((tokens,), np.int64)
    last = int(np.flatnonzero(ids)[-1])
    assert (ids[0], ids[last]) == (2, 3)
    assert to_tensor(ids, spec).shape == spec.shape


def test_crop_keeps_the_middle_and_stretch_keeps_the_edges() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, 20:60] = 200
    assert prepare_image(image, ImageInput(height=8, width=8)).min() == 200
    assert prepare_image(image, ImageInput(height=8, width=8, fit="stretch")).min() == 0


def test_a_sound_shorter_than_the_window_stands_in_the_middle_of_zeros() -> None:
    stored = prepare_sound(np.ones(1000, np.float32), SoundInput(samples=1600))
    assert np.flatnonzero(stored).tolist() == list(range(300, 1300))


def test_of_a_longer_sound_the_loudest_stretch_is_taken_with_what_is_loud_in_its_middle() -> None:
    sound = np.zeros(16000, np.float32)
    sound[9000:9400] = 0.5
    stored = prepare_sound(sound, SoundInput(samples=1600))
    assert np.flatnonzero(stored).size == 400
    assert abs(int(np.flatnonzero(stored).mean()) - 800) <= 80


def test_a_clip_is_its_frames_in_order_and_no_other_number_of_them() -> None:
    spec = ImageInput(height=8, width=8, frames=3)
    pictures = [np.full((10, 12, 3), n, np.uint8) for n in range(3)]
    stored = prepare_clip(pictures, spec)
    assert stored.shape == spec.stored_shape == (3, 8, 8, 3)
    assert to_batch(stored[None], spec).shape == spec.shape == (1, 3, 3, 8, 8)
    with pytest.raises(SampleError, match="3 pictures; given 2"):
        prepare_clip(pictures[:2], spec)


def test_what_is_no_sample_is_refused_with_what_was_given() -> None:
    sound, readings, image = (
        SoundInput(samples=1600),
        ReadingsInput(channels=2, window=3, period_ms=10),
        ImageInput(height=8, width=8),
    )
    for bad in (np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)):
        with pytest.raises(SampleError, match="a picture is uint8"):
            prepare_image(bad, image)
    for wave in (np.zeros(0, np.float32), np.zeros(9, np.int16), np.zeros((9, 2), np.float32)):
        with pytest.raises(SampleError, match="sound is float32"):
            prepare_sound(wave, sound)
    with pytest.raises(SampleError, match="1 of 4 values NaN or infinite"):
        prepare_sound(np.array([0, np.nan, 0, 0], np.float32), sound)
    with pytest.raises(SampleError, match=r"float32 \(n, 2\)"):
        prepare_readings(np.zeros((3, 3), np.float32), readings)
    with pytest.raises(SampleError, match="readings with 2 of 2"):
        prepare_readings(np.full((1, 2), np.inf, np.float32), readings)
    with pytest.raises(SampleError, match="kind sound is float32"):
        to_tensor(np.zeros(10, np.float32), sound)


def test_a_spec_is_told_by_its_kind_and_an_unknown_key_is_refused() -> None:
    assert SPECS.validate_python({"kind": "sound", "samples": 16000}) == SoundInput(samples=16000)
    with pytest.raises(ValidationError, match="sampels"):
        SPECS.validate_python({"kind": "sound", "samples": 16000, "sampels": 1})
    with pytest.raises(ValidationError, match="'image', 'sound', 'text', 'readings'"):
        SPECS.validate_python({"kind": "smell"})
