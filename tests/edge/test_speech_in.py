"""Voice activity, turn end and recogniser on real weights and really recorded speech."""

import wave
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sensorium.bundle import Bundle, Part
from sensorium.components.recogniser import (
    LONGEST,
    RATE_HZ,
    SHORTEST,
    Recogniser,
    loop_length,
    read_tokens,
    split_at_quiet,
)
from sensorium.components.turn_end import TurnEnd
from sensorium.components.voice_activity import (
    CHUNK,
    GateState,
    SpeechBegins,
    SpeechCutter,
    SpeechEnds,
    SpeechGate,
    Spoken,
    VoiceActivity,
)
from sensorium.errors import BundleError, SampleError
from sensorium.words import word_error_rate
from sensorium_compile.zoo import Weights

Samples = NDArray[np.float32]

# Recorded from silero-vad 6.2.3's own SileroVADSequence and get_speech_timestamps_from_probs on speech-jfk.
JFK_EVERY_20TH = [
    *(0.0017, 0.9822, 0.9977, 0.9987, 0.0553, 0.0115, 0.2066, 0.0320, 0.0365),
    *(0.9999, 0.9999, 0.9998, 0.0742, 0.9996, 0.9999, 0.9998, 0.9974, 0.0741),
]
JFK_SPEECH = [(5152, 36320), (52256, 71136), (86048, 122848), (130592, 169952)]


def part_of(bundle: Bundle, role: str) -> Part:
    part = bundle.find(role)
    assert part is not None
    return part


def sound_of(weights: Weights, name: str) -> Samples:
    with wave.open(str(weights.path(name))) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        rate_hz = file.getframerate()
    resampled: Samples = soxr.resample(pcm.astype(np.float32) / 32768, rate_hz, RATE_HZ)
    return resampled


@pytest.fixture(scope="module")
def jfk(weights: Weights) -> Samples:
    return sound_of(weights, "speech-jfk")


@pytest.fixture(scope="module")
def two_cities(weights: Weights) -> Samples:
    return sound_of(weights, "speech-two-cities")


@pytest.fixture(scope="module")
def vad(companion: Bundle) -> VoiceActivity:
    return VoiceActivity(part_of(companion, "voice_activity"), threads=1)


@pytest.fixture(scope="module")
def turn_end(companion: Bundle) -> TurnEnd:
    return TurnEnd(part_of(companion, "turn_end"), threads=1)


@pytest.fixture(scope="module")
def recogniser(companion: Bundle) -> Recogniser:
    return Recogniser(part_of(companion, "recogniser"), threads=1)


def noise(seconds: float, level: float = 0.1) -> Samples:
    return (np.random.default_rng(0).standard_normal(int(seconds * RATE_HZ)) * level).astype(np.float32)


