"""Every fault on purpose, on made-up sources in virtual time; what blocks, in real time."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.clock import NS_PER_MS, NS_PER_S, MonotonicClock, VirtualClock
from sensorium.errors import SampleError, SourceError
from sensorium.health import PictureHealth, SoundHealth
from sensorium.samples import Array, AudioChunk, Frame, Line, Reading, Sample
from sensorium.source import SourceInfo
from sensorium.waiting import Wait, wait_real, wait_virtual
from sensorium_devices.faults import Fault, Kind, kinds
from sensorium_devices.faulty import Faulty
from sensorium_devices.synthetic import Synthetic, synthetic_camera, synthetic_microphone, synthetic_sensor

PERIOD_NS = 100 * NS_PER_MS
LIMIT_S = 20.0
MODALITIES = ("vision", "audio", "smell", "text")


def made_up(modality: str, clock: VirtualClock | MonotonicClock, wait: Wait) -> Synthetic:
    if modality == "vision":
        return synthetic_camera(clock, PERIOD_NS, 0, wait)
    if modality == "audio":
        return synthetic_microphone(clock, PERIOD_NS, 0, wait)
    if modality == "text":
        return Synthetic("text", PERIOD_NS, lambda at_ns, i: Line(at_ns, i, "yes"), clock, wait)
    return synthetic_sensor(modality, clock, PERIOD_NS, 0, wait)


def faulty(*texts: str, seed: int = 0) -> tuple[Faulty, VirtualClock]:
    faults = [Fault.parse(text) for text in texts]
    clock = VirtualClock(7 * NS_PER_S)
    wait = wait_virtual(clock)
    source = Faulty(made_up(faults[0].modality, clock, wait), faults, clock, seed, wait)
    return source, clock


def given_by(*texts: str, seconds: float = 3.0, seed: int = 0) -> list[tuple[float, Sample]]:
    """What an opened source gives, each with when it came, counted from the opening [s]."""
    source, clock = faulty(*texts, seed=seed)
    source.open()
    return list(_read(source, clock, clock.now_ns(), seconds))


def _read(source: Faulty, clock: VirtualClock, began_ns: int, seconds: float) -> Iterator[tuple[float, Sample]]:
    while (at_s := (clock.now_ns() - began_ns) / NS_PER_S) < seconds:
        sample = source.read()
        assert sample is not None
        at_s = (clock.now_ns() - began_ns) / NS_PER_S
        yield at_s, sample


def during(samples: list[tuple[float, Sample]], start_s: float = 1.0, end_s: float = 2.0) -> list[Sample]:
    return [sample for at_s, sample in samples if start_s <= at_s < end_s]


def content(sample: Sample) -> Array:
    assert isinstance(sample, Frame | AudioChunk | Reading)
    return getattr(sample, {Frame: "image", AudioChunk: "samples", Reading: "values"}[type(sample)])


def times_s(samples: list[Sample]) -> list[float]:
    return [round((sample.captured_ns - 7 * NS_PER_S) / NS_PER_S, 3) for sample in samples]


@st.composite
def any_fault(draw: st.DrawFn) -> Fault:
    modality = draw(st.sampled_from(MODALITIES))
    kind = draw(st.sampled_from(sorted(kinds(modality))))
    ns = st.integers(0, 10**15)
    return Fault(modality, kind, draw(ns), draw(st.none() | ns.map(lambda n: n + 1)))


@given(any_fault())
def test_a_fault_is_written_and_read_back_the_same(fault: Fault) -> None:
    assert Fault.parse(str(fault)) == fault


def test_a_fault_reads_as_a_person_writes_it() -> None:
    assert Fault.parse("camera:blocked@10s+5s") == Fault("vision", Kind.BLOCKED, 10 * NS_PER_S, 5 * NS_PER_S)
    assert Fault.parse("mic:muted@1.5m") == Fault("audio", Kind.MUTED, 90 * NS_PER_S)
    assert Fault.parse("smell:nan@500ms+0.25s") == Fault("smell", Kind.NAN, 500 * NS_PER_MS, 250 * NS_PER_MS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("camera", "a fault is SOURCE:KIND@START+DURATION in ms, s or m, e.g. camera:blocked@10s+5s; given 'camera'"),
        ("camera:dark@10", "given 'camera:dark@10'"),
        ("camera:dark@-1s", "given 'camera:dark@-1s'"),
        ("camera:dark@1s+0s", "a fault lasts longer than nothing; given camera:dark@1s+0ms"),
        ("vision:dark@1s", "a fault of vision is written camera:...; given 'vision:dark@1s'"),
        ("camera:sleepy@1s", "no fault of camera 'sleepy'; known: backward, blocked, bright, burst, covered, dark, "),
        ("mic:dark@1s", "no fault of mic 'dark'; known: backward, blocked, burst, clipped, duplicate, end, "),
        ("smell:muted@1s", "no fault of smell 'muted'; known: "),
        ("text:noise@1s", "no fault of text 'noise'; known: "),
    ],
)
def test_bad_text_says_what_is_allowed(text: str, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        Fault.parse(text)
    assert said in str(caught.value)


@pytest.mark.parametrize("modality", MODALITIES)
def test_without_an_active_fault_it_is_the_source_that_it_wraps(modality: str) -> None:
    name = {"vision": "camera", "audio": "mic"}.get(modality, modality)
    samples = given_by(f"{name}:blocked@1m", seconds=2.0)
    clock = VirtualClock(7 * NS_PER_S)
    plain = made_up(modality, clock, wait_virtual(clock))
    plain.open()
    for _, sample in samples:
        expected = plain.read()
        assert expected is not None
        assert (sample.captured_ns, sample.seq) == (expected.captured_ns, expected.seq)
        if not isinstance(sample, Line):
            np.testing.assert_array_equal(content(sample), content(expected))


def test_a_blocked_or_hung_read_waits_until_the_fault_is_over() -> None:
    for kind in ("blocked", "hung"):
        came = [at_s for at_s, _ in given_by(f"camera:{kind}@1s+1s")]
        assert not [at_s for at_s in came if 1.01 < at_s < 2.0]
        assert min(at_s for at_s in came if at_s > 1.01) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(("kind", "released"), [("blocked", True), ("hung", False)])
def test_closing_ends_a_blocked_read_and_not_one_that_hangs(kind: str, released: bool) -> None:
    clock = MonotonicClock()
    fault = Fault.parse(f"camera:{kind}@0s+{'60s' if released else '1s'}")
    source = Faulty(made_up("vision", clock, wait_real), [fault], clock)
    source.open()
    reader = threading.Thread(target=source.read, daemon=True)
    reader.start()
    source.close()
    reader.join(LIMIT_S if released else 0.1)
    assert reader.is_alive() != released
    reader.join(LIMIT_S)
    assert not reader.is_alive()


def test_a_stream_that_ended_cannot_be_opened_until_the_fault_is_over() -> None:
    source, clock = faulty("camera:end@1s+1s")
    source.open()
    while source.read() is not None:
        pass
    assert clock.now_ns() == 8 * NS_PER_S
    with pytest.raises(SourceError, match=r"synthetic vision: ended on purpose \(camera:end@1s\+1s\)"):
        source.open()
    clock.move_to(9 * NS_PER_S)
    source.open()
    assert source.read() is not None


def test_a_drivers_own_exception_comes_out_of_a_read() -> None:
    source, clock = faulty("mic:exception@0s+1s")
    source.open()
    with pytest.raises(OSError, match="Input/output error"):
        source.read()
    clock.move_to(8 * NS_PER_S)
    assert source.read() is not None


@pytest.mark.parametrize(
    ("kind", "reason"), [("dark", "dark"), ("bright", "over-exposed"), ("covered", "covered"), ("frozen", "frozen")]
)
def test_a_spoilt_picture_is_what_health_takes_it_for(kind: str, reason: str) -> None:
    health = PictureHealth()
    told: list[str | None] = []
    for _, sample in given_by(f"camera:{kind}@1s+3s", seconds=6.0):
        assert isinstance(sample, Frame)
        told.append(health.step(sample.image, sample.captured_ns))
    assert [fault for i, fault in enumerate(told) if i == 0 or told[i - 1] != fault] == [None, reason, None]


@pytest.mark.parametrize(("kind", "reason"), [("muted", "muted"), ("clipped", "clipped"), ("nan", "not finite")])
def test_spoilt_sound_is_what_health_takes_it_for(kind: str, reason: str) -> None:
    health = SoundHealth()
    told: list[str | None] = []
    for _, sample in given_by(f"mic:{kind}@1s+3s", seconds=6.0):
        assert isinstance(sample, AudioChunk)
        told.append(health.step(sample.samples, sample.captured_ns))
    assert [fault for i, fault in enumerate(told) if i == 0 or told[i - 1] != fault] == [None, reason, None]


@pytest.mark.parametrize("source", ["mic", "smell"])
def test_a_frozen_source_repeats_what_it_had_with_new_times(source: str) -> None:
    samples = during(given_by(f"{source}:frozen@1s+1s"))
    assert len({content(sample).tobytes() for sample in samples}) == 1
    assert len(set(times_s(samples))) == len(samples) == 10


@pytest.mark.parametrize("source", ["camera", "mic", "smell"])
def test_noise_changes_what_is_in_a_sample_and_not_its_shape(source: str) -> None:
    clean, noisy = during(given_by(f"{source}:noise@1m")), during(given_by(f"{source}:noise@1s+1s"))
    for a, b in zip(clean, noisy, strict=True):
        assert content(a).shape == content(b).shape
        assert content(a).dtype == content(b).dtype
        assert content(a).tobytes() != content(b).tobytes()


def test_a_sensor_without_numbers_gives_nan() -> None:
    assert all(np.isnan(content(sample)).all() for sample in during(given_by("smell:nan@1s+1s")))


def test_a_wrong_shape_is_a_grey_picture_half_a_chunk_a_value_too_few() -> None:
    with pytest.raises(SampleError, match=r"given uint8 \(48, 64\)"):
        given_by("camera:shape@1s+1s")
    assert {content(sample).shape for sample in during(given_by("mic:shape@1s+1s"))} == {(800,)}
    assert {content(sample).shape for sample in during(given_by("smell:shape@1s+1s"))} == {(3,)}


def test_a_slow_source_takes_four_periods_for_a_sample() -> None:
    came = [at_s for at_s, _ in given_by("camera:slow@1s+2s") if 1.0 < at_s < 3.0]
    assert np.diff(came) == pytest.approx(0.4)


def test_jitter_makes_samples_late_by_up_to_a_period() -> None:
    late = [at_s - sample.captured_ns / NS_PER_S + 7 for at_s, sample in given_by("camera:jitter@0s")]
    assert 0 <= min(late) < 0.03
    assert 0.07 < max(late) <= 0.1


def test_a_burst_is_nothing_and_then_ten_samples_at_once() -> None:
    came = [round(at_s, 3) for at_s, _ in given_by("camera:burst@1s+2s", seconds=2.5)]
    assert came == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, *[1.9] * 10, 2.9]


def test_the_capture_time_stands_still_runs_back_or_jumps() -> None:
    assert set(times_s(during(given_by("camera:duplicate@1s+1s")))) == {0.9}
    back = times_s(during(given_by("camera:backward@1s+1s")))
    assert back == sorted(back, reverse=True)
    assert back[0] == 0.8
    jumped = times_s(during(given_by("camera:jump@1s+1s")))
    assert np.diff(jumped) == pytest.approx(0.1)
    assert 10 <= abs(jumped[0] - 1.0) <= 3600


def test_faults_of_one_source_add_up_and_another_s_do_nothing() -> None:
    samples = during(given_by("camera:dark@1s+1s", "camera:duplicate@1s+1s", "mic:muted@0s"))
    assert {content(sample).max() < 12 for sample in samples} == {True}
    assert set(times_s(samples)) == {0.9}


def test_the_same_seed_gives_the_same_failure_and_another_one_another() -> None:
    texts = ("camera:noise@0s", "camera:jitter@0s", "camera:jump@1s")

    def told(seed: int) -> list[tuple[float, int, bytes]]:
        return [(at, s.captured_ns, content(s).tobytes()) for at, s in given_by(*texts, seed=seed)]

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_what_fails_on_purpose_is_told_when_it_opens() -> None:
    source, _ = faulty("smell:nan@1s")
    info = source.open()
    assert isinstance(info, SourceInfo)
    assert info.notes == ("fails on purpose: smell:nan@1s",)
