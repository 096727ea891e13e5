import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.devices.helpers import read_all, read_until_lost

from sensorium.clock import MonotonicClock, VirtualClock
from sensorium.errors import SourceError
from sensorium.samples import AudioChunk
from sensorium_devices.microphone import CHUNK_NS, Microphone
from sensorium_devices.virtual import WavStreamServer, wav_header

CLOCK = MonotonicClock()
RAMP = np.linspace(-0.9, 0.9, 2_048, dtype=np.float32)  # four chunks, every sample different

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """What stands for standard input: the end that is read, the end that is written."""
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        try:
            os.close(end)
        except OSError:
            continue  # the test closed it


def sound_of(chunks: list[AudioChunk]) -> np.ndarray:
    return np.concatenate([chunk.samples for chunk in chunks])


def pcm(samples: np.ndarray) -> bytes:
    return (samples * 32768).astype("<i2").tobytes()


def test_a_file_gives_chunks_of_512_samples_32_ms_apart(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "ramp.wav", RAMP, 16_000, subtype="FLOAT")
    microphone = Microphone(str(tmp_path / "ramp.wav"), VirtualClock(5_000), realtime=False)
    info = microphone.open()
    chunks = read_all(microphone)
    microphone.close()
    assert microphone.finite
    assert info.period_ns == CHUNK_NS
    assert [chunk.captured_ns for chunk in chunks] == [5_000 + n * 32_000_000 for n in range(4)]
    assert [chunk.seq for chunk in chunks] == [0, 1, 2, 3]
    assert (sound_of(chunks) == RAMP).all()


def test_a_file_is_played_in_real_time(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "ramp.wav", np.tile(RAMP, 3), 16_000)
    microphone = Microphone(str(tmp_path / "ramp.wav"), CLOCK)
    microphone.open()
    begin = time.monotonic()
    chunks = read_all(microphone)
    assert len(chunks) == 12
    assert time.monotonic() - begin >= 0.38
    assert all(chunk.captured_ns + CHUNK_NS <= CLOCK.now_ns() for chunk in chunks)
    microphone.close()


def test_a_file_of_another_rate_is_resampled_and_that_is_told(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "stereo.flac", np.zeros((44_100, 2)), 44_100)
    microphone = Microphone(str(tmp_path / "stereo.flac"), CLOCK, realtime=False)
    assert microphone.open().notes == ("resampled from 44100 to 16000 Hz", "2 channels mixed to one")
    assert len(read_all(microphone)) == 32  # 31.25 chunks, the last filled up
    microphone.close()


def test_nan_in_a_file_is_delivered_as_silence_and_counted(tmp_path: Path) -> None:
    sound = RAMP.copy()
    sound[600:700] = np.nan
    soundfile.write(tmp_path / "nan.wav", sound, 16_000, subtype="FLOAT")
    microphone = Microphone(str(tmp_path / "nan.wav"), CLOCK, realtime=False)
    microphone.open()
    heard = sound_of(read_all(microphone))
    assert not heard[600:700].any()
    assert microphone.faults == {"samples not finite": 100}
    microphone.close()


def test_a_wav_that_was_cut_off_is_played_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, RAMP, 16_000)
    path.write_bytes(path.read_bytes()[: 44 + 2 * 1_024])
    microphone = Microphone(str(path), CLOCK, realtime=False)
    microphone.open()
    assert len(read_all(microphone)) == 2
    microphone.close()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("missing.wav", None, "No such file"),
        ("empty.wav", b"", r"empty \(0 bytes\)"),
        ("text.wav", b"this is text\n" * 50, "not a sound file"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=reason) as error:
        Microphone(str(tmp_path / name), CLOCK).open()
    assert "\n" not in str(error.value)


def test_closing_ends_a_file_that_waits_for_its_time(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros(160_000), 16_000)
    microphone = Microphone(str(tmp_path / "long.wav"), CLOCK)
    microphone.open()
    reader = threading.Thread(target=read_all, args=(microphone,))
    reader.start()
    microphone.close()
    reader.join(5)
    assert not reader.is_alive()


