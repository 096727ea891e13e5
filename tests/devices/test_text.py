import os
import threading
from pathlib import Path

import pytest
from tests.devices.helpers import read_all

from sensorium.clock import VirtualClock
from sensorium.errors import SourceError
from sensorium_devices.text import TextInput

CLOCK = VirtualClock(3)

pytestmark = pytest.mark.usefixtures("no_leaks")


def test_a_file_gives_its_lines_without_the_blank_ones(tmp_path: Path) -> None:
    (tmp_path / "talk.txt").write_text("hello\r\n\n  what is there? \nlast, without an end", "utf-8")
    text = TextInput(str(tmp_path / "talk.txt"), CLOCK)
    text.open()
    lines = read_all(text)
    text.close()
    assert [line.text for line in lines] == ["hello", "what is there?", "last, without an end"]
    assert [(line.seq, line.captured_ns) for line in lines] == [(0, 3), (1, 3), (2, 3)]


def test_a_letter_that_is_cut_between_two_writes_stays_whole() -> None:
    reading, writing = os.pipe()
    text = TextInput("-", CLOCK, stdin=reading)
    text.open()
    os.write(writing, "grün".encode()[:3])
    reader: list[str] = []
    thread = threading.Thread(target=lambda: reader.extend(line.text for line in read_all(text)))
    thread.start()
    os.write(writing, "grün".encode()[3:] + b"\n\xff\n")
    os.close(writing)
    thread.join(5)
    text.close()
    os.close(reading)
    assert reader == ["grün", "\ufffd"]


def test_closing_ends_a_read_that_waits_and_leaves_standard_input_open() -> None:
    reading, writing = os.pipe()
    text = TextInput("-", CLOCK, stdin=reading)
    text.open()
    lines: list[object] = []
    reader = threading.Thread(target=lambda: lines.append(text.read()))
    reader.start()
    text.close()
    reader.join(5)
    assert lines == [None]
    os.write(writing, b"x")
    assert os.read(reading, 1) == b"x"
    os.close(reading)
    os.close(writing)


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    (tmp_path / "endless.txt").write_text("x" * 100_000)
    text = TextInput(str(tmp_path / "endless.txt"), CLOCK)
    text.open()
    lengths = [len(line.text) for line in read_all(text)]
    text.close()
    assert sum(lengths) == 100_000
    assert max(lengths) <= 8_192 + 4_096


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        TextInput(str(tmp_path / "missing.txt"), CLOCK).open()
    with pytest.raises(SourceError, match="Is a directory"):
        TextInput(str(tmp_path), CLOCK).open()
    with pytest.raises(SourceError, match="standard input: Bad file descriptor"):
        TextInput("-", CLOCK, stdin=999).open()
