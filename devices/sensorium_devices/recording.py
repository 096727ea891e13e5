"""Recordings: samples and JSON messages in an MCAP file (https://mcap.dev), which Foxglove and ROS open.

A sample's message is a JSON header, its length before it as 4 bytes little endian, and then the raw numbers:
read back bit for bit. A killed process leaves a file that reads up to its last chunk, at most 128 KiB of
messages ago.
"""

import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from sensorium.errors import RecordingError, SampleError
from sensorium.samples import Sample
from sensorium_devices.retention import PROFILE, Retention
from sensorium_devices.wire import join_sample, split_sample

LIBRARY = "sensorium 1"
SAMPLES = "samples/"  # the topics of samples: samples/vision, samples/audio, ...
SAMPLE_ENCODING = "sensorium-sample"
CHUNK_BYTES = 128 * 1024  # two seconds of sound: what a killed process may lose
OWNER_ONLY = 0o600  # a recording holds faces and voices


class Recorded(NamedTuple):
    """One entry: ``payload`` is a sample under ``samples/...``, otherwise the message's JSON bytes."""

    topic: str
    time_ns: int
    payload: Sample | bytes


class Recorder:
    """Writes a recording; every method may be called from any thread."""

    def __init__(self, path: str | Path, *, overwrite: bool = False, keep_days: float | None = None) -> None:
        """``keep_days``: see ``retention``, for the recording's folder.

        Raises RecordingError when the file exists (unless ``overwrite``) or cannot be made.
        """
        mcap = _load_mcap()
        self._lock = threading.Lock()
        self._channels: dict[str, int] = {}
        self._sequence = 0
        self._stream = _create(Path(path), overwrite)
        self._retention = Retention(Path(path).parent, keep_days, Path(path))
        self._retention.sweep()
        self._writer: Any = mcap.writer.Writer(
            self._stream, chunk_size=CHUNK_BYTES, compression=mcap.writer.CompressionType.ZSTD
        )
        self._writer.start(profile=PROFILE, library=LIBRARY)

    def sample(self, kind: str, sample: Sample) -> None:
        """Keep a sample under ``samples/<kind>``, at its capture time; ``kind`` is its modality."""
        self._add(SAMPLES + kind, SAMPLE_ENCODING, sample.captured_ns, encode_sample(sample))

    def message(self, topic: str, data: bytes, time_ns: int) -> None:
        """Keep JSON under a topic of its own, e.g. ``events``."""
        if topic.startswith(SAMPLES):
            raise RecordingError(f"the topic {topic!r} is for samples; choose another")
        self._add(topic, "json", time_ns, data)

    def close(self) -> None:
        """Finish the file. Twice is fine."""
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is None:
                return
            try:
                writer.finish()
                self._stream.close()
            except OSError as err:
                raise RecordingError(f"recording {self._stream.name}: {err.strerror}") from err

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, topic: str, encoding: str, time_ns: int, data: bytes) -> None:
        with self._lock:
            if self._writer is None:
                raise RecordingError("this recording is closed")
            try:
                if topic not in self._channels:
                    self._channels[topic] = self._writer.register_channel(topic, encoding, schema_id=0)
                self._writer.add_message(self._channels[topic], time_ns, data, time_ns, self._sequence)
                self._stream.flush()
            except OSError as err:
                raise RecordingError(f"recording {self._stream.name}: {err.strerror}") from err
            self._sequence += 1
            self._retention.sweep()


class Recording:
    """Reads a recording in the order in which it was written."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def __iter__(self) -> Iterator[Recorded]:
        """Every entry; RecordingError after the last whole one when the file is damaged or was cut off."""
        mcap = _load_mcap()
        topics: dict[int, str] = {}
        count = 0
        finished = False
        try:
            with self._path.open("rb") as stream:
                for record in mcap.stream_reader.StreamReader(stream, validate_crcs=True).records:
                    if isinstance(record, mcap.records.Channel):
                        topics[record.id] = record.topic
                    elif isinstance(record, mcap.records.Message):
                        yield _recorded(topics[record.channel_id], record.log_time, record.data)
                        count += 1
                    finished = finished or isinstance(record, mcap.records.DataEnd)
        except OSError as err:
            raise RecordingError(f"recording {self._path}: {err.strerror}") from err
        except _damage() as err:
            raise self._broken(count, err) from err
        if not finished:
            raise self._broken(count, EOFError("it was not finished"))

    def _broken(self, count: int, err: Exception) -> RecordingError:
        reason = str(err) or type(err).__name__
        return RecordingError(f"recording {self._path}: damaged or cut off after {count} entries ({reason})")


def encode_sample(sample: Sample) -> bytes:
    """The bytes of a sample: length of the header, header, raw numbers."""
    head, raw = split_sample(sample)
    return struct.pack("<I", len(head)) + head + raw.tobytes()


def decode_sample(data: bytes) -> Sample:
    """The sample of these bytes; raises ValueError, KeyError or TypeError when they are none."""
    if len(data) < 4:
        raise ValueError("a sample without a header")
    end = 4 + struct.unpack("<I", data[:4])[0]
    return join_sample(data[4:end], np.frombuffer(data[end:], np.uint8))


def _recorded(topic: str, time_ns: int, data: bytes) -> Recorded:
    return Recorded(topic, time_ns, decode_sample(data) if topic.startswith(SAMPLES) else data)


def _create(path: Path, overwrite: bool) -> Any:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if overwrite else os.O_EXCL)
    try:
        descriptor = os.open(path, flags, OWNER_ONLY)
        os.fchmod(descriptor, OWNER_ONLY)  # one that was there may have been readable by others
    except FileExistsError as err:
        raise RecordingError(f"recording {path}: exists; choose another name, or ask to overwrite it") from err
    except OSError as err:
        raise RecordingError(f"recording {path}: {err.strerror}") from err
    return os.fdopen(descriptor, "wb")


def _damage() -> tuple[type[Exception], ...]:
    """What a damaged file makes the libraries raise."""
    import mcap.exceptions
    import zstandard

    return (
        mcap.exceptions.McapError,
        zstandard.ZstdError,
        struct.error,
        ValueError,  # CRCs, JSON, shapes
        KeyError,
        TypeError,
        IndexError,
        EOFError,
        OverflowError,
        MemoryError,
        RecursionError,  # JSON that is nested without end
        SampleError,
    )


def _load_mcap() -> Any:
    try:
        import mcap.exceptions
        import mcap.records
        import mcap.stream_reader
        import mcap.writer
    except ImportError as err:
        raise RecordingError(f"mcap is not installed ({err}); pip install 'sensorium[apps]'") from err
    return mcap
