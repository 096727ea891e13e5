from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.errors import SourceError
from sensorium_devices.sound import Conditioner, read_audio


def tone(seconds: float, rate_hz: int, channels: int = 1) -> np.ndarray:
    """440 Hz at half volume: float32 (n, channels)."""
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate_hz)) / rate_hz)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
@given(cuts=st.lists(st.integers(0, 4_000), max_size=8))
@settings(deadline=None, max_examples=10)
def test_sound_fed_in_pieces_equals_sound_fed_whole(rate_hz: int, cuts: list[int]) -> None:
    sound = tone(0.3, rate_hz, channels=2)
    whole, pieces = Conditioner(rate_hz), Conditioner(rate_hz)
    expected = [*whole.feed(sound), *whole.flush()]
    given_ = [chunk for piece in np.split(sound, sorted(cuts)) for chunk in pieces.feed(piece)]
    given_ += pieces.flush()
    np.testing.assert_allclose(np.concatenate(given_), np.concatenate(expected), atol=1e-6)


def test_every_chunk_has_512_samples_and_the_last_is_filled_with_silence() -> None:
    conditioner = Conditioner(16_000)
    chunks = [*conditioner.feed(np.ones((1_000, 1), np.float32)), *conditioner.flush()]
    assert [len(chunk) for chunk in chunks] == [512, 512]
    assert chunks[1][:488].tolist() == [1.0] * 488
    assert not chunks[1][488:].any()


def test_what_is_not_finite_becomes_silence_and_is_counted() -> None:
    conditioner = Conditioner(48_000)
    sound = tone(0.2, 48_000)
    sound[100:110] = np.nan
    sound[200] = np.inf
    chunks = conditioner.feed(sound)
    assert np.isfinite(np.concatenate(chunks)).all()
    assert conditioner.not_finite == 11


def test_what_is_too_loud_is_clipped() -> None:
    assert Conditioner(16_000).feed(np.full((512, 1), 1e30, np.float32))[0].tolist() == [1.0] * 512


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_a_file_is_read_resampled_and_mixed_and_that_is_told(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone(0.5, 44_100, channels=2), 44_100)
    samples, notes = read_audio(path)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(8_000, abs=2)
    assert notes == ("resampled from 44100 to 16000 Hz", "2 channels mixed to one")
    expected = tone(0.5, 16_000)[: len(samples), 0]
    assert np.abs(samples[500:7_500] - expected[500:7_500]).max() < 0.05  # ogg is lossy


def test_a_file_with_nan_in_it_is_read_and_that_is_told(tmp_path: Path) -> None:
    sound = tone(0.1, 16_000)
    sound[5] = np.nan
    soundfile.write(tmp_path / "nan.wav", sound, 16_000, subtype="FLOAT")
    samples, notes = read_audio(tmp_path / "nan.wav")
    assert np.isfinite(samples).all()
    assert notes == ("1 samples were not finite, now 0",)


def test_of_a_wav_that_was_cut_off_what_is_there_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, tone(1.0, 16_000), 16_000)
    path.write_bytes(path.read_bytes()[:16_044])  # half of it
    samples, _ = read_audio(path)
    assert len(samples) == 8_000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"this is text\n" * 100, "not a sound file"),
        (b"RIFF\x24\0\0\0WAVE", "not a sound file"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=reason) as error:
        read_audio(path)
    assert "\n" not in str(error.value)


def test_a_wav_without_samples_and_a_missing_one_say_so(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 1), np.float32), 16_000)
    with pytest.raises(SourceError, match="no sound in it"):
        read_audio(tmp_path / "none.wav")
    with pytest.raises(SourceError, match="No such file"):
        read_audio(tmp_path / "missing.wav")