def chunks_of(sound: Samples) -> Samples:
    return sound[: len(sound) // CHUNK * CHUNK].reshape(-1, CHUNK)


# Voice activity


def test_probabilities_are_those_of_the_original(vad: VoiceActivity, jfk: Samples) -> None:
    stream = vad.stream()
    heard = [stream.probability(chunk) for chunk in chunks_of(jfk)]
    np.testing.assert_allclose(heard[::20], JFK_EVERY_20TH, atol=0.002)


def test_stretches_are_those_of_the_original(vad: VoiceActivity, jfk: Samples) -> None:
    cutter = SpeechCutter(vad.stream(), SpeechGate())
    spoken = [event for event in cutter.feed(jfk) + cutter.finish() if isinstance(event, Spoken)]
    assert [(s.start, s.end) for s in spoken] == JFK_SPEECH
    for stretch in spoken:
        np.testing.assert_array_equal(stretch.samples, jfk[stretch.start : stretch.end])


def test_a_reset_stream_is_as_good_as_new(vad: VoiceActivity, jfk: Samples) -> None:
    used, fresh = vad.stream(), vad.stream()
    for chunk in chunks_of(jfk)[:20]:
        used.probability(chunk)
    used.reset()
    for chunk in chunks_of(jfk)[20:40]:
        assert used.probability(chunk) == fresh.probability(chunk)


def test_two_streams_do_not_hear_each_other(vad: VoiceActivity, jfk: Samples) -> None:
    alone, beside, other = vad.stream(), vad.stream(), vad.stream()
    for chunk in chunks_of(jfk)[:20]:
        other.probability(chunk[::-1].copy())
        assert alone.probability(chunk) == beside.probability(chunk)


def test_a_refused_chunk_leaves_no_trace(vad: VoiceActivity, jfk: Samples) -> None:
    disturbed, calm = vad.stream(), vad.stream()
    first, second = chunks_of(jfk)[20:22]
    bad = first.copy()
    bad[7] = np.nan
    assert disturbed.probability(first) == calm.probability(first)
    with pytest.raises(SampleError, match="NaN"):
        disturbed.probability(bad)
    with pytest.raises(SampleError, match=r"float32 \(512,\)"):
        disturbed.probability(first[:100])
    assert disturbed.probability(second) == calm.probability(second)


@settings(max_examples=8)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=30))
def test_speech_fed_in_pieces_is_cut_as_if_fed_whole(vad: VoiceActivity, jfk: Samples, lengths: list[int]) -> None:
    sound = jfk[: 3 * RATE_HZ + 77]
    pieces = np.split(sound, np.minimum(np.cumsum(lengths), len(sound)))
    cutter = SpeechCutter(vad.stream(), SpeechGate())
    whole = told(cutter.feed(sound) + cutter.finish())
    assert told([event for piece in pieces for event in cutter.feed(piece)] + cutter.finish()) == whole
    assert whole


def told(events: Sequence[SpeechBegins | Spoken]) -> list[tuple[str, int, bytes]]:
    return [("spoken", e.start, e.samples.tobytes()) if isinstance(e, Spoken) else ("", e.start, b"") for e in events]


def test_a_cutter_keeps_little_of_a_long_silence(vad: VoiceActivity) -> None:
    cutter = SpeechCutter(vad.stream(), SpeechGate())
    assert cutter.feed(np.zeros(20 * RATE_HZ, np.float32)) == []
    assert sum(map(len, cutter._kept)) <= SpeechGate().before + CHUNK


def test_a_cutter_refuses_nan_and_takes_in_nothing_of_it(vad: VoiceActivity, jfk: Samples) -> None:
    cutter = SpeechCutter(vad.stream(), SpeechGate())
    broken = np.append(jfk, np.float32(np.inf))
    with pytest.raises(SampleError, match="finite"):
        cutter.feed(broken)
    assert cutter.feed(jfk[:CHUNK]) == []


PROBABILITIES = st.lists(st.tuples(st.sampled_from([0.0, 0.3, 0.4, 0.6, 1.0]), st.integers(1, 40)), max_size=25).map(
    lambda runs: [p for p, length in runs for _ in range(length)]
)
GATES = st.builds(
    SpeechGate,
    min_speech=st.sampled_from([0, 1000, 4000]),
    min_silence=st.sampled_from([0, 1600, 8000]),
    before=st.sampled_from([0, 480, 9000]),
    after=st.sampled_from([0, 480, 9000]),
    longest=st.sampled_from([8000, 32000, 480_000]),
)


def run_gate(gate: SpeechGate, probabilities: Sequence[float]) -> Iterator[SpeechBegins | SpeechEnds]:
    state = GateState()
    for probability in probabilities:
        state, events = gate.step(state, probability)
        yield from events
    yield from gate.finish(state)[1]


@settings(max_examples=300)
@given(GATES, PROBABILITIES)
def test_every_stretch_that_begins_ends_and_none_overlap(gate: SpeechGate, probabilities: list[float]) -> None:
    events = list(run_gate(gate, probabilities))
    begins, ends = events[::2], events[1::2]
    place = 0
    for begin, end in zip(begins, ends, strict=True):
        assert isinstance(begin, SpeechBegins)
        assert isinstance(end, SpeechEnds)
        assert place <= begin.start == end.start < end.end <= len(probabilities) * CHUNK
        assert end.end - end.start <= gate.longest + CHUNK + gate.before + gate.after
        place = end.end


