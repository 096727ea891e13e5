"""Sources in processes of their own, with drivers that hang and crash."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.devices.helpers import number_of, read_until_lost

from sensorium.capture import Capture, SourceChanged
from sensorium.clock import MonotonicClock
from sensorium.errors import SourceError
from sensorium.samples import AudioChunk, Frame, Sample
from sensorium.stream import Stream
from sensorium_devices.apart import Apart, Made, Plain
from sensorium_devices.factory import open_camera, open_microphone
from sensorium_devices.isolate import Isolate
from sensorium_devices.pulse import PulseServer
from sensorium_devices.virtual import MjpegServer

pytestmark = pytest.mark.usefixtures("no_leaks")

LIMIT_S = 60.0  # a process starts in a third of a second, on a busy machine in ten


@contextmanager
def apart(
    kind: str = "Driver", modality: str = "vision", silence_s: float = 1.0, **arguments: Plain
) -> Iterator[Apart]:
    source = Apart(Made(f"tests.devices.drivers:{kind}", arguments, modality, "driver", silence_s))
    try:
        yield source
    finally:
        began = time.monotonic()
        source.close()
        assert time.monotonic() - began < 1.0, "closing takes less than a second, whatever the driver does"


def gone(process_id: int | None) -> bool:
    """Whether that process has ended and was reaped."""
    return process_id is not None and not Path(f"/proc/{process_id}").exists()


def test_frames_come_whole_with_their_own_times_and_close_leaves_no_process() -> None:
    with apart() as source:
        info = source.open()
        process_id = source.process_id
        assert info.description == f"process {process_id}"
        assert (info.period_ns, info.notes) == (10_000_000, ("a note",))
        last_ns = 0
        for _ in range(50):
            frame = source.read()
            assert isinstance(frame, Frame)
            assert number_of(frame.image) == frame.seq
            assert last_ns < frame.captured_ns <= time.monotonic_ns()
            last_ns = frame.captured_ns
        frame.image[0, 0] = 7  # ours to write
    assert gone(process_id)


def test_sound_comes_in_order_and_what_was_lost_is_counted() -> None:
    with apart("Sound", "audio", fps=1000, count=300, fate="is lost") as source:
        source.open()
        error, chunks = None, []
        while error is None:
            try:
                chunk = source.read()
                assert isinstance(chunk, AudioChunk)
                assert chunk.samples[0] == pytest.approx(chunk.seq / 1000)
                chunks.append(chunk.seq)
            except SourceError as err:
                error = err
        assert chunks == sorted(set(chunks))
        assert len(chunks) + source.dropped == 300
        assert str(error) == "driver: unplugged"


def test_a_reader_that_is_late_gets_the_newest_frame() -> None:
    with apart(count=30, fate="hangs") as source:
        source.open()
        frames = [source.read()]
        while source.dropped < 20:  # nobody reads for so long
            time.sleep(0.5)
            frames.append(source.read())
        assert isinstance(frames[-1], Frame)
        assert frames[-1].seq == source.dropped + len(frames) - 1  # every one was either read or dropped


def test_pictures_may_become_larger() -> None:
    with apart("Growing", fps=200, count=40, fate="is lost") as source:
        source.open()
        while True:
            try:
                frame = source.read()
            except SourceError:
                break
            assert isinstance(frame, Frame)
            assert frame.image.shape[0] == 10 * (frame.seq + 1)
            assert (frame.image == frame.seq).all()


def test_a_lost_device_keeps_its_process_and_one_that_does_not_open_says_why() -> None:
    with apart(count=3, fate="is lost") as source:
        source.open()
        process_id = source.process_id
        for _ in range(2):
            assert str(read_until_lost(source)) == "driver: unplugged"
            source.stand_by()
            source.open()
        assert source.process_id == process_id
    with apart("Absent") as source:
        for _ in range(2):
            with pytest.raises(SourceError, match="driver: no such device"):
                source.open()


@pytest.mark.parametrize(
    ("fate", "reason"),
    [
        ("hangs", "camera driver: gives nothing for 1 s; its process is ended"),
        ("hangs and stops Python", "camera driver: gives nothing for 1 s; its process is ended"),
        ("crashes", "camera driver: its process was ended by SIGSEGV"),
    ],
)
def test_a_driver_that_hangs_or_crashes_is_got_rid_of_and_a_fresh_one_started(fate: str, reason: str) -> None:
    changes: list[SourceChanged] = []
    back = threading.Event()

    def report(change: SourceChanged) -> None:
        changes.append(change)
        if [c.state for c in changes].count("open") == 2:
            back.set()

    with apart(count=3, fate=fate) as source:
        capture = Capture(source, Stream[Sample](1), MonotonicClock(), report)
        capture.start()
        assert back.wait(LIMIT_S)
        capture.close()
        assert [c.state for c in changes[:3]] == ["open", "lost", "open"]
        assert changes[1].reason == reason
        first, second = (int(c.info.description.split()[1]) for c in (changes[0], changes[2]) if c.info)
        assert first != second
        assert gone(first)
        assert gone(second)


def test_closing_ends_a_read_that_waits_and_an_opening_under_way() -> None:
    with apart(count=1, fate="hangs", silence_s=LIMIT_S) as source:
        source.open()
        assert source.read() is not None
        ended: list[object] = [0]
        reader = threading.Thread(target=lambda: ended.append(source.read()))
        reader.start()
        source.close()
        reader.join(5)
        assert ended == [0, None]
    with apart() as source:
        errors: list[str] = []

        def opening() -> None:
            with pytest.raises(SourceError) as error:
                source.open()
            errors.append(str(error.value))

        opener = threading.Thread(target=opening)
        opener.start()
        while source.process_id is None:
            time.sleep(0.01)
        source.close()
        opener.join(5)
        assert errors == ["camera driver: closed while it was being opened"]


PARENT = """
import sys, time
from sensorium_devices.apart import Apart, Made
source = Apart(Made("tests.devices.drivers:Driver", {"count": 3, "fate": sys.argv[1]}, "vision", "driver"))
source.open()
print(source.process_id, flush=True)
time.sleep(1000)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a hung process notices only when its driver lets it")
def test_a_process_whose_parent_was_killed_ends_even_where_its_driver_stops_python() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    become_init = 36  # PR_SET_CHILD_SUBREAPER: orphans are ours to wait for
    libc.prctl(become_init, 1, 0, 0, 0)
    try:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, "hangs and stops Python"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert parent.stdout is not None
        with parent.stdout:
            child = int(parent.stdout.readline())
            parent.send_signal(signal.SIGKILL)
            parent.wait(LIMIT_S)
        _, status = os.waitpid(child, 0)  # the test's own time limit is the bound
        assert os.WTERMSIG(status) == signal.SIGIO
    finally:
        libc.prctl(become_init, 0, 0, 0, 0)


