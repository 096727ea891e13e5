import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tests.devices.helpers import (
    counting,
    number_of,
    numbered,
    read_all,
    read_until_lost,
    write_jpeg,
    write_video,
)

from sensorium.clock import MonotonicClock, VirtualClock
from sensorium.errors import SourceError
from sensorium_devices.camera import Camera, CameraSettings
from sensorium_devices.virtual import MjpegServer

CLOCK = MonotonicClock()
FAST = CameraSettings(realtime=False)

pytestmark = pytest.mark.usefixtures("no_leaks")


def test_a_network_camera_gives_what_its_server_shows(mjpeg: MjpegServer) -> None:
    camera = Camera(mjpeg.url, CLOCK)
    info = camera.open()
    before = CLOCK.now_ns()
    frame = camera.read()
    camera.close()
    assert frame is not None
    assert info.description.startswith("320x240 at ")
    assert 1e9 / 40 < info.period_ns < 1e9 / 10  # it shows 20 a second; a busy machine measures less exactly
    assert number_of(frame.image) > 0
    assert np.abs(frame.image[:100].mean(axis=(0, 1)) - (200, 60, 20)).max() < 6  # red is red
    assert frame.captured_ns > before - 2e9


def test_a_camera_that_is_read_late_gives_the_newest_frame_and_counts_the_rest() -> None:
    shown: list[int] = []
    enough = threading.Event()
    scene = counting(shown)

    def look() -> np.ndarray:
        if len(shown) == 30:
            enough.set()
        return scene()

    with MjpegServer(look, fps=20) as server:
        camera = Camera(server.url, CLOCK)
        camera.open()
        assert enough.wait(10)
        frame = camera.read()
        assert frame is not None
        assert number_of(frame.image) > 20  # the oldest would be 1; a busy machine is some frames behind
        assert camera.dropped >= 15
        later = camera.read()
        assert later is not None
        assert later.seq > frame.seq
        camera.close()


def test_a_camera_that_is_cut_is_lost_at_once_and_opens_again_when_it_is_back(mjpeg: MjpegServer) -> None:
    camera = Camera(mjpeg.url, CLOCK)
    camera.open()
    assert camera.read() is not None
    mjpeg.stop()
    cut = time.monotonic()
    assert "disconnected" in str(read_until_lost(camera))
    assert time.monotonic() - cut < 1.0
    with pytest.raises(SourceError, match=r"cannot connect to 127\.0\.0\.1"):
        camera.open()
    mjpeg.start()
    camera.open()
    assert camera.read() is not None
    camera.close()


def test_a_camera_that_hangs_is_lost_after_its_time_limit(mjpeg: MjpegServer) -> None:
    camera = Camera(mjpeg.url, CLOCK, CameraSettings(read_timeout_s=0.5))
    camera.open()
    mjpeg.pause()
    hung = time.monotonic()
    assert "no frame within 0.5 s" in str(read_until_lost(camera))
    assert time.monotonic() - hung < 2.0
    camera.close()


def test_closing_from_another_thread_ends_a_read_that_waits(mjpeg: MjpegServer) -> None:
    camera = Camera(mjpeg.url, CLOCK, CameraSettings(read_timeout_s=5))
    camera.open()
    mjpeg.pause()
    ended: list[float] = []

    def watch() -> None:
        while camera.read() is not None:
            pass
        ended.append(time.monotonic())

    watcher = threading.Thread(target=watch)
    watcher.start()
    closing = time.monotonic()
    closer = threading.Thread(target=camera.close)
    closer.start()
    watcher.join(3)
    assert ended
    assert ended[0] - closing < 1.0
    mjpeg.stop()  # or the driver holds on for its five seconds
    closer.join(10)


def test_a_camera_can_be_closed_while_it_is_being_opened() -> None:
    with MjpegServer(counting()) as server:
        server.pause()
        camera = Camera(server.url, CLOCK, CameraSettings(open_timeout_s=20))
        errors: list[SourceError] = []

        def opening() -> None:
            with pytest.raises(SourceError) as error:
                camera.open()
            errors.append(error.value)

        opener = threading.Thread(target=opening)
        opener.start()
        while not server.clients:
            server.stopping.wait(0.01)
        closer = threading.Thread(target=camera.close)
        closer.start()
        server.stop()
        closer.join(10)
        opener.join(10)
    assert len(errors) == 1
    assert camera.read() is None


def test_what_was_asked_and_is_not_given_is_told(mjpeg: MjpegServer) -> None:
    camera = Camera(mjpeg.url, CLOCK, CameraSettings(width=1280, height=720, fps=120))
    notes = camera.open().notes
    camera.close()
    assert notes[0] == "asked for 1280x720, gives 320x240"
    assert notes[1].startswith("asked for 120 fps, gives ")


def test_a_server_that_is_no_camera_is_told_from_one_that_is_not_there(mjpeg: MjpegServer) -> None:
    mjpeg.stop()
    with pytest.raises(SourceError, match="Connection refused"):
        Camera(mjpeg.url, CLOCK).open()