@given(GATES, PROBABILITIES)
def test_a_gate_hears_nothing_where_no_chunk_is_loud(gate: SpeechGate, probabilities: list[float]) -> None:
    assert list(run_gate(gate, [min(p, 0.49) for p in probabilities])) == []


def test_a_click_is_no_speech_and_a_short_pause_no_end() -> None:
    click = [0.0] * 10 + [0.9] * 3 + [0.0] * 10
    assert list(run_gate(SpeechGate(), click)) == []
    paused = [0.0] * 10 + [0.9] * 20 + [0.0] * 3 + [0.9] * 20 + [0.0] * 10
    assert len(list(run_gate(SpeechGate(), paused))) == 2


def test_speech_that_is_too_long_is_cut_in_its_longest_late_pause() -> None:
    gate = SpeechGate(longest=100 * CHUNK, min_silence=20 * CHUNK, before=0, after=0)
    speech = [0.9] * 20 + [0.0] * 9 + [0.9] * 30 + [0.0] * 3 + [0.9] * 10 + [0.0] * 5 + [0.9] * 60
    ends = [event for event in run_gate(gate, speech) if isinstance(event, SpeechEnds)]
    assert [(e.start // CHUNK, e.end // CHUNK) for e in ends] == [(0, 72), (77, 137)]


# Turn end


def test_a_finished_sentence_is_told_from_an_unfinished_one(turn_end: TurnEnd, jfk: Samples) -> None:
    assert turn_end.probability(jfk[: int(10.8 * RATE_HZ)]) > 0.5
    for unfinished_s in (3.5, 4.5, 7.9, 9.0):
        assert turn_end.probability(jfk[: int(unfinished_s * RATE_HZ)]) < 0.5


def test_only_the_last_eight_seconds_decide(turn_end: TurnEnd, jfk: Samples) -> None:
    assert turn_end.probability(jfk) == turn_end.probability(jfk[-8 * RATE_HZ :])


@pytest.mark.parametrize("samples", [0, 1, 100, 5000])
def test_a_turn_of_any_length_gives_a_probability(turn_end: TurnEnd, jfk: Samples, samples: int) -> None:
    assert 0.0 <= turn_end.probability(jfk[:samples]) <= 1.0


def test_nobody_who_is_silent_has_finished(turn_end: TurnEnd) -> None:
    assert turn_end.probability(np.zeros(RATE_HZ, np.float32)) == 0.0


def test_a_turn_that_is_no_sound_is_refused(turn_end: TurnEnd) -> None:
    with pytest.raises(SampleError, match="float64"):
        turn_end.probability(np.zeros(RATE_HZ))  # type: ignore[arg-type]
    with pytest.raises(SampleError, match="NaN"):
        turn_end.probability(np.full(RATE_HZ, np.nan, np.float32))


# Recogniser


@pytest.mark.parametrize("name", ["speech-jfk", "speech-two-cities"])
def test_real_speech_is_written_down(weights: Weights, recogniser: Recogniser, name: str) -> None:
    text = recogniser.recognise(sound_of(weights, name))
    errors, words = word_error_rate(weights.entry(name).transcript, text)
    assert errors / words <= 0.08


def test_a_long_sound_in_pieces_is_written_down_stretch_by_stretch(
    weights: Weights, recogniser: Recogniser, vad: VoiceActivity, two_cities: Samples
) -> None:
    pieces = np.array_split(two_cities, 50)
    said = list(recogniser.transcribe_long(pieces, vad))
    errors, words = word_error_rate(
        weights.entry("speech-two-cities").transcript, " ".join(transcript.text for transcript in said)
    )
    assert errors / words <= 0.08
    assert len(said) > 1
    for earlier, later in pairwise(said):
        assert earlier.start_s < earlier.end_s <= later.start_s
    assert said[-1].end_s <= len(two_cities) / RATE_HZ


def test_the_same_sound_gives_the_same_text_whatever_was_heard_before(recogniser: Recogniser, jfk: Samples) -> None:
    first = recogniser.transcribe(jfk[: 3 * RATE_HZ])
    recogniser.transcribe(jfk[3 * RATE_HZ :])
    assert recogniser.transcribe(jfk[: 3 * RATE_HZ]) == first


def test_the_beginning_of_a_sentence_already_has_a_text(recogniser: Recogniser, jfk: Samples) -> None:
    errors, _ = word_error_rate("and so my fellow americans", recogniser.recognise(jfk[: int(2.4 * RATE_HZ)]))
    assert errors <= 1


@pytest.mark.parametrize("gain_db", [-40, 12])
def test_quiet_and_loud_speech_reads_the_same(recogniser: Recogniser, jfk: Samples, gain_db: int) -> None:
    pcm = np.clip(np.round(jfk * 10 ** (gain_db / 20) * 32768), -32768, 32767)
    errors, _ = word_error_rate(recogniser.recognise(jfk), recogniser.recognise((pcm / 32768).astype(np.float32)))
    assert errors <= 2


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(0, np.float32),
        np.zeros(3 * RATE_HZ, np.float32),
        noise(SHORTEST / RATE_HZ - 0.001),
        noise(3, level=1e-5),
        noise(3, level=1e-3),
        noise(3),
    ],
    ids=["nothing", "silence", "a click", "hiss of the converter", "hiss of the microphone", "a waterfall"],
)
def test_what_is_no_speech_has_no_text(recogniser: Recogniser, sound: Samples) -> None:
    assert recogniser.recognise(sound) == ""


