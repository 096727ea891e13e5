import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.clock import NS_PER_S
from sensorium.echo import FRAME, OWN_VOICE, RATE_HZ, EchoGuard, InFrames, likeness
from sensorium.samples import AudioChunk

CHUNK = 512


def _voice(seed: int, seconds: float = 3.0) -> np.ndarray:
    """Noise shaped like speech: syllables four times a second, most energy below 1 kHz."""
    n = int(seconds * RATE_HZ)
    noise = np.random.default_rng(seed).normal(0, 1, n)
    smooth = np.convolve(noise, np.hanning(16), "same")
    loudness = 0.55 - 0.45 * np.cos(2 * np.pi * 4 * np.arange(n) / RATE_HZ)
    return (0.1 * smooth * loudness).astype(np.float32)


def _heard(guard: EchoGuard, heard: np.ndarray) -> list[AudioChunk]:
    chunks = [heard[i : i + CHUNK] for i in range(0, len(heard) - CHUNK, CHUNK)]
    times = [i * CHUNK * NS_PER_S // RATE_HZ for i in range(len(chunks))]
    return [guard.judge(AudioChunk(t, 0, c, RATE_HZ)) for t, c in zip(times, chunks, strict=True)]


def _judge(guard: EchoGuard, heard: np.ndarray) -> list[float]:
    return [chunk.echo for chunk in _heard(guard, heard)]


def _level(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(sound))))


def _in_room(sound: np.ndarray, seed: int = 9) -> np.ndarray:
    """With an echo that fades by 60 dB in 0.4 s, as loud as the direct sound."""
    seconds = np.arange(int(0.4 * RATE_HZ)) / RATE_HZ
    fading = np.random.default_rng(seed).normal(0, 1, len(seconds)) * 10 ** (-3 * seconds / 0.4)
    return (sound + np.convolve(sound, fading / np.linalg.norm(fading))[: len(sound)]).astype(np.float32)


@pytest.mark.parametrize("delay_ms", [0, 40, 250, 500, 900])
@pytest.mark.parametrize("rate_hz", [16_000, 22_050])
def test_its_own_voice_is_cancelled_or_known_whatever_the_delay_and_rate(delay_ms: int, rate_hz: int) -> None:
    voice = _voice(1)
    guard = EchoGuard()
    places = np.arange(0, len(voice) - 1, RATE_HZ / rate_hz)
    played = np.interp(places, np.arange(len(voice)), voice).astype(np.float32)
    guard.play(played, rate_hz, at_ns=0)
    delay = delay_ms * RATE_HZ // 1000
    heard = np.concatenate([np.zeros(delay, np.float32), 0.3 * voice])[: len(voice)]
    chunks = _heard(guard, heard)[20 + delay // CHUNK :]
    taken_for_a_user = [c.heard if c.echo < OWN_VOICE else np.zeros(CHUNK) for c in chunks]
    assert _level(np.concatenate(taken_for_a_user)) < 0.1 * _level(np.concatenate([c.samples for c in chunks]))


def test_its_own_voice_is_cancelled_in_a_room_too() -> None:
    pytest.importorskip("pywebrtc_audio")
    guard = EchoGuard()
    guard.play(_voice(1, seconds=5), RATE_HZ, at_ns=0)
    late = np.concatenate([np.zeros(1_600, np.float32), 0.3 * _in_room(_voice(1, seconds=5))])
    chunks = _heard(guard, late[: 5 * RATE_HZ])[60:]
    assert np.median([_level(c.heard) / _level(c.samples) for c in chunks]) < 0.1


def test_a_user_as_loud_as_the_echo_is_not_taken_for_it_and_is_what_is_left() -> None:
    pytest.importorskip("pywebrtc_audio")
    guard = EchoGuard()
    guard.play(_voice(1, seconds=5), RATE_HZ, at_ns=0)
    user = np.concatenate([np.zeros(3 * RATE_HZ, np.float32), _voice(2, seconds=2)])
    chunks = _heard(guard, 0.3 * _in_room(_voice(1, seconds=5)) + 0.3 * user)
    spoken = chunks[3 * RATE_HZ // CHUNK + 8 :]  # once the user fills the window
    assert np.median([c.echo for c in spoken]) < OWN_VOICE
    rest = np.concatenate([c.heard for c in spoken])
    assert likeness(rest[:4096], user) > 3 * likeness(rest[:4096], _voice(1, seconds=5))


def test_without_the_canceller_its_own_voice_is_known_all_the_same_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "pywebrtc_audio", None)
    guard = EchoGuard()
    for _ in range(2):
        guard.play(_voice(1), RATE_HZ, at_ns=0)
    assert min(_judge(guard, 0.3 * _voice(1))[20:]) > 0.8
    assert ["sensorium[mic]" in record.message for record in caplog.records] == [True]


def test_without_playing_nothing_is_echo_and_nothing_is_changed() -> None:
    chunks = _heard(EchoGuard(), _voice(3))
    assert {c.echo for c in chunks} == {0.0}
    assert all(c.cleaned is None for c in chunks)


def test_silence_and_nan_are_no_echo_and_health_still_sees_them() -> None:
    for heard in (np.zeros(RATE_HZ, np.float32), np.full(RATE_HZ, np.nan, np.float32)):
        guard = EchoGuard()
        guard.play(_voice(1), RATE_HZ, at_ns=0)
        chunks = _heard(guard, heard)
        assert max(c.echo for c in chunks) < OWN_VOICE
        assert all(np.isfinite(c.heard).all() for c in chunks)
        np.testing.assert_array_equal(chunks[-1].samples, heard[:CHUNK])


def test_what_is_unlike_the_reference_is_hardly_explained_by_it() -> None:
    assert likeness(_voice(4)[:4096], _voice(5)[:14_000]) < OWN_VOICE


def test_what_was_hushed_is_no_reference_for_what_is_said_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pywebrtc_audio", None)  # it would leave nothing to be like
    guard = EchoGuard()
    guard.play(_voice(1, seconds=10), RATE_HZ, at_ns=0)
    guard.stop(NS_PER_S)
    guard.play(_voice(2), RATE_HZ, at_ns=NS_PER_S * 3 // 2)
    heard = np.concatenate([_voice(1, seconds=10)[:RATE_HZ], np.zeros(RATE_HZ // 2, np.float32), _voice(2)])
    assert np.median(_judge(guard, 0.3 * heard)[60:]) > 0.8


@given(st.lists(st.integers(0, 700), min_size=1, max_size=8))
def test_a_canceller_of_whole_frames_is_10_ms_late_whatever_the_chunks(lengths: list[int]) -> None:
    sound = _voice(6, seconds=1)[: sum(lengths)]
    given_at_once: list[int] = []

    def cancel(heard: np.ndarray, played: np.ndarray) -> np.ndarray:
        given_at_once.append(len(heard))
        return heard - played

    in_frames = InFrames(cancel)
    cuts = np.cumsum([0, *lengths])
    rest = [in_frames(sound[a:b], 0.5 * sound[a:b]) for a, b in pairwise(cuts)]
    assert all(n % FRAME == 0 for n in given_at_once)
    late = np.concatenate([np.zeros(FRAME, np.float32), 0.5 * sound])[: len(sound)]
    np.testing.assert_array_equal(np.concatenate(rest), late)
