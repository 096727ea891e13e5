import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sensorium.errors import RecordingError
from sensorium.samples import AudioChunk, Frame, Line, Reading, Sample
from sensorium_devices.recording import Recorded, Recorder, Recording

RNG = np.random.default_rng(3)


def samples() -> Iterator[tuple[str, Sample]]:
    """One of every kind, with numbers that a lossy way would change."""
    yield "vision", Frame(5, 0, RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8), still=True)
    yield "audio", AudioChunk(3, 1, np.array([np.nan, -0.0, 1e-40, 0.1], np.float32), 16_000, echo=0.25)
    played_over = np.array([0.1, np.inf], np.float32)
    yield "audio", AudioChunk(4, 2, played_over, 16_000, echo=0.5, cleaned=np.array([1e-40, -0.0], np.float32))
    yield "text", Line(4, 2, "grüß dich\n\U0001f44b")
    yield "smell", Reading(9, 3, RNG.standard_normal(12).astype(np.float32))


def content(sample: Sample) -> tuple[object, ...]:
    values = [getattr(sample, name) for name in sample.__slots__]
    return tuple(
        (value.dtype, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value for value in values
    )


def write(path: Path, count: int) -> None:
    with Recorder(path) as recorder:
        for number in range(count):
            recorder.message("events", b'{"number":%d}' % number, number)
            recorder.sample("audio", AudioChunk(number, number, RNG.standard_normal(512).astype("f4"), 16_000))


def read_until_broken(path: Path) -> tuple[list[Recorded], str]:
    read: list[Recorded] = []
    with pytest.raises(RecordingError) as error:  # noqa: PT012 - what came before the error matters
        for entry in Recording(path):
            read.append(entry)  # noqa: PERF402 - a list() would lose it
    return read, str(error.value)


def test_samples_and_messages_come_back_bit_for_bit_in_the_order_written(tmp_path: Path) -> None:
    given = list(samples())
    with Recorder(tmp_path / "a.mcap") as recorder:
        for kind, sample in given:
            recorder.sample(kind, sample)
            recorder.message("events", b'{"a": 1}', 7)
    read = list(Recording(tmp_path / "a.mcap"))
    assert [entry.topic for entry in read][::2] == [f"samples/{kind}" for kind, _ in given]
    assert [entry.time_ns for entry in read][::2] == [sample.captured_ns for _, sample in given]
    for entry, (_, sample) in zip(read[::2], given, strict=True):
        assert isinstance(entry.payload, type(sample))
        assert content(entry.payload) == content(sample)
    assert [entry[1:] for entry in read[1::2]] == [(7, b'{"a": 1}')] * len(given)


def test_a_recording_is_for_its_owner_only_and_is_not_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    write(path, 1)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(RecordingError, match="exists; choose another name"):
        Recorder(path)
    path.chmod(0o644)
    Recorder(path, overwrite=True).close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(Recording(path)) == []


def test_a_recording_that_was_cut_off_gives_what_is_there_and_then_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    write(path, 300)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    read, message = read_until_broken(path)
    assert 100 < len(read) < 600
    assert [entry.time_ns for entry in read[::2]] == list(range(len(read[::2])))
    assert f"cut off after {len(read)} entries" in message


@pytest.mark.parametrize("at", [0, 100, 5_000, 60_000, -1])
def test_a_changed_byte_is_found(tmp_path: Path, at: int) -> None:
    path = tmp_path / "a.mcap"
    write(path, 100)
    damaged = bytearray(path.read_bytes())
    damaged[at] ^= 0xFF
    path.write_bytes(damaged)
    _, message = read_until_broken(path)
    assert "damaged or cut off" in message


def test_a_killed_process_leaves_all_but_the_last_moments(tmp_path: Path) -> None:
    program = (
        "import os, sys, numpy as np\n"
        "from sensorium.samples import AudioChunk\n"
        "from sensorium_devices.recording import Recorder\n"
        "recorder = Recorder(sys.argv[1])\n"
        "noise = np.random.default_rng(0).standard_normal(512).astype('f4')\n"
        "for n in range(400):\n"
        "    recorder.sample('audio', AudioChunk(n, n, noise, 16000))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", program, tmp_path / "a.mcap"], env=environment, check=False)
    assert killed.returncode == -9
    read, _ = read_until_broken(tmp_path / "a.mcap")
    assert 400 - 64 <= len(read) < 400  # 64 chunks of sound are 128 KiB


def test_what_is_no_recording_says_so(tmp_path: Path) -> None:
    (tmp_path / "text.mcap").write_text("this is text")
    assert "damaged or cut off after 0 entries" in read_until_broken(tmp_path / "text.mcap")[1]
    (tmp_path / "empty.mcap").touch()
    assert "damaged or cut off after 0 entries" in read_until_broken(tmp_path / "empty.mcap")[1]
    with pytest.raises(RecordingError, match="No such file"):
        list(Recording(tmp_path / "missing.mcap"))
    with pytest.raises(RecordingError, match="No such file"):
        Recorder(tmp_path / "missing" / "a.mcap")


def test_a_closed_recording_takes_no_more(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mcap")
    recorder.close()
    recorder.close()
    with pytest.raises(RecordingError, match="closed"):
        recorder.message("events", b"{}", 0)
    with Recorder(tmp_path / "b.mcap") as other, pytest.raises(RecordingError, match="for samples"):
        other.message("samples/vision", b"{}", 0)