def test_a_password_is_never_shown() -> None:
    camera = Camera("rtsp://me:secret@127.0.0.1:9/live", CLOCK)
    assert camera.name == "rtsp://me:***@127.0.0.1:9/live"
    with pytest.raises(SourceError) as error:
        camera.open()
    assert "secret" not in str(error.value)


def test_an_index_without_a_camera_says_which_device_is_missing() -> None:
    with pytest.raises(SourceError, match="/dev/video97 does not exist"):
        Camera("97", CLOCK).open()


def test_a_video_file_gives_every_frame_with_its_own_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", frames=10, fps=25)
    camera = Camera(str(path), VirtualClock(1000), FAST)
    info = camera.open()
    frames = read_all(camera)
    camera.close()
    assert camera.finite
    assert info.period_ns == 40_000_000
    assert [number_of(frame.image) for frame in frames] == list(range(10))
    assert [frame.captured_ns for frame in frames] == [1000 + 40_000_000 * n for n in range(10)]
    assert [frame.seq for frame in frames] == list(range(10))
    assert not any(frame.still for frame in frames)


def test_a_video_file_is_played_in_real_time(tmp_path: Path) -> None:
    camera = Camera(str(write_video(tmp_path / "clip.avi", frames=8, fps=20)), CLOCK)
    camera.open()
    begin = time.monotonic()
    frames = read_all(camera)
    lasted = time.monotonic() - begin
    camera.close()
    assert len(frames) == 8
    assert lasted >= 0.3
    assert all(frame.captured_ns <= CLOCK.now_ns() for frame in frames)


def test_a_video_that_is_cut_off_ends_where_it_ends(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", frames=30)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    camera = Camera(str(path), CLOCK, FAST)
    camera.open()
    assert 5 < len(read_all(camera)) < 30
    camera.close()


def test_a_folder_shows_each_picture_for_a_while_in_the_order_of_names(tmp_path: Path) -> None:
    for name, number in (("b.jpg", 2), ("a.jpg", 1), ("c.jpg", 3)):
        write_jpeg(tmp_path / name, numbered(number))
    camera = Camera(str(tmp_path), VirtualClock(), CameraSettings(realtime=False, photo_seconds=0.2, fps=10))
    camera.open()
    frames = read_all(camera)
    camera.close()
    assert [number_of(frame.image) for frame in frames] == [1, 1, 2, 2, 3, 3]
    assert [frame.captured_ns for frame in frames] == [100_000_000 * n for n in range(6)]
    assert all(frame.still for frame in frames)


def test_a_damaged_picture_in_a_folder_is_skipped_and_told(tmp_path: Path) -> None:
    write_jpeg(tmp_path / "a.jpg", numbered(1))
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    write_jpeg(tmp_path / "c.jpg", numbered(3))
    camera = Camera(str(tmp_path), CLOCK, CameraSettings(realtime=False, photo_seconds=0.1, fps=10))
    camera.open()
    assert [number_of(frame.image) for frame in read_all(camera)] == [1, 3]
    assert "b.jpg: not a picture" in camera.faults[0]
    camera.close()


def test_a_picture_is_shown_until_the_camera_is_closed(tmp_path: Path) -> None:
    camera = Camera(str(write_jpeg(tmp_path / "photo.jpg", numbered(7))), CLOCK, CameraSettings(fps=100))
    info = camera.open()
    assert not camera.finite
    assert info.notes == ("a still picture, shown until closed",)
    for seq in range(5):
        frame = camera.read()
        assert frame is not None
        assert frame.still
        assert (frame.seq, number_of(frame.image)) == (seq, 7)
    camera.close()
    assert camera.read() is None


def test_closing_ends_a_file_that_waits_for_its_next_frame(tmp_path: Path) -> None:
    camera = Camera(str(write_jpeg(tmp_path / "photo.jpg", numbered(7))), CLOCK, CameraSettings(fps=0.01))
    camera.open()
    assert camera.read() is not None  # the next is due in 100 s
    frames: list[object] = [0]
    reader = threading.Thread(target=lambda: frames.append(camera.read()))
    reader.start()
    camera.close()
    reader.join(5)
    assert frames == [0, None]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("missing.mp4", None, "No such file"),
        ("empty.mp4", b"", r"empty \(0 bytes\)"),
        ("text.mp4", b"this is no video\n" * 100, "not a video"),
        ("missing.jpg", None, "No such file"),
        ("empty.jpg", b"", r"empty \(0 bytes\)"),
        ("text.jpg", b"this is no picture", "not a picture"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=reason) as error:
        Camera(str(tmp_path / name), CLOCK).open()
    assert "\n" not in str(error.value)


def test_a_folder_in_which_nothing_can_be_read_does_not_open(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(SourceError, match="none of 1 pictures can be read"):
        Camera(str(tmp_path), CLOCK).open()


def test_a_camera_opens_again_after_it_was_closed_and_closing_twice_is_fine(tmp_path: Path) -> None:
    camera = Camera(str(write_video(tmp_path / "clip.avi", frames=3)), CLOCK, FAST)
    for _ in range(2):
        camera.open()
        assert len(read_all(camera)) == 3
        camera.close()
        camera.close()
