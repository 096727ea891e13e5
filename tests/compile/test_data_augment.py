"""Augmentation: shapes, ranges, counts, seeds, and that a change does what it is called."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sensorium_compile.data.augment import Dice, augment, load_augment
from sensorium_compile.data.augment.config import Formants, Noise, Occlusion, Room, Speed
from sensorium_compile.data.augment.images import covered
from sensorium_compile.data.augment.noises import add_noise, coloured_noise, mix, sounding_power
from sensorium_compile.data.augment.rooms import responses
from sensorium_compile.data.augment.sounds import resampled, stretched
from sensorium_compile.errors import CompileError

RATE_HZ = 16_000


def images(count: int = 6, side: int = 32) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0)) * 255


def tones(count: int = 6, samples: int = 8000, hz: float = 300.0) -> Tensor:
    """A voiced sound in the middle third, silence around it."""
    time_s = torch.arange(samples) / RATE_HZ
    tone = sum(torch.sin(2 * torch.pi * hz * k * time_s) / k for k in range(1, 12)) * 0.1
    third = samples // 3
    tone[:third] = 0
    tone[-third:] = 0
    return tone.repeat(count, 1)


BATCHES: dict[str, Tensor] = {
    "image": images(),
    "sound": tones(),
    "text": torch.tensor([[101, 7, 8, 9, 102, 0, 0]] * 6),
    "readings": torch.randn(6, 20, 3, generator=torch.Generator().manual_seed(1)),
}
ALWAYS: dict[str, dict[str, Any]] = {
    "image": {step: {"probability": 1} for step in ("geometry", "occlusion", "colour", "blur", "dark", "grain")},
    "sound": {step: {"probability": 1} for step in ("speed", "formants", "gaps", "room", "noise", "band", "gain")},
    "text": {"words": {"probability": 1}},
    "readings": {step: {"probability": 1} for step in ("crop", "drift", "jitter", "dead")},
}


@pytest.mark.parametrize("kind", BATCHES)
def test_a_batch_keeps_its_shape_and_is_another_batch(kind: str) -> None:
    batch = BATCHES[kind].clone()
    changed = augment(batch, load_augment(kind, ALWAYS[kind]), Dice(3), kind)
    assert changed.shape == batch.shape
    assert changed.dtype == batch.dtype
    assert torch.equal(batch, BATCHES[kind])
    assert not torch.equal(changed, batch)
    assert changed.isfinite().all()


@pytest.mark.parametrize("kind", BATCHES)
def test_a_seed_gives_the_same_batch_and_another_seed_another(kind: str) -> None:
    config = load_augment(kind, ALWAYS[kind])
    first, again, other = (augment(BATCHES[kind], config, Dice(seed), kind) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("kind", BATCHES)
def test_each_step_is_counted_under_its_name_and_none_that_is_off(kind: str) -> None:
    dice = Dice(1)
    augment(BATCHES[kind], load_augment(kind, ALWAYS[kind]), dice, "sense")
    assert all(dice.applied[f"sense.{step}"] == 6 for step in ALWAYS[kind])
    off = {step: {"probability": 0} for step in ALWAYS[kind]}
    still = augment(BATCHES[kind], load_augment(kind, off), dice, "off")
    assert torch.equal(still, BATCHES[kind])
    assert not sum(count for name, count in dice.applied.items() if name.startswith("off"))


def test_pictures_stay_within_0_and_255_and_sound_within_1() -> None:
    for seed in range(5):
        made = augment(BATCHES["image"], load_augment("image", ALWAYS["image"]), Dice(seed), "vision")
        assert made.min() >= 0
        assert made.max() <= 255
        heard = augment(BATCHES["sound"], load_augment("sound", ALWAYS["sound"]), Dice(seed), "audio")
        assert heard.abs().max() <= 1


@given(st.floats(-10, 30), st.integers(0, 50))
@settings(max_examples=20)
def test_noise_is_as_far_below_the_sound_as_was_asked(snr_db: float, seed: int) -> None:
    sound = tones(3)
    noise = coloured_noise(3, 8000, Dice(seed))
    mixed = mix(sound, noise, torch.full((3, 1), snr_db))
    power = (mixed - sound).square().mean(1, keepdim=True)
    measured = 10 * torch.log10(sounding_power(sound) / power)
    assert torch.allclose(measured, torch.full((3, 1), snr_db), atol=0.05)


def test_noise_of_a_pool_and_babble_are_used_and_counted() -> None:
    dice = Dice(0)
    pool = torch.randn(2, 5000)
    add_noise(tones(60), tones(60), pool, Noise(probability=1, babble=0.3, pool=0.4), dice, "audio")
    counts = [dice.applied[f"audio.noise.{kind}"] for kind in ("babble", "pool", "coloured")]
    assert sum(counts) == 60
    assert min(counts) > 5


def test_a_silent_clip_with_noise_is_finite() -> None:
    silent = torch.zeros(4, 8000)
    made = augment(silent, load_augment("sound", ALWAYS["sound"]), Dice(0), "audio")
    assert made.isfinite().all()


@given(st.floats(0.05, 0.6), st.integers(0, 20))
@settings(max_examples=20)
def test_as_much_of_a_picture_is_covered_as_was_asked(area: float, seed: int) -> None:
    black = torch.zeros(8, 3, 64, 64)
    made = covered(black, Occlusion(area=(area, area)), _Plain(seed))
    share = (made > 0).any(1).float().mean((1, 2))
    assert (share - area).abs().max() < 0.08


def test_what_a_side_covers_is_free_on_the_other_and_may_be_kept_from_other_pictures() -> None:
    black = torch.zeros(40, 3, 64, 64)
    there = (covered(black, Occlusion(area=(0.5, 0.5), sides=1), _Plain(0)) > 0).any(1)
    assert (there & there.flip(1, 2)).float().mean() < 0.03
    grey = torch.full((40, 3, 64, 64), 77.0)  # another picture is as grey as this one
    for other, seen in ((1.0, 0), (0.0, 40)):
        made = covered(grey, Occlusion(area=(0.5, 0.5), other=other), Dice(0))
        assert (made != grey).flatten(1).any(1).sum() == seen


class _Plain(Dice):
    """Always covers by a colour, never by another picture."""

    def uniform(self, span: tuple[float, float], *shape: int) -> Tensor:
        drawn = super().uniform(span, *shape)
        return drawn * 0 if span == (0, 1) and len(shape) == 4 else drawn.clamp(min=1) if span == (0, 255) else drawn


def pitch_hz(sound: Tensor) -> float:
    voiced = sound[sound.abs() > 0]
    spectrum = np.abs(np.fft.rfft(voiced.numpy(), 1 << 16))
    return float(spectrum[:8192].argmax() * RATE_HZ / (1 << 16))


def test_speed_moves_the_pitch_and_keeps_the_sound_in_the_window() -> None:
    sound = tones(1)
    fast = resampled(sound, Speed(speed=(1.15, 1.15), shift=1.0), Dice(0))
    assert abs(pitch_hz(fast[0]) / pitch_hz(sound[0]) - 1.15) < 0.02
    assert abs(float(fast.square().sum() * 1.15 / sound.square().sum()) - 1) < 0.02


def test_formants_move_and_the_pitch_does_not() -> None:
    time_s = torch.arange(16000) / RATE_HZ
    pulses = (torch.sin(2 * torch.pi * 120 * time_s) > 0.99).float()
    hz = torch.fft.rfftfreq(16000, 1 / RATE_HZ)
    vowel = torch.exp(-(((hz - 1500) / 250) ** 2)) + 0.05
    sound = torch.fft.irfft(torch.fft.rfft(pulses - pulses.mean()) * vowel)[None] * 0.3
    made = stretched(sound, Formants(stretch=(1.2, 1.2)), Dice(0))

    def centre_hz(x: Tensor) -> float:
        power = torch.fft.rfft(x[0]).abs().square()
        inside = (hz > 800) & (hz < 3000)
        return float((power * hz)[inside].sum() / power[inside].sum())

    assert 1.12 < centre_hz(made) / centre_hz(sound) < 1.25
    comb = torch.fft.rfft(made[0]).abs()
    assert comb[120 * 12] > 5 * comb[120 * 12 + 60]


def test_a_room_begins_with_the_direct_sound_at_the_ratio_asked() -> None:
    rooms = responses(20, Room(direct_db=(3.0, 3.0)), Dice(0))
    assert torch.equal(rooms[:, 0], torch.ones(20))
    tail = rooms[:, 1:].square().sum(1)
    assert torch.allclose(10 * torch.log10(1 / tail), torch.full((20,), 3.0), atol=0.3)
    assert (rooms[:, :2000].square().sum(1) > rooms[:, -2000:].square().sum(1)).all()


def test_words_are_dropped_but_not_the_ends_nor_the_padding() -> None:
    config = load_augment("text", {"words": {"probability": 1, "share": 1}})
    assert augment(BATCHES["text"], config, Dice(0), "text")[0].tolist() == [101, 100, 100, 100, 102, 0, 0]
    assert augment(BATCHES["text"], config, Dice(0), "text", ids={"[UNK]": 1})[0].tolist() == [101, 1, 1, 1, 102, 0, 0]


def test_a_window_of_one_reading_can_be_augmented() -> None:
    batch = torch.ones(2, 1, 3)
    assert augment(batch, load_augment("readings", ALWAYS["readings"]), Dice(0), "nose").isfinite().all()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"blurr": {}}, "augment: no key 'blurr'; known there: geometry, occlusion"),
        ({"blur": {"probability": 2}}, "augment: blur.probability: .*less than or equal to 1"),
        ({"geometry": {"scale": [1.2, 0.8]}}, r"augment: geometry.scale: .*\(least, most\)"),
    ],
)
def test_a_wrong_key_of_a_recipe_is_named(table: dict[str, object], message: str) -> None:
    with pytest.raises(CompileError, match=message):
        load_augment("image", table)
