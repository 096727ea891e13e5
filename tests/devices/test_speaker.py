import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sensorium.errors import SinkError
from sensorium_devices.speaker import NullSpeaker, WavSpeaker

SECOND = np.full(16_000, 0.5, np.float32)

pytestmark = pytest.mark.usefixtures("no_leaks")


def test_nothing_takes_as_long_as_the_speech_lasts() -> None:
    speaker = NullSpeaker()
    speaker.start(16_000)
    begin = time.monotonic()
    speaker.write(SECOND[:8_000])
    written = time.monotonic() - begin
    speaker.drain()
    assert 0.25 < written < 0.5
    assert time.monotonic() - begin >= 0.49
    speaker.close()


def test_nothing_takes_no_time_when_not_in_real_time() -> None:
    speaker = NullSpeaker(realtime=False)
    speaker.start(16_000)
    begin = time.monotonic()
    speaker.write(np.tile(SECOND, 60))
    speaker.drain()
    assert time.monotonic() - begin < 5
    speaker.close()


def test_stopping_ends_a_write_and_a_drain_at_once() -> None:
    speaker = NullSpeaker()
    speaker.start(16_000)
    talking = threading.Thread(target=lambda: (speaker.write(np.tile(SECOND, 60)), speaker.drain()))
    talking.start()
    speaker.stop()
    talking.join(5)
    assert not talking.is_alive()
    speaker.start(16_000)  # and it speaks again
    begin = time.monotonic()
    speaker.write(SECOND[:1_600])
    speaker.drain()
    assert time.monotonic() - begin >= 0.09
    speaker.close()


def test_a_wav_file_gets_every_utterance_and_resamples_what_has_another_rate(tmp_path: Path) -> None:
    speaker = WavSpeaker(tmp_path / "said.wav")
    for rate_hz in (16_000, 8_000):
        speaker.start(rate_hz)
        for piece in np.split(SECOND[:rate_hz], 10):
            speaker.write(piece)
        speaker.drain()
    speaker.close()
    speaker.close()
    samples, rate_hz = soundfile.read(tmp_path / "said.wav")
    assert rate_hz == 16_000
    assert len(samples) == pytest.approx(32_000, abs=5)


def test_a_folder_gets_a_file_for_each_utterance(tmp_path: Path) -> None:
    for first in (1, 3):
        speaker = WavSpeaker(f"{tmp_path}/answers/")
        for number in range(2):
            speaker.start(22_050)
            speaker.write(SECOND[: 1_000 * (first + number)])
            speaker.drain()
        speaker.close()
    lengths = [soundfile.info(path).frames for path in sorted((tmp_path / "answers").iterdir())]
    assert lengths == [1_000, 2_000, 3_000, 4_000]


def test_what_is_too_loud_for_a_file_is_clipped(tmp_path: Path) -> None:
    speaker = WavSpeaker(tmp_path / "loud.wav")
    speaker.start(16_000)
    speaker.write(SECOND * 10)
    speaker.close()
    assert soundfile.read(tmp_path / "loud.wav")[0].min() > 0.99


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="cannot be written"):
        WavSpeaker(tmp_path / "file" / "x.wav").start(16_000)
