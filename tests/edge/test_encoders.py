"""What encoders make of pictures, sound and lines: hand-made graphs for pictures, the real voice activity for sound."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from sensorium.bundle import Bundle
from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.components.classifier import Classifier
from sensorium.components.detector import Detection, Detector
from sensorium.components.synthesiser import Synthesiser
from sensorium.components.voice_activity import CHUNK, RATE_HZ, VoiceActivity
from sensorium.encoders import Encoder, attempt
from sensorium.encoders.audio import GATE, AudioEncoder
from sensorium.encoders.text import LONGEST, TextEncoder
from sensorium.encoders.vision import DETECT_NS, LOOK_AGAIN_NS, VisionEncoder
from sensorium.errors import SampleError
from sensorium.samples import AudioChunk, Frame, Line, Reading, Sample
from sensorium.steps import Finding, SpeechBegan, SpeechPaused, SpeechSign, SpeechSoFar

FRAME_NS = 40 * NS_PER_MS
CHUNK_NS = CHUNK * NS_PER_S // RATE_HZ
BOX = (0.0, 0.0, 1.0, 1.0)


class Eyes(Detector):
    """Finds a red cup for certain and a cat perhaps, and counts its looks; fails at those it is told to."""

    def __init__(self, fails: Sequence[int] = ()) -> None:
        self.threshold = 0.4
        self.looks = 0
        self._fails = fails

    def detect(self, image: NDArray[np.uint8], threshold: float | None = None) -> tuple[Detection, ...]:
        self.looks += 1
        if self.looks in self._fails:
            raise RuntimeError("no memory")
        found = (Detection("cup", 0.9, BOX), Detection("cat", 0.2, BOX))
        return tuple(d for d in found if d.score >= (threshold or self.threshold))


class Names(Classifier):
    """Calls every picture a kitchen."""

    def __init__(self) -> None:
        self.looks = 0

    def classify(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.looks += 1
        return np.array([0.7, 0.3], np.float32)

    def names(self, probabilities: NDArray[np.float32], count: int) -> list[tuple[str, float]]:
        return list(zip(["kitchen", "bar"], probabilities.tolist(), strict=True))[:count]


def red(noise: int = 0, height: int = 64) -> NDArray[np.uint8]:
    """A red picture, darker at the right; another noise is another exposure of the same."""
    image = np.zeros((height, 96, 3), np.uint8)
    image[..., 0] = 200
    image[:, 48:, 0] = 120
    return image + np.random.default_rng(noise).integers(0, 2, image.shape, np.uint8)


def frames(pictures: Sequence[NDArray[np.uint8]], period_ns: int = FRAME_NS, still: bool = False) -> list[Sample]:
    return [Frame(n * period_ns, n, picture, still) for n, picture in enumerate(pictures)]


def chunks(sound: NDArray[np.float32], start_ns: int = 0) -> list[Sample]:
    whole = sound[: len(sound) // CHUNK * CHUNK].reshape(-1, CHUNK)
    return [AudioChunk(start_ns + n * CHUNK_NS, n, piece, RATE_HZ) for n, piece in enumerate(whole)]


def quiet(seconds: float) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 1e-3, int(seconds * RATE_HZ)).astype(np.float32)


def signs(found: Sequence[Finding]) -> list[SpeechSign]:
    return [sign for finding in found for sign in finding.speech]


def run(encoder: Encoder, samples: Sequence[Sample]) -> list[Finding]:
    return [encoder.encode(sample) for sample in samples]


@pytest.fixture(scope="module")
def voice_activity(companion: Bundle) -> VoiceActivity:
    part = companion.find("voice_activity")
    assert part is not None
    return VoiceActivity(part, 1)


@pytest.fixture(scope="module")
def speech(companion: Bundle) -> NDArray[np.float32]:
    """Some three seconds of speech at 16 kHz."""
    part = companion.find("synthesiser")
    assert part is not None
    voice = Synthesiser(part, 1)
    said = voice.synthesise("There is a red cup on the table in the kitchen.")
    places = np.arange(0, len(said), voice.rate_hz / RATE_HZ)
    return np.interp(places, np.arange(len(said)), said).astype(np.float32)


# pictures


def test_a_picture_gives_things_names_colours_and_evidence_and_a_weak_thing_only_evidence() -> None:
    (found,) = run(VisionEncoder(Eyes(), Names()), frames([red()]))
    assert found.fault is None
    assert found.things is not None
    assert found.names is not None
    assert [(t.label, t.colour) for t in found.things] == [("cup", "red")]
    assert [(n.name, round(n.probability, 1)) for n in found.names] == [("kitchen", 0.7), ("bar", 0.3)]
    (evidence,) = found.evidence
    assert {p.text for p in evidence.phrases} == {"cup", "cat", "red cup", "kitchen", "bar"}


def test_the_same_frames_give_a_fresh_encoder_the_same_findings() -> None:
    pictures = [red(n // 3) for n in range(20)] + [np.zeros((64, 96, 3), np.uint8)] * 10 + [red(n) for n in range(20)]
    first, second = (run(VisionEncoder(Eyes(fails=(3,)), Names()), frames(pictures)) for _ in range(2))
    assert first == second
    assert {f.fault for f in first} == {None, "dark"}


def test_what_does_not_change_is_looked_at_rarely_and_a_change_soon() -> None:
    eyes = Eyes()
    encoder = VisionEncoder(eyes, None)
    unchanged = LOOK_AGAIN_NS // FRAME_NS
    run(encoder, frames([red(n) for n in range(unchanged)]))
    assert eyes.looks == 1
    other = red()[:, ::-1]
    run(encoder, [Frame((unchanged - 1) * FRAME_NS + 1, 0, other)])
    assert eyes.looks == 2
    flicker = [other if n % 2 else red(n) for n in range(DETECT_NS // FRAME_NS)]
    run(encoder, [Frame(unchanged * FRAME_NS + n * FRAME_NS, n, p) for n, p in enumerate(flicker)])
    assert eyes.looks <= 3


@pytest.mark.parametrize(
    ("picture", "fault"),
    [
        (np.zeros((64, 96, 3), np.uint8), "dark"),
        (np.full((64, 96, 3), 255, np.uint8), "over-exposed"),
        (np.full((64, 96, 3), 120, np.uint8), "covered"),
    ],
)
def test_a_picture_that_shows_nothing_is_a_fault_and_no_evidence(picture: NDArray[np.uint8], fault: str) -> None:
    found = run(VisionEncoder(Eyes(), Names()), frames([red(), *[picture] * 20]))
    assert found[-1] == Finding("vision", 20 * FRAME_NS, fault=fault)
    back = VisionEncoder(Eyes(), Names())
    found = run(back, frames([*[picture] * 20, *[red(n) for n in range(20)]]))
    assert found[-1].fault is None
    assert found[-1].things


def test_a_picture_that_repeats_to_the_bit_is_frozen_unless_it_is_shown_on_purpose() -> None:
    assert run(VisionEncoder(None, None), frames([red()] * 30))[-1].fault == "frozen"
    assert run(VisionEncoder(None, None), frames([red()] * 30, still=True))[-1].fault is None
    assert run(VisionEncoder(None, None), frames([red(n) for n in range(30)]))[-1].fault is None


def test_a_detector_that_fails_is_named_and_the_classifier_still_looks(caplog: pytest.LogCaptureFixture) -> None:
    (found,) = run(VisionEncoder(Eyes(fails=(1,)), Names()), frames([red()]))
    assert found.failures == ("detector: RuntimeError: no memory",)
    assert found.things == ()
    assert found.names
    assert "detector failed" in caplog.text


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 5, 3), (1, 4000, 3)])
def test_pictures_of_any_size_are_looked_at(shape: tuple[int, int, int]) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (10, *shape), np.uint8)
    assert len(run(VisionEncoder(Eyes(), Names()), frames(list(pictures)))) == 10


# sound


def test_speech_begins_goes_on_and_pauses_and_its_stretch_covers_it(
    voice_activity: VoiceActivity, speech: NDArray[np.float32]
) -> None:
    sound = np.concatenate([quiet(1.0), speech, quiet(1.0)])
    heard = signs(run(AudioEncoder(voice_activity, None), chunks(sound)))
    began, *so_far, paused = heard
    assert isinstance(began, SpeechBegan)
    assert so_far
    assert all(isinstance(sign, SpeechSoFar) for sign in so_far)
    assert isinstance(paused, SpeechPaused)
    first, last = RATE_HZ, RATE_HZ + len(speech)  # where the speech is, with what is silent in it
    start, end = (ns * RATE_HZ // NS_PER_S for ns in (paused.started_ns, paused.ended_ns))
    assert first - GATE.before - RATE_HZ // 5 <= start <= first + RATE_HZ // 10
    assert last - RATE_HZ // 3 <= end <= last + GATE.after + RATE_HZ // 5
    assert abs(len(paused.samples) - (end - start)) <= 1
    np.testing.assert_array_equal(paused.samples, sound[start : start + len(paused.samples)])
    assert began.at_ns == paused.started_ns
    for sign in so_far:
        assert isinstance(sign, SpeechSoFar)
        np.testing.assert_array_equal(sign.samples, sound[start : start + len(sign.samples)])
        assert abs(len(sign.samples) - (sign.at_ns - sign.started_ns) * RATE_HZ // NS_PER_S) <= 1


def test_the_same_sound_gives_a_fresh_encoder_the_same_signs(
    voice_activity: VoiceActivity, speech: NDArray[np.float32]
) -> None:
    sound = np.concatenate([quiet(0.5), speech, quiet(0.8)])
    told = [signs(run(AudioEncoder(voice_activity, None), chunks(sound))) for _ in range(2)]
    assert [_plain(sign) for sign in told[0]] == [_plain(sign) for sign in told[1]]


def test_the_machines_own_voice_is_no_speech(voice_activity: VoiceActivity, speech: NDArray[np.float32]) -> None:
    own = [
        AudioChunk(c.captured_ns, c.seq, c.samples, RATE_HZ, echo=0.9)
        for c in chunks(speech)
        if isinstance(c, AudioChunk)
    ]
    assert signs(run(AudioEncoder(voice_activity, None), own)) == []


def test_speech_does_not_go_on_over_a_gap(voice_activity: VoiceActivity, speech: NDArray[np.float32]) -> None:
    before = np.concatenate([quiet(0.5), speech])  # cut off in mid-speech
    end_ns = len(before) // CHUNK * CHUNK_NS
    encoder = AudioEncoder(voice_activity, None)
    assert not any(isinstance(s, SpeechPaused) for s in signs(run(encoder, chunks(before[: -RATE_HZ // 2]))))
    after = chunks(np.concatenate([quiet(0.5), speech, quiet(0.8)]), end_ns + 500 * NS_PER_MS)
    cut_off, *later = signs(run(encoder, after))
    assert isinstance(cut_off, SpeechPaused)
    assert cut_off.ended_ns <= end_ns
    fresh = signs(run(AudioEncoder(voice_activity, None), after))
    assert [_plain(sign) for sign in later] == [_plain(sign) for sign in fresh]


def test_what_was_said_before_a_long_outage_is_not_heard_after_it(
    voice_activity: VoiceActivity, speech: NDArray[np.float32]
) -> None:
    encoder = AudioEncoder(voice_activity, None)
    run(encoder, chunks(speech[: 2 * RATE_HZ]))
    assert signs(run(encoder, chunks(quiet(1.0), 60 * NS_PER_S))) == []


def test_sound_that_cannot_be_used_is_a_fault_and_not_finite_samples_do_no_harm(
    voice_activity: VoiceActivity, speech: NDArray[np.float32]
) -> None:
    for sound, fault in [
        (np.zeros(RATE_HZ, np.float32), "muted"),
        (np.sign(quiet(1.0)).astype(np.float32), "clipped"),
        (quiet(1.0) + np.float32(0.3), "DC offset"),
        (np.full(RATE_HZ, np.nan, np.float32), "not finite"),
    ]:
        encoder = AudioEncoder(voice_activity, None)
        assert run(encoder, chunks(sound))[-1].fault == fault
        later = chunks(np.concatenate([speech, quiet(1.0)]), RATE_HZ // CHUNK * CHUNK_NS)
        found = run(encoder, later)
        assert found[-1].fault is None
        assert any(isinstance(sign, SpeechPaused) for sign in signs(found)), f"deaf after {fault}"


def test_a_chunk_of_another_size_or_rate_is_refused_with_what_is_taken(voice_activity: VoiceActivity) -> None:
    encoder = AudioEncoder(voice_activity, None)
    for chunk in (AudioChunk(0, 0, quiet(0.1), RATE_HZ), AudioChunk(0, 0, quiet(0.032), 8_000)):
        with pytest.raises(SampleError, match="chunks of 512 samples at 16000 Hz"):
            encoder.encode(chunk)


# lines, and encoders that raise


def test_a_line_is_its_words_and_an_empty_one_says_nothing() -> None:
    found = run(TextEncoder(), [Line(1, 0, "  hello \n"), Line(2, 1, " \t"), Line(3, 2, "x" * 10_000)])
    assert [f.text for f in found] == ["hello", None, "x" * LONGEST]


def test_an_encoder_that_raises_gives_a_finding_that_says_so(caplog: pytest.LogCaptureFixture) -> None:
    found = attempt(TextEncoder(), Reading(7, 0, np.zeros(1, np.float32)))
    assert (found.modality, found.captured_ns, found.fault) == ("text", 7, "failing")
    assert found.failures == ("encoder: SampleError: the text encoder takes lines; given Reading",)
    assert "the text encoder failed" in caplog.text


def _plain(sign: SpeechSign) -> tuple[object, ...]:
    if isinstance(sign, SpeechBegan):
        return ("began", sign.at_ns)
    end_ns = sign.at_ns if isinstance(sign, SpeechSoFar) else sign.ended_ns
    return (type(sign).__name__, sign.started_ns, end_ns, sign.samples.tobytes())
