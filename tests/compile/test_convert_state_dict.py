import pickle
from pathlib import Path

import numpy as np
import pytest

from sensorium_compile.convert.state_dict import MAGIC, read_state_dict
from sensorium_compile.errors import CompileError


def _value(value: object) -> bytes:
    """The opcodes that push a plain value, without protocol and stop."""
    return pickle.dumps(value, 2)[2:-1]


def _tensor(key: str, count: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """The opcodes that push a tensor, as torch.save writes them."""
    storage = b"(" + _value("storage") + b"ctorch\nFloatStorage\n" + _value(key) + _value("cpu") + _value(count)
    place = _value(offset) + _value(shape) + _value(strides) + _value(False)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"NtQ" + place + b"ccollections\nOrderedDict\n)RtR"


def _file(path: Path, content: bytes, storages: dict[str, list[float]]) -> Path:
    parts = [pickle.dumps(MAGIC, 2), pickle.dumps(1001, 2), pickle.dumps({"little_endian": True}, 2)]
    parts += [b"\x80\x02" + content + b".", pickle.dumps(list(storages), 2)]
    for values in storages.values():
        parts += [len(values).to_bytes(8, "little"), np.array(values, "<f4").tobytes()]
    path.write_bytes(b"".join(parts))
    return path


def test_tensors_come_back_by_name_with_their_shape_and_order(tmp_path: Path) -> None:
    content = b"}(" + _value("a") + _tensor("7", 6, 0, (2, 3), (3, 1))
    content += _value("b") + _tensor("7", 6, 1, (2, 2), (1, 3)) + _value("n") + b"Nu"
    state = read_state_dict(_file(tmp_path / "s.pth", content, {"7": [0, 1, 2, 3, 4, 5]}))
    np.testing.assert_array_equal(state["a"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(state["b"], [[1, 4], [2, 5]])
    assert set(state) == {"a", "b"}


def test_a_pickle_that_wants_to_call_something_is_refused(tmp_path: Path) -> None:
    content = b"cposix\nsystem\n(" + _value("touch " + str(tmp_path / "owned")) + b"tR"
    with pytest.raises(CompileError, match=r"no name in a state dict 'posix\.system'"):
        read_state_dict(_file(tmp_path / "s.pth", content, {}))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [((2, 4), (4, 1), 0), ((6,), (1,), 1), ((6,), (-1,), 5), ((2, 3), (3, 1), -1), ((9, 9), (0, 0), 0)],
)
def test_a_tensor_that_reaches_past_its_values_is_refused(
    tmp_path: Path, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> None:
    content = b"}(" + _value("a") + _tensor("7", 6, offset, shape, strides) + b"u"
    with pytest.raises(CompileError, match="reaches past its storage"):
        read_state_dict(_file(tmp_path / "s.pth", content, {"7": [0, 1, 2, 3, 4, 5]}))


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    content = b"}(" + _value("a") + _tensor("7", 6, 0, (6,), (1,)) + b"u"
    path = _file(tmp_path / "s.pth", content, {"7": [0, 1, 2, 3, 4, 5]})
    whole = path.read_bytes()
    for length in (0, 5, 60, len(whole) - 4):
        path.write_bytes(whole[:length])
        with pytest.raises(CompileError, match=r"s\.pth is no PyTorch state dict"):
            read_state_dict(path)
