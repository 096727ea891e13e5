"""The hard protocol: seeded, the same for every order, and as hard as it says."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_compile.data.damage import Scenery, convolved, load_scenery, mixture, room_of, sounding_power
from sensorium_compile.data.protocol import PICTURE, Cell, apply, cells, damage_images, damage_sounds, present, singles
from sensorium_compile.errors import CompileError


def scenery() -> Scenery:
    rng = np.random.default_rng(0)
    noises = tuple(rng.standard_normal(n).astype(np.float32) * 0.1 for n in (9000, 3000))
    tail = rng.standard_normal(4000) * np.exp(-np.arange(4000) / 500)
    return Scenery(noises, (room_of(np.concatenate([np.zeros(50), [9.0], tail]).astype(np.float32)),))


def examples(count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 255, (count, 24, 24, 3)).astype(np.uint8)
    sounds = np.zeros((count, 8000), np.float32)
    sounds[:, 2000:5000] = rng.uniform(-0.3, 0.3, (count, 3000))
    return images, sounds


def test_the_table_has_every_pair_of_conditions_and_names_that_round_trip() -> None:
    assert len(cells()) == len(set(cells())) == 4 + 3 + 3 * 12
    assert all(Cell.parse(str(cell)) == cell for cell in cells())
    assert singles(Cell.parse("noise0/covered/both")) == (
        Cell.parse("absent/covered/vision"),
        Cell.parse("noise0/absent/audio"),
    )
    assert sum(cell.both_damaged for cell in cells()) == 18


@pytest.mark.parametrize("text", ["noise1/covered/both", "noise0/covered", "noise0/covered/vision", "noise0/dark/none"])
def test_a_cell_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CompileError):
        Cell.parse(text)


def test_damage_is_the_same_in_every_cell_of_a_condition_and_for_a_part_of_the_set() -> None:
    images, sounds = examples()
    both = apply(Cell("noise-5", "covered", "both"), images, sounds, 3, scenery())
    alone = apply(Cell("absent", "covered", "vision"), images, sounds, 3, scenery())
    part = apply(Cell("noise-5", "covered", "both"), images[:2], sounds[:2], 3, scenery())
    assert np.array_equal(both.images, alone.images)
    assert np.array_equal(both.sounds[:2], part.sounds)
    other = apply(Cell("noise-5", "covered", "both"), images, sounds, 4, scenery())
    assert not np.array_equal(both.sounds, other.sounds)
    assert (both.sounds.dtype, both.images.dtype) == (np.float32, np.uint8)
    assert both.sounds.shape == sounds.shape


def test_what_is_missing_is_zero_and_clean_is_untouched() -> None:
    images, sounds = examples()
    made = apply(Cell("clean", "clean", "either"), images, sounds, 0)
    there = made.presence.astype(bool)
    assert not made.images[~there[:, 0]].any()
    assert not made.sounds[~there[:, 1]].any()
    assert np.array_equal(made.images[there[:, 0]], images[there[:, 0]])
    vision = apply(Cell("absent", "clean", "vision"), images, sounds, 0)
    assert not vision.sounds.any()
    assert vision.presence.tolist() == [[1, 0]] * len(images)


@given(st.integers(0, 1000))
def test_at_least_one_sense_is_always_there(seed: int) -> None:
    for there in ("vision", "audio", "both", "either", "independent"):
        assert present(there, 20, seed).any(axis=1).all()
    assert (present("either", 20, seed).sum(axis=1) == 1).all()


def test_senses_are_missing_as_often_as_is_written() -> None:
    either, independent = present("either", 4000, 0), present("independent", 4000, 0)
    assert np.abs(either.mean(axis=0) - 0.5).max() < 0.03
    assert np.abs(independent.mean(axis=0) - 5 / 8).max() < 0.03


@given(st.floats(-10, 20), st.integers(0, 100))
def test_speech_is_as_far_above_the_noise_as_was_asked(snr_db: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    speech = np.zeros(4800)
    speech[1600:3200] = 0.02 * rng.standard_normal(1600)
    noise = rng.standard_normal(4800)
    mixed = mixture(speech, noise, snr_db).astype(np.float64)
    gain = np.linalg.lstsq(np.stack([speech, noise], 1), mixed, rcond=None)[0]
    assert (
        abs(10 * np.log10(sounding_power(speech) * gain[0] ** 2 / (gain[1] ** 2 * np.square(noise).mean())) - snr_db)
        < 0.01
    )
    assert np.abs(mixed).max() <= 0.9901


def test_the_lower_ratio_is_the_same_scene_louder() -> None:
    _, sounds = examples(3)
    near, far = (damage_sounds(condition, sounds, 7, scenery()) for condition in ("noise0", "noise-5"))
    for one, other in zip(near, far, strict=True):
        assert np.corrcoef(one[:1500], other[:1500])[0, 1] > 0.99


def test_a_room_keeps_the_power_and_the_place_of_the_direct_sound() -> None:
    click = np.zeros(2000, np.float32)
    click[700] = 0.5
    wet = convolved(click, scenery().rooms[0])
    assert np.abs(wet).argmax() == 700
    assert np.isclose(np.square(wet).sum(), 0.25)
    assert not np.abs(wet[:699]).max() > 1e-6


def test_half_of_a_picture_is_covered_and_the_other_half_is_untouched() -> None:
    images, _ = examples(8)
    same = (damage_images("covered", images, 0) == images).all(axis=3).mean(axis=(1, 2))
    assert np.abs(same - 0.5).max() < 0.05


def test_shaken_pictures_are_smoother_and_dark_ones_are_dark() -> None:
    images, _ = examples()
    assert damage_images("shaken", images, 0).std() < 0.6 * images.std()
    assert damage_images("dark", images, 0).mean() < 0.25 * images.mean()
    assert set(PICTURE) == {"clean", "covered", "shaken", "dark"}


def test_noise_without_recordings_is_told(tmp_path: Path) -> None:
    images, sounds = examples(2)
    with pytest.raises(CompileError, match="needs recorded noise and rooms"):
        apply(Cell("noise0", "clean", "both"), images, sounds, 0)
    with pytest.raises(CompileError, match=r"noise/\*.flac and RIRs"):
        load_scenery(tmp_path)


def test_the_recorded_scenery_is_read() -> None:
    folder = os.environ.get("SENSORIUM_DATA")
    if not folder:
        pytest.skip("SENSORIUM_DATA does not name the folder of the real sets")
    found = load_scenery(Path(folder))
    assert len(found.noises) == 5
    assert all(np.isclose(np.linalg.norm(room), 1, atol=1e-4) for room in found.rooms)
