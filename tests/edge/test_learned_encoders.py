"""When a learned encoder looks, what it is given, and what it leaves alone."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.edge.test_encoders import Eyes, red
from tests.edge.test_learned import CHUNK, CHUNK_NS, FRAME_NS, RATE_HZ, chunks, picture, sound
from tests.edge.tiny_model import SAMPLES, write_bundle

from sensorium.bundle import Bundle
from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.encoders import FAILING
from sensorium.encoders.together import Together
from sensorium.encoders.vision import VisionEncoder
from sensorium.errors import BundleError, SampleError
from sensorium.inputs import ImageInput, InputSpec, SoundInput
from sensorium.learned.config import parse_config
from sensorium.learned.opening import Learned, open_learned
from sensorium.learned.pictures import LOOK_AGAIN_NS, LearnedPictures
from sensorium.learned.readings import NOT_FINITE
from sensorium.learned.sounds import LearnedSounds
from sensorium.learned.tower import Tokens, Tower
from sensorium.samples import Array, AudioChunk, Frame, Line, Reading
from sensorium.steps import Finding


class Seeing(Tower):
    """Keeps what it was given."""

    def __init__(self, spec: InputSpec, modality: str) -> None:
        self.modality, self.spec = modality, spec
        self._lasts_ns = NS_PER_S
        self.given: list[Array] = []

    def run(self, stored: Array) -> Tokens:
        self.given.append(stored)
        return np.full((1, 1, 1), len(self.given), np.float32)


def listening(samples: int = SAMPLES, listen: str = "utterances") -> tuple[LearnedSounds, Seeing]:
    spec = SoundInput.model_validate({"samples": samples, "listen": listen})
    tower = Seeing(spec, "audio")
    return LearnedSounds(tower, spec), tower


def looking(**options: object) -> tuple[LearnedPictures, Seeing]:
    spec = ImageInput.model_validate({"height": 32, "width": 32, **options})
    tower = Seeing(spec, "vision")
    return LearnedPictures(tower, spec), tower


def hear(encoder: LearnedSounds, heard: NDArray[np.float32], start_ns: int = 0, echo: float = 0.0) -> list[Finding]:
    given = [c for c in chunks(heard, start_ns) if isinstance(c, AudioChunk)]
    return [encoder.encode(AudioChunk(c.captured_ns, c.seq, c.samples, RATE_HZ, echo)) for c in given]


def look(encoder: LearnedPictures, image: NDArray[np.uint8], at_ns: int, still: bool = True) -> Finding:
    return encoder.encode(Frame(at_ns, 0, image, still))


@pytest.fixture
def learned(tmp_path: Path) -> Learned:
    write_bundle(tmp_path, ("vision", "audio", "text", "touch"))
    with Bundle(tmp_path) as bundle:
        part = bundle.find("model")
        assert part is not None
        return open_learned(part, threads=1)


# sound


@pytest.mark.parametrize("level", [1e-4, 1e-3, 5e-3])
def test_a_quiet_room_and_a_steady_hum_are_no_utterance(level: float) -> None:
    encoder, tower = listening()
    hum = np.sin(np.arange(10 * RATE_HZ) * 0.06).astype(np.float32) * np.float32(level * 3)
    noise = sound((10, level)) + hum
    hear(encoder, noise[:RATE_HZ])
    assert len(tower.given) <= 3  # until it is known
    tower.given.clear()
    hear(encoder, noise[RATE_HZ:], RATE_HZ // CHUNK * CHUNK_NS)
    assert tower.given == []


def test_an_utterance_is_encoded_once_it_is_over_and_stands_in_the_middle_of_the_window() -> None:
    encoder, tower = listening(RATE_HZ)
    spoken = sound((1.0, 1e-3), (0.25, 0.2), (0.6, 1e-3))
    found = hear(encoder, spoken)
    told = [f for f in found if f.evidence]
    assert len(told) == len(tower.given) == 1
    window = tower.given[0]
    loud = np.flatnonzero(np.abs(window) > 0.05)
    assert abs(loud.mean() - RATE_HZ / 2) < RATE_HZ * 0.05
    evidence = told[0].evidence[0]
    assert 1.25 * NS_PER_S < evidence.captured_ns <= 1.6 * NS_PER_S


def test_an_utterance_that_goes_on_is_looked_at_now_and_then_and_one_that_is_too_long_in_pieces() -> None:
    encoder, tower = listening()
    hear(encoder, sound((0.5, 1e-3), (2.0, 0.2)))
    assert 6 <= len(tower.given) <= 14
    assert all(window.shape == (SAMPLES,) for window in tower.given)


def test_a_word_at_the_very_beginning_of_a_file_is_heard() -> None:
    encoder, tower = listening()
    hear(encoder, sound((0.4, 0.2), (0.5, 1e-3)))
    assert tower.given


def test_a_word_over_steady_noise_is_heard_once_the_noise_is_known() -> None:
    encoder, tower = listening()
    hear(encoder, sound((4.0, 0.02)))
    before = len(tower.given)
    hear(encoder, sound((0.3, 0.1), (0.6, 0.02)), 4 * NS_PER_S)
    assert len(tower.given) > before


def test_the_machines_own_voice_is_no_utterance_and_a_click_is_none() -> None:
    encoder, tower = listening()
    hear(encoder, sound((0.5, 1e-3), (0.4, 0.2), (0.5, 1e-3)), echo=0.9)
    hear(encoder, sound((1.0, 1e-3), (0.03, 0.5), (1.0, 1e-3)), 2 * NS_PER_S)
    assert tower.given == []


def test_two_words_do_not_stand_in_one_window() -> None:
    encoder, tower = listening(RATE_HZ)
    hear(encoder, sound((0.5, 1e-3), (0.2, 0.2), (0.35, 1e-3), (0.2, 0.2), (0.6, 1e-3)))
    last = tower.given[-1]
    loud = np.flatnonzero(np.abs(last) > 0.05)
    assert loud.max() - loud.min() < 0.3 * RATE_HZ


def test_a_breath_after_a_word_is_not_another_word() -> None:
    encoder, tower = listening(RATE_HZ)
    hear(encoder, sound((0.5, 1e-3), (0.3, 0.2), (0.4, 1e-3), (0.3, 0.01), (0.6, 1e-3)))
    assert all(np.abs(window).max() > 0.1 for window in tower.given)
    tower.given.clear()
    hear(encoder, sound((0.5, 1e-3), (0.3, 0.01), (0.6, 1e-3)), 10 * NS_PER_S)  # by itself it is one
    assert tower.given


def test_nothing_goes_on_over_a_gap() -> None:
    encoder, tower = listening()
    hear(encoder, sound((0.5, 1e-3), (0.25, 0.2)))
    tower.given.clear()
    hear(encoder, sound((0.5, 1e-3)), 10 * NS_PER_S)
    assert tower.given == []


def test_sound_that_is_always_listened_to_is_encoded_once_a_second_unless_it_is_silent() -> None:
    encoder, tower = listening(2 * RATE_HZ, "always")
    hear(encoder, sound((6.0, 0.02)))
    assert len(tower.given) == 4 + 1
    assert all(np.abs(window).min(initial=1) < 0.1 and window.shape == (2 * RATE_HZ,) for window in tower.given)
    silent, tower = listening(2 * RATE_HZ, "always")
    hear(silent, sound((4.0, 2e-4)))
    assert tower.given == []


def test_sound_with_nan_is_degraded_and_leaves_no_nan_in_a_window() -> None:
    encoder, tower = listening()
    bad = sound((0.5, 1e-3), (0.4, 0.2), (0.5, 1e-3))
    bad[9000] = np.nan
    hear(encoder, bad)
    assert all(np.isfinite(window).all() for window in tower.given)
    assert hear(encoder, np.full(RATE_HZ, np.nan, np.float32), 3 * NS_PER_S)[-1].fault == "not finite"


def test_other_samples_are_refused_with_what_is_taken(learned: Learned) -> None:
    frame, line = Frame(0, 0, picture()), Line(0, 0, "red")
    for name, sample, message in [
        ("vision", line, "takes frames; given Line"),
        ("audio", frame, "chunks of 512 samples"),
        ("text", frame, "takes lines; given Frame"),
        ("touch", line, "takes readings; given Line"),
        ("touch", Reading(0, 0, np.zeros(2, np.float32)), "3 values; given 2"),
    ]:
        with pytest.raises(SampleError, match=message):
            learned.encoders[name].encode(sample)


# pictures


def test_a_picture_that_does_not_change_is_looked_at_rarely_and_a_small_change_soon() -> None:
    encoder, tower = looking()
    count = LOOK_AGAIN_NS // FRAME_NS
    found = [look(encoder, picture(noise=n), n * FRAME_NS, still=False) for n in range(count)]
    assert len(tower.given) == 1
    assert all(f.evidence and f.evidence[0].captured_ns == f.captured_ns for f in found)
    changed = picture()
    changed[30:, 40:] = 255  # a corner
    look(encoder, changed, (count - 1) * FRAME_NS + 1)
    assert len(tower.given) == 2


def test_a_clip_is_encoded_when_its_frames_are_there_and_begins_anew_after_a_gap() -> None:
    encoder, tower = looking(frames=3, frame_period_ms=100.0)
    for n in range(3):
        assert not tower.given
        look(encoder, picture(noise=n), n * 100 * NS_PER_MS)
    assert tower.given[0].shape == (3, 32, 32, 3)
    look(encoder, picture(), 250 * NS_PER_MS)  # sooner than the clip's own rate
    assert len(tower.given) == 1
    look(encoder, picture(), 300 * NS_PER_MS)
    assert len(tower.given) == 2
    look(encoder, picture(), 5 * NS_PER_S)
    assert len(tower.given) == 2


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 5, 3), (1, 4000, 3), (9, 2, 3)])
def test_pictures_of_any_size_are_looked_at(shape: tuple[int, int, int]) -> None:
    encoder, _ = looking()
    for n in range(5):
        look(encoder, np.random.default_rng(n).integers(0, 255, shape, np.uint8), n * FRAME_NS)


# readings


def test_readings_count_once_a_window_is_full_and_one_that_is_not_finite_is_left_out(learned: Learned) -> None:
    touch = learned.encoders["touch"]
    step = 50 * NS_PER_MS

    def feel(n: int, *values: float) -> Finding:
        return touch.encode(Reading(n * step, n, np.array(values, np.float32)))

    assert feel(0, 1, 0, 0) == Finding("touch", 0)
    (evidence,) = feel(1, 0, 1, 0).evidence
    assert evidence.tokens is not None
    np.testing.assert_allclose(evidence.tokens[0, 0], [0.5, 0.5, 0])
    assert feel(2, np.nan, 0, 0).fault == NOT_FINITE
    (evidence,) = feel(3, 0, 1, 0).evidence
    assert evidence.tokens is not None
    np.testing.assert_allclose(evidence.tokens[0, 0], [0, 1, 0])
    assert feel(200, 0, 1, 0).evidence == ()  # it was away


# two encoders side by side


def test_a_ready_part_and_a_model_find_together_and_the_model_fails_alone(tmp_path: Path) -> None:
    write_bundle(tmp_path, broken={"vision": "raises"})
    with Bundle(tmp_path) as bundle:
        part = bundle.find("model")
        assert part is not None
        broken = open_learned(part, threads=1).encoders["vision"]
    (alone,) = [broken.encode(Frame(0, 0, red()))]
    assert (alone.fault, alone.evidence) == (FAILING, ())
    both = Together(VisionEncoder(Eyes(), None), broken).encode(Frame(LOOK_AGAIN_NS, 0, red()))
    assert both.fault is None
    assert both.things
    assert len(both.evidence) == 1
    assert both.failures[0].startswith("model: BackendError")


def test_the_same_samples_give_a_fresh_encoder_the_same_findings(tmp_path: Path) -> None:
    write_bundle(tmp_path)
    heard = sound((0.5, 1e-3), (0.4, 0.2), (0.7, 1e-3), (0.2, 0.3), (0.5, 1e-3))
    told = []
    for _ in range(2):
        with Bundle(tmp_path) as bundle:
            part = bundle.find("model")
            assert part is not None
            encoder = open_learned(part, threads=1).encoders["audio"]
        found = [encoder.encode(chunk) for chunk in chunks(heard)]
        told.append([(f, [e.tokens.tobytes() for e in f.evidence if e.tokens is not None]) for f in found])
    assert told[0] == told[1]
    assert any(f.evidence for f, _ in told[0])


def test_a_part_with_bad_settings_is_refused_by_its_name(tmp_path: Path) -> None:
    write_bundle(tmp_path, config={"modalities": {}})
    with Bundle(tmp_path) as bundle:
        part = bundle.find("model")
        assert part is not None
        with pytest.raises(BundleError, match="part colours: modalities"):
            parse_config(part)