@pytest.mark.parametrize("header", [b"", wav_header(16_000), wav_header(16_000, 4_096)])
def test_standard_input_takes_raw_sound_and_wav(pipe: tuple[int, int], header: bytes) -> None:
    os.write(pipe[1], header + pcm(RAMP))
    os.close(pipe[1])
    microphone = Microphone("-", CLOCK, realtime=False, stdin=pipe[0])
    microphone.open()
    heard = sound_of(read_all(microphone))
    microphone.close()
    assert np.abs(heard - RAMP).max() <= 1 / 32768


def test_standard_input_without_a_byte_is_no_microphone(pipe: tuple[int, int]) -> None:
    os.close(pipe[1])
    with pytest.raises(SourceError, match=r"nothing on standard input \(0 bytes\)"):
        Microphone("-", CLOCK, stdin=pipe[0]).open()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"RIFF\0\0\0\0AVI ", "no WAV"),
        (wav_header(16_000)[:30], "cut off|without format"),
        (wav_header(10), "10 Hz"),
        (wav_header(16_000)[:20] + b"\x55\0" + wav_header(16_000)[22:], "WAV format 85"),
    ],
)
def test_standard_input_with_a_bad_header_is_one_clear_line(pipe: tuple[int, int], data: bytes, reason: str) -> None:
    os.write(pipe[1], data)
    os.close(pipe[1])
    with pytest.raises(SourceError, match=reason):
        Microphone("-", CLOCK, stdin=pipe[0]).open()


def test_closing_ends_an_open_and_a_read_that_wait_for_standard_input(pipe: tuple[int, int]) -> None:
    microphone = Microphone("-", CLOCK, stdin=pipe[0])
    errors: list[str] = []
    started = threading.Event()

    def opening() -> None:
        started.set()
        try:
            microphone.open()
        except SourceError as error:
            errors.append(str(error))

    opener = threading.Thread(target=opening)
    opener.start()
    started.wait()
    while opener.is_alive():  # the opening may not have begun to wait when the first close comes
        microphone.close()
        opener.join(0.05)
    assert len(errors) == 1

    os.write(pipe[1], b"\0\0" * 100)
    microphone.open()
    chunks: list[object] = []
    reader = threading.Thread(target=lambda: chunks.append(microphone.read()))
    reader.start()
    microphone.close()
    reader.join(5)
    assert chunks == [None]


def test_a_network_microphone_hears_what_is_said_and_when(wav_stream: WavStreamServer) -> None:
    microphone = Microphone(wav_stream.url, CLOCK)
    microphone.open()
    assert not microphone.finite
    said_ns = CLOCK.now_ns()
    wav_stream.say(np.full(3_200, 0.5, np.float32))
    chunks = [chunk for _ in range(30) if (chunk := microphone.read()) is not None]
    loud = np.flatnonzero(sound_of(chunks) > 0.4)
    microphone.close()
    assert len(loud) == 3_200
    onset_ns = chunks[loud[0] // 512].captured_ns + int(loud[0] % 512) * 62_500
    assert -100e6 < onset_ns - said_ns < 400e6  # 0 to 20 ms on a machine with nothing else to do


def test_a_network_microphone_that_is_cut_is_lost_and_opens_again(wav_stream: WavStreamServer) -> None:
    microphone = Microphone(wav_stream.url, CLOCK)
    microphone.open()
    assert microphone.read() is not None
    wav_stream.stop()
    cut = time.monotonic()
    assert "disconnected" in str(read_until_lost(microphone))
    assert time.monotonic() - cut < 1
    with pytest.raises(SourceError, match="Connection refused"):
        microphone.open()
    wav_stream.start()
    microphone.open()
    assert microphone.read() is not None
    microphone.close()


def test_a_network_microphone_that_hangs_is_lost_after_a_second(wav_stream: WavStreamServer) -> None:
    microphone = Microphone(wav_stream.url, CLOCK)
    microphone.open()
    wav_stream.pause()
    assert "no samples within 1 s" in str(read_until_lost(microphone))
    microphone.close()


def test_closing_ends_a_read_that_waits_for_the_network(wav_stream: WavStreamServer) -> None:
    microphone = Microphone(wav_stream.url, CLOCK)
    microphone.open()
    wav_stream.pause()
    reader = threading.Thread(target=read_all, args=(microphone,))
    reader.start()
    begin = time.monotonic()
    microphone.close()
    reader.join(5)
    assert not reader.is_alive()
    assert time.monotonic() - begin < 0.9
    assert microphone.read() is None
