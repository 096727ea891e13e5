import logging
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from sensorium.clock import NS_PER_MS, VirtualClock
from sensorium.errors import SourceError
from sensorium.samples import Reading
from sensorium_devices.factory import open_sensor
from sensorium_devices.readings import LONGEST_ROW, ReadingsInput

pytestmark = pytest.mark.usefixtures("no_leaks")


class Racing:
    """So fast that nothing has to be waited for after the first reading."""

    def __init__(self) -> None:
        self._now_ns = 0

    def now_ns(self) -> int:
        self._now_ns += 10**15
        return self._now_ns


def written(folder: Path, text: str) -> str:
    (folder / "gas.csv").write_text(text, "utf-8")
    return str(folder / "gas.csv")


def read_all(source: ReadingsInput) -> list[Reading]:
    source.open()
    found = []
    while (reading := source.read()) is not None:
        found.append(reading)
    source.close()
    return found


def values(readings: list[Reading]) -> list[list[float]]:
    return [reading.values.tolist() for reading in readings]


def test_rows_become_readings_at_the_period_that_was_asked_for(tmp_path: Path) -> None:
    source = ReadingsInput("smell", written(tmp_path, "CO,NO2\n1,2\n3,4\r\n5,6"), Racing(), period_ms=20)
    assert source.open().period_ns == 20 * NS_PER_MS
    found = read_all(source)
    assert values(found) == [[1, 2], [3, 4], [5, 6]]
    assert [r.seq for r in found] == [0, 1, 2]
    assert np.diff([r.captured_ns for r in found]).tolist() == [20 * NS_PER_MS] * 2


@pytest.mark.parametrize(("header", "unit"), [("time", 1.0), ("t_ms", 1e3), ("timestamp_ns", 1e9)])
def test_a_column_of_times_paces_the_rows_and_is_no_value(tmp_path: Path, header: str, unit: float) -> None:
    rows = "".join(f"{second * unit:.0f};{second}\n" for second in (100, 101, 103, 999))
    source = ReadingsInput("smell", written(tmp_path, f"{header};CO\n{rows}"), Racing())
    found = read_all(source)
    assert values(found) == [[100], [101], [103], [999]]
    assert (np.diff([r.captured_ns for r in found]) / 1e9).tolist() == [1, 2, 5]  # a long pause is cut short


def test_bad_rows_are_skipped_counted_and_told_and_an_empty_field_is_nan(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "a,b\n# a comment\n1,2\nnoise\n1\n1,2,3\n\n3,\n5,6\n"
    with caplog.at_level(logging.WARNING):
        source = ReadingsInput("smell", written(tmp_path, text), Racing())
        found = read_all(source)
    np.testing.assert_array_equal(values(found), [[1, 2], [3, np.nan], [5, 6]])
    assert source.bad_rows == 3
    assert "row 3 is no reading (2 numbers wanted): 'noise'; 1 skipped so far" in caplog.text


def test_a_value_too_large_for_a_reading_is_infinite_and_such_a_time_is_none(tmp_path: Path) -> None:
    found = read_all(ReadingsInput("smell", written(tmp_path, "time,gas\n1,2\n1e300,1e92\n3,4\n"), Racing()))
    assert values(found) == [[2], [float("inf")], [4]]


def test_a_file_that_is_none_is_refused_with_what_was_found(tmp_path: Path) -> None:
    for text, reason in [("", "no row of numbers in it"), ("a,b\nc,d\n", r"no row of numbers in it \(1 rows")]:
        with pytest.raises(SourceError, match=f"smell from .*gas.csv: {reason}"):
            ReadingsInput("smell", written(tmp_path, text), VirtualClock(0)).open()
    with pytest.raises(SourceError, match="No such file"):
        ReadingsInput("smell", str(tmp_path / "none.csv"), VirtualClock(0)).open()
    with pytest.raises(SourceError, match="Is a directory"):
        ReadingsInput("smell", str(tmp_path), VirtualClock(0)).open()


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no row of numbers"):
        ReadingsInput("smell", written(tmp_path, "x" * (3 * LONGEST_ROW)), VirtualClock(0)).open()


def test_standard_input_comes_at_its_own_pace_and_closing_ends_a_read_that_waits() -> None:
    reading, writing = os.pipe()
    source = ReadingsInput("touch", "-", VirtualClock(7), stdin=reading)
    assert source.open().period_ns == 0
    os.write(writing, b"0.5 0.25\n")
    first = source.read()
    assert first is not None
    assert (first.captured_ns, first.values.tolist()) == (7, [0.5, 0.25])
    thread = threading.Thread(target=source.read)
    thread.start()
    source.close()
    thread.join(5)
    assert not thread.is_alive()
    os.write(writing, b"")
    os.close(writing)
    os.close(reading)


@pytest.mark.parametrize("text", ["gas.csv", "=gas.csv", "smell=", "a b=gas.csv"])
def test_a_sensor_without_its_name_or_file_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SourceError, match="MODALITY=FILE or MODALITY=-"):
        open_sensor(text, VirtualClock(0))


def test_a_sensor_that_has_an_option_of_its_own_is_sent_there() -> None:
    with pytest.raises(SourceError, match="cannot be called vision: use --camera"):
        open_sensor("vision=gas.csv", VirtualClock(0))
    assert open_sensor("smell=gas.csv", VirtualClock(0)).modality == "smell"
