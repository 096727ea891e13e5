"""How often a user who speaks over the machine is noticed, by loudness, and how often the machine notices itself.

Computed, not played, so that a busy machine gives the same figures: the machine's voice comes to the microphone late,
through a room or none, from a loudspeaker that runs evenly or stumbles, and after a while a user speaks over it. What
hears both is what a session has: EchoGuard and AudioEncoder.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice, product

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_S
from sensorium.components.voice_activity import CHUNK, RATE_HZ, VoiceActivity
from sensorium.echo import EchoGuard
from sensorium.encoders.audio import AudioEncoder
from sensorium.samples import AudioChunk
from sensorium.steps import SpeechBegan
from sensorium_devices.sound import load_soxr

Sound = NDArray[np.float32]  # (n,) at RATE_HZ

LEVELS_DB = (-5, 0, 5, 10)  # of the user over the echo, at the microphone
ALONE_S = (1.0, 11.0)  # of the machine's voice before the user speaks
AFTER_S = 0.5  # after the user, when it is too late
DELAY_S = (0.02, 0.35)  # from what is played to what is heard: PulseAudio's is 20 to 140 ms, Bluetooth's longer
STUMBLE_EVERY_S = 5.0  # on average, where the loudspeaker stumbles ...
STUMBLE_S = (0.01, 0.1)  # ... for so long
FADES_S = (0.2, 0.6)  # in which a room's echo fades by 60 dB: a furnished room to a bare one
DIRECT_DB = (-5.0, 5.0)  # of the direct sound over the room's: at about a metre they are equal
ECHO_RMS, NOISE_RMS = 0.03, 0.0003  # -30 and -70 dB of full scale
USER_RMS = 0.1  # of recordings that are joined


@dataclass(frozen=True, slots=True)
class Trial:
    """One interruption."""

    room: bool  # else a cable
    stumbles: bool  # whether the loudspeaker does
    level_db: int
    alone_s: float  # of the machine's voice, before the user
    began_s: float | None  # when it was noticed that a voice began, since the user's first sample; None: not at all

    @property
    def itself(self) -> bool:
        """Whether the machine took itself for a user."""
        return self.began_s is not None and self.began_s <= 0

    @property
    def noticed(self) -> bool:
        """Whether the user was noticed."""
        return self.began_s is not None and self.began_s > 0


def double_talk(
    voice_activity: VoiceActivity, own: NDArray[np.float32], own_rate_hz: int, users: Sequence[Sound], trials: int
) -> Iterator[Trial]:
    """So many interruptions by ``users`` in turn of the machine's voice ``own``, longer than the longest of them."""
    ways = product((False, True), (False, True), LEVELS_DB)
    for seed, (room, stumbles, level_db) in enumerate(islice(cycle(ways), trials)):
        dice = np.random.default_rng(seed)
        user = users[seed % len(users)]
        onset = round(dice.uniform(*ALONE_S) * RATE_HZ)
        length = onset + len(user) + round(AFTER_S * RATE_HZ)
        said = np.roll(own, -int(dice.integers(len(own))))[: length * own_rate_hz // RATE_HZ]
        played = np.asarray(load_soxr().resample(said, own_rate_hz, RATE_HZ), np.float32)
        played = _stumbling(played, dice) if stumbles else played
        heard = _late(_in_room(played, dice) if room else played, length, dice)
        mixed = dice.normal(0, NOISE_RMS, length) + heard * (ECHO_RMS / loudness(heard))
        mixed[onset : onset + len(user)] += user * (ECHO_RMS / loudness(user) * 10 ** (level_db / 20))
        guard = EchoGuard()
        guard.play(said, own_rate_hz, 0)
        began = _began(guard, AudioEncoder(voice_activity, None), mixed.astype(np.float32))
        began_s = None if began is None else (began - onset) / RATE_HZ
        yield Trial(room, stumbles, level_db, onset / RATE_HZ, began_s)


def utterances(words: Sequence[Sound], seconds: float, seed: int = 0) -> list[Sound]:
    """Short recordings in any order, joined to utterances of about that length; longer ones are cut off."""
    order = np.random.default_rng(seed).permutation(len(words))
    joined = np.concatenate([words[i] * np.float32(USER_RMS / loudness(words[i])) for i in order])
    length = min(round(seconds * RATE_HZ), len(joined))
    return [joined[i : i + length] for i in range(0, len(joined) - length + 1, length)]


def loudness(sound: Sound) -> float:
    """RMS of where there is any sound: of the pieces of 20 ms within 30 dB of the loudest."""
    pieces = np.mean(np.square(sound[: len(sound) // 320 * 320].reshape(-1, 320)), axis=1)
    return float(np.sqrt(np.mean(pieces[pieces >= 1e-3 * pieces.max()])))


def _began(guard: EchoGuard, encoder: AudioEncoder, mixed: Sound) -> int | None:
    """How much had to be heard until it was noticed that a voice began."""
    for seq, samples in enumerate(mixed[: len(mixed) // CHUNK * CHUNK].reshape(-1, CHUNK)):
        chunk = guard.judge(AudioChunk(seq * CHUNK * NS_PER_S // RATE_HZ, seq, samples, RATE_HZ))
        if any(isinstance(sign, SpeechBegan) for sign in encoder.encode(chunk).speech):
            return (seq + 1) * CHUNK
    return None


def _stumbling(played: Sound, dice: np.random.Generator) -> Sound:
    """With gaps, as of a loudspeaker that is served too late now and then."""
    pieces, place = [], 0
    while place < len(played):
        until = place + round(dice.exponential(STUMBLE_EVERY_S) * RATE_HZ)
        pieces += [played[place:until], np.zeros(round(dice.uniform(*STUMBLE_S) * RATE_HZ), np.float32)]
        place = until
    return np.concatenate(pieces)


def _in_room(played: Sound, dice: np.random.Generator) -> Sound:
    """With the echo of a room: noise that fades exponentially (J. D. Polack, 1988), under the direct sound."""
    fades = dice.uniform(*FADES_S)
    seconds = np.arange(round(fades * RATE_HZ)) / RATE_HZ
    response = dice.normal(0, 1, len(seconds)) * 10 ** (-3 * seconds / fades)
    response *= 10 ** (-dice.uniform(*DIRECT_DB) / 20) / np.linalg.norm(response)
    response[0] = 1.0
    n = len(played) + len(response)
    return np.asarray(np.fft.irfft(np.fft.rfft(played, n) * np.fft.rfft(response, n), n), np.float32)


def _late(heard: Sound, length: int, dice: np.random.Generator) -> Sound:
    """So much of it, some delay later."""
    delay = round(dice.uniform(*DELAY_S) * RATE_HZ)
    return np.pad(heard, (delay, length))[:length]