@pytest.mark.parametrize("samples", [SHORTEST, SHORTEST + 1, 2000, 5000])
def test_the_shortest_sounds_are_taken(recogniser: Recogniser, jfk: Samples, samples: int) -> None:
    recogniser.transcribe(jfk[RATE_HZ : RATE_HZ + samples])


def test_a_sound_that_is_none_is_refused(recogniser: Recogniser, jfk: Samples) -> None:
    with pytest.raises(SampleError, match="float64"):
        recogniser.recognise(np.zeros(RATE_HZ))  # type: ignore[arg-type]
    with pytest.raises(SampleError, match=r"\(1, 176000\)"):
        recogniser.recognise(jfk[None])
    with pytest.raises(SampleError, match="NaN"):
        recogniser.recognise(np.append(jfk, np.float32(np.nan)))


@given(st.integers(0, 5000), st.integers(1700, 3000))
def test_pieces_of_a_long_sound_are_the_whole(samples: int, longest: int) -> None:
    # The quietest place is sought in whole blocks, so a piece's second half holds at least one of them.
    sound = noise(1)[:samples]
    pieces = list(split_at_quiet(sound, 2 * longest))
    np.testing.assert_array_equal(np.concatenate(pieces), sound)
    assert all(len(piece) <= 2 * longest for piece in pieces)


def test_a_long_sound_is_cut_where_it_is_quiet() -> None:
    sound = noise(40)
    sound[25 * RATE_HZ : 26 * RATE_HZ] *= 0.01
    first, second = split_at_quiet(sound)
    assert 25 * RATE_HZ <= len(first) <= 26 * RATE_HZ < LONGEST
    assert len(first) + len(second) == len(sound)


@pytest.mark.parametrize(
    ("tokens", "copies"),
    [
        ([], 0),
        ([5], 0),
        ([7, 7, 7, 7], 0),  # "no, no, no, no"
        ([7] * 12, 11),
        ([1, 2, 3] * 3, 0),
        ([9, 9, *[1, 2, 3] * 4], 9),
        ([1, 2, 3, 4] * 4, 12),
        ([1, 2, 3, 4] * 3 + [1, 2, 3], 0),
    ],
)
def test_a_loop_of_the_decoder_is_noticed(tokens: list[int], copies: int) -> None:
    assert loop_length(tokens) == copies


def test_a_vocabulary_is_read_back() -> None:
    words = [b"", b"a", "é".encode(), b"x" * 127, b"y" * 128, b"z" * 300]
    sizes = [bytes([len(w)]) if len(w) < 128 else bytes([len(w) % 128 + 128, len(w) // 128]) for w in words]
    assert read_tokens(b"".join(size + word for size, word in zip(sizes, words, strict=True))) == words


@pytest.mark.parametrize("content", [b"\x05ab", b"\x80", b"\xff\x01ab"])
def test_a_vocabulary_that_ends_within_a_token_is_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match="ends within a token"):
        read_tokens(content)