def test_what_can_hang_runs_apart_by_itself_and_files_never_do(tmp_path: Path) -> None:
    clock = MonotonicClock()
    film = str(tmp_path / "film.mp4")
    made = {
        (text, isolate): isinstance(open_camera(text, clock, isolate=isolate), Apart)
        for text in ("0", "/dev/video3", "rtsp://h/", "http://h/", film)
        for isolate in (Isolate.AUTO, Isolate.ALWAYS)
    }
    assert [text for (text, isolate), it_is in made.items() if it_is and isolate is Isolate.AUTO] == [
        "0",
        "/dev/video3",
        "rtsp://h/",
    ]
    assert not made[film, Isolate.ALWAYS]
    assert made["http://h/", Isolate.ALWAYS]
    assert isinstance(open_microphone("default", clock, isolate=Isolate.AUTO), Apart)
    assert not isinstance(open_microphone("-", clock, isolate=Isolate.ALWAYS), Apart)
    password = open_camera("rtsp://me:secret@h/", clock, isolate=Isolate.AUTO)
    assert password is not None
    assert password.name == "rtsp://me:***@h/"


def test_a_real_microphone_runs_apart(pulse: PulseServer) -> None:
    microphone = open_microphone("default", MonotonicClock(), isolate=Isolate.AUTO)
    assert isinstance(microphone, Apart)
    try:
        assert microphone.open().description.startswith("default, ")
        chunks = [microphone.read() for _ in range(20)]
        assert all(isinstance(chunk, AudioChunk) and len(chunk.samples) == 512 for chunk in chunks)
    finally:
        microphone.close()


def test_a_real_network_camera_runs_apart_is_lost_and_comes_back(mjpeg: MjpegServer) -> None:
    camera = open_camera(mjpeg.url, MonotonicClock(), isolate=Isolate.ALWAYS)
    assert isinstance(camera, Apart)
    try:
        assert camera.open().description.startswith("320x240 at ")
        frame = camera.read()
        assert isinstance(frame, Frame)
        assert number_of(frame.image) > 0
        mjpeg.stop()
        assert "disconnected" in str(read_until_lost(camera))
        camera.stand_by()
        with pytest.raises(SourceError, match=r"cannot connect to 127\.0\.0\.1"):
            camera.open()
        mjpeg.start()
        camera.open()
        assert camera.read() is not None
    finally:
        camera.close()
