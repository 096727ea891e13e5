import numpy as np
import pytest

from sensorium.clock import NS_PER_S
from sensorium.echo import RATE_HZ, EchoGuard, explained
from sensorium.samples import AudioChunk

CHUNK = 512


def _voice(seed: int, seconds: float = 3.0) -> np.ndarray:
    """Noise shaped like speech: syllables four times a second, most energy below 1 kHz."""
    n = int(seconds * RATE_HZ)
    noise = np.random.default_rng(seed).normal(0, 1, n)
    smooth = np.convolve(noise, np.hanning(16), "same")
    loudness = 0.55 - 0.45 * np.cos(2 * np.pi * 4 * np.arange(n) / RATE_HZ)
    return (0.1 * smooth * loudness).astype(np.float32)


def _judge(guard: EchoGuard, heard: np.ndarray) -> list[float]:
    chunks = [heard[i : i + CHUNK] for i in range(0, len(heard) - CHUNK, CHUNK)]
    times = [i * CHUNK * NS_PER_S // RATE_HZ for i in range(len(chunks))]
    return [guard.judge(AudioChunk(t, 0, c, RATE_HZ)).echo for t, c in zip(times, chunks, strict=True)]


@pytest.mark.parametrize("delay_ms", [0, 40, 250, 500])
@pytest.mark.parametrize("rate_hz", [16_000, 22_050])
def test_its_own_voice_is_known_whatever_the_delay_and_rate(delay_ms: int, rate_hz: int) -> None:
    voice = _voice(1)
    guard = EchoGuard()
    places = np.arange(0, len(voice) - 1, RATE_HZ / rate_hz)
    played = np.interp(places, np.arange(len(voice)), voice).astype(np.float32)
    guard.play(played, rate_hz, at_ns=0)
    delay = delay_ms * RATE_HZ // 1000
    heard = np.concatenate([np.zeros(delay, np.float32), 0.3 * voice])[: len(voice)]
    assert np.median(_judge(guard, heard)[20:]) > 0.8


def test_a_user_who_speaks_over_it_is_not_taken_for_echo() -> None:
    guard = EchoGuard()
    guard.play(_voice(1), RATE_HZ, at_ns=0)
    heard = 0.3 * _voice(1) + _voice(2)
    assert np.median(_judge(guard, heard)[20:]) < 0.5


def test_without_playing_nothing_is_echo() -> None:
    assert set(_judge(EchoGuard(), _voice(3))) == {0.0}


def test_silence_and_nan_are_no_echo() -> None:
    guard = EchoGuard()
    guard.play(_voice(1), RATE_HZ, at_ns=0)
    assert set(_judge(guard, np.zeros(RATE_HZ, np.float32))) == {0.0}
    assert np.isfinite(_judge(guard, np.full(RATE_HZ, np.nan, np.float32))).all()


def test_what_is_unlike_the_reference_is_hardly_explained_by_it() -> None:
    assert explained(_voice(4)[:4096], _voice(5)[:14_000]) < 0.5


def test_what_was_hushed_is_no_reference_for_what_is_said_next() -> None:
    guard = EchoGuard()
    guard.play(_voice(1, seconds=10), RATE_HZ, at_ns=0)
    guard.stop(NS_PER_S)
    guard.play(_voice(2), RATE_HZ, at_ns=NS_PER_S * 3 // 2)
    heard = np.concatenate([_voice(1, seconds=10)[:RATE_HZ], np.zeros(RATE_HZ // 2, np.float32), _voice(2)])
    assert np.median(_judge(guard, 0.3 * heard)[60:]) > 0.8
