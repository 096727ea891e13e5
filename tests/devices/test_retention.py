"""Files that are too old go: those of Sensorium, and no others."""

import os
import time
from pathlib import Path

import cv2
import numpy as np

from sensorium_devices.images import read_image
from sensorium_devices.recording import Recorder, Recording
from sensorium_devices.retention import DAY_S, Retention, marked


def recording(path: Path, days_old: float = 0.0) -> Path:
    with Recorder(path) as recorder:
        recorder.message("events", b"{}", 1)
    return aged(path, days_old)


def picture(path: Path, days_old: float, ours: bool = True) -> Path:
    jpeg = cv2.imencode(".jpg", np.full((8, 8, 3), 90, np.uint8))[1].tobytes()
    path.write_bytes(marked(jpeg) if ours else jpeg)
    return aged(path, days_old)


def aged(path: Path, days_old: float) -> Path:
    then_s = time.time() - days_old * DAY_S
    os.utime(path, (then_s, then_s))
    return path


def test_old_files_of_ours_go_and_all_others_stay(tmp_path: Path) -> None:
    elsewhere = recording(tmp_path / "elsewhere.mcap", 9)
    folder = tmp_path / "kept"
    (folder / "deeper").mkdir(parents=True)
    goes = [recording(folder / "old.mcap", 8), picture(folder / "old.jpg", 8)]
    stays = [
        recording(folder / "new.mcap", 6),
        picture(folder / "new.jpg", 6),
        picture(folder / "of-others.jpg", 8, ours=False),
        recording(folder / "renamed.dat", 8),
        recording(folder / "deeper" / "old.mcap", 8),
        elsewhere,
    ]
    for name, content in (
        ("of-others.mcap", b"\x89MCAP0\r\n\x01" + bytes(30)),
        ("short.mcap", b""),
        ("x.jpg", b"\xff"),
    ):
        (folder / name).write_bytes(content)
        stays.append(aged(folder / name, 8))
    (folder / "link.mcap").symlink_to(elsewhere)
    stays.append(folder / "link.mcap")
    Retention(folder, 7).sweep()
    assert [path.exists() for path in goes] == [False] * len(goes)
    assert [path.exists() for path in stays] == [True] * len(stays)


def test_a_recorder_deletes_old_ones_when_it_begins_and_never_itself(tmp_path: Path) -> None:
    old = recording(tmp_path / "old.mcap", 2)
    with Recorder(tmp_path / "new.mcap", keep_days=1) as recorder:
        assert not old.exists()
        recorder.message("events", b"{}", 1)
        aged(tmp_path / "new.mcap", 2)
        recorder._retention._swept_s = None
        recorder.message("events", b"{}", 2)
    assert len(list(Recording(tmp_path / "new.mcap"))) == 2


def test_while_recording_what_grows_too_old_goes(tmp_path: Path) -> None:
    other = recording(tmp_path / "other.mcap", 0.5)
    with Recorder(tmp_path / "new.mcap", keep_days=1) as recorder:
        aged(other, 2)
        recorder.message("events", b"{}", 1)
        assert other.exists()  # it looks once a minute
        recorder._retention._swept_s = None
        recorder.message("events", b"{}", 2)
        assert not other.exists()


def test_without_a_limit_nothing_goes(tmp_path: Path) -> None:
    old = recording(tmp_path / "old.mcap", 10_000)
    recording(tmp_path / "new.mcap")
    Retention(tmp_path, None).sweep()
    assert old.exists()


def test_a_marked_picture_is_still_a_picture(tmp_path: Path) -> None:
    assert np.abs(read_image(picture(tmp_path / "a.jpg", 0)).astype(int) - 90).max() < 4
